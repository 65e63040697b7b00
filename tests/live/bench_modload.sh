#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench modload`, small: layers, sums, and that nothing stays behind however it ends.
. tests/lib.sh
. tests/live/bench_lib.sh
bench_begin modload modload

left_now() {
	gone_folders
	still mounts "$(grep -s 'sandglass-bench-' /proc/self/mounts)"
	still processes "$(pgrep -f '[/=]var/tmp/sandglass-bench-[0-9]*/')"
	still bench "$(pgrep -f "bench modload.*$tmp/")"
	[ ! -e "$tmp/run/round" ] || echo times
}

# ---- the words
fails usage-runtime 2 "no runtime 'crun'" "$SANDGLASS" bench modload --runtime runc,crun
fails usage-module 2 'is no module' "$SANDGLASS" bench modload --modules ../x
fails usage-containers 2 'containers takes' "$SANDGLASS" bench modload --containers 1,0
fails usage-pairs 2 'pairs is one of' "$SANDGLASS" bench modload --pairs some
fails usage-sources 2 "no source 'all'" "$SANDGLASS" bench modload --sources all
fails usage-sources-unpaired 2 'a price needs rounds with and without' "$SANDGLASS" bench modload --sources trace --no-record
fails usage-mixed 2 'pressure is an option of bench task' "$SANDGLASS" bench modload --pressure 1
fails usage-mixed-too 2 'cold is an option of bench modload' "$SANDGLASS" bench task --cold
fails npm-missing 1 'npm is not installed' env PATH=/nowhere "$SANDGLASS" bench modload -o "$tmp/d"
fails colon 1 "has a ':' in it" "$SANDGLASS" bench modload -o "$tmp/a:b"
cp "$SANDGLASS" "$tmp/sg" && chmod 755 "$tmp" "$tmp/sg"
fails no-root 1 'as root' setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/sg" bench modload -o "$tmp/d"

# ---- the experiment
for p in dockerd containerd runc runsc node npm busybox; do
	have $p || { skip experiment "no $p here"; exit 0; }
done
timeout 20 npm ping > /dev/null 2>&1 || { skip experiment 'npm does not reach its registry'; exit 0; }
fails no-such-module 1 'npm could not bring the modules' "$SANDGLASS" bench modload --runtime runc --containers 1 \
	--modules sandglass-no-such-module-0 -o "$tmp/none"

d=$tmp/run
if experiment run 280 "$SANDGLASS" bench modload --runtime runc,runsc-ptrace --containers 1 --modules lodash --rounds 2 --cold \
	--sources default,trace -o "$d"; then
	check text-sentence "begins with '$(head -1 "$tmp/printed")'" grep -q '^Loading lodash in 1 container under ' "$tmp/printed"
	check text-explained 'no explained share' grep -qE 'explained [0-9]+\.[0-9] %' "$tmp/printed"
	check text-price 'no price of recording' grep -qE 'runsc-ptrace, .*recording costs [+-][0-9.]+ % \(median of 2 pairs\)' "$tmp/printed"
	check text-sources 'no price of --gvisor-trace' grep -qE \
		'runsc-ptrace, .*with --gvisor-trace costs [+-][0-9.]+ % \(median of 2 pairs\), [+-][0-9.]+ % on top' "$tmp/printed"
	judged judge - "$d" << 'PY'
import sys
from bench_judge import *
d = sys.argv[1]
r = result(d)
c = r['combinations']
need('combinations', [(x['runtime'], x['containers'], x['module']) for x in c] ==
     [('runc', 1, 'lodash'), ('runsc-ptrace', 1, 'lodash')], c)
need('cold', r['cold'] is True and r['base'] == 'runc')
for x in c:
    need('counts', x['client']['n'] == 2 and x['blame_tasks'] == 2 and x['pairs'] == 2, x['client'])
    blame_sums(x)
    same_mean('same-latency', x, x['client']['mean_ns'], 2e5)
    need('require-within', 0 < x['require']['mean_ns'] <= x['client']['mean_ns'])
    by = {s['source']: s for s in x['sources']}
    need('sources', sorted(by) == (['default', 'trace'] if x['runtime'] != 'runc' else ['default']), x['sources'])
    need('sources-told', x['runtime'] == 'runc' or by['trace']['guest_calls'] > 2 * 50 and by['trace']['pairs'] == 2, x['sources'])
    need('whole', x['lost'] == 0 and x['missing'] == 0, (x['lost'], x['missing']))
    for f in x['recordings']:
        private(d + '/' + f)
    for v in 'path', 'cause':
        folded('%s/%s.1.lodash.%s.folded' % (d, x['runtime'], v), x['blame_total_ns'])
# which is slower is a time, and whether a Gofer works while it is waited for is chance; the Sentry works for one of them alone
comps = [{b['component'] for b in x['blame'] if b['ns'] > 0} for x in c]
need('layers', not {'sentry', 'gofer'} & comps[0] and 'sentry' in comps[1], comps)
s = c[1]['slowdown']
need('no-slowdown-of-base', 'slowdown' not in c[0])
slowdown_sums(s)
slowdown_means(s)
if s['diff_ns'] > 0.2 * s['base_mean_ns']: # of next to nothing, every stray row is a large share
    need('explained', s['explained'] >= 0.95, s['explained'])
for f in 'times.svg', 'ratios.svg', 'causes.lodash.svg':
    svg(d + '/' + f)
tell()
PY
fi

# ---- however it ends
for sig in INT KILL; do
	"$SANDGLASS" bench modload --runtime runc --containers 2 --modules lodash --rounds 100 --no-record -o "$d" \
		> "$tmp/out" 2> "$tmp/err" < /dev/null &
	bg=$!
	for _ in $(seq 300); do grep -q '^bench modload: round 2' "$tmp/err" && break; [ -d /proc/$bg ] || break; sleep 0.1; done
	kill -$sig $bg
	wait $bg 2> /dev/null
	rc=$?
	bg=
	verdict signal-$sig "$([ $rc = $((128 + $(kill -l $sig))) ] || echo "status $rc: $(tail -n1 "$tmp/err"); ")$(left)"
done
