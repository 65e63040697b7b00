#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""asyncpf.py TASK FUSED ALONE FACTS: what the blame of a guest's task must show whose memory comes from its host's disk.

FUSED is `sandglass report --json` of guest and host, ALONE of the guest's own recording; a line of FACTS is "TASK KEY NUMBER": wall, by
the guest's clock; blocked, what of it the guest's kernel says the task neither ran nor was ready to; worked and works, what the host's
workers took for such pages and how many; swap and swaps, what of it was reading from swap; absent, how often the guest was told that a page is
not there. Prints lines of tests/lib.sh."""
import json
import sys

name, facts = sys.argv[1], {}
for line in open(sys.argv[4]):
    task, key, number = line.split()
    if task == name:
        facts[key] = int(number)


def say(what, good, why):
    print("ok %s/%s" % (name, what) if good else "not ok %s/%s %s" % (name, what, why))


def between(what, got, low, high):
    say(what, low <= got <= high, "%d, not %d to %d" % (got, low, high))
    print("-- %s/%s: %d, %d to %d" % (name, what, got, low, high), file=sys.stderr)


def rows(task, component, cause, view="blame"):
    return [b for b in task[view] if component in (b["component"], "*") and b["cause"].startswith(cause)]


def ns(*which):
    return sum(b["ns"] for b in rows(*which))


def task_of(path, which):
    found = [t for t in json.load(open(path))["tasks"] if t["name"] == name]
    if len(found) != 1:
        say(which + "/task", False, "%d tasks of that name" % len(found))
        sys.exit(0)
    t = found[0]
    sums = [sum(b["ns"] for b in t[view]) for view in ("blame", "by_wait")]
    say(which + "/sums", sums == [t["latency_ns"]] * 2, "%s of %d ns" % (sums, t["latency_ns"]))
    say(which + "/unknown", ns(t, "*", "unknown") <= 0.01 * t["latency_ns"], "%d of %d ns" % (ns(t, "*", "unknown"), t["latency_ns"]))
    for b in sorted(t["blame"], key=lambda b: -b["ns"])[:9]:
        print("     %-12s %-26s %9.3f ms %6d" % (b["component"], b["cause"], b["ns"] / 1e6, b["count"]), file=sys.stderr)
    print("     ", {k: v for k, v in t.items() if k.endswith("_ns")}, file=sys.stderr)
    return t


MS = 1000000
print("##", name, facts, file=sys.stderr)
blocked = facts["blocked"]
alone, fused = task_of(sys.argv[3], "alone"), task_of(sys.argv[2], "fused")

# The guest alone: all that it waited, and as often as it was told to. Its scheduler does not count interrupts as running, so blocked has them.
irq = ns(alone, "app", "cpu.irq")
between("alone/size", ns(alone, "app", "mem.host"), 0.95 * (blocked - irq) - 5 * MS, 1.05 * blocked + 5 * MS)
between("alone/count", sum(b["count"] for b in rows(alone, "app", "mem.host")), 0.9 * facts["absent"] - 5, facts["absent"])
between("fused/by-wait", ns(fused, "web:app", "mem.host", "by_wait"), 0.95 * (blocked - irq) - 5 * MS, 1.05 * blocked + 5 * MS)
# Looked at from the host: its workers, which read them. A wait begins after its worker has, and ends after it: not all of either.
best = max(fused["blame"], key=lambda b: b["ns"])
say("fused/cause", (best["component"], best["cause"]) == ("kernel", "mem.swapin"), "%s %s has the most" % (best["component"], best["cause"]))
between("fused/swapin", ns(fused, "kernel", "mem.swapin"), 0.5 * facts["swap"], 1.05 * facts["swap"])
between("fused/ambiguous", fused["ambiguous_ns"], 0, 0.02 * blocked)
between("fused/left", ns(fused, "web:app", "mem.host"), 0, 0.25 * blocked)
