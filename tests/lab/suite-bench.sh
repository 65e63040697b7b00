#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# The published experiments in virtual machines of a real KVM: `sandglass bench cpu` and `bench task` with --accel kvm, whole
# (libvirtd of its own, an image made here, machines booted, recorded, explained, removed), as small as they go. With
# "all" also one from inside, by an agent, and Docker Engine in a virtual machine, which takes longest.
# Alone: tests/lab/boot.sh -k 6.1 -s 1 -m 3072 -t 1500 tests/lab/suite-bench.sh
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
choice=${1:-short}
sg=${SANDGLASS:?}
for p in libvirtd qemu-system-x86_64 busybox mke2fs bzip2; do
	command -v $p >/dev/null || { echo "no $p here" >&2; exit 77; }
done
modprobe kvm_amd 2>/dev/null || modprobe kvm_intel 2>/dev/null
[ -c /dev/kvm ] || { echo 'no /dev/kvm in the lab: its processor has no virtualisation' >&2; exit 77; }
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
	"$sg" bench "$@" --accel kvm --cache $cache -o "/var/tmp/$name" >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
	sed 's/^/-- /' "$tmp/err" "$tmp/out" >&2
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

# ---- jobs on one CPU, alone and two at once, which wait for each other
bench cpu cpu --env host,kvm --job bzip2 --size 256K --jobs 1,2 --cpus 0,0 --pin both --rounds 1 &&
	tests/live/bench_cpu_vm.py /var/tmp/cpu - kvm 1,2 both | sed -E 's,^(ok|not ok) ,\1 cpu/,'

# ---- a server in a virtual machine, and on the host
bench task task --env kvm,host --servers 1 --rounds 3 --writes 20000 --pressure 0 &&
	tests/live/bench_task_vm.py /var/tmp/task - kvm kvm host | sed -E 's,^(ok|not ok) ,\1 task/,'

# ---- the same from inside, too: its marks, its causes, the host's view of its vCPU
if [ "$choice" = all ]; then
	bench inside task --env kvm,host --inside --servers 1 --rounds 3 --writes 20000 --pressure 0 &&
		tests/live/bench_task_inside.py /var/tmp/inside - kvm | sed -E 's,^(ok|not ok) ,\1 inside/,'
else
	skip inside 'left out for time: suite-bench.sh all runs it'
fi

# ---- the same below Docker Engine
if [ "$choice" != all ]; then
	skip docker 'left out for time: suite-bench.sh all runs it'
	exit 0
fi
bench docker task --env docker-in-kvm,host --servers 1 --rounds 3 --writes 20000 --pressure 0 &&
	tests/live/bench_task_vm.py /var/tmp/docker - kvm docker-in-kvm host | sed -E 's,^(ok|not ok) ,\1 docker/,'
