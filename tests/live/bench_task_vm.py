#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# bench_task_vm.py DIR JSON ENV...: judges the results of `bench task` in these environments, the last ones virtual machines.
import json
import sys

from bench_judge import *

d, printed, *envs = sys.argv[1:]
r = result(d, printed)
need('environments', [e['env'] for e in r['environments']] == envs)
need('one-limit', len({e['memory_bytes'] for e in r['environments']}) == 1)
for e in r['environments']:
    need('own-json', e == json.load(open('%s/%s/result.json' % (d, e['env']))))
    vm = 'kvm' in e['env']
    need('how-it-ran', (e.get('accel') in ('kvm', 'tcg') and e['vcpus'] == 1) if vm else 'accel' not in e, e.get('accel'))
    l = e['levels'][0]
    need('counts', l['n'] == 3, l['n'])
    blame_sums(l)
    need('times', 0 < l['write_mean_ns'] <= l['mean_ns'], (l['write_mean_ns'], l['mean_ns']))
    if l['missing'] == 0:
        same_mean('same-latency', l, l['mean_ns'], 2e5)
    comps = {b['component'] for b in l['blame']}
    # the VMM answers the client; the server itself is inside, unseen
    need('components', ('vmm' in comps and 'server' not in comps) if vm else 'server' in comps, (e['env'], comps))
mean = {e['env']: e['levels'][0]['mean_ns'] for e in r['environments']}
need('order', all(mean[e] > mean['host'] for e in envs[1:]), mean)
a = r['against']
need('against', [x['env'] for x in a] == envs[1:])
for x in a:
    slowdown_sums(x['slowdown'], 'against-sums')
tell()
