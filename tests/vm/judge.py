#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""judge.py <LIST: holds what a miniguest did against what somebody else says of it. A line of LIST:

  PREFIX own MINIGUEST.json              KVM's own counters, which miniguest itself has read
  PREFIX stat MINIGUEST.json FILE        counts of tracepoints: `perf stat -x,`
  PREFIX kvmstat MINIGUEST.json FILE     `perf kvm stat report`
  PREFIX vm MINIGUEST.json FILE          `sandglass report --vm --json`
  PREFIX steal MINIGUEST.json FILE       likewise, of vCPUs that share a CPU
  PREFIX swap MINIGUEST.json FILE NS     likewise, of a guest whose memory is swapped: NS its vCPU was in do_swap_page
  PREFIX both FILE FILE                  `perf kvm stat report` and `sandglass report --vm --json` of one run

Prints lines of tests/lib.sh. Counts are held exactly, times within 5 %, and a slack for each switch of who runs."""
import json
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
                near(name + "/time", p["halt_ns"], n * doc["halt_ns"], n * 5e6)
                near(name + "/halt_ns", halted, p["halt_ns"], n * 5e6)
            elif p["part"] == "hypercall":
                counter("hypercalls", n)
            elif p["part"] in ("page-fault", "populate", "refault") and "pf_fixed" in has:
                counter("pf_fixed", n)
            elif p["part"] in ("inflate", "deflate"):
                same(name + "/pages", p["pages"], n * 256)
            elif p["part"] == "burn":
                near(name + "/time", p["burn_ns"], n, 3e6)
                say(name + "/inside", p["run_ns"] >= p["burn_ns"], "%d ns in KVM_RUN" % p["run_ns"])
        if "steal_ns" in v:
            # KVM tells its guest what the scheduler says that the thread waited, from its first entry on.
            say("steal/vcpu%d" % v["id"], v["steal_ns"] <= v["sched_wait_ns"],
                "%d ns, and the thread waited %d ns" % (v["steal_ns"], v["sched_wait_ns"]))
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
        "kvm_vcpu_wakeup": count("halt"),
        "kvm_exit": sum(v["kvm"].get("exits", 0) for v in doc["vcpus"]),
    }
    want["kvm_entry"] = want["kvm_exit"]
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
    if not rows:
        skip("kvmstat", "perf kvm saw no pair of kvm_exit and kvm_entry on this kernel")
    return rows


def kvmstat(doc, path):
    rows = perf_rows(path)
    if not rows:
        return
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


def both(perf, path):
    """One run, seen by perf and by sandglass: each reason's count, and the time from exit to entry of all of them."""
    rows = perf_rows(perf)
    if not rows:
        return
    vcpus = [c for m in json.load(open(path))["vms"] for c in m["vcpus"]]
    got = {}
    for c in vcpus:
        for e in c["exits"]:
            got[e["reason"]] = got.get(e["reason"], 0) + e["count"]
    # perf has mmio among the page faults, and not the exit that no entry follows.
    got["npf"] = got.get("npf", 0) + got.pop("mmio", 0)
    for reason, (n, _) in rows.items():
        say(reason, n <= got.get(reason, 0) <= n + len(vcpus), "%d, and perf kvm has %d" % (got.get(reason, 0), n))
    ns = sum(e["kernel_ns"] + e["vmm_ns"] for c in vcpus for e in c["exits"])
    ns += sum(c["halt_ns"] + c["runq_ns"] + c["swapin_ns"] for c in vcpus)
    near("time", ns, sum(t for _, t in rows.values()), sum(n for n, _ in rows.values()) * 1e3, 0.02)


def vcpus_of(doc, path):
    """Pairs of (what miniguest says, what sandglass says) of its vCPUs."""
    vm = [m for m in json.load(open(path))["vms"] if m["tgid"] == doc["tgid"]]
    say("vm", len(vm) == 1, "%d VMs of process %d" % (len(vm), doc["tgid"]))
    if len(vm) != 1:
        return []
    by = {c["tid"]: c for c in vm[0]["vcpus"]}
    same("vcpus", sorted(by), sorted(v["tid"] for v in doc["vcpus"]))
    return [(v, by[v["tid"]]) for v in doc["vcpus"] if v["tid"] in by]


