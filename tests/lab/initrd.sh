#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# initrd.sh RELEASE MODULES FILE [INIT MODULE...]: an initrd of busybox and kernel modules. MODULES is the folder that has
# lib/modules/RELEASE. Without INIT it leads to a root over 9p. Programs named in LAB_ADD are put into its /bin, with their
# libraries.
set -eu
cd "$(dirname "$0")"
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
release=$1 modules=$2 file=$3
shift 3
[ $# != 0 ] || set -- initrd-init.sh virtio_pci 9pnet_virtio 9p overlay
init=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir -p "$dir/bin" "$dir/modules"
cp "$(command -v busybox)" "$dir/busybox"
if ldd "$dir/busybox" >/dev/null 2>&1; then
	echo 'lab: busybox is not a static one: install busybox-static' >&2
	exit 77
fi
install -m755 "$init" "$dir/init"
for program in ${LAB_ADD:-}; do
	cp "$program" "$dir/bin/"
	# Where its loader looks for them, whatever links lead there.
	ldd "$program" 2>/dev/null | grep -o '/[^ ]*' | while read -r lib; do
		[ -e "$dir$lib" ] || install -D "$lib" "$dir$lib"
	done
done

: >"$dir/modules/order"
for top in "$@"; do
	modprobe -d "$modules" -S "$release" --show-depends "$top" 2>/dev/null || true # built in, or not there: the guest will say
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r path; do
	name=${path##*/} && name=${name%.xz} && name=${name%.zst}
	case $path in
	*.xz) xz -dc "$path" ;;
	*.zst) zstd -qdc "$path" ;;
	*) cat "$path" ;;
	esac >"$dir/modules/$name"
	echo "$name" >>"$dir/modules/order"
done
(cd "$dir" && find . | cpio -o -H newc --quiet | gzip -1) >"$file.$$" && mv "$file.$$" "$file"
