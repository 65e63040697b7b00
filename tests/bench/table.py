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
    for path in sys.argv[1:]:
        d = json.load(open(path))
        print(f"Kernel {d['kernel']}, {d['cpus']} CPUs, {d['date']}, medians of {d['reps']} rounds; other programs used "
              f"{d['busy_before_pct']:.0f} % of one CPU before the run.\n")
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
        if "report" in d:
            table(["report, one core", "slices", "recording MiB", "s", "slices/s", "peak resident MiB"],
                  [[f"{r['times']}x", str(r["slices"]), f"{r['mib']:.1f}", f"{r['cpu_s']:.2f}",
                    f"{r['slices_per_s']:.0f}", f"{r['rss_mib']:.0f}"] for r in d["report"]])


if __name__ == "__main__":
    main()