def classes(vcpu):
    c = {}
    for e in vcpu["exits"]:
        row = c.setdefault(e["class"], {"count": 0, "kernel_ns": 0, "vmm_ns": 0})
        for k in row:
            row[k] += e[k]
    return c


def inside_ns(vcpu):
    """All that sandglass says passed within KVM_RUN."""
    return (vcpu["guest_ns"] + sum(e["kernel_ns"] for e in vcpu["exits"]) + vcpu["halt_ns"] + vcpu["runq_ns"] +
            vcpu["swapin_ns"])


def vm(doc, path):
    none = {"count": 0, "kernel_ns": 0, "vmm_ns": 0}
    for v, c in vcpus_of(doc, path):
        got, seen, kvm = classes(c), v["exits"], v["kvm"]
        row = lambda name: got.get(name, none)
        same("io", row("io")["count"], seen.get("io", 0))
        same("mmio", row("mmio")["count"], seen.get("mmio", 0))
        for name in ("hypercall", "cpuid", "msr"):
            if asked(v, name):
                same(name, row(name)["count"], asked(v, name))
        if asked(v, "halt"):
            same("halt", c["halt_cnt"], kvm["halt_exits"])
            near("halt-time", c["halt_ns"] + row("halt-poll")["kernel_ns"],
                 sum(kvm.get(k, 0) for k in ("halt_wait_ns", "halt_poll_success_ns", "halt_poll_fail_ns")),
                 asked(v, "halt") * 2e5)
        if kvm.get("pf_fixed"):
            same("page-faults", row("page-fault")["count"] + row("refault")["count"], kvm["pf_fixed"])
            same("refault", row("refault")["count"], asked(v, "refault"))
        if c["guest_cnt"]:
            same("entries", c["guest_cnt"], kvm["exits"])
        # The VMM's clock is read after KVM_RUN has returned and before it is called.
        for e in ("io", "mmio"):
            near("vmm-" + e, row(e)["vmm_ns"], v["vmm_ns"].get(e, 0), seen.get(e, 0) * 2e4)
        near("inside", inside_ns(c), v["run_ns"], sum(seen.values()) * 2e4)
        burn = parts(v).get("burn")
        if burn and c["guest_ns"]:
            # What the guest computed, less what was taken from it meanwhile.
            taken = row("interrupt")["kernel_ns"] + c["runq_ns"]
            say("guest", burn["burn_ns"] * 0.95 - taken <= c["guest_ns"] <= v["run_ns"],
                "%.3f ms; the guest computed for %.3f ms, %.3f ms were taken from it" %
                (c["guest_ns"] / 1e6, burn["burn_ns"] / 1e6, taken / 1e6))
        ball = c["balloon"]
        if asked(v, "inflate"):
            same("inflate", ball["inflate_pages"], parts(v)["inflate"]["pages"])
            same("deflate", ball["deflate_pages"], parts(v).get("deflate", {"pages": 0})["pages"])
            same("windows", ball["windows"], asked(v, "inflate") + asked(v, "deflate"))
            work = sum(parts(v)[p]["work_ns"] for p in ("inflate", "deflate") if p in parts(v))
            near("balloon-time", ball["ns"], work, ball["windows"] * 1e5)


def steal(doc, path):
    for v, c in vcpus_of(doc, path):
        n = "vcpu%d" % v["id"]
        # The scheduler's own sum begins with the thread, the guest's with its first entry.
        near(n + "/schedstat", c["runq_ns"], v["sched_wait_ns"], 2e6)
        near(n + "/guest", c["runq_ns"], v["steal_ns"], 5e6)


def swap(doc, path, swap_ns):
    for v, c in vcpus_of(doc, path):
        say("swapped", c["swapin_cnt"] > 0, "no swap-in")
        near("time", c["swapin_ns"], int(swap_ns))
        near("inside", inside_ns(c), v["run_ns"], sum(v["exits"].values()) * 2e4)


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
