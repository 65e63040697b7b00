#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# What can happen to a virtual machine while `record --guest` and `record --vm` take it: it is paused and goes on, its QEMU is
# killed; with "all" also its agent killed, paused for longer than its host is patient, paused at the end, its clocks set, saved to a
# file and restored. Each is one clear sentence, the status says whether all was had, the recorder ends in time, and what had been recorded
# is read, every task whole to the nanosecond.
# Alone: tests/lab/boot.sh -k 6.1 -s 1 -t 900 tests/lab/suite-guestbad.sh [all]
set -u
. tests/lib.sh
. tests/lab/l2.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?} all=${1:-}
tmp=$(mktemp -d)
rec=''
trap 'kill $rec $l2_pid 2>/dev/null; rm -rf "$tmp"' EXIT
note() { printf -- '-- %s s: %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2; }
why=$(l2_ready 2>&1) && why=$(modprobe vhost_vsock 2>&1) || { echo "$why" >&2; exit 77; }
l2_pid=

# ---- the guest: the small one, with an agent, and something that runs now and then
LAB_ADD="$(realpath "$sg")" tests/lab/initrd.sh "$(uname -r)" / "$tmp/initrd" l2-init.sh virtio_pci vmw_vsock_virtio_transport msr
# A monitor of our own: with --vm the recorder listens at the first one.
mkdir "$tmp/monitor"
guest_words=(-initrd "$tmp/initrd" -device vhost-vsock-pci,guest-cid=3 -qmp "unix:$tmp/monitor/qmp,server=on,wait=off")
l2_start b 256 1 "${guest_words[@]}" || { not_ok guest/up 'the nested guest did not come up'; exit 1; }
note 'guest is up'
head -c 24 /dev/urandom | base64 >"$tmp/token"
l2 b "mkdir -p /tmp /run /var/tmp; mount -t tracefs t /sys/kernel/tracing; mount -t debugfs d /sys/kernel/debug; mount -t cgroup2 c /sys/fs/cgroup" >/dev/null
l2 b "echo $(cat "$tmp/token") >/run/token; (while :; do usleep 20000; done) &" >/dev/null
agent() { # in the guest, until it listens
	l2 b 'sandglass agent --listen vsock:7777 --token-file /run/token >/run/agent 2>&1 & echo $! >/run/agent.pid' >/dev/null
	for _ in $(seq 300); do
		l2 b 'cat /run/agent' >"$tmp/agent"
		grep -q listening "$tmp/agent" && return
		sleep 0.3
	done
	not_ok agent "$(tail -n1 "$tmp/agent")"
}
agent
note agent
mkfifo "$tmp/ready" "$tmp/nothing"
exec 9<>"$tmp/nothing"
pause() { read -rt "$1" -u 9; } # without a process, whose start takes long here
qmp() { tests/lab/l2.py qmp "$tmp/monitor" "$@"; }
# record NAME OPTION...: begins, with the guest, and waits until its clock is known
record() {
	name=$1
	shift
	"$sg" record -q -o "$tmp/m.sgt" --probes sched,kvm --guest web=vsock:3:7777 --token-file "$tmp/token" --ready-fd 4 "$@" 4>"$tmp/ready" 2>"$tmp/err" &
	rec=$!
	read -r _ <"$tmp/ready"
	check "$name/begins" "$(tail -n1 "$tmp/err")" kill -0 $rec
	pause 2
}
# ended STATUS SECONDS WORDS...: it has, by then, and said each of the words in one line and nothing more; all it has can be read
ended() {
	local want=$1 most=$2 t0=$SECONDS rc w
	shift 2
	wait $rec
	rc=$?
	rec=
	note "$name: status $rc after $((SECONDS - t0)) s: $(cat "$tmp/err")"
	check "$name/status" "status $rc: $(cat "$tmp/err")" [ $rc = "$want" ]
	check "$name/in-time" "$((SECONDS - t0)) s" [ $((SECONDS - t0)) -le "$most" ]
	for w in "$@"; do
		check "$name/says" "'$w' is not in: $(cat "$tmp/err")" [ "$(grep -cE "$w" "$tmp/err")" = 1 ]
	done
	check "$name/no-more" "$(cat "$tmp/err")" [ "$(grep -c . "$tmp/err")" = $# ]
	"$sg" report --tasks thread --json "$tmp/m.sgt" >"$tmp/json" 2>"$tmp/report"
	verdict "$name/read" "$(cat "$tmp/report")$(python3 - "$tmp/json" <<'PY' 2>&1
import json, sys
d = json.load(open(sys.argv[1]))
of = {m["name"]: m for m in d["machines"]}
bad = [t["name"] for t in d["tasks"] if sum(b["ns"] for b in t["blame"]) != t["latency_ns"]]
guests = [t for t in d["tasks"] if any(b["component"].startswith("web:") for b in t["blame"])]
if bad: print("not whole to the nanosecond:", bad[:5])
if not guests: print("nothing of the guest is in it")
PY
)"
}
int() { kill -INT $rec; }
clock_set='web: a clock was set while it was recorded'

# ---- paused just before the end, between two questions for its time: its clock stands still meanwhile
record late -a
qmp stop >/dev/null
pause 0.3
qmp cont >/dev/null
int
ended 1 20 "$clock_set"

if [ "$all" = all ]; then
	# for longer, and it goes on
	record paused -a
	qmp stop >/dev/null
	pause 1
	qmp cont >/dev/null
	pause 2
	int
	ended 1 20 "$clock_set"

	# its agent is killed, and what it had sent is there
	record agent-killed -a
	l2 b 'kill -KILL $(cat /run/agent.pid)' >/dev/null
	pause 1
	int
	ended 1 20 'guest web: the connection is gone and did not come back; what had come is kept' 'web: the recording has no end'
	agent
	record patient -a
	qmp stop >/dev/null
	pause 17
	qmp cont >/dev/null
	pause 4
	int
	ended 1 30 'guest web: the connection was made anew 1 time; the recording went on' "$clock_set"

	record end-paused --vm "$l2_pid"
	qmp stop >/dev/null
	pause 0.5
	int
	ended 1 40 'guest web: the connection is gone and did not come back; what had come is kept' 'web: the recording has no end' 'virtual machine .* was paused|VM .* was paused'
	qmp cont >/dev/null
	pause 1

	# the wall clock is none of the clocks that matter
	record wall -a
	l2 b 'date -s 2031-01-01' >/dev/null
	pause 2
	int
	ended 0 20

	# 2^32 ticks more: where KVM lets it, the guest's TSC is another from there on
	record tsc -a
	l2 b 'dd if=/dev/cpu/0/msr bs=8 skip=2 count=1 2>/dev/null | hexdump -e "8/1 \"%u \" \"\n\"" >/run/tsc' >/dev/null
	l2 b 'read -r a b c d e f g h </run/tsc; printf "$(printf "\\\\%o" $a $b $c $d $((e + 1)) $f $g $h)" | dd of=/dev/cpu/0/msr bs=8 seek=2 count=1 conv=notrunc' >&2
	pause 2
	int
	ended 1 20 "$clock_set"

	# saved to a file; another QEMU goes on with it, as `virsh save` and `restore` do
	record saved -a
	qmp migrate "{\"uri\":\"exec:cat >$tmp/saved\"}" >/dev/null
	for _ in $(seq 200); do
		qmp query-migrate | grep -q '"completed"' && break
		pause 0.3
	done
	kill "$l2_pid"
	wait "$l2_pid" 2>/dev/null
	note 'saved'
	l2_small b 256 1 "${guest_words[@]}" -incoming "exec:cat $tmp/saved"
	until l2 b true >"$tmp/out" 2>&1; do kill -0 "$l2_pid" || break; pause 0.3; done
	note "restored: $(cat "$tmp/out" "$TMPDIR/l2-b/qemu")"
	pause 4
	int
	ended 1 40 'guest web: the connection was made anew [12] times?; the recording went on' "$clock_set"
fi

# ---- QEMU is killed: the recording of that machine ends by itself
record killed --vm "$l2_pid" --duration 100s
kill -KILL "$l2_pid"
ended 1 30 'guest web: the connection is gone and did not come back; what had come is kept' 'web: the recording has no end'
