#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# An agent and its host on one machine, over TCP: what arrives is what was recorded, byte by byte, whatever becomes of the
# connection; the clocks' true offset is 0, which the printed bound must cover; every refusal is one sentence.
set -u
. tests/lib.sh
. tests/live/agent_lib.sh
t=$live/agent
head -c 24 /dev/urandom | base64 >"$dir/other"
serve() { # LOG SPOOL SLICES RATE: an agent whose recording is known; its place in $at
	"$t" serve "$dir/token" "$2" "$3" "$4" 2>"$1" &
	last=$!
	pids+=("$last")
	until_true 60 grep -qs listening "$1"
	at=$(place "$1")
}
size_is() { [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]; }

# ---- what an undisturbed connection brings, and how fast ----------------------------------------------------
slices=1000000
"$t" emit $slices 0 >"$dir/want" &
ref=$!
pids+=("$ref")
serve "$dir/log1" 64M $slices 0
began=$(date +%s%N)
# until all has come: then the recorder waits to be stopped
"$t" take "$at" "$dir/token" "$dir/got" 4 >"$dir/out1" 2>&1 &
taker=$!
until_true 60 grep -qs begun "$dir/out1"
whole() { size_is "$dir/got" 5000000; }
until_true 60 whole
took=$((($(date +%s%N) - began) / 1000000))
wait $taker
kill -INT $ref
wait $ref
told=$(tail -n1 "$dir/out1")
echo "$slices slices in about $took ms: $told" >&2
check agent/complete "$told" test "$(fact complete)" = 1
check agent/same-bytes "the guest's recording is not what arrived: $told" cmp -s "$dir/want" "$dir/got"
check agent/200000-slices-per-second "$slices slices took $took ms" test "$took" -lt $((slices / 200))

# ---- the connection breaks, again and again -------------------------------------------------------------------
cat >"$dir/proxy.py" <<'PY'
# Passes bytes on between a host and an agent; every connection is cut off after so many of them, in mid-frame.
import socket, sys, threading
to, cut, out = (sys.argv[1].split(":")[1], int(sys.argv[1].split(":")[2])), int(sys.argv[2]), sys.argv[3]
l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen(8)
open(out, "w").write("tcp:127.0.0.1:%d\n" % l.getsockname()[1])
def pump(a, b, limit):
    n = 0
    try:
        while limit is None or n < limit:
            d = a.recv(16384)
            if not d: break
            b.sendall(d); n += len(d)
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
while True:
    h, _ = l.accept(); g = socket.create_connection(to)
    threading.Thread(target=pump, args=(h, g, None), daemon=True).start()
    threading.Thread(target=pump, args=(g, h, cut), daemon=True).start()
PY
serve "$dir/log2" 64M 300000 150000
python3 "$dir/proxy.py" "$at" 400000 "$dir/proxy" &
proxy=$!
pids+=("$proxy")
"$t" emit 300000 0 >"$dir/want2" &
ref=$!
pids+=("$ref")
until_true 30 test -s "$dir/proxy"
"$t" take "$(cat "$dir/proxy")" "$dir/token" "$dir/got2" 3 >"$dir/out2" 2>&1
kill -INT $ref
wait $ref
told=$(tail -n1 "$dir/out2")
echo "cut off every 400 kB: $told" >&2
check agent/breaks "the connection was to break: $told" test "$(fact breaks)" -ge 2
check agent/resumed "$told" test "$(fact complete)" = 1 -a "$(fact dropped)" = 0
check agent/same-bytes-after-breaks "$told" cmp -s "$dir/want2" "$dir/got2"

# ---- a host that sleeps: the spool's bound, and what it costs -----------------------------------------------------
serve "$dir/log3" 1M 3000000 0
"$t" take "$at" "$dir/token" "$dir/got3" 6 >"$dir/out3" 2>&1 &
taker=$!
pids+=("$taker")
until_true 60 grep -qs begun "$dir/out3"
kill -STOP $taker
sleep 3 # the recorder fills sockets and spool meanwhile; how far it gets is not judged
rss=$(awk '/VmHWM/ { print $2 }' /proc/$last/status)
kill -CONT $taker
wait $taker
told=$(tail -n1 "$dir/out3")
echo "slept 3 s with a spool of 1M: $told; agent's memory at most $rss KiB" >&2
check agent/spool-bound "the agent took $rss KiB" test "$rss" -lt 24576
check agent/spool-told "$told" test "$(fact complete)" = 1 -a "$(fact dropped)" -gt 0
told=$("$t" check "$dir/got3" 2>&1)
check agent/spool-gap-is-damage "$told" eval 'printf "%s" "$told" | grep -q "damaged places\{0,1\} \(was\|were\) left out"'

# ---- a host that is killed; the next one; two at once ---------------------------------------------------------------
"$t" take "$at" "$dir/token" "$dir/got4" 60 >"$dir/out4" 2>&1 &
taker=$!
pids+=("$taker")
until_true 60 grep -qs begun "$dir/out4"
"$t" take "$at" "$dir/token" "$dir/got5" 1 >"$dir/out5" 2>&1
check agent/one-host-at-a-time "$(cat "$dir/out5")" grep -q 'guest web: the agent serves another host: one at a time' "$dir/out5"
kill -KILL $taker
wait $taker 2>/dev/null
until_true 30 grep -q 'the host went away' "$dir/log3"
"$t" take "$at" "$dir/token" "$dir/got6" 1 >"$dir/out6" 2>&1
told=$(tail -n1 "$dir/out6")
check agent/next-host "$told" test "$(fact complete)" = 1
check agent/gave-up "$(tail -n3 "$dir/log3")" grep -q 'is given up' "$dir/log3"

