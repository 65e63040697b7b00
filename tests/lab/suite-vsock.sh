#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Agent and host over vsock on a stock kernel: the kernel's own loopback (CID 1) stands for the hypervisor, all else is real.
# Both are one machine, so the true offset of the clocks is 0: what the recording says of them can be held against that.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?} facts=${O:?}/tests/live/agent
modprobe vsock_loopback 2>/dev/null || { skip vsock/loopback "this kernel has no module vsock_loopback"; exit 0; }
[ -x "$facts" ] || { not_ok vsock/built "$facts is not built"; exit 1; }
dir=$(mktemp -d)
agent=
trap '[ -z "$agent" ] || kill "$agent" 2>/dev/null; rm -rf "$dir"' EXIT
head -c 24 /dev/urandom | base64 >"$dir/token"
head -c 24 /dev/urandom | base64 >"$dir/other"

"$sg" agent --listen vsock:7777 --token-file "$dir/token" 2>"$dir/agent.log" &
agent=$!
for _ in $(seq 600); do grep -q listening "$dir/agent.log" && break; sleep 0.1; done
check vsock/listens "$(tail -n1 "$dir/agent.log")" grep -q 'listening on vsock:7777' "$dir/agent.log"

"$sg" record -a --duration 1s -q -o "$dir/no.sgt" --guest web=vsock:1:7777 --token-file "$dir/other" 2>"$dir/err"
rc=$?
check vsock/wrong-token "status $rc: $(cat "$dir/err")" test "$rc" = 125 -a "$(grep -c 'token' "$dir/err")" = 1
"$sg" record -a --duration 1s -q -o "$dir/no.sgt" --guest web=vsock:1:7778 --token-file "$dir/token" 2>"$dir/err"
rc=$?
check vsock/nobody-there "status $rc: $(cat "$dir/err")" test "$rc" = 125 -a "$(grep -c 'no agent at vsock:1:7778' "$dir/err")" = 1

"$sg" record -a --duration 3s -o "$dir/m.sgt" --guest web=vsock:1:7777 --token-file "$dir/token" 2>"$dir/err"
rc=$?
cat "$dir/err" >&2
check vsock/recorded "status $rc: $(tail -n1 "$dir/err")" test "$rc" = 0
told=$("$facts" check "$dir/m.sgt" 2>&1)
echo "$told" >&2
fact() { printf '%s\n' "$told" | tr ' ' '\n' | sed -n "s/^$1=//p"; }
check vsock/two-machines "$told" test "$(fact machines)" = 2
check vsock/slices "$told" test "$(fact slices1)" -gt 50
check vsock/nothing-strays "$told" test "$(fact stray)" = 0
check vsock/clock-within-its-bound "$told" test "$(fact bad)" = 0 -a "$(fact points)" -ge 2
"$sg" report --tasks thread "$dir/m.sgt" >"$dir/report" 2>&1
check vsock/report "$(tail -n1 "$dir/report")" grep -q '^web:' "$dir/report"
