#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench task --env`, small: the servers in containers of runc and gVisor, compared with the host.
. tests/lib.sh
export LC_ALL=C
SANDGLASS=${SANDGLASS:-$PWD/${O:-build}/sandglass}
[ "$(id -u)" = 0 ] || { echo "bench task needs root" >&2; exit 77; }
for p in dockerd containerd runc runsc busybox; do
	PATH=$PATH:/usr/sbin:/sbin command -v $p > /dev/null || { echo "no $p here" >&2; exit 77; }
done
tmp=$(mktemp -d /var/tmp/sandglass-env.XXXXXX)
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
		! grep -qs 'sandglass-bench-' /proc/self/mounts || what="$what mounts"
		[ -z "$(pgrep -f '[/=]var/tmp/sandglass-bench-[0-9]*/')" ] || what="$what processes"
		[ -z "$(grep -ls "$tmp/" /run/sandglass/bench-* 2> /dev/null)" ] || what="$what state"
		[ -z "$(find "$tmp" -name swap -o -name data)" ] || what="$what files"
		[ -n "$what" ] || return
		sleep 0.1
	done
	echo "left behind:$what"
}

d=$tmp/run
timeout 200 "$SANDGLASS" bench task --env host,docker,gvisor-ptrace --servers 2 --rounds 3 --writes 100000 --pressure 0 --json \
	-o "$d" > "$tmp/json" 2> "$tmp/err"
rc=$?
cat "$tmp/err" >&2
check run "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
verdict run-leaves-nothing "$(left)"
if [ $rc = 0 ]; then
	python3 - "$d" "$tmp/json" > "$tmp/judged" << 'PY'
import json, sys
d, printed = sys.argv[1:]
r = json.load(open(printed))
bad = {}
def need(name, cond, why=''):
    bad.setdefault(name, [])
    if not cond:
        bad[name].append(str(why))
envs = ['host', 'docker', 'gvisor-ptrace']
need('same-json', r == json.load(open(d + '/result.json')))
need('environments', [e['env'] for e in r['environments']] == envs)
need('one-limit', len({e['memory_bytes'] for e in r['environments']}) == 1)
for e in r['environments']:
    need('own-json', e == json.load(open('%s/%s/result.json' % (d, e['env']))))
    l = e['levels'][0]
    need('counts', l['n'] == 6, l['n'])
    need('blame-sums', sum(b['ns'] for b in l['blame']) == l['blame_total_ns'])
    need('oom', l['write_mean_ns'] <= l['mean_ns'])
    if l['missing'] == 0:
        mean = l['blame_total_ns'] / l['blame_tasks']
        need('same-latency', abs(mean - l['mean_ns']) <= max(0.005 * mean, 2e5), (mean, l['mean_ns']))
comps = {e['env']: {b['component'] for b in e['levels'][0]['blame']} for e in r['environments']}
need('components', 'server' in comps['host'] and 'server' in comps['docker'], comps)
need('components-gvisor', 'sentry' in comps['gvisor-ptrace'] and 'server' not in comps['gvisor-ptrace'], comps)
a = r['against']
need('against', [x['env'] for x in a] == envs[1:])
for x in a:
    need('against-sums', sum(b['ns'] for b in x['slowdown']['rows']) == x['slowdown']['diff_ns'])
for name in sorted(bad):
    print('not ok' if bad[name] else 'ok', name, '; '.join(bad[name])[:600])
PY
	check judge "the judge itself failed" [ $? = 0 ]
	cat "$tmp/judged"
fi

# ---- killed while containers and hogs run
"$SANDGLASS" bench task --env docker --servers 2 --rounds 100000 --writes 100000 --pressure 1 --no-record -o "$tmp/kill" \
	> "$tmp/out" 2> "$tmp/err" < /dev/null &
bg=$!
for _ in $(seq 300); do [ -s "$tmp/kill/p1.times.tsv" ] && break; [ -d /proc/$bg ] || break; sleep 0.1; done
check kill-was-running "it did not run: $(tail -n1 "$tmp/err")" [ -d "/proc/$bg" ]
kill -KILL $bg
wait $bg 2> /dev/null
bg=
verdict killed "$(left)"
