#!/usr/bin/python3 -BES
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""fused.py REPORT THREADS FACTS: what the blame of a guest's tasks must show, by what was done to them (suite-fused.sh).

REPORT is `sandglass report --json`, THREADS the same with `--tasks thread`; a line of FACTS is "TASK KEY NUMBER": wall, by the guest's clock; blocked, what of it
its kernel says the task neither ran nor was ready to; what the host did to the vCPU, by that kernel's own account or clock; pages. Each
scenario is: component, cause (of causes that begin so), and between what its size or count must be. It must also be the largest of what that side, guest or host, did to the task; but for
what any recording adds where recorders, VMM and vCPU share one CPU: the queue for it, and interrupts and timers. Prints lines of
tests/lib.sh."""
import sys

from blame import MS, facts_of, rows, say, show, tasks_of, total, whole

tasks, threads, facts = tasks_of(sys.argv[1]), tasks_of(sys.argv[2]), facts_of(sys.argv[3])


def whose(component):
    return "both" if component == "*" else "guest" if component.startswith("web:") else "host"


def top(task, component, cause):
    """What has the most of those on the side of component."""
    shared = {"sched.runq", "cpu.irq", "kvm.exit.interrupt", "kvm.exit.msr"} - set(cause.split("+"))
    best = max((b for b in task["blame"] if whose(component) in (whose(b["component"]), "both") and b["cause"] not in shared),
               key=lambda b: b["ns"], default=None)
    return ("%s %s %.1f ms" % (best["component"], best["cause"], best["ns"] / 1e6), best) if best else ("nothing", None)


class Range:
    """Between LOW of a fact and HIGH of another (or the same); a fact is a number, or a key of FACTS. SLACK is in what is compared."""

    def __init__(self, fact, low, high, most=None, slack=0):
        self.fact, self.low, self.high, self.most, self.slack = fact, low, high, most or fact, slack

    def ends(self, name):
        least, most = (facts.get(name, {}).get(f, 0) if isinstance(f, str) else f for f in (self.fact, self.most))
        return self.low * least - self.slack, self.high * most + self.slack


# task, component, cause, view, of what ("ns" or "count"), range
SCENARIOS = (
    ("alone", "web:app", "cpu.user+cpu.irq+sched.runq", "blame", "ns", Range("wall", 0.6, 1)),
    ("asleep", "web:app", "timer.sleep", "blame", "ns", Range("blocked", 0.95, 1.05, slack=5 * MS)),
    # Exits are counted by the host's slice: a slice that is partly another task's is divided by time.
    ("cpuid", "vcpu", "kvm.exit.cpuid", "blame", "count", Range(2000, 0.6, 1.1)),
    # KVM_RUN's own way in and out is the call's.
    ("ports", "vcpu", "kvm.exit.io+vmm.user.io+cpu.sys.ioctl", "blame", "count", Range(3 * 1500, 0.6, 1.1)),
    # Of what the vCPU waits for its CPU a part is for other tasks of the guest; what it is held for is told with the
    # time that the host's own commands for it take.
    ("hog", "vcpu", "sched.runq", "blame", "ns", Range("waited", 0.4, 1.3)),
    ("stop", "vcpu", "trap.stop", "blame", "ns", Range("least", 0.95, 1.02, "most", 5 * MS)),
    ("freeze", "vcpu", "trap.freeze", "blame", "ns", Range("least", 0.95, 1.02, "most", 5 * MS)),
    # Before Linux 6.6 the queue after a throttle can't be told from it.
    ("quota", "vcpu", "sched.throttle", "blame", "ns", Range("throttled", 0.4, 1.1, "waited")),
    ("fresh", "vcpu", "kvm.exit.page-fault", "blame", "count", Range(2048, 0.5, 1.2)),
    ("back", "vcpu", "mem.swapin", "blame", "count", Range("pages", 0.9, 1.2)),
    # The task's CPU is the one that the VMM takes and gives the pages on: each one lies on its path. The driver's time for it, by its
    # kernel's tracing, has the VMM's in it, and all that the task itself takes of the CPU before the driver goes on.
    ("squeeze", "vcpu", "mem.balloon", "blame", "count", Range("pages", 0.95, 1)),
    ("squeeze", "vcpu", "mem.balloon", "blame", "ns", Range("told", 0.05, 1)),
    ("refault", "vcpu", "kvm.exit.refault", "blame", "count", Range("inflated", 0.4, 1)),
    ("slowdisk", "vmm", "io.block", "blame", "ns", Range("blocked", 0.5, 1, slack=5 * MS)),
    ("slowdisk", "*", "io.block", "by_wait", "ns", Range("blocked", 0.95, 1.05, slack=5 * MS)),
)


def scenario(name, component, cause, view, what, fits):
    task = tasks[name][0]
    if view == "blame":
        told, best = top(task, component, cause)
        say(name + "/cause", best in rows(task, component, cause), "%s has the most" % told)
    found = rows(task, component, cause, view)
    got, (low, high) = sum(b[what] for b in found), fits.ends(name)
    say("%s/size%s" % (name, "" if view == "blame" else "/" + view), low <= got <= high, "%d, not %d to %d" % (got, low, high))
    print("-- %-8s %s %s by %s: %d, %d to %d; %.3f of %.3f ms" % (
        name, component, cause, view, got, low, high, sum(b["ns"] for b in found) / 1e6, task["latency_ns"] / 1e6), file=sys.stderr)


def balloon_inside():
    """The guest's own driver: a page that it counts in vmstat is a page of its work, which has taken time. A worker that waited
    for another has that one's pages on its path, too."""
    want = facts["balloon"]["inflate"]
    work = [(sum(b["count"] for b in own), sum(b["ns"] for b in own))
            for own in (rows(t, "web:kernel", "mem.balloon") for n in threads if "kworker/" in n for t in threads[n]) if own]
    say("balloon/pages", 0 < want <= sum(w[0] for w in work), "workers with %s pages, the guest counts %d" % ([w[0] for w in work], want))
    say("balloon/time", work and all(w[1] > 0 for w in work), "no time")
    print("-- balloon inside: %s pages and ns, %d" % (work, want), file=sys.stderr)


