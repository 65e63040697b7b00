#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# bench_task_vm.py DIR JSON ACCEL ENV...: judges the results of `bench task --rounds 3` in these environments, by this accelerator
# ("auto": either); JSON ("-": none) is what it printed.
import json
import os
import sys

from bench_judge import *

# between a mark and the clock's reading, in a lab whose processor is emulated on a busy one
SLACK_NS = 4e6 if 'LAB' in os.environ else 2e5
d, printed, accel, *envs = sys.argv[1:]
r = result(d, printed)
need('environments', [e['env'] for e in r['environments']] == envs)
need('one-limit', len({e['memory_bytes'] for e in r['environments']}) == 1)
for e in r['environments']:
    need('own-json', e == json.load(open('%s/%s/result.json' % (d, e['env']))))
    vm = 'kvm' in e['env']
    need('how-it-ran', (e.get('accel') in (['kvm', 'tcg'] if accel == 'auto' else [accel]) and e['vcpus'] == 1) if vm else 'accel' not in e, e.get('accel'))
    l = e['levels'][0]
    need('counts', l['n'] == 3 and (e.get('accel') == 'tcg' or l['missing'] == l['lost'] == 0), (l['n'], l['missing'], l['lost']))
    blame_sums(l)
    need('times', 0 < l['write_mean_ns'] <= l['mean_ns'], (l['write_mean_ns'], l['mean_ns']))
    if l['missing'] == 0:
        same_mean('same-latency', l, l['mean_ns'], SLACK_NS)
    comps = {b['component'] for b in l['blame']}
    # the VMM answers the client; the server itself is inside, unseen
    need('components', ('vmm' in comps and 'server' not in comps) if vm else 'server' in comps, (e['env'], comps))
    if vm and e.get('accel') == 'kvm':
        ns = {w: sum(b['ns'] for b in l['blame'] if b['component'] == 'vcpu' and b['cause'].startswith(w)) for w in ('cpu.guest', 'kvm.exit.')}
        need('guest-mode', ns['cpu.guest'] > ns['kvm.exit.'] > 0, ns)
mean = {e['env']: e['levels'][0]['mean_ns'] for e in r['environments']}
# which of them the emulator is held up in is chance
need('order', 'LAB' in os.environ or all(mean[e] > mean['host'] for e in envs if e != 'host'), mean)
a = r['against']
need('against', [x['env'] for x in a] == envs[1:])
for x in a:
    slowdown_sums(x['slowdown'], 'against-sums')
tell()
