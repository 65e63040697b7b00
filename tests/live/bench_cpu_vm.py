#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# bench_cpu_vm.py DIR JSON ACCEL JOBS PIN JOB VCPUS: judges `bench cpu --env host,kvm --job JOB --rounds 1 --accel ACCEL --jobs JOBS
# --pin PIN --vcpus VCPUS`, with --inside or without, of which JSON ("-": none) is what it printed.
import os
import sys

from bench_judge import *

# between a mark and the clock's reading, in a lab whose processor is emulated on a busy one
SLACK_NS = 4e6 if 'LAB' in os.environ else 5e5
d, printed, accel, counts, pin, jobs, vcpus = sys.argv[1:]


def total(rows, component, cause):
    return sum(x['ns'] for x in rows if x['component'] == component and x['cause'].startswith(cause))


def emulated(c, parts):
    """The thread that translates and runs the guest's code has done the job. How much of that the guest tells is no measure, as its clock goes on without a CPU."""
    need('parts', parts.get('vcpu (emulated)', 0) > 0 and set(parts) <= {'vcpu (emulated)', 'vmm'}, parts)
    need('emulated', parts.get('vcpu (emulated)', 0) >= 0.5 * sum(parts.values()), parts)


def virtual(c, parts):
    """Guest mode and the exits, in the monitor's own table and on the way of the job, which is no timer of the monitor's."""
    need('parts', {'vcpu', 'vmm'} <= set(parts) <= {'vcpu', 'vmm', 'iothread', 'vhost'}, parts)
    # from inside, what was guest mode in the job's own account is the guest's causes
    for rows, name in [(c['vmm_cpu_time'], 'table')] + ([] if 'inside' in c else [(c['blame'], 'blame')]):
        guest, exits = total(rows, 'vcpu', 'cpu.guest'), total(rows, 'vcpu', 'kvm.exit.')
        need(name + '-guest-mode', guest >= 0.2 * (total(rows, 'vcpu', 'cpu.') + exits) > 0, rows[:6])
        need(name + '-exits', exits > 0, rows[:6])
    timers = total(c['blame'], 'vmm', 'timer.')
    need('no-timers', timers <= 0.1 * c['blame_total_ns'], (timers, c['blame_total_ns']))


def told(c):
    """The guest's account stands in the job's: what it computed is the guest's, refined by the host where that sees exits."""
    i, total_ns = c['inside'], c['blame_total_ns']
    guest = sum(b['ns'] for b in c['blame'] if b['component'].startswith('guest:'))
    need('inside', i['jobs'] == c['n'] and 0 < i['ns'] <= total_ns and i['ambiguous_ns'] <= i['ns'], (i, total_ns))
    need('inside-clock', 0 < i['clock_error_ns'] < 20e6 and i['clock_violations'] == 0, i)
    need('inside-works', total(c['blame'], 'guest:app', 'cpu.user') > 0.2 * guest > 0, c['blame'][:6])
    if accel == 'tcg':
        need('inside-sums', guest == i['ns'] and i['fused_ns'] == 0 and i['clock'] == 'exchange', (guest, i))
    else:
        need('inside-sums', 0 < guest < i['ns'] and 0 < i['fused_ns'] <= 1.001 * i['ns'], (guest, i))
        need('inside-exits', total(c['blame'], 'vcpu', 'kvm.exit.') > 0, c['blame'][:8])


r = result(d, printed)
pins = {'no': ['unpinned'], 'yes': ['pinned'], 'both': ['unpinned', 'pinned']}[pin]
need('combinations', [c['name'] for c in r['combinations']] ==
     ['%s/%s/%s/%s' % (e, j, n, p) for e in ('host', 'kvm') for j in jobs.split(',') for p in pins for n in counts.split(',')], r['combinations'])
need('lost', accel == 'tcg' or r['lost'] == 0, r['lost'])
for c in r['combinations']:
    vm, n = c['env'] == 'kvm', c['jobs']
    need('how-it-ran', (c.get('accel'), c.get('vcpus')) == ((accel, int(vcpus)) if vm else (None, None)), c.get('accel'))
    need('counts', c['n'] == c['blame_tasks'] == n and c['missing'] == 0, (c['n'], c['missing']))
    blame_sums(c)
    same_mean('same-time', c, c['mean_ns'], SLACK_NS)
    unknown = sum(b['ns'] for b in c['blame'] if b['cause'].startswith('unknown'))
    need('unknown', unknown <= 0.02 * c['blame_total_ns'], unknown)
    t = c['cpu_time']
    need('cpu-sums', sum(t[k] for k in ('jobs_ns', 'vmm_ns', 'kernel_ns', 'others_ns', 'idle_ns')) == t['all_ns'], t)
    q = c['runq']
    need('queue-sums', q['behind_jobs_ns'] + q['behind_others_ns'] + q['behind_nobody_ns'] == q['total_ns'], q)
    # a job that waits for its vCPU is one that waits, whatever else of the monitor does
    need('queue-in-time', q['total_ns'] <= 1.05 * c['blame_total_ns'] * (int(vcpus) if vm else 1), (q, c['blame_total_ns']))
    used = c['user_mean_ns'] + c['sys_mean_ns']
    # the guest's own word of what the job used: by its clock, so no more than the job's time
    need('used', 0 < used <= 1.05 * c['mean_ns'] + 2e7, (used, c['mean_ns']))
    if not vm:
        need('no-parts', 'inside' not in c and 'vmm_cpu_time' not in c and t['vmm_ns'] == 0)
        continue
    parts = {}
    for p in c['vmm_cpu_time']:
        parts[p['component']] = parts.get(p['component'], 0) + p['ns']
    (virtual if accel == 'kvm' else emulated)(c, parts)
    # one CPU is named, and the whole monitor is bound to it
    need('pinned', abs(sum(parts.values()) - t['vmm_ns']) <= max(0.02 * t['vmm_ns'], 2e6), (parts, t))
    if 'inside' in c:
        told(c)
    x = c['against_env']
    need('against', x['base'] == c['name'].replace('kvm/', 'host/') and (x['ratio'] > 1 or 'LAB' in os.environ), (x['base'], x['ratio']))
    slowdown_sums(x['slowdown'], 'against-sums')
    need('explained', x['slowdown']['explained'] >= 0.95, x['slowdown']['explained'])
tell('cpu-')
