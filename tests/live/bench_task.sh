#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench task`, small: results, sums, and that nothing stays behind however it ends.
. tests/lib.sh
workload=task
. tests/live/bench_lib.sh
export LC_ALL=C
SANDGLASS=${SANDGLASS:-$PWD/${O:-build}/sandglass}
[ "$(id -u)" = 0 ] || { echo "bench task needs root" >&2; exit 77; }
tmp=$(mktemp -d /var/tmp/sandglass-bench.XXXXXX) # on a disk: swap files need one
occupant=
cleanup() {
	[ -z "$occupant" ] || kill "$occupant" 2> /dev/null
	[ -z "$bg" ] || kill "$bg" 2> /dev/null
	umount "$tmp/small" 2> /dev/null
	rm -rf "$tmp"
}
bg=
trap cleanup EXIT

swaps() { awk 'NR > 1 { print $1 }' /proc/swaps | grep "^$tmp/"; }
groups() { # of makers that are gone: another run beside this test is not our concern
	find /sys/fs/cgroup -maxdepth 2 -type d -name 'sandglass-bench-*' 2> /dev/null | while read -r g; do
		[ -d "/proc/${g##*-}" ] || echo "$g"
	done
}
# processes of a run with its folder below $tmp
parts() { pgrep -f "bench task.*$tmp/" | grep -vx "${occupant:-0}"; }
zrams() { cat /sys/block/zram*/disksize 2> /dev/null; }
zram_before=
states() { grep -ls "$tmp/" /run/sandglass/bench-* 2> /dev/null; }

# What is left of a run, within some seconds; nothing when all is as before
left() {
	local what
	for _ in $(seq 100); do
		what=
		[ -z "$(swaps)" ] || what="$what swap"
		[ -z "$(groups)" ] || what="$what cgroup"
		[ -z "$(parts)" ] || what="$what processes:$(parts | tr '\n' ' ')"
		[ -z "$zram_before" ] || [ "$(zrams)" = "$zram_before" ] || what="$what zram"
		[ -z "$(states)" ] || what="$what state"
		[ -z "$(find "$tmp" -name swap -o -name data)" ] || what="$what files"
		[ -n "$what" ] || return
		sleep 0.1
	done
	echo "left behind:$what"
}

small=(--servers 2 --rounds 3 --writes 200000)

# ---- the words
fails usage-what 2 'which workload' "$SANDGLASS" bench
fails usage-word 2 "no workload 'disk'" "$SANDGLASS" bench disk
fails usage-pressure 2 'pressure takes' "$SANDGLASS" bench task --pressure 0,,1
fails usage-twice 2 'pressure takes' "$SANDGLASS" bench task --pressure 1,1
fails usage-size 2 'memory takes a size' "$SANDGLASS" bench task --memory lots
fails usage-servers 2 'servers takes a number' "$SANDGLASS" bench task --servers 0
fails usage-env 2 'run on or in one of host docker gvisor' "$SANDGLASS" bench task --env xen
fails usage-env-twice 2 "'docker' twice" "$SANDGLASS" bench task --env docker,docker
fails usage-ports 2 'leaves no ports' "$SANDGLASS" bench task --port 65535 --servers 2

# ---- what it needs
cp "$SANDGLASS" "$tmp/sg" && chmod 755 "$tmp" "$tmp/sg"
mkdir -m 777 "$tmp/nobody"
fails no-root 1 'as root' setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/sg" bench task -o "$tmp/nobody/d"
fails no-cgroup 1 'no memory cgroup controller' unshare -m bash -c \
	"umount -l -R /sys/fs/cgroup; exec '$SANDGLASS' bench task ${small[*]} --no-record --pressure 0 -o '$tmp/d'"
fails swap-too-large 1 'no room for a swap file' "$SANDGLASS" bench task "${small[@]}" --swap-size 8T -o "$tmp/d"
fails swap-on-tmpfs 1 'cannot hold a swap file' "$SANDGLASS" bench task "${small[@]}" --swap "/dev/shm/sg.$$" -o "$tmp/d"
echo precious > "$tmp/mine"
fails swap-exists 1 'will not overwrite' "$SANDGLASS" bench task "${small[@]}" --swap "$tmp/mine" -o "$tmp/d"
check swap-exists-untouched 'the file that was there is gone or changed' grep -qx precious "$tmp/mine"
mkdir "$tmp/small"
if mount -t tmpfs -o size=2m tmpfs "$tmp/small" 2> /dev/null; then
	fails disk-full 1 'No space left on device' "$SANDGLASS" bench task --no-record --servers 1 --rounds 2 --writes 2000000 \
		--pressure 0 --swap none -o "$tmp/small/d"
	umount "$tmp/small"
