#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""gvtrace.py SANDGLASS BOX GUEST CACHE: guest system calls and Gofer messages, counted twice.

A program of known shape runs in containers of both generations of gVisor, under the default source (stops and traps,
words in the Gofer's windows) and one of gVisor's own at the same time: its trace points, then probes in its Sentry.
All that the sandbox does while it is recorded is that program, from execve to exit_group: its first process sleeps. So
number by number, with nothing left out:
  ptrace    stops == trace points == probes
  systrap   traps <= trace points; the difference are calls at patched sites, named in the table
  messages  answers in the windows == messages sent, by type; a failed one is answered by Error, whatever was asked
Prints the table, and ok / not ok / skip lines as all tests.
"""
import json, os, subprocess, sys, tempfile, time

sg, box_bin, guest, cache = sys.argv[1:5]
RUNTIMES = ["runsc-ptrace", "runsc24-ptrace", "runsc-systrap", "runsc-lisafs"]
OPS = [("getpid", 2000), ("stat", 300), ("create", 100), ("fork", 5)]
PROBES = {"runsc-ptrace": ["create", "stat"], "runsc-lisafs": ["create", "stat"]}  # those that speak LISAFS
PROBE_AGE_S = 5.5  # younger Sentries are not probed
TRIES = 2  # gVisor drops messages when others take the CPUs


def want(cond, text):
    if not cond:
        raise AssertionError(text)


class Box:
    def __init__(self):
        self.p = subprocess.Popen([box_bin, cache, guest] + RUNTIMES, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.why = self.line()

    def line(self):
        return self.p.stdout.readline().strip() or "error it ended without a word"

    def start(self, runtime, vol):
        self.p.stdin.write("start sg-count-%s %s %s\n" % (runtime, runtime, vol))
        self.p.stdin.flush()
        answer = self.line()
        want(not answer.startswith("error"), answer)
        _name, cid, _pid, *execute = answer.split(" ")
        return cid, execute, time.monotonic()

    def close(self):
        self.p.stdin.close()
        self.p.wait(120)


def record(made, option, op, n):
    """The sandbox of `report --guest-syscalls`, and what the recorder said."""
    cid, execute, _ = made
    rec, file = os.path.join(tmp, "r.sgt"), "/vol/new" if op == "create" else "/vol/file"
    p = subprocess.run([sg, "record", "-q", "--engine", "", "--container", cid, option, "-o", rec, "--"] + execute +
                       ["/guest", op, str(n), file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    want(p.returncode == 0, "record: exit %d: %s" % (p.returncode, p.stderr.strip()))
    d = json.loads(subprocess.run([sg, "report", "--guest-syscalls", "--json", rec], stdout=subprocess.PIPE, check=True).stdout)
    want(d["lost"] == 0, "%d records lost" % d["lost"])
    box = [s for s in d["guest_syscalls"]["sandboxes"] if s["calls"]]
    want(len(box) == 1, "%d sandboxes made calls" % len(box))
    return box[0], p.stderr.strip()


def calls_of(box):
    """Of each call by its name: seen by default, by trace points, by probes."""
    return {c["call"]: (c["by_stops"] + c["by_traps"], c["by_trace"], c["by_probes"]) for c in box["calls"]
            if c["call"] != "(fault)"}


def compare(calls, other, ptrace, what):
    """Default source against column @other. Return: the calls that only the other saw."""
    bad = {c: (v[0], v[other]) for c, v in calls.items() if (v[0] != v[other] if ptrace else v[0] > v[other])}
    want(not bad, "calls seen by default and by %s: %s" % (what, bad))
    return {c: v[other] - v[0] for c, v in calls.items() if v[other] > v[0]}


def made_calls(op, n):
    return {"getpid": {"getpid": n + 1}, "stat": {"stat": n}, "create": {"openat": n, "close": n, "unlink": n},
            "fork": {"clone": n, "wait4": n}}[op]  # getpid: one for the marks


def row(rt, op, source, calls, other, unseen, more=""):
    print("%-15s %-7s %-13s %7d %7d  %s%s" % (rt, op, source, sum(v[0] for v in calls.values()),
          sum(v[other] for v in calls.values()),
          "unseen by default: " + ", ".join("%s %d" % u for u in sorted(unseen.items())) if unseen else "equal", more), flush=True)


def by_trace(made, rt, op, n):
    box, said = record(made, "--gvisor-trace", op, n)
    want(not box["trace_dropped"], "gVisor dropped %d trace messages" % box["trace_dropped"])
    want(not said, "the recorder said: " + said)
    calls = calls_of(box)
    unseen = compare(calls, 1, "ptrace" in rt, "trace points")
    for name, count in made_calls(op, n).items():
        want(calls.get(name, (0, 0))[1] == count, "%d %s were made, trace points saw %d" % (count, name, calls.get(name, (0, 0))[1]))
    row(rt, op, "trace points", calls, 1, unseen)


def by_probes(made, rt, op, n):
    time.sleep(max(0, made[2] + PROBE_AGE_S - time.monotonic()))
    box, said = record(made, "--gvisor-uprobes", op, n)
    want(not said, "the recorder said: " + said)
    calls = calls_of(box)
    unseen = compare(calls, 2, "ptrace" in rt, "probes")
    seen = {m["message"]: (m["count"], m["by_probes"]) for m in box["gofer_messages"]}
    failed = seen.pop("Error", (0, 0))[0]
    bad = {m: v for m, v in seen.items() if v[0] > v[1]}
    want(not bad, "messages answered and sent: %s" % bad)
    short = sum(v[1] - v[0] for v in seen.values())
    want(short == failed, "%d messages were not answered by their own type, %d by Error: %s" % (short, failed, seen))
    want(sum(v[1] for v in seen.values()) >= n, "hardly any messages: %s" % seen)
    row(rt, op, "probes", calls, 2, unseen)
    print("%-15s %-7s %-13s %7d %7d  %s" % (rt, op, "messages", failed + sum(v[0] for v in seen.values()), sum(v[1] for v in seen.values()),
          ", ".join("%s %d/%d" % (m, v[0], v[1]) for m, v in sorted(seen.items())) + (", Error %d/0" % failed if failed else "")), flush=True)


def attempt(name, fn, *args):
    why = ""
    for i in range(1, TRIES + 1):
        try:
            fn(*args)
            print("ok %s%s" % (name, " (try %d)" % i if i > 1 else ""), flush=True)
            return
        except AssertionError as e:
            why = str(e).replace("\n", " ")
            print("try %d: %s: %s" % (i, name, why), file=sys.stderr)
    print("not ok %s %s" % (name, why), flush=True)


def main():
    vol = os.path.join(tmp, "vol")
    os.mkdir(vol)
    os.chmod(vol, 0o777)
    os.chmod(tmp, 0o755)
    with open(os.path.join(vol, "file"), "w") as f:
        f.write("x" * 4096)
    box = Box()
    try:
        if box.why != "ready":
            print("skip containers " + box.why.replace("error ", ""))
            return
        print("%-15s %-7s %-13s %7s %7s" % ("runtime", "program", "compared with", "default", "other"))
        for rt in RUNTIMES:
            made = box.start(rt, vol)
            for op, n in OPS:
                attempt("%s-%s-trace" % (rt, op), by_trace, made, rt, op, n)
            for op in PROBES.get(rt, []):
                attempt("%s-%s-probes" % (rt, op), by_probes, made, rt, op, dict(OPS)[op])
    finally:
        box.close()


with tempfile.TemporaryDirectory(prefix="sg-count.") as tmp:
    main()
