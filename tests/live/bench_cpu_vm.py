#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# bench_cpu_vm.py DIR JSON: judges `bench cpu --env host,kvm --job bzip2 --jobs 1 --pin yes --rounds 1 --accel tcg`.
import sys

from bench_judge import *

d, printed = sys.argv[1:]
r = result(d, printed)
need('combinations', [c['name'] for c in r['combinations']] == ['host/bzip2/1/pinned', 'kvm/bzip2/1/pinned'])
for c in r['combinations']:
    vm = c['env'] == 'kvm'
    need('how-it-ran', (c.get('accel'), c.get('vcpus')) == (('tcg', 1) if vm else (None, None)), c.get('accel'))
    need('counts', c['n'] == 1 and c['blame_tasks'] == 1 and c['missing'] == 0, c['n'])
    blame_sums(c)
    need('same-time', abs(c['blame_total_ns'] - c['mean_ns']) <= max(0.005 * c['mean_ns'], 5e5), (c['blame_total_ns'], c['mean_ns']))
    t = c['cpu_time']
    need('cpu-sums', sum(t[k] for k in ('jobs_ns', 'vmm_ns', 'kernel_ns', 'others_ns', 'idle_ns')) == t['all_ns'], t)
    used = c['user_mean_ns'] + c['sys_mean_ns']
    # the guest's own word of what the job used: by its clock, so no more than the job's time
    need('used', 0 < used <= 1.05 * c['mean_ns'] + 2e7, (used, c['mean_ns']))
    if not vm:
        need('no-parts', 'vmm_cpu_time' not in c and t['vmm_ns'] == 0)
        continue
    parts = {}
    for p in c['vmm_cpu_time']:
        parts[p['component']] = parts.get(p['component'], 0) + p['ns']
    emulated = parts.get('vcpu (emulated)', 0)
    need('parts', emulated > 0 and set(parts) <= {'vcpu (emulated)', 'vmm'}, parts)
    # it runs the job; how much of that the guest tells is no measure, as its clock goes on without a CPU
    need('emulated', emulated >= 0.5 * sum(parts.values()), parts)
    # one CPU is named, and the whole monitor is pinned to it
    need('pinned', abs(sum(parts.values()) - t['vmm_ns']) <= max(0.02 * t['vmm_ns'], 2e6), (parts, t))
    x = c['against_env']
    need('against', x['base'] == 'host/bzip2/1/pinned' and x['ratio'] > 1, x['ratio'])
    slowdown_sums(x['slowdown'], 'against-sums')
tell('cpu-')
