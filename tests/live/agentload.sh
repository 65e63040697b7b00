#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# A real recorder behind a real agent, under a load that counts its own context switches (switches.c): what arrives is held
# against these counts, thread by thread (tally.c). The connection is cut, the host is stopped, the recorder's threads for
# names get no CPU: no switch is missing or there twice but for what is told as lost.
set -u
. tests/lib.sh
. tests/live/agent_lib.sh
agent_end() { kill "$agent"; wait "$agent"; }
load() { "$live/switches" "$@" >"$dir/counts"; }
tally() { # NUMBER: what the recording has of the machine of that number
	told=$("$live/tally" "$dir/m.sgt" "$1" "$dir/counts" 2>&1)
	echo "$told" >&2
}
whole() { [ "$(fact made)" -gt 1000 ] && [ "$(fact found)" = "$(fact made)" ] && [ "$(fact missing)$(fact extra)$(fact double)" = 000 ]; }
most_kib() { awk '/VmHWM/ { print $2 }' "/proc/$1/status"; }

# ---- every switch of a modest load, of each kind --------------------------------------------------------------
agent_start
host_start "$at" -o "$dir/m.sgt"
# 4 pairs of 2500 turns a second: 20,000 switches a second, and each pair of its own kind
for kind in pipe eventfd futex yield; do "$live/switches" $kind 1 3 2500 >"$dir/counts.$kind" & loads+=("$!"); done
wait "${loads[@]}"
host_end
grep -h -v all "$dir"/counts.* >"$dir/counts"
tally 1
check agentload/recorded "status $rc: $(tail -n1 "$dir/err")" test "$rc" = 0
check agentload/every-switch "$told" whole
check agentload/nothing-lost "$told" test "$(fact lost)" = 0 -a "$(fact damage)" = -
agent_end

# ---- threads beside the drain stand still ------------------------------------------------------------------------
# Symbols are looked up, and guests attended, by threads of low priority. Wherever these are put off the CPU, the thread that
# drains the rings must not wait for one of them.
begun "$sg" record -q -a -F 999 --stack-threshold 1us -o "$dir/m.sgt"
load pipe 4 6 4000 &
loads=$!
told=$("$live/holdup" "$rec" 120 30 2>&1)
echo "threads of low priority stood still 120 times: $told" >&2
check agentload/drain-waits-for-nobody "$told" test "$(fact threads)" -ge 2 -a "$(fact waits)" = 0
wait "$loads"
host_end
tally 0
check agentload/drain-every-switch "$told" whole

# ---- the connection is cut under load, twice, and the host stands still -----------------------------------------------------------
cat >"$dir/relay.py" <<'PY'
# Passes bytes on to the agent; when told (a byte on standard input) it cuts all connections and lets nobody in for as many seconds.
import os, select, socket, sys, time
to = (sys.argv[1].split(":")[1], int(sys.argv[1].split(":")[2]))
def listen(port):
    l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("127.0.0.1", port)); l.listen(8)
    return l
l = listen(0); port = l.getsockname()[1]
print("tcp:127.0.0.1:%d" % port, flush=True)
other = {}
def drop(s):
    for x in (s, other.pop(s, None)):
        if x: other.pop(x, None); x.close()
while True:
    for s in select.select([0, l, *other], [], [])[0]:
        if s == 0:
            word = os.read(0, 1)
            if not word: sys.exit()
            l.close()
            for x in list(other): drop(x)
            time.sleep(int(word)); l = listen(port)
            break
        if s is l:
            h = l.accept()[0]
            g = socket.create_connection(to); other[h], other[g] = g, h
        elif s in other:
            try:
                d = s.recv(65536)
                other[s].sendall(d) if d else drop(s)
            except OSError: drop(s)
PY
relay_start() { # to the agent at $at; its own place in $place
	[ -z "${relay:-}" ] || { kill "$relay"; wait "$relay"; } 2>/dev/null
	coproc RELAY { exec python3 "$dir/relay.py" "$at"; }
	relay=$RELAY_PID
	pids+=("$relay")
	read -r place <&"${RELAY[0]}"
}
agent_start
relay_start
host_start "$place" -o "$dir/m.sgt"
load pipe 6 8 4000 &
loads=$!
sleep 1
echo -n 1 >&"${RELAY[1]}"
sleep 2
kill -STOP "$rec"
sleep 1.5
kill -CONT "$rec"
sleep 0.5
echo -n 1 >&"${RELAY[1]}"
wait "$loads"
until_true 30 grep -q 'the host is back' "$dir/agent.log"
host_end
tally 1
check agentload/cut "status $rc: $(tail -n1 "$dir/err")" test "$rc" = 0
check agentload/cut-told "$(cat "$dir/err")" grep -q 'guest web: the connection was made anew [123] times; the recording went on' "$dir/err"
check agentload/cut-every-switch "$told" whole
check agentload/cut-nothing-lost "$told" test "$(fact lost)" = 0 -a "$(fact damage)" = -
agent_end

# ---- and for longer than a small spool lasts -----------------------------------------------------------------------
agent_start --spool 1M
relay_start
host_start "$place" -o "$dir/m.sgt"
load eventfd 6 8 8000 &
loads=$!
sleep 2
echo -n 4 >&"${RELAY[1]}"
wait "$loads"
until_true 30 grep -q 'the host is back' "$dir/agent.log"
kib=$(most_kib "$agent")
host_end
tally 1
check agentload/spool "status $rc: $(tail -n1 "$dir/err")" test "$rc" = 0
check agentload/spool-once "$told" test "$(fact extra)" = 0 -a "$(fact double)" = 0
dropped=$(sed -n 's/.*guest web: [0-9]* blocks of \([0-9]*\) events (.*) found no room in the agent.s spool while the host was away and are LOST;.*/\1/p' "$dir/err")
check agentload/spool-told "$(cat "$dir/err")" test "${dropped:-0}" -gt 0
check agentload/spool-all-told "$dropped dropped: $told" test "$(fact missing)" -gt 0 -a "$(fact missing)" -le "${dropped:-0}"
check agentload/spool-is-lost "$told" test "$(fact lost)" -gt 0
lost=$(sed -n 's/^guest web .* events, \([0-9]*\) lost, .*/\1/p' "$dir/err")
check agentload/spool-counted "$(cat "$dir/err")" test "${lost:-0}" -ge "${dropped:-1}"
check agentload/spool-told-once "$(cat "$dir/err")" test "$(grep -c 'LOST\|left out' "$dir/err")" = 1
check agentload/spool-goes-on "$told" test $(($(fact span_ns) / 1000000)) -gt 7500
check agentload/spool-memory "the agent took $kib KiB" test "$kib" -lt 24576
"$sg" report --tasks thread --json="$dir/j" "$dir/m.sgt" >/dev/null 2>&1
python3 - "$dir/j" <<'PY'
import json, sys
lost = sum(b["ns"] for t in json.load(open(sys.argv[1]))["tasks"] for b in t["blame"] if b["cause"] == "unknown.lost" and b["component"].startswith("web:"))
print("ok agentload/spool-is-unknown" if lost > 1e9 else "not ok agentload/spool-is-unknown %d ns of threads of the guest are unknown.lost" % lost)
PY
agent_end