else
	skip disk-full 'cannot mount a small file system'
fi
"$SANDGLASS" bench task-server 0 "$tmp/occupant" 1 stdio > "$tmp/port" &
occupant=$!
for _ in $(seq 50); do grep -q port "$tmp/port" && break; sleep 0.1; done
port=$(awk '{ print $2 }' "$tmp/port")
fails port-in-use 1 "cannot listen on 127.0.0.1 port $port" "$SANDGLASS" bench task --no-record --servers 1 --pressure 0 \
	--port "$port" -o "$tmp/d"
kill $occupant
occupant=
fails npm-missing 1 'npm' env PATH=/nowhere "$SANDGLASS" bench task --server node "${small[@]}" --pressure 0 -o "$tmp/d"

# ---- the experiment
d=$tmp/run
timeout 200 "$SANDGLASS" bench task --servers 2 --rounds 5 --writes 700000 --pressure 0,3 --json -o "$d" > "$tmp/json" 2> "$tmp/err"
rc=$?
cat "$tmp/err" >&2
check run "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
verdict run-leaves-nothing "$(left)"
if [ $rc = 0 ]; then
	python3 - "$d" "$tmp/json" > "$tmp/judged" << 'PY'
import json, os, re, sys, xml.dom.minidom
d, printed = sys.argv[1:]
r = json.load(open(printed))
bad = {}
def need(name, cond, why=''):
    bad.setdefault(name, [])
    if not cond:
        bad[name].append(str(why))
need('same-json', r == json.load(open(d + '/result.json')))
need('levels', [l['pressure'] for l in r['levels']] == [0, 3])
for l in r['levels']:
    for x in [l] + l['servers']:
        n = 10 if x is l else 5
        need('counts', x['n'] == n and x['blame_tasks'] == n, (x['n'], x['blame_tasks']))
        need('blame-sums', sum(b['ns'] for b in x['blame']) == x['blame_total_ns'])
        need('order', x['min_ns'] <= x['p50_ns'] <= x['p90_ns'] <= x['p99_ns'] <= x['max_ns'])
        mean = x['blame_total_ns'] / x['blame_tasks']
        need('same-latency', abs(mean - x['mean_ns']) <= max(0.005 * mean, 2e5), (mean, x['mean_ns']))
        need('write-within', x['write_mean_ns'] <= x['mean_ns'])
        if l['pressure']:
            s = x['slowdown']
            need('slowdown-sums', sum(b['ns'] for b in s['rows']) == s['diff_ns'])
            need('slowdown-means', abs(s['mean_ns'] - s['base_mean_ns'] - s['diff_ns']) <= 1)
    need('whole', l['lost'] == 0 and l['missing'] == 0, (l['lost'], l['missing']))
    unknown = sum(b['ns'] for b in l['blame'] if b['cause'].startswith('unknown'))
    need('unknown', unknown <= 0.01 * l['blame_total_ns'], '%.2f %%' % (100 * unknown / l['blame_total_ns']))
    need('server-blamed', sum(b['ns'] for b in l['blame'] if b['component'] == 'server') > 0.5 * l['blame_total_ns'],
         sorted(((b['ns'], b['component'], b['cause']) for b in l['blame']), reverse=True)[:6])
    p = 'p%d.' % l['pressure']
    rows = [x.split('\t') for x in open(d + '/' + p + 'times.tsv').read().splitlines()]
    need('times', len(rows) == 11 and rows[-1] == ['end'])
    need('mode', os.stat(d + '/' + p + 'sgt').st_mode & 0o777 == 0o600)
    for v in 'path', 'oncpu', 'offcpu':
        text = open(d + '/' + p + v + '.folded').read()
        need('folded', text and all(re.fullmatch(r'.+ \d+', x) for x in text.splitlines()), v)
