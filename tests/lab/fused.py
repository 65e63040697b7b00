#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""fused.py REPORT THREADS FACTS: what the blame of a guest's tasks must show, by what was done to them (suite-fused.sh).

REPORT is `sandglass report --json`, THREADS the same with `--tasks thread`; a line of FACTS is "TASK KEY NUMBER": wall, by the guest's clock; held, how long the
host kept the vCPU, by the kernel's own account; pages, calls. Each scenario is: component, cause (of causes that begin so),
and what its size or count must be. It must also be the largest of what that side, guest or host, did to the task; but for
what any recording adds where recorders, VMM and vCPU share one CPU: the queue for it, and interrupts. Prints lines of
tests/lib.sh."""
import json
import sys

report, facts = json.load(open(sys.argv[1])), {}
for line in open(sys.argv[3]):
    task, key, number = line.split()
    facts[task, key] = int(number)
tasks = {}
for t in report["tasks"]:
    tasks.setdefault(t["name"], []).append(t)


def say(name, good, why):
    print("ok %s" % name if good else "not ok %s %s" % (name, why))


def rows(task, component, cause):
    return [b for b in task["blame"] if component in (b["component"], "*") and any(b["cause"].startswith(c) for c in cause.split("+"))]


def ns(task, component, cause):
    return sum(b["ns"] for b in rows(task, component, cause))


def count(task, component, cause):
    return sum(b["count"] for b in rows(task, component, cause))


def whose(component):
    return "both" if component == "*" else "guest" if component.startswith("web:") else "host"


def top(task, component, cause):
    """What has the most of those on the side of component."""
    shared = {"sched.runq", "cpu.irq"} - set(cause.split("+"))
    best = max((b for b in task["blame"] if whose(component) in (whose(b["component"]), "both") and b["cause"] not in shared),
               key=lambda b: b["ns"], default=None)
    return ("%s %s %.1f ms" % (best["component"], best["cause"], best["ns"] / 1e6), best) if best else ("nothing", None)


def between(low, high):
    return lambda got, want: low * want <= got <= high * want


# task, component, cause, of what ("ns" or "count"), fact (a number, or a key of FACTS), how they compare
SCENARIOS = (
    ("alone", "web:app", "cpu.user+cpu.irq+sched.runq", "ns", "wall", between(0.6, 1)),
    ("asleep", "web:app", "timer.sleep", "ns", "wall", between(0.9, 1)),
    # Exits are counted by the host's slice: a slice that is partly another task's is divided by time.
    ("cpuid", "vcpu", "kvm.exit.cpuid", "count", 2000, between(0.6, 1.1)),
    ("ports", "vcpu", "kvm.exit.io+vmm.user.io", "count", 3000, between(0.6, 1.1)),
    # Of what the vCPU waits for its CPU a part is for other tasks of the guest; what it is held for is told with the
    # time that the host's own commands for it take.
    ("hog", "vcpu", "sched.runq", "ns", "waited", between(0.4, 1.3)),
    ("stop", "vcpu", "trap.stop", "ns", "held", between(0.55, 1.05)),
    ("freeze", "vcpu", "trap.freeze", "ns", "held", between(0.55, 1.05)),
    ("quota", "vcpu", "sched.throttle", "ns", "held", between(0.4, 1.1)),
    ("fresh", "vcpu", "kvm.exit.page-fault", "count", 2048, between(0.5, 1.2)),
    ("back", "vcpu", "mem.swapin", "count", "pages", between(0.9, 1.2)),
    ("refault", "vcpu", "kvm.exit.refault", "count", "inflated", between(0.4, 1)),
    # Who ended a wait, and so that it is the VMM's, is known only when that found the vCPU halted: here it often records.
    ("slowdisk", "*", "io.block", "ns", "wall", between(0.5, 1)),
)


def scenario(name, component, cause, what, fact, fits):
    if len(tasks.get(name, [])) != 1 or (name, "wall") not in facts:
        say(name, False, "%d tasks, and %s" % (len(tasks.get(name, [])), [k for k in facts if k[0] == name]))
        return
    task = tasks[name][0]
    wall, latency = facts[name, "wall"], task["latency_ns"]
    sums = [sum(b["ns"] for b in task[view]) for view in ("blame", "by_wait")]
    say(name + "/sums", sums == [latency, latency], "%s of %d ns" % (sums, latency))
    say(name + "/latency", abs(latency - wall) <= wall * 0.02 + 2e7, "%d ns, %d by its own clock" % (latency, wall))
    unknown = ns(task, "web:app", "unknown")
    say(name + "/unknown", unknown <= 0.01 * latency, "%.3f of %.3f ms" % (unknown / 1e6, latency / 1e6))
    told, best = top(task, component, cause)
    say(name + "/cause", best in rows(task, component, cause), "%s has the most" % told)
    want = facts[name, fact] if isinstance(fact, str) else fact
    got = (ns if what == "ns" else count)(task, component, cause)
    say(name + "/size", fits(got, want), "%d, not %d" % (got, want))
    print("-- %-8s %s %s: %d of %d; %.3f of %.3f ms" % (name, component, cause, got, want, ns(task, component, cause) / 1e6, latency / 1e6),
          file=sys.stderr)


def balloon_inside():
    """The guest's own driver: a page that it counts in vmstat is a page of its work, which has taken time."""
    work = [b for t in json.load(open(sys.argv[2]))["tasks"] if "kworker/" in t["name"]
            for b in rows(t, "web:kernel", "mem.balloon")]
    pages, took = sum(b["count"] for b in work), sum(b["ns"] for b in work)
    say("balloon/pages", pages == facts["refault", "inflated"], "%d pages, the guest counts %d" % (pages, facts["refault", "inflated"]))
    say("balloon/time", 0 < took, "no time")
    print("-- balloon inside: %d pages, %.3f ms" % (pages, took / 1e6), file=sys.stderr)


for s in SCENARIOS:
    scenario(*s)
balloon_inside()
if "-v" in sys.argv:
    for t in report["tasks"]:
        if (t["name"], "wall") in facts:
            print("##", t["name"], t["latency_ns"] / 1e6, file=sys.stderr)
            for b in sorted(t["blame"], key=lambda b: -b["ns"])[:9]:
                print("     %-12s %-26s %9.3f ms %6d" % (b["component"], b["cause"], b["ns"] / 1e6, b["count"]), file=sys.stderr)
