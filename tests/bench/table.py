#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""table.py FILE...: the stored results of bench.py as Markdown, for README.md."""
import json
import sys


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * (len(head) - 1))
    for r in rows:
        print("| " + " | ".join(r) + " |")
    print()


def main():
    for d in sorted((json.load(open(path)) for path in sys.argv[1:]), key=lambda d: bool(d.get("counted_instructions"))):
        rounds = f"medians of {d['reps']} rounds" if d["reps"] > 1 else "one round"
        head = f"Kernel {d['kernel']}, {d['cpus']} CPU{'s' * (d['cpus'] > 1)}, {d['date']}, {rounds}; "
        if d.get("counted_instructions"):
            print(head + "an emulated processor in the lab, on which a nanosecond is an instruction: `tests/lab/boot.sh -i -t 1500 "
                  "tests/bench/kvm.sh --reps 1 --ms 100 --only sandglass,perf`.\n")
        else:
            print(head + f"other programs used {d['busy_before_pct']:.0f} % of one CPU before the run.\n")
        if "pipe" in d:
            table(["`perf bench sched pipe`, pinned", "us/op", "added us/op", "of perf sched record's"],
                  [[n, f"{r['us_per_op']:.2f}", f"{r['added_us']:.2f}" if n != "bare" else "",
                    f"{r['ratio_to_perf_sched']:.2f}" if r["ratio_to_perf_sched"] is not None else ""]
                   for n, r in d["pipe"].items()])
        if "syscall" in d:
            table(["`perf bench syscall basic`, pinned", "us/op", "added us/op"],
                  [[n, f"{r['us_per_op']:.3f}", f"{r['added_us']:.3f}" if n != "bare" else ""]
                   for n, r in d["syscall"].items()])
        if d.get("idle"):
            i = d["idle"]
            print(f"`record -a` on an idle machine: {i['own_cpu_pct']:.2f} % of one CPU in the recorder, "
                  f"{i['bpf_pct']:.2f} % in its programs.\n")
        if "recorder" in d:
            table(["recorder, everything on", "slices/s", "lost", "bytes/slice", "resident MiB", "of it ring"],
                  [[n, f"{r['slices_per_s']:.0f}", str(r["lost"]), f"{r['bytes_per_slice']:.1f}",
                    f"{r['rss_mib']:.0f}", f"{r['ring_mib']:.0f}"] for n, r in d["recorder"].items()])
        for loop, k in (d.get("kvm") or {}).items():
            unit = "instructions" if d.get("counted_instructions") else "ns"
            what = {"cpuid": "handled in the kernel (cpuid)", "out": "to the VMM (port output)"}[loop]
            ratio = lambda r, key: "" if r[key] is None else f"{r[key]:.2f}"
            table([f"{k['exits']} exits {what}", f"{unit} an exit", "added", "of perf's", "added in the vCPU's thread", "of perf's",
                   "file, bytes", "exits told"],
                  [[n, f"{r['ns_per_exit']:.0f}", f"{r['added_ns']:.0f}" if n != "bare" else "", ratio(r, "of_perf"),
                    f"{r['added_thread_ns']:.0f}" if n != "bare" else "", ratio(r, "thread_of_perf"), str(r["bytes"] or ""),
                    str(r.get("counted", ""))] for n, r in k["rows"].items()])
        if "report" in d:
            table(["report, one core", "slices", "recording MiB", "s", "slices/s", "peak resident MiB"],
                  [[f"{r['times']}x", str(r["slices"]), f"{r['mib']:.1f}", f"{r['cpu_s']:.2f}",
                    f"{r['slices_per_s']:.0f}", f"{r['rss_mib']:.0f}"] for r in d["report"]])


if __name__ == "__main__":
    main()
