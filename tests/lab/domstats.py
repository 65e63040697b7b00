#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""domstats.py PREFIX DOMAIN BEFORE AFTER VM.json: what libvirt counted of a domain's vCPUs between two `virsh domstats --vcpu`,
beside what `sandglass report --vm --json` says of them. Prints lines of tests/lib.sh, and on standard error the two side by side.

Times within 5 %, and a slack: libvirt has time on the CPU in ticks of 10 ms, at both ends; each time a thread comes onto a CPU the
emulated processor takes a tenth of a millisecond for the probes, which the two sides may book differently. Both sides read the
same clock, so what the machine below takes from the lab (TAKEN_NS of tests/vm/judge.py) is in both. KVM's own time of a halt
ends when the thread runs again, not when it is woken: up to what it waited for its CPU is more there. What KVM itself counts
(query-stats of QEMU) is held exactly where one exit is one event of its counter."""
import json
import sys

TICKS_NS, SWITCH_NS = 2e7, 1e5
ON_CPU = ("run_ns", "guest_ns", "exit_ns", "vmm_ns", "vmm_kernel_ns", "balloon_ns", "swapin_ns", "reclaim_ns", "irq_ns")


def say(name, good, why):
    print("ok %s" % name if good else "not ok %s %s" % (name, why))


def stats(path):
    return dict(line.strip().split("=", 1) for line in open(path) if "=" in line)


class Vcpu:
    def __init__(self, prefix, n, before, after, seen):
        self.n, self.seen, self.slack_ns = n, seen, SWITCH_NS * (seen["runq_cnt"] + seen["halt_cnt"])
        self.prefix, self.before, self.after = prefix, before, after
        self.classes = {}
        for e in seen["exits"]:
            self.classes[e["class"]] = self.classes.get(e["class"], 0) + e["count"]

    def told(self, key):
        """By how much libvirt's figure has grown; None: this libvirt, QEMU or kernel has none."""
        key = "vcpu.%d.%s" % (self.n, key)
        return int(self.after[key]) - int(self.before[key]) if key in self.before and key in self.after else None

    def line(self, name, got, want, what):
        print("-- vcpu %d  %-12s %14s %14s  %s" % (self.n, name, got, want, what), file=sys.stderr)

    def sum(self, name, keys):
        told = [self.told(k) for k in keys]
        if None in told:
            print("skip %s/vcpu%d/%s %s is not told here" % (self.prefix, self.n, name, keys[told.index(None)]))
            return None
        return sum(told)

    def near(self, name, got, *keys, less_ns=0, slack_ns=0):
        """The sum of libvirt's KEYS, nanoseconds; ours may be less by less_ns."""
        want = self.sum(name, keys)
        if want is None:
            return
        self.line(name, "%.1f ms" % (got / 1e6), "%.1f ms" % (want / 1e6), " + ".join(keys))
        say("%s/vcpu%d/%s" % (self.prefix, self.n, name), 0.95 * want - slack_ns - less_ns <= got <= 1.05 * want + slack_ns,
            "%.3f ms, libvirt says %.3f ms +- 5 %% +- %.3f ms - %.3f ms" % (got / 1e6, want / 1e6, slack_ns / 1e6, less_ns / 1e6))

    def same(self, name, got, *keys):
        want = self.sum(name, keys)
        if want is None:
            return
        self.line(name, got, want, " + ".join(keys))
        say("%s/vcpu%d/%s" % (self.prefix, self.n, name), got == want, "%d, libvirt says %d" % (got, want))

    def judge(self):
        c, seen = self.classes, self.seen
        self.near("time", sum(seen[k] for k in ON_CPU), "time", slack_ns=TICKS_NS + self.slack_ns)
        self.near("delay", seen["runq_ns"], "delay", slack_ns=self.slack_ns)
        if int(self.after.get("vcpu.%d.wait" % self.n, 0)):
            self.near("wait", seen["runq_ns"], "wait", slack_ns=self.slack_ns)
        else:
            # libvirt 9.0 looks for se.statistics.wait_sum, which is wait_sum since Linux 5.16.
            print("skip %s/vcpu%d/wait this libvirt finds none in this kernel's /proc/PID/task/TID/sched" % (self.prefix, self.n))
        self.near("halted", seen["halt_ns"] + sum(e["kernel_ns"] for e in seen["exits"] if e["class"] == "halt-poll"),
                  "halt_wait_ns.sum", "halt_poll_success_ns.sum", "halt_poll_fail_ns.sum", less_ns=seen["runq_ns"],
                  slack_ns=2 * self.slack_ns)
        self.same("exits", seen["guest_cnt"], "exits.sum")
        self.same("io", c.get("io", 0), "io_exits.sum")
        self.same("mmio", c.get("mmio", 0), "mmio_exits.sum")
        self.same("halts", c.get("halt", 0) + c.get("halt-poll", 0), "halt_exits.sum")
        self.same("hypercalls", c.get("hypercall", 0), "hypercalls.sum")
        self.same("page-faults", sum(c.get(k, 0) for k in ("page-fault", "refault", "dirty")), "pf_fixed.sum", "pf_spurious.sum")


def main():
    prefix, name, before, after = sys.argv[1], sys.argv[2], stats(sys.argv[3]), stats(sys.argv[4])
    machines = [m for m in json.load(open(sys.argv[5]))["kvm"] if m["name"] == name]
    say(prefix + "/machine", len(machines) == 1, "%d machines called %s" % (len(machines), name))
    by = {c["comm"]: c for m in machines for c in m["vcpus"]}
    print("--         %-12s %14s %14s  %s" % ("", "sandglass", "libvirt", "domstats"), file=sys.stderr)
    for n in range(int(after["vcpu.current"])):
        seen = by.get("CPU %d/KVM" % n)
        if seen:
            Vcpu(prefix, n, before, after, seen).judge()
        else:
            say("%s/vcpu%d" % (prefix, n), False, "not in the report: %s" % sorted(by))


main()
