#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Containers by name and id, with the daemon's help and without it: a dockerd of the test's own.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
PATH=$PATH:/usr/sbin:/sbin
for c in dockerd containerd runc docker; do
	command -v $c >/dev/null || { echo "$c is not installed (Debian: docker.io)" >&2; exit 77; }
done
sg=${SANDGLASS:?}
. tests/live/own_dockerd.sh
cleanup() {
	ids=$(dk ps -aq 2>/dev/null) && [ -n "$ids" ] && dk rm -f $ids >/dev/null 2>&1
	[ -n "${daemon:-}" ] && kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
	daemon_gone
}
trap cleanup EXIT

daemon_start
web=$(dk run -d --network none --name web sgtest:1 /idle) || { not_ok start "runc does not start"; exit 1; }
names=web
if [ -n "$runsc" ]; then
	if dk run -d --network none --runtime box-ptrace --name box sgtest:1 /idle >/dev/null 2>"$dir/err"; then
		names="web box"
	else
		skip gvisor "runsc does not start here: $(tail -1 "$dir/err")"
	fi
fi

# ---- the list, held against docker inspect; with the daemon and without it
for n in $names; do
	dk inspect --format '{{.Id}} {{.State.Pid}} {{.HostConfig.Runtime}} {{.Config.Image}}' $n
done >"$dir/inspect"
agrees() { # JSON
	python3 - "$1" "$dir/inspect" "$parent" $names <<'PY' 2>&1
import json, os, sys
have = {c["name"]: c for c in json.load(open(sys.argv[1]))["containers"]}
for name, line in zip(sys.argv[4:], open(sys.argv[2])):
    id, pid, runtime, image = line.split()
    c = have[name]
    want = {"id": id, "pid": int(pid), "runtime": runtime, "image": image, "manager": "docker", "running": True,
            "platform": "ptrace" if name == "box" else "runc", "cgroup": "/%s/%s" % (sys.argv[3], id)}
    for k, v in want.items():
        assert c[k] == v, "%s: %s is %r, not %r" % (name, k, c[k], v)
    at = next(d for d in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup") if os.path.isdir(d + c["cgroup"]))
    assert c["cgroup_id"] == os.stat(at + c["cgroup"]).st_ino, "cgroup_id"
    assert c["cpu_ns"] > 0 and c["memory_bytes"] > 0, "usage"
PY
}
"$sg" containers --engine "$sock" --json >"$dir/j"; verdict list-engine "$(agrees "$dir/j")"
"$sg" containers --engine '' --json >"$dir/j"; verdict list-without "$(agrees "$dir/j")"
DOCKER_HOST=unix://$sock "$sg" containers --json >"$dir/j"; verdict list-default "$(agrees "$dir/j")"
"$sg" containers --engine "$sock" >"$dir/out"
verdict list-table "$(grep -qE "^${web:0:12} +web +sgtest:1 +runc +runc +[0-9]+ +[0-9.]+ s +[0-9.]+ [MG]iB /$parent/$web" "$dir/out" || cat "$dir/out")"
timeout -s INT 2 "$sg" containers --engine "$sock" --watch 500ms --json >"$dir/j"
verdict watch "$(python3 - "$dir/j" <<'PY' 2>&1
import json, sys
f = [json.loads(l)["containers"] for l in open(sys.argv[1])]
assert len(f) >= 3, len(f)
use = [c["cpu_percent"] for l in f[1:] for c in l]
assert use and all(0 <= u < 400 for u in use), use
PY
)"
says list-no-daemon 1 "no.*$dir/absent" "$sg" containers --engine "$dir/absent"

