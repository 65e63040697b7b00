# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""What the judges of bench's results share: needs with names, each told as one result."""
import json
import os
import re
import xml.dom.minidom

_bad = {}


def need(name, cond, why=''):
    """NAME holds when every condition under it does; WHY of those that don't is told."""
    _bad.setdefault(name, [])
    if not cond:
        _bad[name].append(str(why))


def tell(prefix=''):
    for name in sorted(_bad):
        print('not ok' if _bad[name] else 'ok', prefix + name, '; '.join(_bad[name])[:600])


def result(folder, printed=None):
    """The result in this folder; what was printed, if given ("-": nothing), is the same."""
    r = json.load(open(folder + '/result.json'))
    if printed and printed != '-':
        need('same-json', r == json.load(open(printed)))
    return r


def same_mean(name, x, mean_ns, slack_ns):
    """The blame's mean is what was measured without it, to half a percent."""
    mean = x['blame_total_ns'] / x['blame_tasks']
    need(name, abs(mean - mean_ns) <= max(0.005 * mean, slack_ns), (mean, mean_ns))


def blame_sums(x):
    need('blame-sums', sum(b['ns'] for b in x['blame']) == x['blame_total_ns'])


def slowdown_sums(s, name='slowdown-sums'):
    need(name, sum(b['ns'] for b in s['rows']) == s['diff_ns'])


def slowdown_means(s):
    need('slowdown-means', abs(s['mean_ns'] - s['base_mean_ns'] - s['diff_ns']) <= 1)


SAMPLED_NS = 2e8 # of CPU time, twenty periods of the samples: less may end without one


def folded(path, total_ns=None, some=True):
    """Folded stacks; they sum to this, if given. @some: there have to be some."""
    text = open(path).read().splitlines()
    need('folded', (text or not some) and all(re.fullmatch(r'.+ \d+', y) for y in text), path)
    if total_ns is not None:
        total = sum(int(y.rsplit(' ', 1)[1]) for y in text)
        need('folded-sums', total == total_ns, (path, total, total_ns))


def private(path):
    """A recording is its owner's alone."""
    need('mode', os.stat(path).st_mode & 0o777 == 0o600)


def svg(path):
    need('svg', xml.dom.minidom.parse(path).documentElement.tagName == 'svg', path)
