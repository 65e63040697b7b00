#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench task --env kvm`, small and emulated: the server in a virtual machine, compared with the host; the
# same with an agent inside, for a job of `sandglass bench cpu --env kvm`; the machines themselves (tests/live/domain.c); nothing stays behind, however it ends.
. tests/lib.sh
. tests/live/bench_lib.sh
bench_begin task vm libvirtd qemu-system-x86_64 busybox mke2fs
mkdir -p "$O/vmcache" && cache=$(realpath "$O/vmcache") # kept: the kernel is fetched once

left_now() {
	local p
	gone_folders
	gone_groups
	# of living makers, too, that are none of ours
	for p in $(pgrep -f '[/=]var/tmp/sandglass-bench-[0-9]*/vm/'); do
		p=$(tr '\0' '\n' 2> /dev/null < "/proc/$p/cmdline" | grep -om1 'sandglass-bench-[0-9]*')
		[ -z "$p" ] || [ -d "/proc/${p##*-}" ] || echo "process-of-$p"
	done
	still files "$(unfinished)"
	still swap "$(grep "^$tmp/" /proc/swaps)"
}

# ---- the machines themselves; first, as it also makes the image
timeout 200 "$O/tests/live/domain" "$cache" "$SANDGLASS" tcg > "$tmp/out" 2> "$tmp/err"
cat "$tmp/err" >&2
if grep -q 'cannot fetch a kernel' "$tmp/out"; then
	grep -o 'cannot fetch a kernel.*' "$tmp/out" >&2
	exit 77
fi
sed -E 's/^(ok|not ok) /\1 domain-/' "$tmp/out"
verdict domain-leaves-nothing "$(left)"

# ---- the experiment
d=$tmp/run
if experiment run 200 "$SANDGLASS" bench task --env host,kvm --servers 1 --rounds 3 --writes 20000 --pressure 0 --accel tcg --cache "$cache" \
	--json -o "$d"; then
	judged judge tests/live/bench_task_vm.py "$d" "$tmp/printed" tcg host kvm
fi

# ---- from inside, too
d=$tmp/inside
if experiment inside-run 300 "$SANDGLASS" bench task --env host,kvm --inside --servers 1 --rounds 3 --writes 20000 --pressure 0 --accel tcg \
	--cache "$cache" --json -o "$d"; then
	judged judge tests/live/bench_task_inside.py "$d" "$tmp/printed" tcg | sed -E 's/^(ok|not ok) /\1 inside-/'
fi

# ---- a job of bench cpu, on a CPU of its own
d=$tmp/cpu
cpu=$(awk '/^Cpus_allowed_list/ { split($2, c, "[-,]"); print c[1] }' /proc/self/status)
if experiment cpu-run 200 "$SANDGLASS" bench cpu --env host,kvm --job bzip2 --size 64K --jobs 1 --cpus "$cpu" --pin yes --rounds 1 --accel tcg \
	--cache "$cache" --json -o "$d"; then
	judged cpu-judge tests/live/bench_cpu_vm.py "$d" "$tmp/printed" tcg 1 yes
fi

# ---- bad input
fails too-little-memory 2 'does not boot in less than 96M' "$SANDGLASS" bench task --env kvm --vm-memory 32M
fails no-node-there 2 'native server only' "$SANDGLASS" bench task --env host,kvm --server node
fails inside-what 2 'inside is for virtual machines' "$SANDGLASS" bench task --env host,docker --inside
fails inside-unrecorded 2 'inside and --no-record' "$SANDGLASS" bench task --env kvm --inside --no-record
fails inside-too-many 2 'the host and 7 guests at most' "$SANDGLASS" bench task --env kvm --inside --servers 8
fails no-such-accel 2 'auto, kvm, tcg' "$SANDGLASS" bench task --env kvm --accel xen
: > "$tmp/file"
workload=cpu fails cpu-too-much-memory 1 'MiB are available: run fewer jobs' "$SANDGLASS" bench cpu --env kvm --vm-memory 1000G --size 64K \
	-o "$tmp/bad"
fails cache-no-folder 1 'cannot use the folder' "$SANDGLASS" bench task --env kvm --accel tcg --servers 1 --cache "$tmp/file" -o "$tmp/bad"
if [ ! -e /dev/kvm ]; then
	fails no-kvm 1 '^sandglass: --accel kvm: cannot open /dev/kvm' "$SANDGLASS" bench task --env host,kvm --accel kvm --servers 1 \
		--cache "$tmp/unused" -o "$tmp/bad"
	verdict no-kvm-at-once "$(find "$tmp/unused" -mindepth 1 2> /dev/null | tr '\n' ' ')$(grep -v '^sandglass' "$tmp/err")"
else
	skip no-kvm 'there is a /dev/kvm'
fi
mkdir -m 700 "$tmp/theirs" && chown nobody "$tmp/theirs"
[ "$(stat -c %u "$tmp/theirs")" = 0 ] || mkdir "$tmp/theirs/cache"
cp -r "$cache"/kernel-* "$tmp/theirs/cache/"
fails cache-no-way-in 1 'virtual machines cannot enter the folder' "$SANDGLASS" bench task --env kvm --accel tcg --servers 1 --cache "$tmp/theirs/cache" -o "$tmp/bad"

# ---- killed while a machine and a hog run
background "$tmp/kill/p1.times.tsv" "$SANDGLASS" bench task --env kvm --servers 1 --rounds 100000 --writes 20000 --pressure 1 --hog-size 16M \
	--no-record --accel tcg --cache "$cache" -o "$tmp/kill"
limit=$(find /sys/fs/cgroup -maxdepth 2 -type d -name "sandglass-bench-$bg" 2> /dev/null | while read -r g; do
	grep -qxF "$(pgrep -f "qemu-system.*/sandglass-bench-$bg/vm/" | head -n1)" "$g/cgroup.procs" && echo "$g"
done)
check vmm-in-its-cgroup "the VMM is not in the cgroup with the limit" [ -n "$limit" ]
killed
