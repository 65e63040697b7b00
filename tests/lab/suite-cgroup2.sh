#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# A machine with cgroup v2 alone: the scope of a cgroup, the memory limit of the task workload, and containers: which
# there are, and whose a thread is, under runc and under gVisor, by the daemon's answers and without them.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?}
dir=$(mktemp -d)
top=/var/tmp/docker
daemon=
cleanup() {
	[ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
note() { printf -- '-- %s s: %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2; }

# holds NAME FILE PYTHON: ok when the expressions (with d, the JSON of FILE) raise nothing
holds() { verdict "$1" "$(python3 - "$2" "$3" <<'PY' 2>&1 | tail -n1
import json, sys
d = json.load(open(sys.argv[1]))
for t in d.get("tasks", []):
    assert sum(b["ns"] for b in t["blame"]) == t["latency_ns"], "%s does not sum" % t["name"]
names = {t["name"] for t in d.get("tasks", [])}
exec(sys.argv[2])
PY
)"; }

verdict pure-v2 "$([ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || echo 'no cgroup2 at /sys/fs/cgroup'
	grep ' cgroup ' /proc/mounts)"
"$sg" doctor --dry --json >"$dir/d"
holds doctor-says-v2 "$dir/d" 'assert d["machine"]["cgroup"]["value"] == "v2", d["machine"]["cgroup"]'

# ---- a cgroup, one below it, and a process that comes later
g=/sys/fs/cgroup/sandglass-v2
mkdir -p $g/below
sh -c "echo \$\$ >$g/below/cgroup.procs; while :; do sleep 0.02; done" &
stays=$!
mkfifo "$dir/ready"
"$sg" record -q -o "$dir/g.sgt" -G sandglass-v2 --ready-fd 3 3>"$dir/ready" 2>"$dir/err" &
rec=$!
read -r _ <"$dir/ready"
sh -c "echo \$\$ >$g/cgroup.procs; ls -lR /etc >/dev/null 2>&1"
id >/dev/null
kill -TERM $rec
wait $rec
rc=$?
check scope-record "status $rc: $(tail -n1 "$dir/err")" [ $rc = 0 ]
kill $stays
wait $stays 2>/dev/null
rmdir $g/below $g
"$sg" report --json="$dir/j" "$dir/g.sgt" >/dev/null 2>"$dir/err"
holds scope "$dir/j" 'assert "ls" in names and "sh" in names and not names - {"sh", "ls", "sleep"}, names'
note scope

# ---- the task workload under a memory limit
timeout 120 "$sg" bench task --servers 1 --rounds 2 --writes 100000 --pressure 0,1 --memory 64M --hog own --json -o /var/tmp/bench \
	>"$dir/j" 2>"$dir/err"
rc=$?
check bench-task "status $rc: $(tail -n1 "$dir/err")" [ $rc = 0 ]
[ $rc != 0 ] || holds bench-task-result "$dir/j" 'assert [l["pressure"] for l in d["levels"]] == [0, 1]
assert all(l["n"] == 2 == l["blame_tasks"] and sum(b["ns"] for b in l["blame"]) == l["blame_total_ns"] for l in d["levels"])'
verdict bench-task-leaves-nothing "$(find /sys/fs/cgroup -name 'sandglass-bench-*'; awk 'NR > 1 { print $1 }' /proc/swaps)"
note 'bench task'

# ---- containers
for tool in dockerd containerd runc docker; do
	command -v $tool >/dev/null || { skip containers "$tool is not installed here"; exit 0; }
done
export DOCKER_HOST=unix://$top/docker.sock
mkdir -p $top/image/bin
cp "$(command -v busybox)" $top/image/bin/
for a in sh ls sleep usleep; do ln -s busybox $top/image/bin/$a; done
runsc=$(command -v runsc)
[ -z "$runsc" ] || printf '{"runtimes":{"runsc-ptrace":{"path":"%s","runtimeArgs":["--platform=ptrace","--network=none"]}}}' \
	"$runsc" >$top/daemon.json
[ -n "$runsc" ] || echo '{}' >$top/daemon.json
dockerd --config-file $top/daemon.json --data-root $top/data --exec-root $top/exec -H "$DOCKER_HOST" --pidfile $top/pid \
	--iptables=false --ip6tables=false --bridge=none --storage-driver=vfs >$top/log 2>&1 &
daemon=$!
for _ in $(seq 400); do docker version >/dev/null 2>&1 && break; sleep 0.2; done
tar -C $top/image -c . | docker import - sglab:1 >/dev/null || { not_ok dockerd "$(tail -n3 $top/log)"; exit 0; }
ok dockerd
note dockerd

work='while :; do ls -lR /bin >/dev/null; usleep 20000; done'

# container NAME RUNTIME PLATFORM: start one; identity and scope, asked two ways
container() {
	local name=$1 runtime=$2 platform=$3 id group how options
	if ! docker run -d --name "$name" --runtime "$runtime" --net=none --memory 256m sglab:1 /bin/sh -c "$work" \
		>"$dir/id" 2>"$dir/err"; then
		not_ok "$runtime/start" "$(cat "$dir/err"; tail -n5 $top/log)"
		return
	fi
	id=$(cat "$dir/id")
	group=$(find /sys/fs/cgroup -type d -name "$id")
	note "$name runs"
	for how in engine files; do
		options=(--engine $top/docker.sock)
		[ $how = engine ] || options=(--engine '')
		"$sg" containers --json "${options[@]}" >"$dir/c" 2>"$dir/err"
		holds "$runtime/$how" "$dir/c" "
c = [c for c in d['containers'] if c['id'] == '$id']
assert len(c) == 1, 'it is not among %s' % [c['id'] for c in d['containers']]
c = c[0]
assert c['cgroup_id'] == $(stat -c %i "$group"), 'cgroup id %d, not $(stat -c %i "$group")' % c['cgroup_id']
assert '/sys/fs/cgroup' + c['cgroup'] == '$group', c['cgroup']
assert c['platform'] == '$platform', c['platform']
assert c['pid'] in [int(p) for p in open('$group/cgroup.procs')], c['pid']
assert c['name'] == '$name' or '$how' == 'files' and c['name'] in ('', '$name'), c['name']"
	done
	"$sg" record -q -o "$dir/c.sgt" --engine $top/docker.sock --container "$name" --duration 2s 2>"$dir/err"
	rc=$?
	check "$runtime/record" "status $rc: $(tail -n1 "$dir/err")" [ $rc = 0 ]
	"$sg" report --json="$dir/j" "$dir/c.sgt" >/dev/null 2>"$dir/err"
	note "$name recorded"
}

if ! "$sg" record --help | grep -q -- --container; then
	skip containers 'this build does not record containers'
	exit 0
fi
container plain runc runc
holds runc/scope "$dir/j" 'assert {"sh", "ls", "usleep"} & names and not names - {"sh", "ls", "usleep", "busybox"}, names'
if [ -n "$runsc" ]; then
	container boxed runsc-ptrace ptrace
	holds runsc-ptrace/scope "$dir/j" 'assert names, "no thread of it was seen"'
else
	skip runsc-ptrace 'runsc is not installed here'
fi
docker rm -f plain boxed >/dev/null 2>&1
note end
