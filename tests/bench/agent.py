#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""What a recording through an agent takes at a high rate of switches, and whether it is whole.

agent.py [--reps N] [--seconds S] [--load KIND:PAIRS ...]

Each load (tests/live/switches.c) counts its own context switches. It runs alone; under `sandglass record -a`; and under
a `sandglass agent` whose recording a `sandglass record --guest` of the same machine takes over TCP (what that records of
its own is one process that sleeps, so the load is recorded once). Every recording is held against the load's own counts
(tests/live/tally.c). CPU is that of the processes while the load runs, in percent of one CPU. The table is on standard error, JSON on standard output.
"""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
O = os.path.join(ROOT, os.environ.get("O", "build"))
SG, SWITCHES, TALLY = f"{O}/sandglass", f"{O}/tests/live/switches", f"{O}/tests/live/tally"
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}


def say(text=""):
    print(text, file=sys.stderr, flush=True)


def cpu_s(pid):
    f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def most_mib(pid):
    """Memory of its own, at most: VmHWM without what maps of the rings and the program take now."""
    kb = {w[0][:-1]: int(w[1]) for w in (line.split() for line in open(f"/proc/{pid}/status")) if w[0][:2] in ("Vm", "Rs")}
    return (kb["VmHWM"] - kb["RssFile"] - kb["RssShmem"]) / 1024


def children(pid):
    return [int(p) for p in open(f"/proc/{pid}/task/{pid}/children").read().split()]


class Recording:
    """Begun when made; stop() ends it and says what it took."""

    def __init__(self, tmp):
        self.tmp, self.path, self.own, self.who = tmp, f"{tmp}/r.sgt", [], {}

    def start(self, argv, name):
        r, w = os.pipe()
        self.log = open(f"{self.tmp}/{name}.log", "w+")
        p = subprocess.Popen([*argv, "-o", self.path, "--ready-fd", str(w)], pass_fds=[w], stderr=self.log, **QUIET)
        self.own.append(p)
        os.close(w)
        with os.fdopen(r) as ready:
            if not ready.read():
                raise SystemExit(f"{' '.join(argv[:2])} did not begin: {self.text()}")
        self.who[name] = p.pid
        self.main = p

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def begin_count(self):
        self.cpu = {n: cpu_s(p) for n, p in self.who.items()}

    def end_count(self):
        self.cpu = {n: cpu_s(p) - self.cpu[n] for n, p in self.who.items()}
        self.mib = {n: most_mib(p) for n, p in self.who.items()}

    def stop(self):
        self.main.send_signal(signal.SIGINT)
        if self.main.wait(120):
            raise SystemExit(f"sandglass record ended with {self.main.returncode}: {self.text()}")

    def kill(self):
        for p in self.own:
            p.kill()
            p.wait()


class Alone(Recording):
    machine = 0

    def __init__(self, tmp):
        super().__init__(tmp)
        self.start([SG, "record", "-a"], "recorder")


class Agent(Recording):
    machine = 1

    def __init__(self, tmp):
        super().__init__(tmp)
        token, log = f"{tmp}/token", f"{tmp}/agent.log"
        with open(token, "w") as f:
            f.write(os.urandom(24).hex() + "\n")
        with open(log, "w") as f:
            agent = subprocess.Popen([SG, "agent", "--listen", "tcp:127.0.0.1:0", "--token-file", token], stderr=f, **QUIET)
        sleeper = subprocess.Popen(["sleep", "3600"])
        self.own += [agent, sleeper]
        at = None
        while not at and agent.poll() is None:
            at = re.search(r"listening on (\S+)", open(log).read())
        if not at:
            raise SystemExit(f"sandglass agent did not begin: {open(log).read()}")
        self.start([SG, "record", "-p", str(sleeper.pid), "--guest", f"web={at[1]}", "--token-file", token], "host")
        self.who["agent"] = agent.pid
        self.who["recorder"] = children(agent.pid)[0]

    def stop(self):
        super().stop()
        if "found no room" in self.text():
            raise SystemExit(self.text())


def load(kind, pairs, seconds, tmp):
    with open(f"{tmp}/counts", "w+") as f:
        subprocess.run([SWITCHES, kind, pairs, str(seconds)], stdout=f, stdin=subprocess.DEVNULL, check=True)
        f.seek(0)
        facts = dict(w.split("=") for w in f.read().splitlines()[-1].split()[1:])
    return int(facts["switches"]), float(facts["seconds"])


def measure(variant, kind, pairs, seconds, tmp):
    rec = variant(tmp) if variant else None
    try:
        if rec:
            rec.begin_count()
        made, took = load(kind, pairs, seconds, tmp)
        row = {"switches_per_s": made / took}
        if rec:
            rec.end_count()
            rec.stop()
            row["cpu_pct"] = {n: 100 * s / took for n, s in rec.cpu.items()}
            row["most_mib"] = rec.mib
            row["bytes_per_slice"] = os.path.getsize(rec.path) / made
            told = subprocess.run([TALLY, rec.path, str(rec.machine), f"{tmp}/counts"], capture_output=True, text=True, check=True).stdout
            row.update({k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", told)})
    finally:
        if rec:
            rec.kill()
    return row


VARIANTS = {"alone": None, "record": Alone, "agent": Agent}


def middle(rows, key):
    return statistics.median(r[key] for r in rows)


def show(name, rows):
    line = f"  {name:16}{middle(rows, 'switches_per_s'):12.0f}"
    if "found" in rows[0]:
        line += f"{sum(r['made'] for r in rows):12}" + "".join(f"{sum(r[k] for r in rows):8}" for k in ("missing", "extra", "double", "lost"))
        line += f"{middle(rows, 'bytes_per_slice'):8.1f}  "
        line += ", ".join(f"{n} {statistics.median(r['cpu_pct'][n] for r in rows):.1f} % {max(r['most_mib'][n] for r in rows):.1f} MiB"
                          for n in rows[0]["cpu_pct"])
    say(line)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--reps", type=int, default=3)
    ap.add_argument("--seconds", type=float, default=5)
    ap.add_argument("--load", nargs="*", default=["pipe:2", "pipe:16", "futex:16", "eventfd:16", "yield:16"])
    a = ap.parse_args()
    if os.geteuid():
        say("agent.py needs root: it records the whole system.")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it started goes away
    out = {}
    say(f"  {'':16}{'switches/s':>12}{'made':>12}{'missing':>8}{'extra':>8}{'double':>8}{'lost':>8}{'B/slice':>8}  CPU and memory")
    with tempfile.TemporaryDirectory(prefix="sandglass-bench.", dir="/var/tmp") as tmp:
        for spec in a.load:
            rows = {v: [] for v in VARIANTS}
            for r in range(a.reps):
                names = list(VARIANTS)
                for v in names[r % 3:] + names[:r % 3]:
                    rows[v].append(measure(VARIANTS[v], *spec.split(":"), a.seconds, tmp))
            say(spec)
            for v in VARIANTS:
                show(v, rows[v])
            out[spec] = rows
    json.dump({"agent": out}, sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
