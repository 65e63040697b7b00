#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# A host that goes away for good, one that comes back too late, a disk that is full, a wall clock that is set, recordings made
# apart: one clear sentence each, the status that says so, and what was recorded is kept. Who is no host as it should be, or none at all,
# does not take a host's recording away.
set -u
. tests/lib.sh
. tests/live/agent_lib.sh
set_ns=0 # by how much the wall clock was set
undo() {
	[ "$set_ns" = 0 ] || "$live/order" step $((-set_ns))
	mountpoint -q "$dir/small" && umount "$dir/small"
}
said() { # NAME STATUS WORDS: one line of the last host has the words
	check "agentbad/$1" "status $rc: $(cat "$dir/err")" test "$rc" = "$2" -a "$(grep -c "$3" "$dir/err")" = 1
}
has_child() { [ -n "$(cat "/proc/$1/task/$1/children")" ]; }
wall() { "$live/order" step "$1" && set_ns=$((set_ns + $1)); }

# ---- a host that is gone for good ------------------------------------------------------------------------------
agent_start --spool 1M --hold 4s
host_start "$at" -o "$dir/gone.sgt"
"$live/switches" pipe 4 30 8000 >/dev/null &
load=$!
pids+=("$load")
sleep 1
recorder=$(tr -d ' ' <"/proc/$agent/task/$agent/children")
kill -KILL "$rec"
wait "$rec" 2>/dev/null
until_true 30 grep -q 'the host went away' "$dir/agent.log"
check agentbad/gone-goes-on "the recorder ended with its host" has_child "$agent"
check agentbad/gone-given-up "$(cat "$dir/agent.log")" until_true 60 grep -q 'the host did not come back: its recording is given up' "$dir/agent.log"
gone() { ! kill -0 "$1" 2>/dev/null; }
check agentbad/gone-recorder "process $recorder still records" until_true 10 gone "$recorder"
kib=$(awk '/VmHWM/ { print $2 }' "/proc/$agent/status")
check agentbad/gone-memory "the agent took $kib KiB" test "$kib" -lt 24576
echo "an agent without its host for 4 s: $kib KiB at most" >&2
told=$("$sg" report "$dir/gone.web.sgt" 2>&1)
check agentbad/gone-part-is-kept "$(printf '%s' "$told" | tail -n1)" eval 'printf "%s" "$told" | grep -q "no end\|cut off"'
host_start "$at" -o "$dir/next.sgt"
sleep 0.5
host_end
check agentbad/gone-next "status $rc: $(tail -n1 "$dir/err")" test "$rc" = 0 -a -s "$dir/next.sgt"
kill "$load"
kill "$agent"
wait "$agent"
check agentbad/agent-ends "status $?" test $? = 0

# ---- one that comes back too late ---------------------------------------------------------------------------------
agent_start --hold 1s
cat >"$dir/relay.py" <<'PY'
# One connection to the agent is passed on until there is a byte on standard input; nobody is let in for four seconds, then all are.
import os, select, socket, sys, time
to = (sys.argv[1].split(":")[1], int(sys.argv[1].split(":")[2]))
def listen(port):
    l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("127.0.0.1", port)); l.listen(8)
    return l
l = listen(0); port = l.getsockname()[1]
print("tcp:127.0.0.1:%d" % port, flush=True)
while True:
    h = l.accept()[0]; g = socket.create_connection(to); l.close()
    while True:
        ready = select.select([0, h, g], [], [])[0]
        if 0 in ready: break
        s = ready[0]; d = s.recv(65536)
        if not d: sys.exit()
        (g if s is h else h).sendall(d)
    if not os.read(0, 1): sys.exit()
    h.close(); g.close(); time.sleep(4); l = listen(port)
