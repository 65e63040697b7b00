#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Under switches, timers, faults and interrupts at once: no slice is torn, nothing is lost, no hole in the chain of
# switches is silent, every task still sums, and the recorder stays within its memory.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
command -v perf >/dev/null && command -v stress-ng >/dev/null || { echo "perf and stress-ng make the load" >&2; exit 77; }
sg=${SANDGLASS:?}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$sg" record -q -o "$dir/l.sgt" -a -- sh -c '
	stress-ng --timer 1 --switch 1 --fault 1 -t 6 >/dev/null 2>&1 &
	perf bench sched messaging -g 5 -l 400 >/dev/null 2>&1
	perf bench sched messaging -g 5 -t -l 400 >/dev/null 2>&1
	wait' 2>"$dir/err"
[ -s "$dir/l.sgt" ] || { not_ok recorded "$(cat "$dir/err")"; exit 0; }
"$sg" report --json="$dir/j" --order-check=no "$dir/l.sgt" 2>>"$dir/err" >/dev/null
"$sg" report --tasks thread --json="$dir/threads" --order-check=no "$dir/l.sgt" 2>>"$dir/err" >/dev/null
python3 - "$dir/j" "$dir/l.sgt" "$dir/threads" <<'PY'
import json, os, sys
d = json.load(open(sys.argv[1]))
p = d["perturbation"]
print("load: %d slices, %.0f slices/s, %.1f bytes each, repaired %d, holes %d, hidden %d" % (p["slices"],
      p["slices_per_s"], os.path.getsize(sys.argv[2]) / p["slices"], p["switches_repaired"], p["holes"], p["hidden_waits"]))
def say(name, ok, why): print("ok %s" % name if ok else "not ok %s %s" % (name, why))
say("not-torn", p["torn"] == 0, "%d slices" % p["torn"])
say("not-lost", p["lost"] == 0 and d["lost"] == 0, "%d records" % p["lost"])
say("sums", all(sum(b["ns"] for b in t["blame"]) == t["latency_ns"] for t in d["tasks"]) and d["tasks"], "a task does not sum")
# Which of them lie on the command's path is chance: each is in its own thread.
holes = sum(e["ns"] for t in json.load(open(sys.argv[3]))["tasks"] for b in t["blame"] if b["cause"] == "unknown" for e in b["evidence"]
            if e["kind"] == "why" and "no switch" in e["text"])
say("holes-are-said", p["holes"] == 0 or holes > 0, "%d holes, none in a thread" % p["holes"])
ring = 2 * 16 * 2 ** 20 * os.cpu_count()  # the kernel maps a ring's data twice
say("memory", p["recorder_max_rss_bytes"] <= 64 * 2 ** 20 + ring, "%d MiB" % (p["recorder_max_rss_bytes"] >> 20))
PY
