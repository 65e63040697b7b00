# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""What the judges of a guest's tasks share: a result a line (tests/lib.sh), the facts a suite has collected, the rows of a blame."""
import json
import sys

MS = 1000000


def say(name, good, why):
    print("ok %s" % name if good else "not ok %s %s" % (name, why))


def between(name, got, low, high):
    say(name, low <= got <= high, "%d, not %d to %d" % (got, low, high))
    # times are in ns and read in ms; a count is small
    scale, unit = (MS, " ms") if high >= MS else (1, "")
    print("-- %s: %.3f, %.3f to %.3f%s" % (name, got / scale, low / scale, high / scale, unit), file=sys.stderr)


def facts_of(path):
    """{task: {key: number}} of lines "TASK KEY NUMBER" """
    facts = {}
    for task, key, number in map(str.split, open(path)):
        facts.setdefault(task, {})[key] = int(number)
    return facts


def tasks_of(path):
    """{name: [task]} of a `sandglass report --json`"""
    tasks = {}
    for t in json.load(open(path))["tasks"]:
        tasks.setdefault(t["name"], []).append(t)
    return tasks


def rows(task, component, cause, view="blame"):
    """Those of COMPONENT ("*": any) whose cause begins as one of CAUSE, which "+" parts."""
    return [b for b in task[view] if component in (b["component"], "*") and b["cause"].startswith(tuple(cause.split("+")))]


def total(task, component, cause, view="blame", what="ns"):
    return sum(b[what] for b in rows(task, component, cause, view))


def conserved(name, task):
    """Each view's rows sum to the latency."""
    sums = [sum(b["ns"] for b in task[view]) for view in ("blame", "by_wait")]
    say(name + "/sums", sums == [task["latency_ns"]] * 2, "%s of %d ns" % (sums, task["latency_ns"]))


def known(name, task, component="*"):
    """What is unknown of it is a hundredth at most."""
    unknown = total(task, component, "unknown")
    say(name + "/unknown", unknown <= 0.01 * task["latency_ns"], "%.3f of %.3f ms" % (unknown / 1e6, task["latency_ns"] / 1e6))


def whole(name, tasks, facts, component="*", part=0.02, slack=20 * MS):
    """The task of that name, once it is known to be told whole: alone of its name, conserved, as long as by its own clock, known. None: it is not there."""
    found, fact = tasks.get(name, []), facts.get(name, {})
    if len(found) != 1 or "wall" not in fact:
        say(name, False, "%d tasks, and %s" % (len(found), fact))
        return None
    latency, wall = found[0]["latency_ns"], fact["wall"]
    conserved(name, found[0])
    say(name + "/latency", abs(latency - wall) <= part * wall + slack, "%d ns, %d by its own clock" % (latency, wall))
    known(name, found[0], component)
    return found[0]


def show(name, task, *views):
    """The largest rows, for a reader of the log."""
    print("##", name, task["latency_ns"] / 1e6, {k: v for k, v in task.items() if k.endswith("_ns")}, file=sys.stderr)
    for view in views or ("blame",):
        for b in sorted(task[view], key=lambda b: -b["ns"])[:9]:
            print("     %-12s %-26s %9.3f ms %6d" % (b["component"], b["cause"], b["ns"] / 1e6, b["count"]), file=sys.stderr)
        print("     --", file=sys.stderr)
