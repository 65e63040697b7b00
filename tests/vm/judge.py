#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""judge.py <LIST: holds what a miniguest did against what somebody else says of it. A line of LIST:

  PREFIX own MINIGUEST.json              KVM's own counters, which miniguest itself has read
  PREFIX stat MINIGUEST.json FILE        counts of tracepoints: `perf stat -x,`
  PREFIX kvmstat MINIGUEST.json FILE     `perf kvm stat report`
  PREFIX vm MINIGUEST.json FILE          `sandglass report --vm --json`
  PREFIX steal MINIGUEST.json FILE       likewise, of vCPUs that share a CPU
  PREFIX swap MINIGUEST.json FILE NS     likewise, of a guest whose memory is swapped: NS its vCPU was in do_swap_page
  PREFIX both FILE FILE FILE             `perf kvm stat report` and `sandglass report --vm --json` of one run; the former of a run by perf alone

Prints lines of tests/lib.sh. Counts are held exactly, times within 5 %, and a slack for each switch of who runs."""
import json
import os
import re
import sys

prefix = ""


def say(name, good, why):
    print("ok %s/%s" % (prefix, name) if good else "not ok %s/%s %s" % (prefix, name, why))


def skip(name, why):
    print("skip %s/%s %s" % (prefix, name, why))


def same(name, got, want):
    say(name, got == want, "%s, not %s" % (got, want))


def near(name, got, want, slack_ns=0, part=0.05):
    say(name, abs(got - want) <= part * want + slack_ns,
        "%.3f ms, not %.3f ms +- %d %% +- %.3f ms" % (got / 1e6, want / 1e6, part * 100, slack_ns / 1e6))


def parts(vcpu):
    return {p["part"]: p for p in vcpu["parts"] if "failed" not in p}


def asked(vcpu, name):
    p = parts(vcpu).get(name)
    return p["asked"] if p else 0


def own(doc):
    """What KVM's counters say of each part. One that this kernel's KVM does not keep is 0 everywhere: left out, by name."""
    has = {k for v in doc["vcpus"] for k, n in v["kvm"].items() if n}
    lacking = set()
    for v in doc["vcpus"]:
        for p in v["parts"]:
            name = "%s%s" % (p["part"], "/vcpu%d" % v["id"] if len(doc["vcpus"]) > 1 else "")
            if "failed" in p:
                skip(name, p["failed"])
                continue
            n, kvm, seen = p["asked"], p["kvm"], p["exits"]

            def counter(key, want, what=name):
                if key in has or not want:
                    same("%s/%s" % (what, key), kvm.get(key, 0), want)
                else:
                    lacking.add(key)

            io = n if p["part"] in ("out", "in", "halt") else 0
            io += n if p["part"] == "memory" else 1  # each part's end
            mmio = n if p["part"] in ("mmio-write", "mmio-read", "inflate", "deflate") else 0
            same(name + "/io", seen.get("io", 0), io)
            same(name + "/mmio", seen.get("mmio", 0), mmio)
            counter("io_exits", io)
            counter("mmio_exits", mmio)
            if p["part"] == "halt":
                counter("halt_exits", n)
                # From the announcement to the interrupt, and to the halt's end: what lies between is the host's to wake.
                halted = sum(kvm.get(k, 0) for k in ("halt_wait_ns", "halt_poll_success_ns", "halt_poll_fail_ns"))
                say(name + "/time", n * doc["halt_ns"] <= p["halt_ns"] <= n * (doc["halt_ns"] * 1.05 + 2e7),
                    "%d ns, not %d x %d" % (p["halt_ns"], n, doc["halt_ns"]))
                near(name + "/halt_ns", halted, p["halt_ns"], n * 2e6 + v["sched_wait_ns"])
            elif p["part"] == "hypercall":
                counter("hypercalls", n)
            elif p["part"] == "dirty" and "pf_fast" in has:
                counter("pf_fast", n)
            elif p["part"] in ("page-fault", "populate", "refault") and "pf_fixed" in has:
                counter("pf_fixed", n)
            elif p["part"] in ("inflate", "deflate"):
                same(name + "/pages", p["pages"], n * 256)
            elif p["part"] == "burn":
                say(name + "/time", n <= p["burn_ns"] <= n * 1.05 + v["sched_wait_ns"] + 3e6, "%d ns, not %d" % (p["burn_ns"], n))
                say(name + "/inside", p["run_ns"] >= p["burn_ns"], "%d ns in KVM_RUN" % p["run_ns"])
        if "steal_ns" in v:
            # KVM tells its guest what the scheduler says that the thread waited, from its first entry on.
            say("steal/vcpu%d" % v["id"], v["steal_ns"] <= v["sched_wait_ns"],
                "%d ns, and the thread waited %d ns" % (v["steal_ns"], v["sched_wait_ns"]))
            if len(doc["vcpus"]) > 1:
                say("steal/vcpu%d/size" % v["id"], v["steal_ns"] > 5e7, "%d ns" % v["steal_ns"])
    for key in sorted(lacking):
        skip(key, "this kernel's KVM does not count it")


def stat(doc, path):
    """Tracepoints of KVM against what the VMM saw. kvm_mmio comes twice for a read."""
    got = {}
    for line in open(path):
        f = line.split(",")
        if len(f) > 2 and f[2].startswith("kvm:"):
            got[f[2][4:]] = int(f[0]) if f[0].isdigit() else None
    total = lambda key: sum(v["exits"].get(key, 0) for v in doc["vcpus"])
    count = lambda *names: sum(asked(v, n) for v in doc["vcpus"] for n in names)
    want = {
        "kvm_userspace_exit": total("io") + total("mmio") + total("intr"),
        "kvm_pio": total("io"),
        "kvm_mmio": total("mmio") + count("mmio-read"),
        "kvm_cpuid": count("cpuid"), "kvm_msr": count("msr"), "kvm_hypercall": count("hypercall"),
        "kvm_exit": sum(v["kvm"].get("exits", 0) for v in doc["vcpus"]),
    }
    want["kvm_entry"] = want["kvm_exit"]
    if got.get("kvm_vcpu_wakeup") is not None and count("halt"):
        # A thread that got no CPU before its interrupt came does not stop.
        say("kvm_vcpu_wakeup", 0.7 * count("halt") <= got["kvm_vcpu_wakeup"] <= count("halt"),
            "%d of %d" % (got["kvm_vcpu_wakeup"], count("halt")))
    for name, n in want.items():
        if got.get(name) is None:
            skip(name, "this kernel has no such tracepoint")
        elif name in ("kvm_exit", "kvm_entry", "kvm_hypercall", "kvm_cpuid") and not got[name] and n:
            skip(name, "this kernel's KVM has the tracepoint and never calls it")
        else:
            same(name, got[name], n)


def perf_rows(path):
    """What `perf kvm stat report` has: reason -> (count, ns in all)."""
    rows = {}
    for line in open(path):
        m = re.match(r"\s+(\S+)\s+(\d+)\s+[\d.]+%\s+[\d.]+%\s+[\d.]+us\s+[\d.]+us\s+([\d.]+)us", line)
        if m:
            rows[m[1]] = (int(m[2]), int(m[2]) * float(m[3]) * 1e3)
    return rows


def kvmstat(doc, path):
    rows = perf_rows(path)
    if not rows:
        return skip("kvmstat", "perf kvm saw no pair of kvm_exit and kvm_entry on this kernel")
    v = doc["vcpus"][0]
    # AMD's names, Intel's names; perf needs the entry after an exit, which the very last one has not.
    for words, want in ((("io", "IO_INSTRUCTION"), v["exits"]["io"] - 1), (("cpuid", "CPUID"), asked(v, "cpuid")),
                        (("msr", "MSR_READ"), asked(v, "msr")), (("hlt", "HLT"), v["kvm"].get("halt_exits", 0)),
                        (("hypercall", "VMCALL"), asked(v, "hypercall")),
                        (("npf",), v["kvm"].get("pf_fixed", 0) + v["exits"].get("mmio", 0))):
        got = [rows[w][0] for w in words if w in rows]
        if got or words[0] != "npf":
            same(words[0], got[0] if got else 0, want)
    same("all", sum(n for n, _ in rows.values()), v["kvm"]["exits"] - 1)


def exit_to_entry(vcpus):
    """What sandglass has between an exit and the next entry: reason -> ns. The VMM's system calls (KVM_RUN's own way in and out) are told for all
    reasons together: each return to the VMM has the same part of them."""
    ns, returns = {}, sum(e["returns"] for c in vcpus for e in c["exits"])
    for c in vcpus:
        for e in c["exits"]:
            calls = c["vmm_kernel_ns"] * e["returns"] // returns if returns else 0
            ns[e["reason"]] = ns.get(e["reason"], 0) + e["kernel_ns"] + e["vmm_ns"] + calls
        ns["hlt"] = ns.get("hlt", 0) + c["halt_ns"]
        ns["mmio"] = ns.get("mmio", 0) + c["balloon_ns"]
    return ns


# Between sandglass's reading of the clock and perf's, at the ends of an exit, is what the two recorders themselves do: 1,800 to 2,400 instructions,
# where they are counted.
COUNTED = bool(os.environ.get("LAB_COUNTED"))
RECORDERS_NS = 2.5e3 if COUNTED else 1e5 if "LAB" in os.environ else 1e4


def both(perf, path, alone):
    """One run, seen by perf and by sandglass: of each reason count and time from exit to entry, and of all. perf has mmio and what page faults turn out
    to be among the page faults, halts that ended in polling among the halts; and not the exit that no entry follows."""
    if not perf_rows(alone):
        return skip("kvmstat", "perf kvm saw no pair of kvm_exit and kvm_entry on this kernel")
    rows = perf_rows(perf)
    say("kvmstat", rows, "perf kvm saw nothing beside sandglass")
    vcpus = [c for m in json.load(open(path))["kvm"] for c in m["vcpus"]]
    of = {"mmio": "npf", "refault": "npf", "dirty": "npf", "async-page-fault": "npf", "swap-in": "npf", "halt-poll": "hlt"}
    got, ns = {}, {}
    for c in vcpus:
        for e in c["exits"]:
            reason = of.get(e["reason"], e["reason"])
            got[reason] = got.get(reason, 0) + e["count"]
    for reason, n in exit_to_entry(vcpus).items():
        reason = of.get(reason, reason)
        ns[reason] = ns.get(reason, 0) + n
    ns["npf"] = ns.get("npf", 0) + sum(c["swapin_ns"] for c in vcpus)
    # What is told apart from exits, and not by reason: perf has it in the exit that it fell into.
    apart = sum(c[k] for c in vcpus for k in ("irq_ns", "runq_ns", "throttle_ns", "reclaim_ns", "wait_ns", "unknown_ns"))
    short = 0
    for reason, (n, t) in rows.items():
        say(reason, n <= got.get(reason, 0) <= n + len(vcpus), "%d, and perf kvm has %d" % (got.get(reason, 0), n))
        mine, slack = ns.get(reason, 0), 0.02 * t + n * RECORDERS_NS
        say(reason + "/time", mine <= t + slack, "%.3f ms, and perf kvm has %.3f ms +- %.3f ms" % (mine / 1e6, t / 1e6, slack / 1e6))
        short += max(0, t - slack - mine)
        print("-- %s %s: %d exits, %.3f ms; perf %d, %.3f ms +- %.3f ms" % (prefix, reason, got.get(reason, 0), mine / 1e6, n, t / 1e6, slack / 1e6),
              file=sys.stderr)
    say("short", short <= apart, "%.3f ms are missing, %.3f ms are told apart" % (short / 1e6, apart / 1e6))


def vcpus_of(doc, path):
    """Pairs of (what miniguest says, what sandglass says) of its vCPUs."""
    vm = [m for m in json.load(open(path))["kvm"] if m["tgid"] == doc["tgid"]]
    say("vm", len(vm) == 1, "%d VMs of process %d" % (len(vm), doc["tgid"]))
    if len(vm) != 1:
        return []
    by = {c["tid"]: c for c in vm[0]["vcpus"]}
    same("vcpus", sorted(by), sorted(v["tid"] for v in doc["vcpus"]))
    return [(v, by[v["tid"]]) for v in doc["vcpus"] if v["tid"] in by]


def classes(vcpu):
    c = {}
    for e in vcpu["exits"]:
        row = c.setdefault(e["class"], {"count": 0, "returns": 0, "kernel_ns": 0, "vmm_ns": 0})
        for k in row:
            row[k] += e[k]
    return c


# An emulated processor takes a tenth of a millisecond for what a switch or an exit to the VMM costs in probes, and its
# own host may take tens of milliseconds from it at any moment.
LAB = "LAB" in os.environ
PROBES_NS, STEAL, TAKEN_NS = (1e5, 0.15, 5e7) if LAB else (1e4, 0.05, 0)

PARTS = ("guest_ns", "exit_ns", "run_ns", "vmm_ns", "vmm_kernel_ns", "balloon_ns", "swapin_ns", "reclaim_ns", "irq_ns",
         "halt_ns", "throttle_ns", "runq_ns", "wait_ns", "unknown_ns")


def sums(vcpu):
    same("sum", sum(vcpu[p] for p in PARTS), vcpu["total_ns"])


def within(name, got, wall, vcpu, slack_ns):
    """Of a time by a wall clock the scheduler and interrupts may have taken a part, and that is told apart."""
    slack_ns += TAKEN_NS
    taken = vcpu["runq_ns"] + vcpu["irq_ns"]
    say(name, wall * 0.95 - taken - slack_ns <= got <= wall * 1.05 + slack_ns,
        "%.3f ms; it took %.3f ms, of which up to %.3f ms were taken from it, +- 5 %% +- %.3f ms" %
        (got / 1e6, wall / 1e6, taken / 1e6, slack_ns / 1e6))


def vm_counts(v, c, got, refaults):
    seen, kvm = v["exits"], v["kvm"]
    row = lambda name: got.get(name, {"count": 0, "returns": 0})
    for e in ("io", "mmio"):
        same(e + "-returns", row(e)["returns"], seen.get(e, 0))
    if asked(v, "halt"):
        # A thread that got no CPU before its interrupt came does not stop; one woken for nothing stops again.
        say("halts", 0.7 * kvm["halt_exits"] <= c["halt_cnt"] <= 1.3 * kvm["halt_exits"],
            "%d of %d" % (c["halt_cnt"], kvm["halt_exits"]))
    if not c["guest_cnt"]:
        skip("exits", "this kernel's KVM does not call kvm_exit: there is no count of what the kernel itself handles")
        return
    same("entries", c["guest_cnt"], kvm["exits"])
    for e in ("io", "mmio"):
        same(e, row(e)["count"], seen.get(e, 0))
    for e in ("halt", "hypercall", "cpuid", "msr"):
        same(e, row(e)["count"], asked(v, e))
    same("page-faults", sum(row(k)["count"] for k in ("page-fault", "refault", "dirty")), kvm.get("pf_fixed", 0))
    split = c["page_faults"]
    same("page-faults/split", split["count"] - split["async"]["count"], kvm.get("pf_fixed", 0))
    same("dirty", row("dirty")["count"], asked(v, "dirty"))
    if refaults:
        same("refault", row("refault")["count"], asked(v, "refault"))
    else:
        skip("refault", "no kernel function can be probed here: kvm.refault is off")


def spun(c, work, beside, slack_ns):
    """The VMM's code is what it spins, less what was taken from that, and its few instructions at each exit, each of the balloon's madvise and
    between two parts: all of it, and the balloon, is beside KVM_RUN."""
    least, slack_ns = work * 0.95 - c["runq_ns"] - c["irq_ns"], slack_ns + TAKEN_NS
    say("vmm", least - slack_ns <= c["vmm_ns"] <= beside * 1.05 - c["balloon_ns"] + slack_ns,
        "%.3f ms, and the balloon %.3f ms; of %.3f ms beside KVM_RUN it spun %.3f ms, of which up to %.3f ms were taken from it, +- 5 %% +- %.3f ms" %
        (c["vmm_ns"] / 1e6, c["balloon_ns"] / 1e6, beside / 1e6, work / 1e6, (c["runq_ns"] + c["irq_ns"]) / 1e6, slack_ns / 1e6))


def vm(doc, path):
    refaults = [r for r in json.load(open(path))["plan"] if r["name"] == "kvm.refault" and r["on"]]
    for v, c in vcpus_of(doc, path):
        got, mine, exits = classes(c), parts(v), sum(v["exits"].values())
        sums(c)
        vm_counts(v, c, got, refaults)
        # Between two parts miniguest reads KVM's counters: up to a few hundred system calls a part.
        wall, beside = v["run_ns"] + v["outside_ns"], v["parts_ns"] - v["run_ns"]
        say("total", wall * 0.95 <= c["total_ns"] <= v["parts_ns"] * 1.05 + exits * PROBES_NS + TAKEN_NS,
            "%.3f ms; miniguest was in and beside KVM_RUN for %.3f ms of %.3f ms" %
            (c["total_ns"] / 1e6, wall / 1e6, v["parts_ns"] / 1e6))
        work = sum(mine[p]["work_ns"] for p in ("out", "in", "mmio-write", "mmio-read") if p in mine)
        if doc["vmm_spin_ns"]:
            spun(c, work, beside, exits * PROBES_NS)
        if doc["vmm_sleep_ns"]:
            within("sleep", c["wait_ns"], work, c, exits * 1e5)
        if asked(v, "halt"):
            # KVM's own time of a halt ends when the thread runs again, not when it is woken.
            within("halt-time", c["halt_ns"] + got.get("halt-poll", {"kernel_ns": 0})["kernel_ns"],
                   sum(v["kvm"].get(k, 0) for k in ("halt_wait_ns", "halt_poll_success_ns", "halt_poll_fail_ns")), c,
                   asked(v, "halt") * 2e5)
        if "burn" in mine:
            # The rest of the guest's code is some instructions an exit.
            say("guest", mine["burn"]["burn_ns"] * 0.95 - c["runq_ns"] - c["irq_ns"] - c["exit_ns"] <=
                c["guest_ns"] + c["run_ns"] <= v["run_ns"] * 1.05,
                "%.3f ms; the guest computed for %.3f ms" % ((c["guest_ns"] + c["run_ns"]) / 1e6,
                                                            mine["burn"]["burn_ns"] / 1e6))
        if asked(v, "inflate"):
            ball, moves = c["balloon"], [p for p in ("inflate", "deflate") if p in mine]
            for p in ("inflate", "deflate"):
                same(p, ball[p + "_pages"], mine[p]["pages"] if p in mine else 0)
            same("windows", ball["windows"], sum(asked(v, p) for p in moves))
            within("balloon-time", ball["ns"], sum(mine[p]["work_ns"] for p in moves), c, ball["windows"] * 1e5)


def steal(doc, path):
    for v, c in vcpus_of(doc, path):
        n = "vcpu%d" % v["id"]
        # The scheduler's own sum begins with the thread, the guest's with its first entry.
        near(n + "/schedstat", c["runq_ns"], v["sched_wait_ns"], 2e6, STEAL)
        near(n + "/guest", c["runq_ns"], v["steal_ns"], 5e6, STEAL)


def swap(doc, path, swap_ns):
    for _, c in vcpus_of(doc, path):
        sums(c)
        say("swapped", c["swapin_cnt"] > 0, "no swap-in")
        # By bpftrace, whose own probes are in its figure, and what the scheduler took meanwhile: told apart here.
        say("time", int(swap_ns) * 0.6 - c["runq_ns"] - c["irq_ns"] <= c["swapin_ns"] <= int(swap_ns) * 1.05,
            "%.3f ms; do_swap_page took %.3f ms" % (c["swapin_ns"] / 1e6, int(swap_ns) / 1e6))


def main():
    global prefix
    kinds = {"own": own, "stat": stat, "kvmstat": kvmstat, "vm": vm, "steal": steal, "swap": swap, "both": both}
    for line in sys.stdin:
        prefix, what, first, *rest = line.split()
        try:
            kinds[what](first if what == "both" else json.load(open(first)), *rest)
        except Exception as e:  # a file that is not what it should be
            print("not ok %s/%s %s: %s" % (prefix, what, type(e).__name__, str(e).replace("\n", " ")))


main()
