#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench task --env kvm`, small and emulated: two servers, each in a virtual machine of two vCPUs, without and with a memory hog
# beside them, compared with the host; one with an agent inside; jobs of `sandglass bench cpu --env kvm`; the machines themselves
# (tests/live/domain.c); nothing stays behind, however it ends. SANDGLASS_LONG=1: four at once, as by default; two with agents.
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

# ---- the machines themselves; first, as it also makes the image; what an earlier making left unfinished goes
mkdir -p "$cache/vm-unfinished.abcdef/root"
timeout 200 "$O/tests/live/domain" "$cache" "$SANDGLASS" tcg > "$tmp/out" 2> "$tmp/err"
cat "$tmp/err" >&2
if grep -q 'cannot fetch a kernel' "$tmp/out"; then
	grep -o 'cannot fetch a kernel.*' "$tmp/out" >&2
	exit 77
fi
sed -E 's/^(ok|not ok) /\1 domain-/' "$tmp/out"
verdict domain-leaves-nothing "$(left)$(ls -d "$cache"/vm-unfinished.* 2> /dev/null)"

# ---- the experiment
d=$tmp/run
if experiment run 300 "$SANDGLASS" bench task --env kvm,host --servers 2 --vcpus 2 --rounds 3 --writes 20000 --pressure 0,1 --memory 400M --hog-size 192M \
	--accel tcg --cache "$cache" --json -o "$d"; then
	judged judge tests/live/bench_task_vm.py "$d" "$tmp/printed" tcg 2 2 0,1 kvm host
fi
if [ "${SANDGLASS_LONG:-}" = 1 ]; then
	d=$tmp/four
	if experiment four-run 1500 "$SANDGLASS" bench task --env kvm,host --rounds 3 --pressure 0,1 --accel tcg --cache "$cache" --json -o "$d"; then
		judged judge tests/live/bench_task_vm.py "$d" "$tmp/printed" tcg 4 1 0,1 kvm host | sed -E 's/^(ok|not ok) /\1 four-/'
	fi
else
	skip four 'four emulated machines at full size take some 10 minutes: SANDGLASS_LONG=1 runs them'
fi

# ---- from inside, too
d=$tmp/inside
several=1
[ "${SANDGLASS_LONG:-}" != 1 ] || several=2
if experiment inside-run $((300 * several)) "$SANDGLASS" bench task --env host,kvm --inside --servers $several --rounds 3 --writes 20000 --pressure 0 --accel tcg \
	--cache "$cache" --json -o "$d"; then
	judged judge tests/live/bench_task_inside.py "$d" "$tmp/printed" tcg $several | sed -E 's/^(ok|not ok) /\1 inside-/'
fi

# ---- jobs of bench cpu, on a CPU of their own, each told from inside, too
d=$tmp/cpu
cpu=$(awk '/^Cpus_allowed_list/ { split($2, c, "[-,]"); print c[1] }' /proc/self/status)
if experiment cpu-run 300 "$SANDGLASS" bench cpu --env host,kvm --inside --size 64K --positions 1 --jobs 1 --cpus "$cpu" --pin yes --rounds 1 --vcpus 2 \
	--accel tcg --cache "$cache" --json -o "$d"; then
	judged cpu-judge tests/live/bench_cpu_vm.py "$d" "$tmp/printed" tcg 1 yes bzip2,gobmk 2
fi

# ---- bad input
fails too-little-memory 2 'does not boot in less than 96M' "$SANDGLASS" bench task --env kvm --vm-memory 32M
fails no-node-there 2 'native server only' "$SANDGLASS" bench task --env host,kvm --server node
fails inside-what 2 'inside is for virtual machines' "$SANDGLASS" bench task --env host,docker --inside
fails inside-unrecorded 2 'inside and --no-record' "$SANDGLASS" bench task --env kvm --inside --no-record
fails inside-too-many 2 'the host and 7 guests at most' "$SANDGLASS" bench task --env kvm --inside --servers 8
fails no-such-accel 2 'auto, kvm, tcg' "$SANDGLASS" bench task --env kvm --accel xen
: > "$tmp/file"
workload=cpu fails cpu-inside-what 2 'inside is for virtual machines: --env kvm$' "$SANDGLASS" bench cpu --inside
workload=cpu fails cpu-inside-too-many 1 'the host and 7 guests at most, not 8: run fewer jobs' "$SANDGLASS" bench cpu --env kvm --inside --jobs 8 \
	--cpus "$(yes "$cpu" | head -n8 | paste -sd,)" --job bzip2 --size 64K -o "$tmp/bad"
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

# ---- stopped while the image is made, and while machines boot
says() { # says TEXT COMMAND...: in the background; returns when it has said that
	"${@:2}" > "$tmp/out" 2> "$tmp/err" < /dev/null &
	bg=$!
	for _ in $(seq 600); do
		grep -q "$1" "$tmp/err" || [ ! -d /proc/$bg ] && return
		sleep 0.05
	done
}
mkdir -m 755 "$tmp/new" && cp -r "$cache"/kernel-* "$tmp/new/"
says "making the virtual machines' image" "$SANDGLASS" bench task --env kvm --servers 1 --pressure 0 --accel tcg --cache "$tmp/new" -o "$tmp/int"
ends_by INT
verdict no-half-image "$(ls -d "$tmp"/new/vm-unfinished.* 2> /dev/null)"
# as many as fit, by default: 1300 MiB are available, less 256 of a hog, and one takes 192 and its monitor
echo 'MemAvailable: 1331200 kB' > "$tmp/meminfo"
says 'booting 3 virtual machines' unshare -m sh -c 'mount --bind "$1" /proc/meminfo && shift && exec "$@"' sh "$tmp/meminfo" \
	"$SANDGLASS" bench task --env kvm --pressure 0,1 --accel tcg --cache "$cache" -o "$tmp/int"
check as-many-as-fit "$(tail -n1 "$tmp/err")" grep -q ': 3 servers: no more virtual machines fit into memory' "$tmp/err"
ends_by TERM

# ---- stopped while it measures and records
background "$tmp/measuring/p0.times.tsv" "$SANDGLASS" bench task --env kvm --servers 1 --rounds 100000 --writes 20000 --pressure 0 \
	--accel tcg --cache "$cache" -o "$tmp/measuring"
ends_by INT measuring-

# ---- killed while a machine and a hog run
background "$tmp/kill/p1.times.tsv" "$SANDGLASS" bench task --env kvm --servers 1 --rounds 100000 --writes 20000 --pressure 1 --hog-size 16M \
	--no-record --accel tcg --cache "$cache" -o "$tmp/kill"
limit=$(find /sys/fs/cgroup -maxdepth 2 -type d -name "sandglass-bench-$bg" 2> /dev/null | while read -r g; do
	grep -qxF "$(pgrep -f "qemu-system.*/sandglass-bench-$bg/vm/" | head -n1)" "$g/cgroup.procs" && echo "$g"
done)
check vmm-in-its-cgroup "the VMM is not in the cgroup with the limit" [ -n "$limit" ]
killed