low, high = r['levels']
need('base-in-memory', low['majflt'] == 0 and low['swapin_pages'] < 100, (low['majflt'], low['swapin_pages']))
need('really-swaps', high['swapin_pages'] > 5000 and high['majflt'] > 500, (high['swapin_pages'], high['majflt']))
s = high['slowdown']
need('slower', s['diff_ns'] > 0.3 * s['base_mean_ns'], s['diff_ns'])
# Other load on this machine takes CPU time from the servers: that is its own cause, and not the question here.
runq = sum(b['ns'] for b in s['rows'] if b['cause'] == 'sched.runq')
need('memory-sums', s['memory_ns'] == sum(b['ns'] for b in s['rows'] if b['cause'].startswith('mem.')))
need('memory-is-the-cause', s['memory_ns'] > 0.7 * (s['diff_ns'] - runq), (s['memory_ns'], s['diff_ns'], s['rows'][:5]))
need('swap-is-a-cause', s['swap_ns'] > 0.1 * (s['diff_ns'] - runq), (s['swap_ns'], s['diff_ns'], s['rows'][:5]))
for f in 'times.svg', 'causes.svg':
    need('svg', xml.dom.minidom.parse(d + '/' + f).documentElement.tagName == 'svg', f)
for name in sorted(bad):
    print('not ok' if bad[name] else 'ok', name, '; '.join(bad[name])[:600])
PY
	check judge "the judge itself failed" [ $? = 0 ]
	cat "$tmp/judged"
fi

# ---- other ways to set it up
if [ -e /sys/block/zram0/disksize ] || [ -e /sys/class/zram-control/hot_add ]; then
	zram_before=$(zrams)
	timeout 100 "$SANDGLASS" bench task "${small[@]}" --no-record --pressure 0,2 --swap zram --hog own -o "$tmp/z" \
		> "$tmp/out" 2> "$tmp/err"
	rc=$?
	check zram "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
	verdict zram-leaves-nothing "$(left)"
	zram_before=
else
	skip zram 'no zram here'
fi
if command -v node > /dev/null && command -v npm > /dev/null && timeout 20 npm ping > /dev/null 2>&1; then
	timeout 200 "$SANDGLASS" bench task --server node --servers 1 --rounds 2 --writes 100000 --no-record --pressure 0 \
		--json -o "$tmp/n" > "$tmp/out" 2> "$tmp/err"
	rc=$?
	check node "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
	check node-file-size "the file is not 15 bytes a write" grep -q '"server": *"node"' "$tmp/out"
	verdict node-leaves-nothing "$(left)"
else
	skip node 'no node, or npm does not reach its registry'
fi

# ---- however it ends
long=(--servers 2 --rounds 100000 --writes 300000 --pressure 2)
start() { # start DIR OPTION...: in the background; returns when it measures
	"$SANDGLASS" bench task "${long[@]}" -o "$@" > "$tmp/out" 2> "$tmp/err" < /dev/null &
	bg=$!
	for _ in $(seq 300); do [ -s "$1/p2.times.tsv" ] && return; [ -d /proc/$bg ] || break; sleep 0.1; done
	sleep 0.3
}
for sig in INT TERM HUP; do
	start "$tmp/s-$sig" --no-record
	ends_by $sig
done
start "$tmp/rec"
kill -INT $bg
wait $bg
bg=
verdict signal-while-recording "$(left)"
check recording-is-readable 'report does not read the recording of an interrupted run' \
	"$SANDGLASS" report "$tmp/rec/p2.sgt" > /dev/null 2>&1
start "$tmp/kill" --no-record
kill -KILL $bg
wait $bg 2> /dev/null
bg=
verdict killed "$(left)"
start "$tmp/both" --no-record
guard=$(pgrep -P $bg | while read -r p; do grep -qz task- "/proc/$p/cmdline" || { readlink "/proc/$p/exe" | grep -q sandglass && echo "$p"; }; done | head -1)
kill -KILL "$guard"
kill -KILL $bg
wait $bg 2> /dev/null
bg=
check killed-both-leaves "nothing was left, so the next check proves nothing (guard: $guard)" [ -n "$(groups)" ]
timeout 60 "$SANDGLASS" bench task --servers 1 --rounds 1 --writes 1000 --no-record --pressure 0 --memory 64M -o "$tmp/next" \
	> /dev/null 2> "$tmp/err"
verdict killed-both-next-start-cleans "$(left)"

start "$tmp/dies" --no-record
kill -KILL "$(pgrep -P $bg -f 'task-server' | head -1)"
wait $bg
rc=$?
bg=
verdict server-dies "$([ $rc = 1 ] || echo "status $rc; ")$(grep -q 'server . ended (signal 9' "$tmp/err" || cat "$tmp/err")$(left)"
fails out-of-memory 1 'are too small for this load|are too small' "$SANDGLASS" bench task --servers 1 --rounds 3 --writes 2000000 \
	--no-record --pressure 0 --memory 24M --swap-size 8M -o "$tmp/oom"
