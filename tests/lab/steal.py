#!/usr/bin/python3 -BES
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""steal.py FUSED FACTS MARKS: what a guest's tasks lost to their host (suite-steal.sh), by three who count it apart:

  blame   FUSED, `report --json` of guest and host: (vcpu, sched.runq) in the task's ledger
  delay   MARKS, the host's scheduler: run_delay of the vCPU's thread at the exits that mark the task's begin and end
  steal   FACTS, the guest's kernel of the CPU: /proc/stat's column, in ticks of 10 ms

A line of FACTS is "TASK NANOSECONDS NANOSECONDS", how long it took by its own clock and was blocked in it, or "TASK pid N steal N ran N" (ran, its CPU time: Debian's kernels count what was stolen into it, so
it says nothing); one of MARKS is
"mark PID TIME RUN_DELAY". Within 5 %, and a slack: one turn of the vCPU at either end, where the three look one after the
other, and two ticks for what /proc/stat has not booked yet. All clocks are the same emulated machine's, so what is taken from that
is in each. Prints lines of tests/lib.sh."""
import sys

from blame import conserved, say, tasks_of, total

TURN_NS, TICKS_NS = 2e7, 2e7

facts, walls, marks = {}, {}, {}
for words in map(str.split, open(sys.argv[2])):
    if len(words) == 3:
        walls[words[0]] = int(words[1])
    else:
        facts[words[0]] = {k: int(v) for k, v in zip(words[1::2], words[2::2])}
for words in map(str.split, open(sys.argv[3])):
    if words and words[0] == "mark":
        marks.setdefault(int(words[1]), []).append((int(words[2]), int(words[3])))
fused = tasks_of(sys.argv[1])


def near(name, got, want, slack=TURN_NS):
    say(name, abs(got - want) <= 0.05 * want + slack, "%.1f ms, not %.1f ms +- 5 %% +- %.0f ms" % (got / 1e6, want / 1e6, slack / 1e6))


class Task:
    def __init__(self, name):
        self.name, self.fused, self.own = name, fused[name][0], facts[name]
        (t0, d0), (t1, d1) = marks[self.own["pid"]]
        self.delay, self.between = d1 - d0, t1 - t0
        self.blame = total(self.fused, "vcpu", "sched.runq")

    def judge(self):
        print("-- %-6s %.0f ms long; lost by blame %.1f ms, by the host's run delay %.1f, by the guest's steal %.1f; its CPU time %.1f" %
              ((self.name,) + tuple(n / 1e6 for n in (walls[self.name], self.blame, self.delay, self.own["steal"], self.own["ran"]))),
              file=sys.stderr)
        latency = self.fused["latency_ns"]
        conserved(self.name, self.fused)
        say(self.name + "/latency", abs(latency - self.between) <= 0.05 * latency + TURN_NS,
            "%d ns, %d between its marks" % (latency, self.between))
        near(self.name + "/delay", self.blame, self.delay)
        near(self.name + "/steal", self.blame, self.own["steal"], TURN_NS + TICKS_NS)


both, quiet, pair = Task("both"), Task("quiet"), [Task("pair1"), Task("pair2")]
for t in (both, quiet):
    t.judge()
say("both/size", both.delay > 0.2 * walls["both"], "%d of %d ns were stolen" % (both.delay, walls["both"]))
# Each lost it all, on the vCPU or in the guest's queue for it.
for t in pair:
    t.judge()
