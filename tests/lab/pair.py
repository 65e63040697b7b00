#!/usr/bin/python3 -BES
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""pair.py REPORT FACTS: what the blame of a guest's tasks must show that wait for somebody (suite-pair.sh), and what it must not.

REPORT is `sandglass report --json`; a line of FACTS is "TASK KEY NUMBER": wall, by the guest's clock; blocked, what of it its kernel says the task
neither ran nor was ready to; of some also steal, what /proc/stat says was stolen from the CPU of a lock's holder while it had it; what the server slept; how many
pages came from swap. Each scenario is rows (component, cause; causes that begin so), a view, and between what their size or count must be. CAUSE must be the largest of
what is neither the queue for the CPU, which recorders, VMM and both vCPUs share, nor interrupts, unless it is one. Prints lines of tests/lib.sh."""
import sys

from blame import MS, between, facts_of, rows, say, show, tasks_of, total, whole

tasks, facts = tasks_of(sys.argv[1]), facts_of(sys.argv[2])
SHARED = {"sched.runq", "cpu.irq"}


def largest(name, task, component, cause):
    best = max((b for b in task["blame"] if b["cause"] not in SHARED), key=lambda b: b["ns"])
    say(name + "/cause", best in rows(task, component, cause), "%s %s %.3f ms has the most" % (best["component"], best["cause"], best["ns"] / 1e6))


def slept(name, task, ms):
    """As long as it asked for: what its host kept it from waking up is the host's. What its host was late itself (a timer of the lab's own
    kernel, on an emulated processor) nobody can know."""
    between(name + "/size", total(task, "web:app", "timer.sleep"), 0.995 * ms * MS, 1.05 * ms * MS + 15 * MS)
    between(name + "/halt", total(task, "*", "kvm.halt+kvm.exit.halt"), 0, 0.01 * task["latency_ns"])


def asleep(name, task, fact):
    largest(name, task, "web:app", "timer.sleep")
    slept(name, task, 300)


def late(name, task, fact):
    """Stopped in its sleep and beyond it: what is beyond is the stop's."""
    beyond = fact["wall"] - 800 * MS
    between(name + "/beyond", beyond, 200 * MS, 2000 * MS)
    slept(name, task, 800)
    between(name + "/stop", total(task, "vcpu", "trap.stop"), 0.8 * beyond - 20 * MS, beyond)


def of_cpu1(task, cause):
    """What of these rows was CPU 1's, by their evidence."""
    return sum(e["ns"] for b in rows(task, "vcpu", cause) for e in b["evidence"] if e["kind"] == "process" and e["text"].startswith("CPU 1/"))


def held(name, task, fact, cause):
    """The lock's holder lost its CPU to the host, as much as the guest counts, of the time that the task waited for it."""
    best = max(rows(task, "vcpu", ""), key=lambda b: b["ns"])
    say(name + "/cause", best["cause"] == cause, "%s %.3f ms has the most" % (best["cause"], best["ns"] / 1e6))
    waited = total(task, "*", "ipc.futex", "by_wait")
    between(name + "/lock", waited, 0.5 * 1500 * MS, task["latency_ns"])
    missed = max(0, 1500 * MS - waited)
    between(name + "/stolen", of_cpu1(task, "sched.runq+sched.throttle"), 0.9 * fact["steal"] - missed - 40 * MS, 1.1 * fact["steal"] + 40 * MS)


def hogged(name, task, fact):
    held(name, task, fact, "sched.runq")
    between(name + "/throttle", total(task, "*", "sched.throttle"), 0, 0)


def quota(name, task, fact):
    held(name, task, fact, "sched.throttle")


def turns(name, task, fact):
    """The other's CPU is halted whenever it is woken: nobody waits for a halt, a timer or a device."""
    between(name + "/others", total(task, "*", "kvm.halt+timer.+io.+net.+mem.swapin+mem.reclaim+trap."), 0, 0.02 * task["latency_ns"])
    between(name + "/pipe", sum(b["count"] for b in rows(task, "web:app", "ipc.pipe", "by_wait")), 1, 100)


def disk(name, task, fact, component, cause, least):
    """What it waited for its disk is nearly all of what it was blocked; the disk's own part is who slowed it."""
    between(name + "/wait", total(task, "*", "io.block", "by_wait"), 0.95 * fact["blocked"] - 5 * MS, 1.05 * fact["blocked"] + 5 * MS)
    between(name + "/size", total(task, component, cause), least * MS, fact["blocked"] + 5 * MS)
    between(name + "/event", total(task, "*", "ipc.event+idle."), 0, 0.02 * task["latency_ns"])


def native(name, task, fact):
    largest(name, task, "iothread", "io.block")
    disk(name, task, fact, "iothread", "io.block", 500)


def two(name, task, fact):
    largest(name, task, "*", "io.block")
    between(name + "/event", total(task, "*", "ipc.event+idle."), 0, 0.02 * task["latency_ns"])


def throttle(name, task, fact):
    """QEMU itself waits for its own timer."""
    largest(name, task, "vmm", "timer.sleep")
    disk(name, task, fact, "vmm", "timer.sleep", 800)


def answer(name, task, fact):
    """Behind the network, vhost and a socket of the host's there is a server, which sleeps."""
    largest(name, task, "app", "timer.sleep")
    between(name + "/size", total(task, "app", "timer.sleep"), 0.8 * fact["slept"], 1.02 * fact["slept"])
    between(name + "/guest", total(task, "web:app", "timer.sleep"), 0, 0)


def msr(name, task, fact):
    """Those that it asks for, and those of its kernel's timers."""
    between(name + "/count", total(task, "vcpu", "kvm.exit.msr", what="count"), 0.97 * 1500, 1.3 * 1500)


def remap(name, task, fact):
    """Its own page faults, none of its host's."""
    largest(name, task, "web:app", "cpu.fault")
    between(name + "/count", total(task, "web:app", "cpu.fault", what="count"), 2048, 2060)
    between(name + "/host", total(task, "vcpu", "kvm.exit.page-fault+mem.swapin", what="count"), 0, 100)


def swap(name, task, fact):
    """Its memory is on a disk of the guest's own: what it waits for is the host's thread for that disk."""
    between(name + "/wait", total(task, "web:app", "mem.swapin", "by_wait"), 0.7 * fact["blocked"], task["latency_ns"])
    between(name + "/pages", fact["pages"], 100, 10000)
    between(name + "/count", total(task, "web:app", "mem.swapin", what="count"), 0.9 * fact["pages"], 1.02 * fact["pages"] + 20)
    between(name + "/host", total(task, "vcpu", "mem.swapin"), 0, 0)


for check in (asleep, late, hogged, quota, turns, native, two, throttle, answer, msr, remap, swap):
    name = check.__name__
    task = whole(name, tasks, facts, part=0.05, slack=40 * MS)
    if not task:
        continue
    if "-v" in sys.argv:
        show(name, task, "blame", "by_wait")
    check(name, task, facts[name])
