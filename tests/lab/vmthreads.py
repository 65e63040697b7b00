#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""vmthreads.py REPORT TGID WORKER...: holds what `report --vm --json` says of a machine's threads besides its vCPUs against what is
known of it. The parts of each row sum to its time and its waits to what it waited, rows and others to their components; there is
an I/O thread that ran and threads that waited for the disk; a WORKER, if given, is the thread id of vhost's, and it ran."""
import json
import sys

PARTS = "cpu_ns", "runq_ns", "throttle_ns", "disk_ns", "wait_ns", "unknown_ns"
doc, tgid, workers = json.load(open(sys.argv[1])), int(sys.argv[2]), [int(w) for w in sys.argv[3:]]


def say(name, good, why):
    print("ok threads/" + name if good else "not ok threads/%s %s" % (name, why))


vm = [m for m in doc["kvm"] if m["tgid"] == tgid]
say("machine", len(vm) == 1, "%d machines of process %d" % (len(vm), tgid))
vm = vm[0]
t = vm["threads"]
groups = t["components"] + t["rows"] + [t["others"]]
bad = [g for g in groups if sum(g[p] for p in PARTS) != g["total_ns"]]
say("parts", not bad, bad[:1])
bad = [g for g in groups if sum(w["ns"] for w in g["waits"]) != g["disk_ns"] + g["wait_ns"]]
say("waits", not bad, bad[:1])
for p in PARTS + ("total_ns",):
    got, want = sum(g[p] for g in t["rows"]) + t["others"][p], sum(g[p] for g in t["components"])
    if got != want:
        break
say("components", got == want, "%s: %d in rows, %d in components" % (p, got, want))
same = [p for p in ("total_ns", "guest_ns", "exit_ns", "runq_ns", "halt_ns") if vm["all_vcpus"][p] != sum(v[p] for v in vm["vcpus"])]
say("vcpus", not same, same)
f = vm["all_vcpus"]["page_faults"]
kinds = [v for v in f.values() if isinstance(v, dict)]
say("page-faults", len(kinds) == 5 and all(f[k] == sum(v[k] for v in kinds) for k in ("count", "cpu_ns", "wait_ns")), f)
of = {g["component"]: g for g in t["components"]}
print("-- threads: " + ", ".join("%d %s: %.1f ms on a CPU, %.1f ms for the disk, %.1f ms unknown" %
                                 (g["threads"], n, g["cpu_ns"] / 1e6, g["disk_ns"] / 1e6, g["unknown_ns"] / 1e6)
                                 for n, g in of.items()), file=sys.stderr)
io = [r for r in t["rows"] if r["component"] == "iothread"]
say("iothread", [r["comm"] for r in io] == ["IO iothread1"] and io[0]["cpu_ns"] > 0, io)
say("monitor", not [r for r in t["rows"] if r["component"] != "vmm" and "mon_iothread" in r["comm"]], "QEMU's monitor is no I/O thread")
say("disk", sum(g["disk_ns"] for g in of.values()) > 0, "nobody waited for it")
if workers:
    v = [r for r in t["rows"] if r["tid"] in workers]
    say("vhost", v and all(r["component"] == "vhost" for r in v) and sum(r["cpu_ns"] for r in v) > 0, v)
    # It never leaves the kernel, and what it waits for is work.
    say("vhost/waits", v and all(r["unknown_ns"] <= r["total_ns"] / 20 for r in v), v)
