#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""What recording costs, beside its peers, in one run on one machine.

bench.py [PART...]   parts: start pipe syscall idle recorder report codec kvm agent (all when none is named)
  --reps N      repetitions of every variant, interleaved (5)
  --json FILE   results (tests/bench/results/KERNEL.json)

Every variant runs the same load, pinned to the last CPU; what records is
pinned to the others. The order changes from repetition to repetition, and the
medians are printed. The targets are the project's own, see README.md.
"""
import argparse
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SG = os.path.join(ROOT, os.environ.get("O", "build"), "sandglass")
CPUS = sorted(os.sched_getaffinity(0))
LOAD_CPU = CPUS[-1]
REST = set(CPUS[:-1]) or {LOAD_CPU}
os.environ["PATH"] += ":/usr/sbin:/sbin"
os.environ["LC_ALL"] = "C"

PIPE_OPS = 150000
SYSCALLS = 3000000
BPFTRACE_OFFCPU = """
tracepoint:sched:sched_switch {
  if (args->prev_pid) { @off[args->prev_pid] = nsecs; }
  if (@off[args->next_pid]) {
    @us[args->next_comm, kstack] = sum(nsecs - @off[args->next_pid]); delete(@off[args->next_pid]);
  }
}"""


def say(text=""):
    print(text, flush=True)


def record_args(out, *more):
    return [SG, "record", "-a", "-o", out, *more]


def recorders(tmp):
    """name -> (command that records until SIGINT, or None; the text that says it has begun)"""
    return {
        "bare": None,
        "sandglass slices+wakers": record_args(f"{tmp}/slices.sgt", "--probes", "sched"),
        "sandglass all but faults": record_args(f"{tmp}/nofault.sgt", "--skip", "fault"),
        "sandglass everything": record_args(f"{tmp}/all.sgt"),
        "perf sched record": ["perf", "sched", "record", "-o", f"{tmp}/perf.data"],
        "runqlat": ["runqlat", "3600"],
        "offcputime": ["offcputime", "-m", "1", "3600"],
        "bpftrace off-CPU": ["bpftrace", "-e", BPFTRACE_OFFCPU],
    }


class Recorder:
    """A recorder in the background: begun when this returns, ended by SIGINT."""

    def __init__(self, argv, cpus=REST):
        self.log = tempfile.TemporaryFile()
        self.rss = 0
        self.p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                  preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        self.wait_begun(argv)

    def wait_begun(self, argv):
        # No tool says so alike: it has begun when its start-up work is over.
        limit, quiet, last = time.time() + 6, 0, -1.0
        while time.time() < limit and quiet < 4:
            time.sleep(0.25)
            if self.p.poll() is not None:
                raise SystemExit(f"{' '.join(argv[:3])} ended at once:\n{self.text()}")
            now = self.cpu()
            quiet = quiet + 1 if now - last < 0.02 else 0
            last = now
        if quiet < 4 and "sandglass" in argv[0]:
            say(f"   ({' '.join(argv[1:3])} used CPU from the start)")

    def cpu(self):
        f = open(f"/proc/{self.p.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")

    def sample_rss(self):
        for line in open(f"/proc/{self.p.pid}/status"):
            if line.startswith(("VmHWM:", "RssFile:", "RssShmem:", "RssAnon:")):
                key, kb = line.split()[:2]
                setattr(self, "kb_" + key[:-1], int(kb))

    def text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def stop(self):
        self.sample_rss()
        self.p.send_signal(signal.SIGINT)
        try:
            rc = self.p.wait(60)
        except subprocess.TimeoutExpired:
            self.p.kill()
            raise SystemExit(f"{self.p.args[:3]} does not end on SIGINT")
        if self.p.args[0] == SG and rc != 0:
            raise SystemExit(f"sandglass record ended with {rc}:\n{self.text()}")
        return rc


def usec_per_op(kind, n, flag="-l"):
    out = subprocess.run(["taskset", "-c", str(LOAD_CPU), "perf", "bench", *kind, flag, str(n)],
                         capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True).stdout
    return float(re.search(r"([0-9.]+) usecs/op", out).group(1))


def interleaved(names, reps, measure):
    """name -> values; each round goes through all, beginning elsewhere"""
    got = {n: [] for n in names}
    for r in range(reps):
        for n in names[r % len(names):] + names[:r % len(names)]:
            got[n].append(measure(n))
        say(f"   round {r + 1}/{reps}")
    return got


def compare(title, kind, ops, names, reps, tmp):
    say(f"\n{title}: {reps} interleaved rounds, CPU {LOAD_CPU}, medians")
    commands = recorders(tmp)
    usable = [n for n in names if not commands[n] or shutil.which(commands[n][0]) or os.path.exists(commands[n][0])]
    for n in set(names) - set(usable):
        say(f"   {n}: {commands[n][0]} is not installed: left out")

    def measure(name):
        if not commands[name]:
            return usec_per_op(kind, ops)
        rec = Recorder(commands[name])
        try:
            return usec_per_op(kind, ops)
        finally:
            rec.stop()

    got = interleaved(usable, reps, measure)
    bare = statistics.median(got["bare"])
    rows = {n: {"us_per_op": statistics.median(v), "added_us": statistics.median(v) - bare,
                "min": min(v), "max": max(v), "values": v} for n, v in got.items()}
    return rows


def part_start(reps, tmp):
    """What a recording of nothing takes: to load, to attach, and to end."""
    commands = {"bare": ["true"],
                "sandglass slices+wakers": [SG, "record", "-q", "-o", f"{tmp}/start.sgt", "--probes", "sched", "--", "true"],
                "sandglass everything": [SG, "record", "-q", "-o", f"{tmp}/start.sgt", "--", "true"],
                "perf sched record": ["perf", "sched", "record", "-o", f"{tmp}/start.data", "--", "true"],
                "bpftrace off-CPU stacks": ["bpftrace", "-e", BPFTRACE_OFFCPU, "-c", "/bin/true"]}
    usable = [n for n, c in commands.items() if shutil.which(c[0])]
    say(f"\na recording of `true`: {reps} interleaved rounds, medians")

    def measure(name):
        t = time.monotonic()
        subprocess.run(commands[name], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return time.monotonic() - t

    got = interleaved(usable, reps, measure)
    rows = {n: {"s": statistics.median(v), "min": min(v), "max": max(v), "values": v} for n, v in got.items()}
    say(f"\n  {'':28}{'s':>8}{'spread':>16}")
    for n, r in rows.items():
        say(f"  {n:28}{r['s']:8.2f}{r['min']:9.2f}-{r['max']:5.2f}")
    return rows


def part_pipe(reps, tmp):
    names = list(recorders(tmp))
    rows = compare("perf bench sched pipe (2 switches, 4 system calls per op)", ["sched", "pipe"],
                   PIPE_OPS, names, reps, tmp)
    base = rows.get("perf sched record", {}).get("added_us")
    say(f"\n  {'':28}{'us/op':>8}{'added':>8}{'spread':>16}{'/ perf sched':>14}")
    for n, r in rows.items():
        r["ratio_to_perf_sched"] = r["added_us"] / base if base and n != "bare" else None
        ratio = f"{r['ratio_to_perf_sched']:.2f}" if r["ratio_to_perf_sched"] is not None else ""
        say(f"  {n:28}{r['us_per_op']:8.2f}{r['added_us']:8.2f}{r['min']:9.2f}-{r['max']:5.2f}{ratio:>14}")
    goal("slices and wakers / perf sched record", rows["sandglass slices+wakers"]["ratio_to_perf_sched"], 0.30)
    goal("all but faults / perf sched record", rows["sandglass all but faults"]["ratio_to_perf_sched"], 0.60)
    return rows


def part_syscall(reps, tmp):
    rows = compare("perf bench syscall basic (getppid)", ["syscall", "basic"], SYSCALLS,
                   ["bare", "sandglass slices+wakers", "sandglass everything"], reps, tmp)
    say(f"\n  {'':28}{'us/op':>8}{'added':>8}")
    for n, r in rows.items():
        say(f"  {n:28}{r['us_per_op']:8.3f}{r['added_us']:8.3f}")
    goal("added to a system call, us", rows["sandglass everything"]["added_us"], 0.25)
    return rows


def goal(what, value, limit, least=False):
    good = value is not None and (value >= limit if least else value <= limit)
    shown = "none" if value is None else f"{value:.3g}"
    say(f"  {'reached' if good else 'MISSED '}  {what}: {shown} ({'at least' if least else 'at most'} {limit:g})")
    GOALS.append({"what": what, "value": value, "limit": limit, "reached": good})


GOALS = []


def programs():
    """id -> run time of every BPF program now loaded"""
    progs = json.loads(subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True,
                                      check=True).stdout)
    return {p["id"]: p.get("run_time_ns", 0) for p in progs}


def part_idle(reps, tmp):
    seconds = 10
    say(f"\nidle cost: record -a for {seconds} s with nothing else running")
    key = "/proc/sys/kernel/bpf_stats_enabled"
    before = open(key).read()
    rows = []
    try:
        open(key, "w").write("1")
        for r in range(max(1, min(reps, 3))):
            others = programs()
            rec = Recorder(record_args(f"{tmp}/idle.sgt", "-q"), set(CPUS))
            c0, b0, t0 = rec.cpu(), programs(), time.time()
            time.sleep(seconds)
            c1, b1, t1 = rec.cpu(), programs(), time.time()
            rec.stop()
            ran = sum(ns - b0[i] for i, ns in b1.items() if i in b0 and i not in others)
            rows.append({"own_cpu_pct": 100 * (c1 - c0) / (t1 - t0), "bpf_pct": ran / (t1 - t0) / 1e7})
    finally:
        open(key, "w").write(before)
    med = {k: statistics.median(r[k] for r in rows) for k in rows[0]}
    med["total_pct"] = med["own_cpu_pct"] + med["bpf_pct"]
    busy = busy_pct(3)
    med["machine_busy_pct"] = busy
    say(f"  recorder {med['own_cpu_pct']:.2f} % + programs {med['bpf_pct']:.2f} % of one CPU"
        f"   (the machine itself was {busy:.1f} % busy)")
    if busy > 10:
        say("  not judged: the machine was not idle")
        return None
    goal("idle cost, % of one CPU", med["total_pct"], 0.5)
    return med


def busy_pct(seconds):
    def read():
        f = [int(x) for x in open("/proc/stat").readline().split()[1:]]
        return sum(f), f[3] + f[4]
    t0, i0 = read()
    time.sleep(seconds)
    t1, i1 = read()
    return 100 * (1 - (i1 - i0) / max(1, t1 - t0)) * len(CPUS)


def report_json(path, *more):
    p = subprocess.run([SG, "report", path, "--json", *more], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if p.returncode:
        raise SystemExit(f"sandglass report {path}: {p.stderr}")
    return json.loads(p.stdout)


def loads(kind, seconds):
    """Start a load on every CPU; returns the processes."""
    if kind == "tasks":
        argv = [[os.path.join(os.path.dirname(SG), "tests/bench/bench_tasks"), str(seconds)]]
    elif kind == "pipes":
        argv = [["taskset", "-c", str(c), "timeout", str(seconds), "perf", "bench", "sched", "pipe", "-l", "100000000"]
                for c in CPUS]
    else:
        argv = [["timeout", str(seconds), "perf", "bench", "sched", "messaging", "-g", "4", "-l", "1000000"]]
    return [subprocess.Popen(a, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for a in argv]


def record_load(kind, seconds, path):
    rec = Recorder(record_args(path), set(CPUS))
    procs = loads(kind, seconds)
    try:
        for p in procs:
            p.wait()
    finally:
        rec.stop()
    return rec


def part_recorder(reps, tmp):
    out = {}
    say("\nrecorder at the highest switch rate, everything on, 5 s")
    say(f"  {'load':12}{'slices/s':>12}{'lost':>10}{'bytes/slice':>13}{'RSS MiB':>9}{'of it ring':>12}")
    for kind in ("pipes", "messaging"):
        path = f"{tmp}/{kind}.sgt"
        rec = record_load(kind, 5, path)
        doc = report_json(path)
        slices = doc["perturbation"].get("slices") or doc.get("slices")
        row = {"slices_per_s": slices / 5, "lost": doc["lost"], "bytes_per_slice": os.path.getsize(path) / slices,
               "rss_mib": rec.kb_VmHWM / 1024, "ring_mib": (rec.kb_RssFile + rec.kb_RssShmem) / 1024}
        out[kind] = row
        say(f"  {kind:12}{row['slices_per_s']:12.0f}{row['lost']:10}{row['bytes_per_slice']:13.1f}"
            f"{row['rss_mib']:9.1f}{row['ring_mib']:12.1f}")
        goal(f"{kind}: records lost", row["lost"], 0)
        goal(f"{kind}: bytes per slice", row["bytes_per_slice"], 30)
        goal(f"{kind}: resident MiB without the ring", row["rss_mib"] - row["ring_mib"], 64)
        os.unlink(path)
    return out


def part_report(reps, tmp):
    out = []
    say("\nreport on one core, recordings of many short tasks (bench_tasks): 1x, 4x, 16x")
    say(f"  {'':6}{'slices':>12}{'MiB':>8}{'s':>8}{'slices/s':>12}{'peak RSS MiB':>14}")
    for times in (1, 4, 16):
        path = f"{tmp}/x{times}.sgt"
        record_load("tasks", 2 * times, path)
        doc = report_json(path)
        slices = doc["perturbation"].get("slices") or doc.get("slices")
        best = None
        for _ in range(max(1, min(reps, 3))):
            t0 = time.monotonic()
            pid = os.posix_spawn("/usr/bin/taskset", ["taskset", "-c", str(LOAD_CPU), SG, "report", path], os.environ,
                                 file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
            _, status, ru = os.wait4(pid, 0)
            if status:
                raise SystemExit(f"sandglass report {path}: status {status}")
            took = ru.ru_utime + ru.ru_stime
            if best is None or took < best["cpu_s"]:
                best = {"times": times, "slices": slices, "mib": os.path.getsize(path) / 2**20, "cpu_s": took,
                        "wall_s": time.monotonic() - t0, "slices_per_s": slices / took, "rss_mib": ru.ru_maxrss / 1024}
        out.append(best)
        say(f"  {times:3}x  {slices:12}{best['mib']:8.1f}{best['cpu_s']:8.2f}{best['slices_per_s']:12.0f}"
            f"{best['rss_mib']:14.1f}")
        os.unlink(path)
    goal("report: slices per second", min(r["slices_per_s"] for r in out), 2e6, least=True)
    goal("report: memory at 16x / at 1x", out[2]["rss_mib"] / out[0]["rss_mib"], 1.25)
    return out


def part_codec(reps, tmp):
    say("\nwriting and reading a recording of generated slices, one core")
    prog = os.path.join(os.path.dirname(SG), "tests/bench/bench_rec")
    text = subprocess.run(["taskset", "-c", str(LOAD_CPU), prog], capture_output=True, text=True, check=True).stdout
    say("  " + text.strip().replace("\n", "\n  "))
    return text.strip().splitlines()


def part_kvm(reps, tmp):
    say("\na virtual machine's exits, beside perf kvm stat record (tests/bench/kvm.sh; judged in the lab, see docs/lab.md)")
    p = subprocess.run([os.path.join(ROOT, "tests/bench/kvm.sh"), "--reps", str(reps), "--ms", "500"], stdout=subprocess.PIPE,
                       text=True, stdin=subprocess.DEVNULL)
    if p.returncode == 77:
        return None
    if p.returncode:
        raise SystemExit(f"tests/bench/kvm.sh ended with {p.returncode}")
    return json.loads(p.stdout)["kvm"]


def part_agent(reps, tmp):
    say("\na recording through an agent, beside one alone (tests/bench/agent.py)")
    p = subprocess.run([os.path.join(ROOT, "tests/bench/agent.py"), "--reps", str(min(reps, 3))], stdout=subprocess.PIPE,
                       text=True, stdin=subprocess.DEVNULL)
    if p.returncode:
        raise SystemExit(f"tests/bench/agent.py ended with {p.returncode}")
    doc = json.loads(p.stdout)["agent"]
    rows = [r for load in doc.values() for r in load["agent"]]
    goal("agent: most slices per second, whole", max(r["switches_per_s"] for r in rows if not r["missing"]), 200000, least=True)
    goal("agent: switches missing that are not told as lost", max(r["missing"] - r["lost"] for r in rows), 0)
    goal("agent: switches there twice", max(r["extra"] + r["double"] for r in rows), 0)
    goal("agent: records lost", max(r["lost"] for r in rows), 0)
    return doc


PARTS = {"start": part_start, "pipe": part_pipe, "syscall": part_syscall, "idle": part_idle, "recorder": part_recorder,
         "report": part_report, "codec": part_codec, "kvm": part_kvm,
         "agent": part_agent}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("part", nargs="*", metavar="PART")
    ap.add_argument("--reps", type=int, default=5)
    ap.add_argument("--json", default=os.path.join(ROOT, "tests/bench/results", platform.release() + ".json"))
    a = ap.parse_args()
    if set(a.part) - set(PARTS):
        ap.error(f"parts: {' '.join(PARTS)}")
    if os.geteuid():
        raise SystemExit("bench.py needs root: it records the whole system.")
    doc = {"kernel": platform.release(), "cpus": len(CPUS), "date": time.strftime("%Y-%m-%d"), "reps": a.reps}
    try:
        doc.update(json.load(open(a.json)), **{k: doc[k] for k in ("date", "reps")})
    except FileNotFoundError:
        pass
    doc["busy_before_pct"] = round(busy_pct(2), 1)
    say(f"kernel {doc['kernel']}, {doc['cpus']} CPUs; busy before the run: {doc['busy_before_pct']} % of one CPU")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it made goes away
    with tempfile.TemporaryDirectory(prefix="sandglass-bench.", dir="/var/tmp") as tmp:
        for name in a.part or PARTS:
            doc[name] = PARTS[name](a.reps, tmp)
            os.makedirs(os.path.dirname(a.json), exist_ok=True)
            with open(a.json, "w") as f:
                json.dump(doc, f, indent=1)
                f.write("\n")
    missed = [g["what"] for g in GOALS if not g["reached"]]
    say(f"\n{len(GOALS) - len(missed)} of {len(GOALS)} goals reached; results in {os.path.relpath(a.json, ROOT)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
