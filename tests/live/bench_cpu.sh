#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench cpu`, small: sums, who waited for whom, and that nothing stays behind however it ends.
. tests/lib.sh
. tests/live/bench_lib.sh
[ -x /usr/games/gnugo ] && have bzip2 || { echo "needs the packages bzip2 and gnugo" >&2; exit 77; }
bench_begin cpu cpu

left_now() {
	still jobs "$(pgrep -f "$tmp/.*/data/")"
	still bench "$(pgrep -f "bench cpu.*$tmp/")"
	still recorder "$(pgrep -f "record.*$tmp/")"
	still files "$(unfinished)"
}

cpu=$(awk '/^Cpus_allowed_list/ { split($2, c, "[-,]"); print c[1] }' /proc/self/status)
small=(--size 512K --positions 1 --cpus "$cpu,$cpu" --pin yes)

# ---- the words
fails usage-env 2 "no environment 'xen'; there is: host" "$SANDGLASS" bench cpu --env xen
fails usage-env-twice 2 "environment 'host' twice" "$SANDGLASS" bench cpu --env host,host
fails usage-job 2 "no job 'lisp'; there is: bzip2, gobmk" "$SANDGLASS" bench cpu --job lisp
fails usage-jobs 2 'jobs takes up to' "$SANDGLASS" bench cpu --jobs 0
fails usage-cpus 2 'cpus takes numbers' "$SANDGLASS" bench cpu --cpus 3-1
fails usage-pin 2 'pin is one of no, yes, both' "$SANDGLASS" bench cpu --pin some
fails usage-size 2 'size takes a size' "$SANDGLASS" bench cpu --size 1
fails usage-mixed 2 'pressure is an option of bench task' "$SANDGLASS" bench cpu --pressure 1
fails usage-mixed-vm 2 'vcpus is an option of bench task and bench cpu' "$SANDGLASS" bench modload --vcpus 2

# ---- what it needs
cp "$SANDGLASS" "$tmp/sg" && chmod 755 "$tmp" "$tmp/sg"
fails no-root 1 'as root' setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/sg" bench cpu -o "$tmp/d"
fails no-such-cpu 1 'CPU 1023 is not one of those' "$SANDGLASS" bench cpu --cpus 1023 -o "$tmp/d"
fails too-many-jobs 1 'more jobs than CPUs \(1\)' "$SANDGLASS" bench cpu --cpus "$cpu" --jobs 1,2 -o "$tmp/d"
fails affinity 1 'more jobs than CPUs \(1\)' taskset -c "$cpu" "$SANDGLASS" bench cpu --jobs 2 -o "$tmp/d"
fails not-installed 1 'bzip2 is not installed.*install the package bzip2' env PATH=/nowhere "$SANDGLASS" bench cpu --job bzip2 \
	-o "$tmp/d"
fails blank 1 'has a blank' "$SANDGLASS" bench cpu -o "$tmp/a b"
mkdir "$tmp/small"
if mount -t tmpfs -o size=16k tmpfs "$tmp/small" 2> /dev/null; then
	fails disk-full 1 'No space left on device' "$SANDGLASS" bench cpu "${small[@]}" --no-record -o "$tmp/small/d"
	fails disk-full-recording 1 'No space left on device' "$SANDGLASS" bench cpu --job bzip2 --size 8K --jobs 1 \
		-o "$tmp/small/r"
	umount "$tmp/small"
else
	skip disk-full 'cannot mount a small file system'
fi

# ---- the experiment: two jobs that share a CPU wait for each other half of their time
d=$tmp/run
if experiment run 200 "$SANDGLASS" bench cpu "${small[@]}" --jobs 2,1 --rounds 2 --json -o "$d"; then
	judged judge - "$d" "$tmp/printed" "$cpu" << 'PY'
import sys
from bench_judge import *
d, printed, cpu = sys.argv[1:]
r = result(d, printed)
c = r['combinations']
need('combinations', [(x['env'], x['job'], x['jobs'], x['pinned']) for x in c] ==
     [('host', 'bzip2', 1, True), ('host', 'bzip2', 2, True), ('host', 'gobmk', 1, True), ('host', 'gobmk', 2, True)], c)
