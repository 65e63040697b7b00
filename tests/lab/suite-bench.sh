#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# The published experiments in virtual machines of a real KVM: `sandglass bench cpu` and `bench task` with --accel kvm, whole
# (libvirtd of its own, an image made here, machines booted, recorded, explained, removed), as small as they go. With
# "all" also two at once under memory pressure; GNU Go and two servers from inside, by an agent; and Docker Engine in
# two virtual machines, which takes longest. The name of one part (cpu task two gobmk inside docker) runs it alone.
# Alone: tests/lab/boot.sh -k 6.1 -s 1 -m 3072 -t 1500 tests/lab/suite-bench.sh
set -u
. tests/lib.sh
. tests/lab/l2.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
choice=${1:-short}
sg=${SANDGLASS:?}
for p in libvirtd qemu-system-x86_64 busybox mke2fs bzip2; do
	command -v $p >/dev/null || { echo "no $p here" >&2; exit 77; }
done
modprobe kvm_amd 2>/dev/null || modprobe kvm_intel 2>/dev/null
[ -c /dev/kvm ] || { echo 'no /dev/kvm in the lab: its processor has no virtualisation' >&2; exit 77; }
! l2_odd || { echo "this kernel does not boot as a guest of the lab's whole emulated processor, which is what bench gives it (l2.sh)" >&2; exit 77; }
tmp=$(mktemp -d) cache=/var/tmp/cache
trap 'rm -rf "$tmp"' EXIT
note() { printf -- '-- %s s: %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2; }

# The kernel of the virtual machines is this one: bench takes the newest of /boot that has its modules.
mkdir -p /boot && cp "$LAB_KERNEL" "/boot/vmlinuz-$(uname -r)" || exit 1

# What is left of a run that has ended; nothing when all is as before
left() {
	local what
	for _ in $(seq 50); do
		what="$(find /sys/fs/cgroup /var/tmp -maxdepth 2 -name 'sandglass-bench-*') $(pgrep -f '[/=]var/tmp/sandglass-bench-' | tr '\n' ' ')"
		what="$what $(find /var/tmp -maxdepth 3 \( -name swap -o -name data \)) $(ls /run/sandglass 2>/dev/null)"
		what="$what $(awk 'NR > 1 { print $1 }' /proc/swaps)"
		[ -n "${what//[[:space:]]/}" ] || return
		sleep 0.2
	done
	echo "left behind: $what"
}

# bench NAME WORD...: its table is shown, $tmp/json has its result; fails when it failed
bench() {
	local name=$1 rc
	shift
	note "$name begins"
	"$sg" bench "$@" --accel kvm --cache $cache -o "/var/tmp/$name" 2>&1 >"$tmp/out" </dev/null | tee "$tmp/err" | sed -u 's/^/-- /' >&2
	rc=${PIPESTATUS[0]}
	sed 's/^/-- /' "$tmp/out" >&2
	# five minutes: that guests come up at all is for suite-kvm.sh to say
	if grep -q 'is not up after' "$tmp/err"; then
		skip "$name/run" "$(tail -n1 "$tmp/err"): the machine is too slow for it, or busy"
	else
		check "$name/run" "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
	fi
	verdict "$name/leaves-nothing" "$(left)"
	note "$name ended"
	return $rc
}

# judged PART SCRIPT WORD...: what a judge of its results says
judged() {
	local name=$1 script=tests/live/$2
	shift 2
	PYTHONDONTWRITEBYTECODE=1 python3 "$script" "/var/tmp/$name" - kvm "$@" >"$tmp/judged"
	check "$name/judge" 'the judge itself failed' [ $? = 0 ]
	sed -E "s,^(ok|not ok) ,\1 $name/," "$tmp/judged"
}

# wanted PART: it is the one that was asked for, or all were; else said to be skipped
wanted() {
	case $choice in
	all | "$1") return 0 ;;
	short) case $1 in cpu | task) return 0 ;; esac ;;
	esac
	skip "$1" 'left out for time: suite-bench.sh all runs it'
	return 1
}

# slow_disk: a folder on a disk that takes half a millisecond for everything; the lab's own is so quick beside its processor that no memory is
# missed. Sets $slow
slow_disk() {
	slow=$tmp/slow
	mkdir -p "$slow"
	modprobe null_blk nr_devices=1 gb=1 memory_backed=1 queue_mode=2 irqmode=2 completion_nsec=500000 &&
		mke2fs -q -t ext4 /dev/nullb0 && mount /dev/nullb0 "$slow" || { not_ok slow-disk 'none'; return 1; }
}

# ---- jobs on one CPU, alone and two at once, which wait for each other
wanted cpu && bench cpu cpu --env host,kvm --job bzip2 --size 256K --jobs 1,2 --cpus 0,0 --pin both --rounds 1 &&
	judged cpu bench_cpu_vm.py 1,2 both bzip2 1

# ---- a server in a virtual machine, and on the host
wanted task && bench task task --env kvm,host --servers 1 --rounds 3 --writes 20000 --pressure 0 &&
	judged task bench_task_vm.py 1 1 0 kvm host

# ---- two at once, whose memory the host swaps to a slow disk when a hog comes
if wanted two && slow_disk; then
	bench two task --env kvm,host --servers 2 --rounds 3 --writes 20000 --pressure 0,1 --memory 400M --hog-size 192M \
		--swap "$slow/swap" &&
		judged two bench_task_vm.py 2 1 0,1 kvm host
	umount "$slow" && rmmod null_blk || not_ok two/slow-disk-goes 'it is still there'
fi

# ---- the other job, from inside too
wanted gobmk && bench gobmk cpu --env host,kvm --inside --job gobmk --positions 1 --jobs 1 --cpus 0 --pin yes --rounds 1 &&
	judged gobmk bench_cpu_vm.py 1 yes gobmk 1

# ---- two servers, from inside too: their marks, their causes, the host's view of their vCPUs
wanted inside && bench inside task --env kvm,host --inside --servers 2 --rounds 3 --writes 20000 --pressure 0 &&
	judged inside bench_task_inside.py 2

# ---- two below Docker Engine
wanted docker && bench docker task --env docker-in-kvm,host --servers 2 --rounds 3 --writes 20000 --pressure 0 &&
	judged docker bench_task_vm.py 2 1 0 docker-in-kvm host
exit 0