# ---- a recording of one container holds its threads and no others
record() { # NAME HOW...
	local name=$1
	shift
	timeout 60 "$sg" record -q -o "$dir/r.sgt" --duration 400ms --container "$@" 2>"$dir/err" || { not_ok "$name" "$(cat "$dir/err")"; return; }
	"$sg" report --json="$dir/j" "$dir/r.sgt" 2>/dev/null
	verdict "$name" "$(python3 - "$dir/j" "container $want (sgtest:1)" <<'PY' 2>&1
import json, sys
d = json.load(open(sys.argv[1]))
assert sys.argv[2] in json.dumps(d["recording"]), d["recording"]
names = {t["name"] for t in d["tasks"]}
assert names, "nothing recorded"
if " web " in sys.argv[2]:
    assert names == {"idle"}, names
    slept = sum(b["ns"] for t in d["tasks"] for b in t["blame"] if b["cause"] == "timer.sleep")
    assert slept > 200e6, slept
for t in d["tasks"]:
    assert sum(b["ns"] for b in t["blame"]) == t["latency_ns"], "blame does not sum"
PY
)"
}
want=web
record by-name web --engine "$sock"
record by-prefix "${web:0:12}" --engine "$sock"
record without-daemon web --engine ''
case $names in *box*) want=box; record gvisor-by-name box --engine "$sock"; record gvisor-without-daemon box --engine '' ;; esac
timeout 60 "$sg" run --json="$dir/j" --engine "$sock" --container web -- sleep 0.3 2>"$dir/err"
verdict run-with "$(python3 - "$dir/j" <<'PY' 2>&1
import json, sys
t = json.load(open(sys.argv[1]))["tasks"][0]
assert t["latency_ns"] >= 300e6 and sum(b["ns"] for b in t["blame"]) == t["latency_ns"]
PY
)"

# ---- words that name none, or several
rec="$sg record -q -o $dir/bad.sgt --duration 10s --engine $sock"
says no-such 125 "no container has the name 'nobody' or an id that begins so" $rec --container nobody
says no-such-without 125 "no container has the name 'nobody'" "$sg" record -q -o "$dir/bad.sgt" --engine '' --container nobody
says hostile-name 125 "no container has the name 'a\?\[31m\?'" $rec --container $'a\033[31m\xff'
says no-daemon 125 "no.*$dir/absent" "$sg" record -q -o "$dir/bad.sgt" --engine "$dir/absent" --container web
says not-a-daemon 125 "." "$sg" record -q -o "$dir/bad.sgt" --engine "$dir/daemon.json" --container web
dk create --network none --name cold sgtest:1 /idle >/dev/null
says not-running 125 "container cold \([0-9a-f]{12}\) is not running" $rec --container cold
for ((i = 0; i < 17; i++)); do # two of seventeen begin with the same digit
	twice=$(dk ps -aq | cut -c1 | sort | uniq -d | head -1)
	[ -n "$twice" ] && break
	dk create --network none sgtest:1 /idle >/dev/null
done
says ambiguous 125 "'$twice' fits [0-9]+ containers: $twice" $rec --container "$twice"
"$sg" record --container web --container box 2>"$dir/err"; code=$?
verdict twice "$([ $code = 2 ] && grep -q 'given twice' "$dir/err" || echo "$code: $(cat "$dir/err")")"
"$sg" record --container web -G x 2>"$dir/err"; code=$?
verdict with-cgroup "$([ $code = 2 ] && grep -q 'one cgroup' "$dir/err" || echo "$code: $(cat "$dir/err")")"
verdict nothing-written "$([ ! -e "$dir/bad.sgt" ] || echo "a recording was begun")"

# ---- it ends while it is recorded
dk run -d --network none --name brief sgtest:1 /idle >/dev/null
mkfifo "$dir/ready"
timeout 60 "$sg" record -o "$dir/g.sgt" --engine "$sock" --container brief --duration 30s --ready-fd 3 2>"$dir/err" 3>"$dir/ready" &
recorder=$!
read -r _ <"$dir/ready"
sleep 0.5 # there is something to tell then
dk kill brief >/dev/null
wait $recorder; code=$?
verdict gone "$([ $code = 1 ] && grep -q 'the container exited' "$dir/err" || echo "$code: $(cat "$dir/err")")"
"$sg" report "$dir/g.sgt" >"$dir/out" 2>&1
verdict gone-report "$(grep -q '^idle: ' "$dir/out" || cat "$dir/out")"

# ---- the daemon dies, its containers do not
kill -KILL $daemon; wait $daemon 2>/dev/null
says dead-daemon 125 "$sock" $rec --container web
"$sg" containers --engine '' --json >"$dir/j"; verdict list-dead "$(agrees "$dir/j")"
want=web
record dead-without web --engine ''
