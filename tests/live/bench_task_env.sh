#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench task --env`, small: the servers in containers of runc and gVisor, compared with the host.
. tests/lib.sh
. tests/live/bench_lib.sh
bench_begin task env dockerd containerd runc runsc busybox

left_now() {
	gone_folders
	gone_groups
	still mounts "$(grep -s 'sandglass-bench-' /proc/self/mounts)"
	still processes "$(pgrep -f '[/=]var/tmp/sandglass-bench-[0-9]*/')"
	still files "$(unfinished)"
}

d=$tmp/run
if experiment run 200 "$SANDGLASS" bench task --env host,docker,gvisor-ptrace --servers 2 --rounds 3 --writes 100000 --pressure 0 --json \
	-o "$d"; then
	judged judge - "$d" "$tmp/printed" << 'PY'
import json, sys
from bench_judge import *
d, printed = sys.argv[1:]
r = result(d, printed)
envs = ['host', 'docker', 'gvisor-ptrace']
need('environments', [e['env'] for e in r['environments']] == envs)
need('one-limit', len({e['memory_bytes'] for e in r['environments']}) == 1)
for e in r['environments']:
    need('own-json', e == json.load(open('%s/%s/result.json' % (d, e['env']))))
    l = e['levels'][0]
    need('counts', l['n'] == 6, l['n'])
    blame_sums(l)
    need('oom', l['write_mean_ns'] <= l['mean_ns'])
    if l['missing'] == 0:
        same_mean('same-latency', l, l['mean_ns'], 2e5)
comps = {e['env']: {b['component'] for b in e['levels'][0]['blame']} for e in r['environments']}
need('components', 'server' in comps['host'] and 'server' in comps['docker'], comps)
need('components-gvisor', 'sentry' in comps['gvisor-ptrace'] and 'server' not in comps['gvisor-ptrace'], comps)
a = r['against']
need('against', [x['env'] for x in a] == envs[1:])
for x in a:
    slowdown_sums(x['slowdown'], 'against-sums')
tell()
PY
fi

# ---- killed while containers and hogs run
background "$tmp/kill/p1.times.tsv" "$SANDGLASS" bench task --env docker --servers 2 --rounds 100000 --writes 100000 --pressure 1 \
	--no-record -o "$tmp/kill"
killed
