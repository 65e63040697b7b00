#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# kernel.sh VERSION | --list: finds or fetches a stock Debian kernel, without installing it.
# VERSION is the begin of one ("6.1", "6.12", "6.1.0-50-amd64"); the newest that fits is taken:
# one in /boot, else one fetched before, else the package of the apt sources of this machine.
# Prints three words: release, path of the kernel, folder that has lib/modules/RELEASE.
# Ends with 77 and one sentence when it cannot be had. $O/lab/kernel keeps what was fetched.
# --list: the series ("6.1") that can be had, one a line.
set -u
cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/sbin:/sbin
version=${1:?kernel.sh VERSION | --list}
mkdir -p "${O:-build}/lab/kernel" && cache=$(realpath "${O:-build}/lab/kernel") || exit 1
cannot() { echo "lab: no kernel $version: $*" >&2; exit 77; }

# plain: of the releases on standard input, those of ordinary kernels
plain() { grep -E '^[0-9][^ ]*-amd64$' | grep -vE -- '-(cloud|rt)-'; }

# newest: of the releases on standard input that VERSION begins, the newest; "6.1" does not begin "6.12"
newest() {
	plain | awk -v v="$version" '$0 == v || (index($0, v) == 1 && substr($0, length(v) + 1) ~ /^[^0-9]/)' | sort -V | tail -n1
}

answer() { # RELEASE KERNEL MODULES
	[ -r "$2" ] && [ -r "$3/lib/modules/$1/modules.dep" ] || return 1
	printf '%s %s %s\n' "$1" "$2" "$3"
	exit 0
}

# Folders of drivers that no virtual machine of ours has: two thirds of the package.
rest='drivers/gpu drivers/media drivers/net/ethernet drivers/net/wireless drivers/infiniband drivers/staging drivers/iio
	drivers/usb drivers/hid drivers/mtd drivers/isdn drivers/hwmon drivers/input sound'

# unpack RELEASE PACKAGE...: kernel and modules into the cache, whole or not at all
unpack() {
	local release=$1 new=$cache/.new.$$ deb not=()
	shift
	rm -rf "$new" && mkdir -p "$new/usr/lib" && ln -s usr/lib "$new/lib" || return 1
	for d in $rest; do not+=(--exclude="*/kernel/$d"); done
	for deb in "$@"; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$new" --keep-directory-symlink --no-same-owner "${not[@]}" \
			--exclude='./usr/share' --exclude='./etc' || return 1
	done
	for k in "$new/boot/vmlinuz-$release" "$new/usr/lib/modules/$release/vmlinuz" "$new"/usr/lib/*/*/"vmlinuz-$release"; do
		[ -f "$k" ] && mv "$k" "$new/vmlinuz" && break
	done
	rm -rf "$new/boot"
	[ -f "$new/vmlinuz" ] && depmod -b "$new" "$release" && mv "$new" "$cache/$release"
}

# What there is: installed, fetched before, offered by apt
installed() { find /boot -maxdepth 1 -name 'vmlinuz-*' -printf '%f\n' 2>/dev/null | sed 's/^vmlinuz-//'; }
fetched() { find "$cache" -maxdepth 1 -mindepth 1 -type d -printf '%f\n'; }
offered() { apt-cache pkgnames linux-image- 2>/dev/null | sed -n 's/^linux-image-\([0-9].*\)/\1/p'; }

# download: newest package of VERSION, and what it needs, into $debs; sets release
download() {
	local packages
	release=$(offered | newest)
	[ -n "$release" ] || return 1
	# From 7.x on the modules are a package of their own, and the lists of what is built in another one.
	packages=$(apt-cache depends "linux-image-$release" 2>/dev/null |
		sed -nE 's/^ *(Pre)?Depends: (linux-(base|binary|modules)-[0-9].*)/\2/p' | sort -u)
	# shellcheck disable=SC2086 # names of packages
	(cd "$debs" && timeout 300 apt-get download -qq "linux-image-$release" $packages >log 2>&1)
}

fetch() {
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || cannot 'this is no Debian'
	mkdir "$debs" || exit 1
	# The lists may be missing, or older than the mirror.
	download || { [ "$(id -u)" = 0 ] && timeout 200 apt-get update -qq >/dev/null 2>&1 && download; } || {
		cat "$debs/log" >&2 2>/dev/null
		[ -n "$release" ] && cannot "apt-get could not download linux-image-$release"
		cannot 'the apt sources of this machine do not offer one'
	}
	unpack "$release" "$debs"/*.deb >&2 || cannot "linux-image-$release could not be unpacked into $cache"
}

if [ "$version" = --list ]; then
	{ installed; fetched; offered; } | plain | sed -E 's/^([0-9]+\.[0-9]+).*/\1/' | sort -uV
	exit 0
fi
release=$(installed | newest)
[ -z "$release" ] || answer "$release" "/boot/vmlinuz-$release" /
debs=$cache/.debs.$$
trap 'rm -rf "$debs" "$cache/.new.$$"' EXIT
exec 9>"$cache/.lock" && flock -w 600 9 || exit 1
for again in 0 1; do
	release=$(fetched | newest)
	[ -z "$release" ] || answer "$release" "$cache/$release/vmlinuz" "$cache/$release"
	[ $again = 1 ] || fetch
done
cannot "what was fetched is not whole; remove $cache"