def after_balloon(task, component, cause):
    """What the balloon took was missing to it: the report says after which inflation, of nearly all of the row."""
    found = rows(tasks[task][0], component, cause)
    linked = sum(e["ns"] for b in found for e in b["evidence"] if e["kind"] == "balloon" and e["text"].startswith("after balloon #"))
    want = sum(b["ns"] for b in found)
    say("%s/after-balloon" % task, found and linked >= 0.9 * want, "%d of %d ns" % (linked, want))
    print("-- %s %s after a balloon: %d of %d ns; %s" % (task, cause, linked, want, [e["text"] for b in found for e in b["evidence"] if e["kind"] == "balloon"]), file=sys.stderr)


def starved():
    """
    Pages that it had to look for itself, as often as its kernel says (allocstall), which counts for all threads: on a slow machine
    58 of 69, and 58 of 78 at the next try. Whose the others were is not known.
    """
    got, want = total(tasks["starve"][0], "web:app", "mem.reclaim.direct", what="count"), facts["starve"]["stalls"]
    say("starve/stalls", 0 < want and 0.6 * want <= got <= want, "%d, the guest counts %d" % (got, want))
    after_balloon("starve", "web:app", "mem.reclaim.direct")


told = {name for name in dict.fromkeys(s[0] for s in SCENARIOS) if whole(name, tasks, facts, "web:app")}
for s in SCENARIOS:
    if s[0] in told:
        scenario(*s)
balloon_inside()
if "refault" in told:
    after_balloon("refault", "vcpu", "kvm.exit.refault")
if whole("starve", tasks, facts, "web:app"):
    starved()
if "-v" in sys.argv:
    for name in facts:
        for t in tasks.get(name, []):
            show(name, t)
