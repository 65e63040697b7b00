#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# bench_task_inside.py DIR JSON ACCEL SERVERS: judges `bench task --env A,B --rounds 3 --inside` with these servers, one environment kvm and
# the other the host, by this accelerator; JSON ("-": none) is what it printed.
import json
import os
import re
import sys

from bench_judge import *

d, printed, accel, servers = sys.argv[1:]
n = 3 * int(servers)
r = result(d, printed)
env = {e['env']: e for e in r['environments']}
need('environments', sorted(env) == ['host', 'kvm'])
for e in env.values():
    blame_sums(e['levels'][0])
need('host-has-no-inside', 'inside' not in env['host']['levels'][0])

kvm = env['kvm']['levels'][0]
inside = kvm['inside']
ns, total = inside['ns'], kvm['blame_total_ns']
need('how-it-ran', env['kvm']['accel'] == accel)
need('whole', kvm['n'] == n and kvm['missing'] == kvm['lost'] == 0 and inside['requests'] == n, (kvm['n'], kvm['missing'], kvm['lost'], inside))
# the server measured its writes on the guest's clock, between its marks
need('inside-size', 0.999 * n * kvm['write_mean_ns'] <= ns <= total, (ns, kvm['write_mean_ns'], total))
need('clock', 0 < inside['clock_error_ns'] < 20e6 and inside['clock_violations'] == 0, inside)
need('left-open', inside['ambiguous_ns'] <= ns, inside)
same_mean('same-latency', kvm, kvm['mean_ns'], 4e6 if 'LAB' in os.environ else 2e5)

sums = {}
for b in kvm['blame']:
    sums[b['component'], b['cause']] = b['ns']
guest = sum(v for (comp, cause), v in sums.items() if comp.startswith('guest:'))
need('guest-app', sums.get(('guest:app', 'cpu.user'), 0) > 0 and sums.get(('guest:app', 'cpu.sys.writev'), 0) > 0, sorted(sums))
need('no-machine-named', not any(re.match('vm[0-9]', comp) for comp, cause in sums), sorted(sums))
if accel == 'tcg':
    # no exits to see: all that the guest told is the guest's
    need('guest-sums', guest == ns and inside['fused_ns'] == 0 and inside['clock'] == 'exchange', (guest, inside))
else:
    need('guest-sums', 0 < guest < ns, (guest, inside))
    need('refined', 0 < inside['fused_ns'] <= 1.001 * ns, inside)
    need('host-causes', any(comp == 'vcpu' and cause.startswith('kvm.exit.') for comp, cause in sums), sorted(sums))

for x in r['against']:
    slowdown_sums(x['slowdown'], 'against-sums')
    slowdown_means(x['slowdown'])
    need('explained', x['slowdown']['explained'] >= 0.9, x['slowdown']['explained'])
    need('in-one-table', any(y['component'] == 'guest:app' for y in x['slowdown']['rows']), x['env'])
path = d + '/kvm/p0.path.folded'
folded(path, total)
stacks = open(path).read()
need('folded-inside', all(';vm%d:app:bench-server;' % i in stacks for i in range(int(servers))))
private(d + '/kvm/p0.sgt')
tell()
