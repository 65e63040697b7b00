#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Swap-out by victim: two processes share a memory limit, one only holds memory while the other grows.
# The pages booked on the victims are the kernel's own count, within 1 %.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?}
dir=$(mktemp -d /var/tmp/sandglass-swapout.XXXXXX)
v1=/sys/fs/cgroup/memory v2=/sys/fs/cgroup
cg=
cleanup() {
	swapoff "$dir/swap" 2>/dev/null
	[ -n "$cg" ] && rmdir "$cg" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
if [ -w $v1/memory.limit_in_bytes ] || [ -d $v1 ]; then
	cg=$v1/sandglass-swapout-$$
	mkdir "$cg" && echo 96M >"$cg/memory.limit_in_bytes" || { echo "no memory controller" >&2; exit 77; }
elif grep -qw memory $v2/cgroup.controllers 2>/dev/null; then
	echo +memory >$v2/cgroup.subtree_control 2>/dev/null
	cg=$v2/sandglass-swapout-$$
	mkdir "$cg" && echo 96M >"$cg/memory.max" || { echo "no memory controller" >&2; exit 77; }
else
	echo "no memory controller" >&2; exit 77
fi
fallocate -l 400M "$dir/swap" && chmod 600 "$dir/swap" && mkswap -q "$dir/swap" && swapon "$dir/swap" ||
	{ echo "no swap file can be made in /var/tmp" >&2; exit 77; }

cat >"$dir/hog.c" <<'C'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	size_t n = (size_t)atoi(argv[1]) << 20;
	char *p = malloc(n);
	unsigned long x = 88172645463325252ul;
	(void)argc;
	for (size_t i = 0; i < n; i += 8) { x ^= x << 13; x ^= x >> 7; x ^= x << 17; memcpy(p + i, &x, 8); }
	sleep(atoi(argv[2]));
	return p[n / 2];
}
C
gcc -O1 "$dir/hog.c" -o "$dir/victim" && cp "$dir/victim" "$dir/grower"
"$sg" record -q -F 0 --no-stacks -o "$dir/s.sgt" -a -- sh -c "echo \$\$ >$cg/cgroup.procs
	$dir/victim 64 4 & sleep 1.5; $dir/grower 128 0; wait" 2>"$dir/err"
"$sg" report --oracle --json="$dir/j" "$dir/s.sgt" 2>>"$dir/err" >/dev/null || { not_ok report "$(cat "$dir/err")"; exit 0; }
python3 - "$dir/j" <<'PY'
import json, sys
s = json.load(open(sys.argv[1]))["swapout"]
by = {}
for v in s["victims"]: by[v["process"]] = by.get(v["process"], 0) + v["pages"]
print("swap-out: ours %d, kernel %d, victims %s" % (s["pages"], s["kernel_pages"], by))
def say(name, ok, why): print("ok %s" % name if ok else "not ok %s %s" % (name, why))
say("swapped", s["kernel_pages"] > 10000, "only %d pages" % s["kernel_pages"])
say("within-1-percent", abs(s["pages"] - s["kernel_pages"]) <= s["kernel_pages"] / 100, "%d against %d" % (s["pages"], s["kernel_pages"]))
say("victim-named", by.get("victim", 0) > 8000, "%s" % by)
PY
