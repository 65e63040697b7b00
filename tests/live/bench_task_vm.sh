#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench task --env kvm`, small and emulated: the server in a virtual machine, compared with the host; the
# same for a job of `sandglass bench cpu --env kvm`; the machines themselves (tests/live/domain.c); nothing stays behind, however it ends.
. tests/lib.sh
export LC_ALL=C
O=${O:-build}
SANDGLASS=${SANDGLASS:-$PWD/$O/sandglass}
[ "$(id -u)" = 0 ] || { echo "bench task needs root" >&2; exit 77; }
for p in libvirtd qemu-system-x86_64 busybox mke2fs; do
	PATH=$PATH:/usr/sbin:/sbin command -v $p > /dev/null || { echo "no $p here" >&2; exit 77; }
done
tmp=$(mktemp -d /var/tmp/sandglass-vm.XXXXXX)
mkdir -p "$O/vmcache" && cache=$(realpath "$O/vmcache") # kept: the kernel is fetched once
bg=
cleanup() {
	[ -z "$bg" ] || kill "$bg" 2> /dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

# What is left of runs whose maker is gone, within some seconds; nothing when all is as before
left() {
	local what p
	for _ in $(seq 200); do
		what=
		for p in /var/tmp/sandglass-bench-* $(find /sys/fs/cgroup -maxdepth 2 -type d -name 'sandglass-bench-*' 2> /dev/null); do
			[ ! -e "$p" ] || [ -d "/proc/${p##*-}" ] || what="$what $p"
		done
		# of living makers, too, that are none of ours
		for p in $(pgrep -f '[/=]var/tmp/sandglass-bench-[0-9]*/vm/'); do
			p=$(tr '\0' '\n' 2> /dev/null < "/proc/$p/cmdline" | grep -om1 'sandglass-bench-[0-9]*')
			[ -z "$p" ] || [ -d "/proc/${p##*-}" ] || what="$what process-of-$p"
		done
		[ -z "$(grep -ls "$tmp/" /run/sandglass/bench-* 2> /dev/null)" ] || what="$what state"
		[ -z "$(find "$tmp" -name swap -o -name data)" ] || what="$what files"
		! grep -q "^$tmp/" /proc/swaps || what="$what swap"
		[ -n "$what" ] || return
		sleep 0.1
	done
	echo "left behind:$what"
}

# fails NAME STATUS PATTERN OPTION...: ends with that status, a sentence and nothing left
fails() {
	local name=$1 want=$2 pattern=$3 rc bad=
	shift 3
	timeout 60 "$SANDGLASS" bench task "$@" > "$tmp/out" 2> "$tmp/err" < /dev/null
	rc=$?
	[ $rc = "$want" ] || bad="status $rc, not $want; "
	grep -qE "$pattern" "$tmp/err" || bad="${bad}said '$(tail -n2 "$tmp/err")'; "
	verdict "$name" "$bad$(left)"
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
start=$SECONDS
timeout 200 "$SANDGLASS" bench task --env host,kvm --servers 1 --rounds 3 --writes 20000 --pressure 0 --accel tcg --cache "$cache" \
	--json -o "$d" > "$tmp/json" 2> "$tmp/err"
rc=$?
cat "$tmp/err" >&2
echo "host,kvm: $((SECONDS - start)) s" >&2
check run "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
verdict run-leaves-nothing "$(left)"
if [ $rc = 0 ]; then
	tests/live/bench_task_vm.py "$d" "$tmp/json" tcg host kvm > "$tmp/judged"
	check judge "the judge itself failed" [ $? = 0 ]
	cat "$tmp/judged"
fi

# ---- a job of bench cpu, on a CPU of its own
d=$tmp/cpu
cpu=$(awk '/^Cpus_allowed_list/ { split($2, c, "[-,]"); print c[1] }' /proc/self/status)
start=$SECONDS
timeout 200 "$SANDGLASS" bench cpu --env host,kvm --job bzip2 --size 64K --jobs 1 --cpus "$cpu" --pin yes --rounds 1 --accel tcg \
	--cache "$cache" --json -o "$d" > "$tmp/json" 2> "$tmp/err" < /dev/null
rc=$?
cat "$tmp/err" >&2
echo "bench cpu host,kvm: $((SECONDS - start)) s" >&2
check cpu-run "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
verdict cpu-run-leaves-nothing "$(left)"
if [ $rc = 0 ]; then
	tests/live/bench_cpu_vm.py "$d" "$tmp/json" tcg 1 yes > "$tmp/judged"
	check cpu-judge "the judge itself failed" [ $? = 0 ]
	cat "$tmp/judged"
fi

# ---- bad input
fails too-little-memory 2 'does not boot in less than 96M' --env kvm --vm-memory 32M
fails no-node-there 2 'native server only' --env host,kvm --server node
fails no-such-accel 2 'auto, kvm, tcg' --env kvm --accel xen
: > "$tmp/file"
timeout 60 "$SANDGLASS" bench cpu --env kvm --vm-memory 1000G --size 64K -o "$tmp/bad" > "$tmp/out" 2> "$tmp/err" < /dev/null
verdict cpu-too-much-memory "$([ $? = 1 ] || echo "status; ")$(grep -q 'MiB are available: run fewer jobs' "$tmp/err" || tail -n1 "$tmp/err")$(left)"
fails cache-no-folder 1 'cannot use the folder' --env kvm --accel tcg --servers 1 --cache "$tmp/file" -o "$tmp/bad"
if [ ! -e /dev/kvm ]; then
	fails no-kvm 1 '^sandglass: --accel kvm: cannot open /dev/kvm' --env host,kvm --accel kvm --servers 1 --cache "$tmp/unused" -o "$tmp/bad"
	verdict no-kvm-at-once "$(find "$tmp/unused" -mindepth 1 2> /dev/null | tr '\n' ' ')$(grep -v '^sandglass' "$tmp/err")"
else
	skip no-kvm 'there is a /dev/kvm'
fi
mkdir -m 700 "$tmp/theirs" && chown nobody "$tmp/theirs"
[ "$(stat -c %u "$tmp/theirs")" = 0 ] || mkdir "$tmp/theirs/cache"
cp -r "$cache"/kernel-* "$tmp/theirs/cache/"
fails cache-no-way-in 1 'virtual machines cannot enter the folder' --env kvm --accel tcg --servers 1 --cache "$tmp/theirs/cache" -o "$tmp/bad"

# ---- killed while a machine and a hog run
"$SANDGLASS" bench task --env kvm --servers 1 --rounds 100000 --writes 20000 --pressure 1 --hog-size 16M --no-record --accel tcg \
	--cache "$cache" -o "$tmp/kill" > "$tmp/out" 2> "$tmp/err" < /dev/null &
bg=$!
for _ in $(seq 900); do [ -s "$tmp/kill/p1.times.tsv" ] && break; [ -d /proc/$bg ] || break; sleep 0.1; done
check kill-was-running "it did not run: $(tail -n1 "$tmp/err")" [ -d "/proc/$bg" ]
limit=$(find /sys/fs/cgroup -maxdepth 2 -type d -name "sandglass-bench-$bg" 2> /dev/null | while read -r g; do
	grep -qxF "$(pgrep -f "qemu-system.*/sandglass-bench-$bg/vm/" | head -n1)" "$g/cgroup.procs" && echo "$g"
done)
check vmm-in-its-cgroup "the VMM is not in the cgroup with the limit" [ -n "$limit" ]
kill -KILL $bg
wait $bg 2> /dev/null
bg=
verdict killed "$(left)"
