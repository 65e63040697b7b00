#!/usr/bin/python3 -BES
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""asyncpf.py TASK FUSED ALONE FACTS: what the blame of a guest's task must show whose memory comes from its host's disk.

FUSED is `sandglass report --json` of guest and host, ALONE of the guest's own recording; a line of FACTS is "TASK KEY NUMBER": wall, by
the guest's clock; blocked, what of it the guest's kernel says the task neither ran nor was ready to; worked and works, what the host's
workers took for such pages and how many; swap and swaps, what of it was reading from swap; absent, how often the guest was told that a page is
not there; preempts, whether its kernel can be preempted. Prints lines of tests/lib.sh."""
import sys

from blame import MS, between, conserved, facts_of, known, say, show, tasks_of, total

name, facts = sys.argv[1], facts_of(sys.argv[4])[sys.argv[1]]


def task_of(path, which):
    found = tasks_of(path).get(name, [])
    if len(found) != 1:
        say("%s/%s/task" % (name, which), False, "%d tasks of that name" % len(found))
        sys.exit(0)
    conserved("%s/%s" % (name, which), found[0])
    known("%s/%s" % (name, which), found[0])
    show(which, found[0])
    return found[0]


print("##", name, facts, file=sys.stderr)
blocked = facts["blocked"]
alone, fused = task_of(sys.argv[3], "alone"), task_of(sys.argv[2], "fused")

# The guest alone: all that it waited, and as often as it was told to. Its scheduler does not count interrupts as running, so blocked has them.
irq = total(alone, "app", "cpu.irq")
# Where the kernel can be preempted a task is, at times, on its way into the wait. The kernel counts all of that as blocked, also how long it
# queues once it is woken (sched_info_depart() asks for the state, which says that it waits); sandglass tells the two apart.
most = 0.8 if facts["preempts"] else 0.95
between(name + "/alone/size", total(alone, "app", "mem.host"), most * (blocked - irq) - 5 * MS, 1.05 * blocked + 5 * MS)
between(name + "/alone/count", total(alone, "app", "mem.host", what="count"), 0.9 * facts["absent"] - 5, facts["absent"])
between(name + "/fused/by-wait", total(fused, "web:app", "mem.host", "by_wait"), most * (blocked - irq) - 5 * MS, 1.05 * blocked + 5 * MS)
# Looked at from the host: its workers, which read them. A wait begins after its worker has, and ends after it: not all of either.
best = max(fused["blame"], key=lambda b: b["ns"])
say(name + "/fused/cause", (best["component"], best["cause"]) == ("kernel", "mem.swapin"), "%s %s has the most" % (best["component"], best["cause"]))
between(name + "/fused/swapin", total(fused, "kernel", "mem.swapin"), 0.5 * facts["swap"], 1.05 * facts["swap"])
between(name + "/fused/ambiguous", fused["ambiguous_ns"], 0, 0.02 * blocked)
between(name + "/fused/left", total(fused, "web:app", "mem.host"), 0, 0.25 * blocked)