need('cpus', r['cpus'] == [int(cpu)] * 2 and r['base'] == 'host' and r['recordings'] == ['r0.sgt', 'r1.sgt'])
rows = [y.split('\t') for y in open(d + '/times.tsv').read().splitlines()[1:]]
need('times', len(rows) == 12)
for x in c:
    jobs = 2 * x['jobs']
    need('counts', x['n'] == jobs and x['blame_tasks'] == jobs and x['missing'] == 0 and r['lost'] == 0, x['n'])
    blame_sums(x)
    same_mean('same-time', x, x['mean_ns'], 5e5)
    mine = [int(y[6]) for y in rows if y[1] == x['job'] and int(y[2]) == x['jobs']]
    need('times-mean', len(mine) == jobs and abs(sum(mine) / jobs - x['mean_ns']) <= 1)
    on_cpu = sum(b['ns'] for b in x['blame'] if b['component'] == 'app' and b['cause'].startswith('cpu.')) / jobs
    used = x['user_mean_ns'] + x['sys_mean_ns']
    need('cpu-time', abs(on_cpu - used) <= max(0.05 * used, 5e6), (on_cpu, used))
    unknown = sum(b['ns'] for b in x['blame'] if b['cause'].startswith('unknown'))
    need('unknown', unknown <= 0.01 * x['blame_total_ns'], unknown)
    q = x['runq']
    need('queue-sums', q['behind_jobs_ns'] + q['behind_others_ns'] + q['behind_nobody_ns'] == q['total_ns'])
    row = sum(b['ns'] for b in x['blame'] if b['cause'] == 'sched.runq' and b['component'] == 'app')
    # a job may also wait until the one before it has been started, which queues: a turn of the scheduler or two in each round
    need('queue-is-the-row', abs(q['total_ns'] - row) <= max(0.03 * row, 3e6 + 2 * 8e6 * (x['jobs'] - 1)), (q, row))
    t = x['cpu_time']
    need('cpu-sums', sum(t[k] for k in ('jobs_ns', 'vmm_ns', 'kernel_ns', 'others_ns', 'idle_ns')) == t['all_ns'], t)
    # what others took from both is not the question
    share = q['behind_jobs_ns'] / (x['blame_total_ns'] - q['behind_others_ns'])
    if x['jobs'] == 1:
        need('alone', share < 0.02 and 'against_least_busy' not in x, (share, q))
        continue
    need('half-behind-the-other', 0.38 < share < 0.52, (share, q, x['blame_total_ns']))
    a = x['against_least_busy']
    need('against-base', a['base'] == 'host/%s/1/pinned' % x['job'] and a['rounds'] == 2, a)
    s = a['slowdown']
    slowdown_sums(s)
    slowdown_means(s)
    need('explained', s['explained'] >= 0.95, s['explained'])
    need('change', abs(a['change'] - (a['ratio'] - 1)) < 0.01 and a['change_half_width_95'] >= 0, a)
for x in c:
    for v in 'path', 'cause':
        folded('%s/%s.%s.folded' % (d, x['name'].replace('/', '.'), v), x['blame_total_ns'])
for f in 'r0.sgt', 'r1.sgt':
    private(d + '/' + f)
for f in 'times.svg', 'causes.bzip2.svg', 'causes.gobmk.svg':
    svg(d + '/' + f)
tell()
PY
	"$SANDGLASS" diff --group host/bzip2/1/pinned,host/bzip2/2/pinned "$d/r0.sgt" > "$tmp/diff" 2>&1
	check diff-in-recording "$(head -3 "$tmp/diff")" grep -q 'sched.runq' "$tmp/diff"
fi

# ---- on all CPUs, in words
timeout 100 "$SANDGLASS" bench cpu --size 64K --positions 1 --jobs 1 --rounds 2 --no-record -o "$tmp/w" > "$tmp/text" 2> "$tmp/err"
check words "status $?: $(tail -n1 "$tmp/err")" grep -qE \
	'^(bzip2|gobmk) on host \(pinned, 1 job\) took [0-9.]+ .?s on average, [+-][0-9.]+ % \(95 %:.* when it is not pinned' "$tmp/text"

# ---- however it ends
start() { # start DIR: in the background; returns when its jobs run
	"$SANDGLASS" bench cpu --job bzip2 --size 5M --cpus "$cpu,$cpu" --jobs 2 --no-record --rounds 100 -o "$1" > "$tmp/out" \
		2> "$tmp/err" < /dev/null &
	bg=$!
	runner=
	for _ in $(seq 600); do
		runner=$(pgrep -P $bg -f 'bench cpu-runner')
		[ -n "$runner" ] && [ "$(pgrep -c -P "$runner" bzip2)" = 2 ] && return
		[ -d /proc/$bg ] || return
		sleep 0.1
	done
}
for sig in INT TERM; do
	start "$tmp/s-$sig"
	ends_by $sig
done
start "$tmp/kill"
killed
start "$tmp/job"
kill -KILL "$(pgrep -P "$runner" bzip2 | tail -1)"
wait $bg
rc=$?
bg=
verdict job-killed "$([ $rc = 1 ] || echo "status $rc; ")$(grep -qx \
	'sandglass: host/bzip2/2/unpinned: job [01] ended (signal 9 (Killed))' "$tmp/err" || tail -n1 "$tmp/err")$(left)"
start "$tmp/runner"
kill -KILL "$runner"
wait $bg
rc=$?
bg=
verdict runner-killed "$([ $rc = 1 ] || echo "status $rc; ")$(grep -q 'the runner ended with signal 9' "$tmp/err" ||
	tail -n1 "$tmp/err")$(left)"
