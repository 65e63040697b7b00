#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# boot.sh [OPTION...] SUITE [ARG...] [O=BUILD]: runs a suite, a bash script, under a stock Debian kernel in QEMU.
#   -k VERSION  kernel, as kernel.sh takes it (6.1)
#   -m MIB      memory (2048)
#   -s N        CPUs (2)
#   -t SECONDS  limit of the whole, boot and suite (300)
#   -a WORDS    more words for the kernel's command line
#   -x WORDS    more words for QEMU
#   -v          the guest's console on standard error
#   -i          one CPU that counts: a nanosecond of the guest is an instruction it executed, however busy this machine is
# No acceleration is asked for: every instruction is emulated, an AMD processor with its virtualisation too. The guest
# sees this machine's root file system and build, read-only; what it writes is gone afterwards, but for /out.
# The suite's output and status are this script's. 124: out of time. 125: the guest never got to the suite's end.
# 77: no QEMU or no kernel here, and one sentence why.
set -u
self=$(realpath "$0") here=$(dirname "$(realpath "$0")")
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
version=6.1 memory=2048 cpus=2 limit=300 append='' extra='' verbose='' accel=tcg,thread=multi counted=
usage() { sed -n 's/^# \{0,1\}//; 3,11p' "$self" >&2; exit 2; }
while getopts k:m:s:t:a:x:vi o; do
	case $o in
	k) version=$OPTARG ;;
	m) memory=$OPTARG ;;
	s) cpus=$OPTARG ;;
	t) limit=$OPTARG ;;
	a) append=$OPTARG ;;
	x) extra=$OPTARG ;;
	v) verbose=1 ;;
	i) counted=1 ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ -z "$counted" ] || { cpus=1 accel=tcg,thread=single extra="$extra -icount shift=0,sleep=off"; }
words=()
for w in "$@"; do
	case $w in O=*) O=${w#O=} ;; *) words+=("$w") ;; esac
done
[ ${#words[@]} -gt 0 ] && [ -f "${words[0]}" ] || usage
tree=$(realpath "$here/../..") suite=$(realpath "${words[0]}")
O=${O:-$tree/build}
O=$(realpath -m "$O")
export O
say() { echo "lab: $*" >&2; }
[ -x "$O/sandglass" ] || { say "$O/sandglass is not built: run make there first"; exit 1; }
case "$tree $O $suite" in
*/var/tmp/*) say 'the tree and the build must not be below /var/tmp: the guest has a disk there'; exit 1 ;;
esac
for tool in qemu-system-x86_64 busybox modprobe cpio mke2fs; do
	command -v $tool >/dev/null || { say "$tool is not installed here: see make deps"; exit 77; }
done
got=$("$here/kernel.sh" "$version") || exit
read -r release kernel modules <<<"$got"

dir=$(mktemp -d "${TMPDIR:-/tmp}/sandglass-lab.XXXXXX") || exit 1
child=
finish() {
	[ -z "$child" ] || { kill -KILL "$child" && wait "$child"; } 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
mkdir "$dir/out" && truncate -s 2G "$dir/disk" && mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 "$dir/disk" || exit 1
"$here/initrd.sh" "$release" "$modules" "$dir/initrd" || exit
cat >"$dir/out/env" <<-ENV
	LAB_TREE='$tree' LAB_O='$O' LAB_SUITE='$suite' LAB_MODULES='$modules' LAB_LIMIT=$((limit - 10))
	export LAB_KERNEL='$kernel' LAB_INITRD='$dir/initrd' LAB_COUNTED='$counted'
	LAB_ARGS='${words[*]:1}'
ENV

# Each dies with the one before it, so that nothing outlives this script, not even when it is killed.
qemu=(setpriv --pdeathsig KILL timeout --foreground -k 5 "$limit" setpriv --pdeathsig KILL
	qemu-system-x86_64 -accel $accel -cpu max -m "$memory" -smp "$cpus" -nodefaults -no-user-config
	-display none -no-reboot -serial "file:$dir/console" -kernel "$kernel" -initrd "$dir/initrd"
	-append "console=ttyS0 loglevel=4 softlockup_all_cpu_backtrace=1 softlockup_panic=1 panic=-1 oops=panic mitigations=off tsc=reliable clocksource=tsc lab.guest=$here/guest.sh lab.rw=$((memory / 2))m $append"
	-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=root,mount_tag=root
	-fsdev "local,id=out,path=$dir/out,security_model=none" -device virtio-9p-pci,fsdev=out,mount_tag=out
	-drive "file=$dir/disk,if=virtio,format=raw,cache=unsafe")
started=$SECONDS
# shellcheck disable=SC2086 # its words
"${qemu[@]}" $extra </dev/null >"$dir/qemu" 2>&1 &
child=$!
wait $child
rc=$?
child=
[ -z "$verbose" ] || cat "$dir/console" "$dir/qemu" >&2
[ ! -f "$dir/out/err" ] || cat "$dir/out/err" >&2
[ ! -f "$dir/out/out" ] || cat "$dir/out/out"
say "Linux $release, ${suite##*/}: $((SECONDS - started)) s"
if [ -s "$dir/out/status" ]; then
	exit "$(cat "$dir/out/status")"
fi
[ -n "$verbose" ] || tail -n 60 "$dir/console" "$dir/qemu" >&2
[ $rc = 124 ] || [ $rc = 137 ] && { say "out of time: $limit s"; exit 124; }
say "the guest ended (QEMU's status $rc) before its suite did"
exit 125