PY
coproc RELAY { exec python3 "$dir/relay.py" "$at"; }
pids+=("$RELAY_PID")
read -r at <&"${RELAY[0]}"
host_start "$at" -o "$dir/late.sgt"
"$live/switches" pipe 2 1.5 2000 >"$dir/counts"
sleep 1.5 # a recorder writes what it has once a second
echo -n x >&"${RELAY[1]}"
until_true 30 grep -q 'given up' "$dir/agent.log"
sleep 4
host_end
said late 1 'guest web: the agent no longer has that recording: it was given up, or the agent has restarted'
told=$("$live/tally" "$dir/late.sgt" 1 "$dir/counts" 2>&1)
echo "$told" >&2
check agentbad/late-keeps "$told" test "$(fact made)" -gt 1000 -a "$(fact missing)" = 0 -a "$(fact extra)" = 0
kill "$agent"
wait "$agent"

# ---- one that says what can't be ------------------------------------------------------------------------------------
knock() { # SPOOL RATE HOW ARGS...: against a fresh agent whose recorder is known; what it tells in $told
	rm -f "$dir/agent.log"
	"$live/agent" serve "$dir/token" "$1" 4000000 "$2" 2>"$dir/agent.log" &
	agent=$!
	pids+=("$agent")
	until_true 60 grep -qs listening "$dir/agent.log"
	shift 2
	told=$("$live/knock" "$1" "$(place "$dir/agent.log")" "$dir/token" "${@:2}" 2>&1)
	kib=$(awk '/VmHWM/ { print $2 }' "/proc/$agent/status")
	echo "knock $*: $told; the agent's memory at most $kib KiB" >&2
	kill "$agent"
	wait "$agent"
}
for what in ack resume; do
	knock 4M 2000 wrong $what
	check "agentbad/wrong-$what" "$told" eval 'printf "%s" "$told" | grep -q "^back=1 .*refused=the host \(says\|asks\)"'
done

# What the agent has and has not sent, no host can have: what is held for it stays.
knock 64M 0 ahead 0
check agentbad/wrong-ahead "$told" test "$(fact bytes)" -gt 0 -a "$(fact bytes)" -lt 8000000
check agentbad/wrong-ahead-told "$told" eval 'printf "%s" "$told" | grep -q "refused=the host says that it has what was not sent"'

# ---- a guest whose agent is none: asked to end it never does, or it goes on with what it had not begun --------------------
"$sg" record -q -o "$dir/play.sgt" -- perf bench sched pipe -l 20000 >/dev/null
player() { # HOW RATE OPTIONS...: such an agent, and record, which is in $rec
	rm -f "$dir/agent.log"
	"$live/knock" "$1" tcp:127.0.0.1:0 "$dir/token" "$dir/play.sgt" "$2" 2>"$dir/agent.log" >"$dir/played" &
	agent=$!
	pids+=("$agent")
	until_true 60 grep -qs listening "$dir/agent.log"
	shift 2
	host_start "$(place "$dir/agent.log")" -o "$dir/played.sgt" "$@"
	sleep 3
}
# It is told, status 1, within so many seconds; and what had come is there: the guest's recording but for its end
played() { # NAME SECONDS WORDS
	wait "$agent"
	told=$(cat "$dir/played")
	echo "$told" >&2
	said "$1" 1 "guest web: $3"
	check "agentbad/$1-in-time" "$((SECONDS - began)) s: $told" test $((SECONDS - began)) -le "$2"
	told=$("$live/agent" check "$dir/played.sgt" 2>&1)
	check "agentbad/$1-is-kept" "$told" test "$(fact machines)" = 2 -a "$(fact slices1)" -gt 30000
}
player flood 0 --guest-rest 8M
began=$SECONDS
host_end
size=$(stat -c %s "$dir/played.sgt")
played flood 30 'it sent more than 8.0 MiB after its end was asked for and was cut off; what had come is kept'
check agentbad/flood-size "$size bytes" test "$size" -lt 24000000
player flood 20000
kill -INT "$rec"
sleep 2
began=$SECONDS
host_end
played flood-interrupted 20 'interrupted before the rest of its recording had come; what had come is kept'
player other 0
began=$SECONDS
host_end
played other 20 'its agent goes on with another recording than it had begun; what had come is kept'