# ---- refusals ------------------------------------------------------------------------------------------------------
refused() { # NAME WORDS ARGS...: record must say one sentence with the words, exit 125 and leave nothing
	local name=$1 words=$2 rc
	shift 2
	"$sg" record -a --duration 1s -o "$dir/no.sgt" "$@" 2>"$dir/err"
	rc=$?
	check "agent/$name" "status $rc: $(cat "$dir/err")" test $rc = 125 -a "$(grep -c . "$dir/err")" = 1 -a "$(grep -c "$words" "$dir/err")" = 1
	check "agent/$name-leaves-nothing" "$(ls "$dir" | tr '\n' ' ')" eval '! ls "$dir"/no*.sgt >/dev/null 2>&1'
}
refused wrong-token 'guest web: the token is not the agent' --guest "web=$at" --token-file "$dir/other"
check agent/wrong-token-told "$(tail -n1 "$dir/log3")" grep -q 'a host was refused: it does not know the token' "$dir/log3"
cat >"$dir/fake.py" <<'PY'
# Says hello as an agent of version 7, or answers an agent as a host of version 9; prints what it is told.
import socket, struct, sys
def frame(t, p): return struct.pack("<IHHI", 0x314b4c53, t, 0, len(p)) + p
if sys.argv[1] == "agent":
    l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen(1)
    open(sys.argv[2], "w").write("tcp:127.0.0.1:%d\n" % l.getsockname()[1])
    c, _ = l.accept(); c.sendall(frame(1, b"SGAGENT\n" + struct.pack("<HHI", 7, 8, 0) + bytes(32)))
else:
    h, p = sys.argv[2].split(":")[1:]
    c = socket.create_connection((h, int(p))); c.recv(60)
    c.sendall(frame(2, struct.pack("<HHHH", 9, 0, 0, 0) + bytes(64)))
c.settimeout(20)
b = b""
while len(b) < 500:
    d = c.recv(4096)
    if not d: break
    b += d
print(b[20:].split(b"\0")[0].decode())
PY
python3 "$dir/fake.py" agent "$dir/fake" >"$dir/fake.out" &
fake=$!
pids+=("$fake")
until_true 30 test -s "$dir/fake"
refused wrong-version 'speaks version 7 of the protocol and this sandglass version 2' --guest "web=$(cat "$dir/fake")" --token-file "$dir/token"
wait $fake
check agent/version-told-agent "$(cat "$dir/fake.out")" grep -q 'run the same sandglass on both sides' "$dir/fake.out"
python3 "$dir/fake.py" host "$at" >"$dir/fake.out"
check agent/version-told-host "$(cat "$dir/fake.out")" grep -q 'run the same sandglass on both sides' "$dir/fake.out"
refused nobody-there 'there is no agent at tcp:127.0.0.1:1' --guest web=tcp:127.0.0.1:1 --token-file "$dir/token"
echo short >"$dir/short"
refused no-token 'is no token' --guest web=tcp:127.0.0.1:1 --token-file "$dir/short"

# ---- the real thing: both ends record this machine, one agent dies --------------------------------------------------
"$sg" agent --listen tcp:127.0.0.1:0 --token-file "$dir/token" 2>"$dir/log7" &
agent=$!
pids+=("$agent")
until_true 60 grep -qs listening "$dir/log7"
serve "$dir/log8" 64M 3000000 20000
"$sg" record -o "$dir/m.sgt" --keep-parts --guest "web=$(place "$dir/log7")" --guest "db=$at" --token-file "$dir/token" \
	-- sh -c 'perf bench sched pipe -l 60000 >/dev/null; kill -KILL '"$last"'; sleep 1' 2>"$dir/err"
rc=$?
cat "$dir/err" >&2
check agent/record "status $rc: $(tail -n1 "$dir/err")" test $rc = 0
check agent/dead-guest-told "$(cat "$dir/err")" grep -q 'guest db: the connection is gone and did not come back; what had come is kept' "$dir/err"
told=$("$t" check "$dir/m.sgt" 2>&1)
echo "$told" >&2
check agent/three-machines "$told" test "$(fact machines)" = 3
check agent/both-recorded "$told" test "$(fact slices1)" -gt 100000
check agent/nothing-lost "$told" test "$(fact lost1)" = 0
check agent/nothing-strays "$told" test "$(fact stray)" = 0

# ---- the parts again, by hand: the same bytes in any order; clocks that nothing tells are refused -----------------------
"$sg" merge "$dir/m.host.sgt" "$dir/m.db.sgt" "$dir/m.web.sgt" -q -o "$dir/a.sgt" 2>"$dir/err"
check agent/merge "$(cat "$dir/err")" test $? = 0
"$sg" merge "$dir/m.host.sgt" "$dir/m.web.sgt" "$dir/m.db.sgt" -q -o "$dir/b.sgt" 2>"$dir/err"
check agent/merge-any-order "$(cat "$dir/err")" cmp -s "$dir/a.sgt" "$dir/b.sgt"
"$sg" merge "$dir/m.host.sgt" "$dir/m.web.sgt" -q -o "$dir/c.sgt"
told=$("$t" check "$dir/c.sgt" 2>&1)
echo "$told" >&2
check agent/clock-within-its-bound "$told" test "$(fact bad)" = 0 -a "$(fact points)" -ge 2
"$sg" merge "$dir/m.web.sgt" "$dir/got" -o "$dir/d.sgt" 2>"$dir/err"
rc=$?
check agent/merge-no-clock "status $rc: $(cat "$dir/err")" test $rc = 1 -a "$(grep -c 'nothing tells its clock' "$dir/err")" = 1 -a ! -e "$dir/d.sgt"
"$sg" report --tasks thread "$dir/m.sgt" >"$dir/report" 2>&1
check agent/report "$(tail -n1 "$dir/report")" grep -q '^web:' "$dir/report"
