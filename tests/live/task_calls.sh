#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# System calls of tasks (report --syscalls): a program makes known numbers of calls, known ones of which
# fail, before, inside and after its marks and meanwhile in another thread; those inside are counted, no other.
. tests/lib.sh
export LC_ALL=C
SANDGLASS=${SANDGLASS:-$PWD/${O:-build}/sandglass}
[ "$(id -u)" = 0 ] || { echo "recording needs root" >&2; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/calls.py" <<'E2'
import os, threading, time

def fails(f, *a):
    try:
        f(*a)
    except OSError:
        pass

# getppid never fails, close(-1) always does, every third of these openat does
def work(ppid, bad, opens):
    for _ in range(ppid):
        os.getppid()
    for _ in range(bad):
        fails(os.close, -1)
    for i in range(opens):
        if i % 3:
            os.close(os.open("/dev/null", os.O_RDONLY))
        else:
            fails(os.open, "/nonexistent", os.O_RDONLY)

def other():
    while not stop:
        work(5, 5, 5)

stop = False
beside = threading.Thread(target=other)
beside.start()
r, w = os.pipe()
work(77, 33, 9)
for n in 1, 2:
    os.access("/.sandglass/begin/%d/calls" % n, os.F_OK)
    work(2000 * n, 700, 30)
    os.access("/.sandglass/end/%d/0" % n, os.F_OK)
    work(500, 11, 21)
pid = os.fork()
if not pid: # writes when its parent surely waits, and 50 ms later
    while open("/proc/%d/stat" % os.getppid()).read().rsplit(")", 1)[1].split()[0] != "S":
        pass
    time.sleep(0.05)
    os.write(w, b"x")
    os._exit(0)
os.access("/.sandglass/begin/3/waits", os.F_OK)
os.read(r, 1)
os.access("/.sandglass/end/3/0", os.F_OK)
stop = True
beside.join()
os.waitpid(pid, 0)
E2
"$SANDGLASS" record -o "$tmp/r.sgt" -- python3 "$tmp/calls.py" >"$tmp/out" 2>&1 ||
	{ not_ok task_calls/record "$(tail -n1 "$tmp/out")"; exit; }
"$SANDGLASS" report --syscalls --json="$tmp/r.json" "$tmp/r.sgt" 2>"$tmp/err" ||
	{ not_ok task_calls/report "$(tail -n1 "$tmp/err")"; exit; }

verdict task_calls/counts "$(python3 - "$tmp/r.json" 2>&1 <<'E2'
import json, sys

doc = json.load(open(sys.argv[1]))
groups = {g["name"]: g for g in doc["groups"]}
g = groups["calls"]["syscalls"]
own = {c["call"]: c for c in g["calls"] if c["own"]}
# the begin mark's call is counted before the task and fails in it; the end mark's is counted in it and fails after
# close: 700 of -1 and 20 files each
want = {"getppid": (6000, 0), "close": (1440, 1400), "openat": (60, 20), "access": (2, 2)}
for call, (n, bad) in want.items():
    c = own.get(call, {"count": 0, "errors": 0})
    if (c["count"], c["errors"]) != (n, bad):
        print("%s: %d calls, %d failed; %d, %d made" % (call, c["count"], c["errors"], n, bad))
if g["tasks"] != 2 or g["own_count_uncertain"] or doc["lost"]:
    print("%d tasks, uncertain by %d, lost %d" % (g["tasks"], g["own_count_uncertain"], doc["lost"]))
E2
)"
verdict task_calls/waits-by-file "$(python3 - "$tmp/r.json" 2>&1 <<'E2'
import json, sys

doc = json.load(open(sys.argv[1]))
g = {g["name"]: g for g in doc["groups"]}["waits"]
calls = g["syscalls"]["calls"]
read = [c for c in calls if c["own"] and c["call"] == "read"][0]
if read["count"] != 1 or read["waiting_ns"] < 40e6 or read["waiting_ns"] > g["total_ns"]:
    print("read: %d calls, %d ns of waiting" % (read["count"], read["waiting_ns"]))
if read["told_ns"] != read["waiting_ns"] or len(read["files"]) != 1 or not read["files"][0]["name"].startswith("pipe "):
    print("of %d ns %d are told: %s" % (read["waiting_ns"], read["told_ns"], read["files"]))
child = [c for c in calls if not c["own"] and c["call"].endswith("nanosleep")]
if not child or child[0]["waiting_ns"] < 40e6:
    print("its child's sleep: %s" % child)
E2
)"
verdict task_calls/sums "$(python3 - "$tmp/r.json" 2>&1 <<'E2'
import collections, json, sys

for g in json.load(open(sys.argv[1]))["groups"]:
    left = collections.Counter()
    for r in g["blame"]:
        if r["cause"].startswith("cpu.sys.") and r["cause"] != "cpu.sys.exit":
            left[r["component"], r["cause"][8:], "ns"] += r["ns"]
            left[r["component"], r["cause"][8:], "count"] += r["count"]
    for c in g["syscalls"]["calls"]:
        if c["call"] == "exit": # the time of ending has its name, too, and is no call's
            has = sum(r["ns"] for r in g["blame"] if (r["component"], r["cause"]) == (c["component"], "cpu.sys.exit"))
            if has < c["on_cpu_ns"]:
                print(g["name"], c["component"], "exit", has, "of", c["on_cpu_ns"])
            continue
        left[c["component"], c["call"], "ns"] -= c["on_cpu_ns"]
        left[c["component"], c["call"], "count"] -= c["count"]
    for key, n in left.items():
        if n:
            print(g["name"], *key, n)
E2
)"
