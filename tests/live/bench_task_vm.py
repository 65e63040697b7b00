#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# bench_task_vm.py DIR JSON ACCEL SERVERS VCPUS PRESSURE,... ENV...: judges the results of `bench task --rounds 3` with these servers, vCPUs
# and levels, in these environments, by this accelerator ("auto": either); JSON ("-": none) is what it printed.
import json
import os
import sys

from bench_judge import *

# between a mark and the clock's reading, in a lab whose processor is emulated on a busy one
SLACK_NS = 4e6 if 'LAB' in os.environ else 2e5
d, printed, accel, servers, vcpus, levels, *envs = sys.argv[1:]
servers, vcpus, levels = int(servers), int(vcpus), [int(x) for x in levels.split(',')]


def one_level(e, l, vm):
    # to read what an emulator does is more than records of it can always hold
    whole = l['missing'] == l['lost'] == 0
    need('counts', l['n'] == 3 * servers and (e.get('accel') == 'tcg' or whole), (l['n'], l['missing'], l['lost']))
    need('servers', len(l['servers']) == servers and all(s['n'] == 3 for s in l['servers']), len(l['servers']))
    for x in [l] + l['servers']:
        blame_sums(x)
    need('servers-sum', sum(s['blame_total_ns'] for s in l['servers']) == l['blame_total_ns'])
    need('times', 0 < l['write_mean_ns'] <= l['mean_ns'], (l['write_mean_ns'], l['mean_ns']))
    if l['missing'] == 0:
        same_mean('same-latency', l, l['mean_ns'], SLACK_NS)
    unknown = sum(b['ns'] for b in l['blame'] if b['cause'].startswith('unknown'))
    need('unknown', unknown <= 0.05 * l['blame_total_ns'], (unknown, l['blame_total_ns']))
    comps = {b['component'] for b in l['blame']}
    # the VMM answers the client; the server itself is inside, unseen
    need('components', ('vmm' in comps and 'server' not in comps) if vm else 'server' in comps, (e['env'], comps))
    if vm and e.get('accel') == 'kvm':
        ns = {w: sum(b['ns'] for b in l['blame'] if b['component'] == 'vcpu' and b['cause'].startswith(w)) for w in ('cpu.guest', 'kvm.exit.')}
        need('guest-mode', ns['cpu.guest'] > ns['kvm.exit.'] > 0, ns)
    cpu = sum(b['ns'] for b in l['blame'] if b['cause'].startswith('cpu.'))
    for v in 'path', 'oncpu', 'offcpu':
        folded('%s/%s/p%d.%s.folded' % (d, e['env'], l['pressure'], v), l['blame_total_ns'] if v == 'path' and whole else None,
               v != 'oncpu' or cpu >= SAMPLED_NS)


def pressed(e, low, high):
    """
    The hog took guests' memory: it is in the host's swap, and what brings it back is a cause that was none before. How large is not
    said: emulated machines wait for the CPUs above all.
    """
    swapin = [sum(b['ns'] for b in l['blame'] if b['cause'].startswith('mem.swapin')) for l in (low, high)]
    need('no-pressure-at-first', low['swap_bytes'] < 32 << 20, low['swap_bytes'])
    need('in-swap', high['swap_bytes'] >= 16 << 20, high['swap_bytes'])
    need('swapped-in', high['swapin_pages'] > 0 and swapin[1] > swapin[0], (high['swapin_pages'], swapin))
    s = high['slowdown']
    slowdown_sums(s)
    slowdown_means(s)
    need('memory-told', s['memory_ns'] == sum(b['ns'] for b in s['rows'] if b['cause'].startswith('mem.')), s)


r = result(d, printed)
need('environments', [e['env'] for e in r['environments']] == envs)
need('one-limit', len({e['memory_bytes'] for e in r['environments']}) == 1)
for e in r['environments']:
    need('own-json', e == json.load(open('%s/%s/result.json' % (d, e['env']))))
    vm = 'kvm' in e['env']
    ran = e.get('accel') in (['kvm', 'tcg'] if accel == 'auto' else [accel]) and e['vcpus'] == vcpus if vm else 'accel' not in e
    need('how-it-ran', ran, (e.get('accel'), e.get('vcpus')))
    need('levels', [l['pressure'] for l in e['levels']] == levels)
    for l in e['levels']:
        one_level(e, l, vm)
    if vm and len(levels) > 1:
        pressed(e, e['levels'][0], e['levels'][-1])
    for f in 'times.svg', 'causes.svg':
        svg('%s/%s/%s' % (d, e['env'], f))
mean = {e['env']: e['levels'][0]['mean_ns'] for e in r['environments']}
# which of them the emulator is held up in is chance
need('order', 'LAB' in os.environ or all(mean[e] > mean['host'] for e in envs if e != 'host'), mean)
for f in 'times.svg', 'causes.svg':
    svg('%s/%s' % (d, f))
a = r['against']
need('against', r['base'] == 'host' and [(x['env'], x['pressure']) for x in a] == [(e, p) for e in envs if e != 'host' for p in levels], a)
for x in a:
    slowdown_sums(x['slowdown'], 'against-sums')
tell()