# ---- its connection breaks while more strangers come again and again than there are places ----------------------------
knock 4M 2000 crowd 400 10
check agentbad/crowd "$told" test "$(fact back)" = 1
check agentbad/crowd-memory "the agent took $kib KiB" test "$kib" -lt 24576

# and a host that is slow to prove itself, as on a busy machine
knock 4M 2000 mob 200 20
check agentbad/crowd-slow "$told" test "$(fact in)" -ge 18

# ---- many who speak something else: told, but not one by one ----------------------------------------------------------
agent_start
python3 - "$at" <<'PY'
import socket, sys
to = (sys.argv[1].split(":")[1], int(sys.argv[1].split(":")[2]))
for i in range(500):
    s = socket.create_connection(to); s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    try:
        while s.recv(4096): pass
    except OSError: pass
PY
n=$(grep -c 'does not speak the protocol' "$dir/agent.log")
check agentbad/strangers-are-told "$n of 500 lines" test "$n" -ge 1 -a "$n" -lt 100
kill "$agent"
wait "$agent"

# ---- it asks and asks, and never listens ------------------------------------------------------------------------------
knock 4M 2000 deaf 2000000
check agentbad/deaf-memory "the agent took $kib KiB: $told" test "$kib" -lt 40960
check agentbad/deaf-was-deaf "$told" test "$(fact asked)" -gt 500000

# ---- no room for the guest's part -----------------------------------------------------------------------------------
agent_start
mkdir "$dir/small"
mount -t tmpfs -o size=200k none "$dir/small"
host_start "$at" -o "$dir/small/full.sgt"
"$live/switches" pipe 4 3 8000 >/dev/null
kill -INT "$rec" 2>/dev/null # it may have ended: its own recording has no room either
ended
said full 125 'guest web: its recording can.t be written: No space left on device'
said full-host 125 'writing the recording failed: No space left on device; what was written before can be read'
told=$("$sg" report "$dir/small/full.web.sgt" 2>&1)
check agentbad/full-part-is-kept "$(printf '%s' "$told" | tail -n1)" eval 'printf "%s" "$told" | grep -q "no end\|cut off"'
umount "$dir/small"
kill "$agent"
wait "$agent"

# ---- the wall clock is set while a guest is recorded: only CLOCK_MONOTONIC and the TSC matter ---------------------------
if wall 50000000 2>"$dir/wall"; then
	wall -50000000
	agent_start
	host_start "$at" -o "$dir/wall.sgt"
	"$live/switches" futex 2 3 2000 >"$dir/counts" &
	load=$!
	sleep 1
	wall 50000000
	sleep 1
	wall -50000000
	wait "$load"
	host_end
	check agentbad/wall-clock "status $rc: $(cat "$dir/err")" test "$rc" = 0 -a "$(grep -c 'clock was set' "$dir/err")" = 0
	told=$("$live/agent" check "$dir/wall.sgt" 2>&1)
	echo "$told" >&2
	check agentbad/wall-clock-bound "$told" test "$(fact bad)" = 0 -a "$(fact points)" -ge 2
	told=$("$live/tally" "$dir/wall.sgt" 1 "$dir/counts" 2>&1)
	check agentbad/wall-clock-whole "$told" test "$(fact made)" -gt 1000 -a "$(fact missing)" = 0 -a "$(fact extra)" = 0
	kill "$agent"
	wait "$agent"
else
	skip agentbad/wall-clock "$(cat "$dir/wall")"
fi

# ---- two recordings made apart, of processes that take turns -------------------------------------------------------------
cat >"$dir/turns.py" <<'PY'
# Two processes take turns over pipes, and mark them. Prints their process ids; a line on standard input begins.
import os, sys, time
n = int(sys.argv[1])
a, b = os.pipe(), os.pipe()
pid = os.fork()
me, get, put = ("x", b[0], a[1]) if pid else ("y", a[0], b[1])
if pid:
    print(os.getpid(), pid, flush=True)
    sys.stdin.readline()
