#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench task`, small: results, sums, and that nothing stays behind however it ends.
. tests/lib.sh
. tests/live/bench_lib.sh
bench_begin task bench

swaps() { awk 'NR > 1 { print $1 }' /proc/swaps | grep "^$tmp/"; }
# processes of a run with its folder below $tmp
parts() { pgrep -f "bench task.*$tmp/" | grep -vx "${occupant:-0}"; }
zrams() { cat /sys/block/zram*/disksize 2> /dev/null; }
zram_before=
left_now() {
	still swap "$(swaps)"
	still cgroup "$(gone_groups)"
	still "processes:$(parts | tr '\n' ' ')" "$(parts)"
	[ -z "$zram_before" ] || [ "$(zrams)" = "$zram_before" ] || echo zram
	still files "$(unfinished)"
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
if experiment run 200 "$SANDGLASS" bench task --servers 2 --rounds 5 --writes 700000 --pressure 0,3 --json -o "$d"; then
	judged judge - "$d" "$tmp/printed" << 'PY'
import sys
from bench_judge import *
d, printed = sys.argv[1:]
r = result(d, printed)
need('levels', [l['pressure'] for l in r['levels']] == [0, 3])
for l in r['levels']:
    for x in [l] + l['servers']:
        n = 10 if x is l else 5
        need('counts', x['n'] == n and x['blame_tasks'] == n, (x['n'], x['blame_tasks']))
        blame_sums(x)
        need('order', x['min_ns'] <= x['p50_ns'] <= x['p90_ns'] <= x['p99_ns'] <= x['max_ns'])
        same_mean('same-latency', x, x['mean_ns'], 2e5)
        need('write-within', x['write_mean_ns'] <= x['mean_ns'])
        if l['pressure']:
            s = x['slowdown']
            slowdown_sums(s)
            slowdown_means(s)
    need('whole', l['lost'] == 0 and l['missing'] == 0, (l['lost'], l['missing']))
    unknown = sum(b['ns'] for b in l['blame'] if b['cause'].startswith('unknown'))
    need('unknown', unknown <= 0.01 * l['blame_total_ns'], '%.2f %%' % (100 * unknown / l['blame_total_ns']))
    need('server-blamed', sum(b['ns'] for b in l['blame'] if b['component'] == 'server') > 0.5 * l['blame_total_ns'],
         sorted(((b['ns'], b['component'], b['cause']) for b in l['blame']), reverse=True)[:6])
    p = 'p%d.' % l['pressure']
    rows = [x.split('\t') for x in open(d + '/' + p + 'times.tsv').read().splitlines()]
    need('times', len(rows) == 11 and rows[-1] == ['end'])
    private(d + '/' + p + 'sgt')
    for v in 'path', 'oncpu', 'offcpu':
        folded(d + '/' + p + v + '.folded')
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
    svg(d + '/' + f)
tell()
PY
fi

# ---- other ways to set it up
if [ -e /sys/block/zram0/disksize ] || [ -e /sys/class/zram-control/hot_add ]; then
	zram_before=$(zrams)
	experiment zram 100 "$SANDGLASS" bench task "${small[@]}" --no-record --pressure 0,2 --swap zram --hog own -o "$tmp/z"
	zram_before=
else
	skip zram 'no zram here'
fi
if command -v node > /dev/null && command -v npm > /dev/null && timeout 20 npm ping > /dev/null 2>&1; then
	experiment node 200 "$SANDGLASS" bench task --server node --servers 1 --rounds 2 --writes 100000 --no-record --pressure 0 \
		--json -o "$tmp/n"
	check node-file-size "the file is not 15 bytes a write" grep -q '"server": *"node"' "$tmp/printed"
else
	skip node 'no node, or npm does not reach its registry'
fi

# ---- however it ends
long=(--servers 2 --rounds 100000 --writes 300000 --pressure 2)
start() { # start DIR OPTION...: in the background; returns when it measures
	background "$1/p2.times.tsv" "$SANDGLASS" bench task "${long[@]}" -o "$@"
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
killed
start "$tmp/both" --no-record
guard=$(pgrep -P $bg | while read -r p; do grep -qz task- "/proc/$p/cmdline" || { readlink "/proc/$p/exe" | grep -q sandglass && echo "$p"; }; done | head -1)
kill -KILL "$guard"
kill -KILL $bg
wait $bg 2> /dev/null
bg=
check killed-both-leaves "nothing was left, so the next check proves nothing (guard: $guard)" [ -n "$(gone_groups)" ]
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