for i in range(n):
    if not pid: os.read(get, 1)
    os.access("/.sandglass/begin/%d/%s" % (i + 1, me), os.F_OK)
    os.access("/.sandglass/end/%d/0" % (i + 1), os.F_OK)
    os.write(put, b".")
    if pid: os.read(get, 1)
if pid: os.waitpid(pid, 0); sys.stdin.readline()
PY
apart() { # COMMAND...: two recorders and the turns; the command is run when the guest's has ended; the host's goes on for three seconds
	coproc TURNS { exec python3 "$dir/turns.py" 2000; }
	pids+=("$TURNS_PID")
	read -r x y <&"${TURNS[0]}"
	begun "$sg" record -q -p "$y" -o "$dir/web.sgt"
	local guest=$rec
	begun "$sg" record -q -p "$x" -o "$dir/host.sgt"
	echo >&"${TURNS[1]}"
	wait "$guest"
	"$@"
	sleep 3
	echo >&"${TURNS[1]}"
	ended
}
merged() { # NAME OPTIONS...: the turns alternate, and nothing contradicts the bound that is told
	local name=$1
	shift
	"$sg" merge -q "$dir/host.sgt" "$dir/web.sgt" -o "$dir/m.sgt" "$@" 2>"$dir/err"
	rc=$?
	told=$("$live/order" "$dir/m.sgt" 2>&1)
	echo "$*: $told" >&2
	check "agentbad/$name" "status $rc: $(cat "$dir/err") $told" test "$rc" = 0 -a "$(fact turns)" = 2000 -a "$(fact guest)" = 2000 -a "$(fact wrong)$(fact bad)$(fact unplaced)" = 000
}
not_merged() { # NAME WORDS OPTIONS...: one sentence, status 1, no file
	local name=$1 words=$2
	shift 2
	rm -f "$dir/m.sgt"
	"$sg" merge "$dir/host.sgt" "$dir/web.sgt" -o "$dir/m.sgt" "$@" 2>"$dir/err"
	rc=$?
	check "agentbad/$name" "status $rc: $(cat "$dir/err")" test "$rc" = 1 -a "$(grep -c . "$dir/err")" = 1 -a "$(grep -c "$words" "$dir/err")" = 1 -a ! -e "$dir/m.sgt"
}
apart true
merged apart-one-boot
merged apart-tsc --tsc-offset 0
merged apart-realtime --realtime 1ms
check agentbad/apart-realtime-bound "$told" test "$(fact bound_ns)" -ge 1000000
merged apart-offset --offset web=0
"$sg" merge -q "$dir/host.sgt" "$dir/web.sgt" -o "$dir/m.sgt" --offset 5000000
told=$("$live/order" "$dir/m.sgt" 2>&1)
check agentbad/apart-order-is-judged "an offset of 5 ms passed: $told" test "$(fact wrong)" -gt 100
not_merged apart-bad-offset "takes .NAME=.OFFSET" --tsc-offset web=x
if wall 50000000 2>/dev/null; then
	wall -50000000
	apart wall 50000000
	wall -50000000
	not_merged apart-host-set "the host.s CLOCK_REALTIME was set by more than the bound while it was recorded" --realtime 1ms
	merged apart-set-tsc --tsc-offset 0
	# and the other way about: the host's recording had ended before, the guest's holds the step
	"$sg" merge -q "$dir/web.sgt" "$dir/host.sgt" -o "$dir/m.sgt" --realtime 1ms 2>"$dir/err"
	rc=$?
	said apart-guest-set 1 'host-2: a clock was set while it was recorded (.*): from there on its events have no place'
	told=$("$live/agent" check "$dir/m.sgt" 2>&1)
	check agentbad/apart-guest-set-is-kept "$told" test "$(fact machines)" = 2 -a "$(fact slices1)" -gt 4000
else
	skip agentbad/apart-host-set "$(cat "$dir/wall")"
fi
