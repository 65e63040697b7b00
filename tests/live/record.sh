#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Recording on this machine's kernel: scopes, marks, exit codes, and whatever can go wrong meanwhile.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?}
dir=$(mktemp -d)
cleanup() {
	mountpoint -q "$dir/small" && umount "$dir/small"
	[ -d "${cg:-/nonexistent}" ] && rmdir "$cg"
	rm -rf "$dir"
}
trap cleanup EXIT
j() { python3 - "$@"; }

# ---- exit codes are the command's own
"$sg" run -- sh -c 'exit 7' 2>/dev/null; verdict exit-code "$([ $? = 7 ] || echo "not 7")"
"$sg" run -- sh -c 'kill -TERM $$' 2>/dev/null; verdict exit-signal "$([ $? = 143 ] || echo "not 143")"
"$sg" run -- "$dir/absent" 2>"$dir/err"; code=$?
verdict exit-not-found "$([ $code = 127 ] && grep -q "No such file" "$dir/err" || echo "code $code: $(cat "$dir/err")")"
out=$("$sg" run -- sh -c 'echo out; echo err >&2' 2>/dev/null)
verdict output-untouched "$([ "$out" = out ] || echo "$out")"

# ---- the JSON contract of run
"$sg" run --json="$dir/j" -- sh -c 'sleep 0.05; exit 3' 2>/dev/null
verdict json-contract "$(j "$dir/j" 2>&1 <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
for k in ("tasks", "lost", "plan", "perturbation"):
    assert k in d, k
for t in d["tasks"]:
    assert sum(b["ns"] for b in t["blame"]) == t["latency_ns"], "blame does not sum"
    assert sum(b["ns"] for b in t["by_wait"]) == t["latency_ns"], "by_wait does not sum"
    for k in ("name", "begin_ns", "prorated_ns"):
        assert k in t, k
t = d["tasks"][0]
slept = sum(b["ns"] for b in t["blame"] if b["cause"] in ("timer.sleep", "sched.runq"))
assert 50e6 <= slept, slept # run queue: what a busy machine adds is the parent's own
PY
)"

# ---- every program that is refused at the load costs another load of all: what a kernel lacks is known before
verdict nothing-refused "$(j "$dir/j" 2>&1 <<'PY'
import json, sys
for r in json.load(open(sys.argv[1]))["plan"]:
    if "the kernel refused the program" in (r.get("reason") or ""):
        print("%s: %s" % (r["name"], r["reason"]))
PY
)"

# ---- marks: USDT before and after exec, by path, by uprobe
cat >"$dir/m.c" <<'C'
#include <unistd.h>
#include "sandglass/mark.h"
__attribute__((noinline)) int handle(int n) { usleep(2000); return n + 1; }
int main(void)
{
	for (int i = 0; i < 5; i++) {
		SG_TASK_BEGIN(i, "usdt task");
		handle(i);
		SG_TASK_END(i, 0);
	}
	access("/.sandglass/begin/99/by path", 0);
	usleep(3000);
	access("/.sandglass/end/99/4", 0);
	return 0;
}
C
gcc -O1 -Iinclude "$dir/m.c" -o "$dir/m"
count() { j "$dir/j" "$1" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
print(sum(1 for t in d["tasks"] if t["name"] == sys.argv[2] and not t.get("incomplete")))
PY
}
"$sg" run --json="$dir/j" -- "$dir/m" 2>/dev/null
verdict mark-usdt "$([ "$(count 'usdt task')" = 5 ] || echo "$(count 'usdt task') of 5")"
verdict mark-path "$([ "$(count 'by path')" = 1 ] || echo "$(count 'by path') of 1")"
"$sg" run --json="$dir/j" -- sh -c "exec $dir/m" 2>/dev/null
verdict mark-path-in-child "$([ "$(count 'by path')" = 1 ] || echo "$(count 'by path') of 1")"
"$sg" run --json="$dir/j" --task-uprobe "$dir/m:handle" -- "$dir/m" 2>/dev/null
verdict mark-uprobe "$(j "$dir/j" 2>&1 <<'PY'
import json, sys
t = [t for t in json.load(open(sys.argv[1]))["tasks"] if 2e6 < t["latency_ns"] and not t.get("command") and t["name"] not in ("usdt task", "by path")]
assert len(t) >= 5, len(t)
PY
)"
if command -v node >/dev/null; then
	"$sg" run --json="$dir/j" -- node -e 'const f=require("fs");f.existsSync("/.sandglass/begin/5/node task");const e=Date.now()+20;while(Date.now()<e);f.existsSync("/.sandglass/end/5/0")' 2>/dev/null
	verdict mark-node "$([ "$(count 'node task')" = 1 ] || echo "$(count 'node task') of 1")"
else
	skip mark-node "node is not installed"
fi
says uprobe-absent 125 "task-uprobe" "$sg" record -q -o "$dir/a" --task-uprobe "$dir/m:absent" -- true

# ---- scopes
sh -c 'while :; do sleep 0.01; done' & bg=$!
"$sg" record -q -o "$dir/p.sgt" -p $bg --duration 500ms
kill $bg; wait $bg 2>/dev/null
"$sg" report --json="$dir/j" "$dir/p.sgt" 2>/dev/null
verdict scope-pid "$(j "$dir/j" 2>&1 <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
names = {t["name"] for t in d["tasks"]}
assert "sh" in names, names
assert not names - {"sh", "sleep"}, names
for t in d["tasks"]:
    assert sum(b["ns"] for b in t["blame"]) == t["latency_ns"]
PY
)"

# ---- a CPU has one thread at a time, at the end of a recording too, when the recorder asks on another CPU; and who took a
# CPU from a recorded thread is named, in scope or not
two=($(awk '/^Cpus_allowed_list/ { n = split($2, c, ","); for (i = 1; i <= n; i++) { split(c[i], r, "-"); for (k = r[1]; k <= (r[2] ? r[2] : r[1]); k++) print k } }' /proc/self/status))
spin() { exec taskset -c "$2" perl -e '$0 = shift; 1 while 1' "$1"; }
if [ ${#two[@]} -ge 2 ]; then
	spin hog "${two[1]}" & hog=$!
	taskset -c "${two[0]}" "$sg" record -q -a -o "$dir/t.sgt" --duration 1s
	spin victim "${two[1]}" & victim=$!
	taskset -c "${two[0]}" "$sg" record -q -p $victim -o "$dir/w.sgt" --duration 1s
	kill $hog $victim
	wait $hog $victim 2>/dev/null
	tiles=$("$O/tests/live/tiles" "$dir/t.sgt" 2>&1)
	verdict one-at-a-time "$(awk '{ for (i = 1; i <= NF; i++) { split($i, x, "="); v[x[1]] = x[2] } }
		END { if (v["open"] < 1 || v["worst_ns"] > 20000) print }' <<<"$tiles")"
	# on a busy machine others may have taken more of it: who took most has a name in any case
	taken=$("$sg" report "$dir/w.sgt" 2>&1 | grep -om1 'cpu taken by [^;]*' | head -1)
	verdict taken-by "$([[ $taken == 'cpu taken by '* && $taken != *'not recorded'* ]] || echo "'$taken'")"
else
	skip one-at-a-time 'it takes two CPUs'
	skip taken-by 'it takes two CPUs'
fi
# ---- one that has ended, and whose parent does not ask for it, is gone
sh -c 'sleep 2 & echo $!; exec sleep 60' >"$dir/pids" & parent=$!
until [ -s "$dir/pids" ]; do sleep 0.05; done
timeout 20 "$sg" record -p "$(cat "$dir/pids")" -o "$dir/z.sgt" 2>"$dir/err"
code=$?
verdict zombie-is-gone "$([ $code = 0 ] && grep -q 'the target exited' "$dir/err" || echo "status $code: $(tail -n1 "$dir/err")")"
kill $parent
wait $parent 2>/dev/null
cg=$(d=/sys/fs/cgroup/memory; [ -d $d ] || d=/sys/fs/cgroup; echo $d/sandglass-test-$$)
if mkdir "$cg" 2>/dev/null; then
	mkfifo "$dir/ready"
	"$sg" record -q -o "$dir/g.sgt" -G "$cg" --ready-fd 3 3>"$dir/ready" & rec=$!
	read -r _ <"$dir/ready"
	sh -c "echo \$\$ >$cg/cgroup.procs; sleep 0.05; ls -lR /etc >/dev/null"
	kill -TERM $rec
	wait $rec
	rmdir "$cg"
	"$sg" report --json="$dir/j" "$dir/g.sgt" 2>/dev/null
	verdict scope-cgroup "$(j "$dir/j" 2>&1 <<'PY'
import json, sys
names = {t["name"] for t in json.load(open(sys.argv[1]))["tasks"]}
assert "ls" in names and not names - {"sh", "ls", "sleep"}, names
PY
)"
else
	skip scope-cgroup "no cgroup can be made here"
fi
says cgroup-absent 125 "cgroup" "$sg" record -q -o "$dir/a" -G no-such-cgroup-here --duration 1s
says pid-absent 125 "no process" "$sg" record -q -o "$dir/a" -p 4194000 --duration 1s
sleep 0.3 & gone=$!
"$sg" record -o "$dir/gone.sgt" -p $gone --duration 20s 2>"$dir/err"; code=$?
verdict pid-exits "$([ $code = 1 ] && grep -q 'exited' "$dir/err" && "$sg" report "$dir/gone.sgt" >/dev/null 2>&1 || echo "code $code: $(cat "$dir/err")")"
says nothing-to-record 2 "say what to record" sh -c "$sg record 2>&1 >/dev/null | head -1 >&2; exit \${PIPESTATUS:-2}"

# ---- interruptions: what was recorded stays
for s in INT TERM KILL; do
	rm -f "$dir/ready"; mkfifo "$dir/ready"
	"$sg" record -q -o "$dir/$s.sgt" -a --duration 60s --ready-fd 3 3>"$dir/ready" & rec=$!
	read -r _ <"$dir/ready"
	sleep 2.6 # blocks are written once a second
	kill -$s $rec; wait $rec 2>/dev/null
	"$sg" report --json="$dir/j" "$dir/$s.sgt" 2>"$dir/err" >/dev/null; code=$?
	want=0; [ $s = KILL ] && want=1
	bad=$(j "$dir/j" 2>&1 <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
assert d["tasks"], "no task"
for t in d["tasks"]:
    assert sum(b["ns"] for b in t["blame"]) == t["latency_ns"]
PY
)
	[ $code = $want ] || bad="$bad report exits $code, not $want"
	[ $s != KILL ] || [ -s "$dir/err" ] || bad="$bad says nothing about the cut file"
	verdict "signal-$s" "$bad"
done
verdict mode-0600 "$([ "$(stat -c %a "$dir/INT.sgt")" = 600 ] || stat -c %a "$dir/INT.sgt")"

# ---- a group of probes that says nothing without another is off, and what that means is said
if [ -d /sys/module/kvm ]; then
	"$sg" record -q --probes sched,kvm -o "$dir/k.sgt" -- true
	"$sg" report "$dir/k.sgt" >"$dir/out"
	verdict probes-alone "$(grep -q 'not seen: .*probe kvm.exit is off' "$dir/out" || head -3 "$dir/out")"
else
	skip probes-alone 'kvm is not loaded'
fi

# ---- a full disk: the command goes on, what is whole stays readable, the exit says so
mkdir "$dir/small" && mount -t tmpfs -o size=256k none "$dir/small"
"$sg" record -q -o "$dir/small/f.sgt" -- sh -c 'sleep 1.2; n=0; for i in $(seq 150); do ls -lR /usr/include /usr/share >/dev/null
	[ "$(df --output=avail '"$dir/small"' | tail -n1)" -gt 8 ] || n=$((n + 1)); [ $n -lt 3 ] || break; done; echo done >'"$dir/full-done" 2>"$dir/err"; code=$?
verdict full-disk "$([ $code = 125 ] && grep -qiE 'space|full' "$dir/err" && [ -f "$dir/full-done" ] || echo "code $code: $(cat "$dir/err")")"
"$sg" report "$dir/small/f.sgt" >"$dir/out" 2>&1; code=$?
verdict full-disk-readable "$([ $code = 1 ] && grep -q 'cpu' "$dir/out" || echo "code $code: $(head -3 "$dir/out")")"
umount "$dir/small"

# ---- no permission
if command -v runuser >/dev/null && id nobody >/dev/null 2>&1; then
	open=$(mktemp -d /var/tmp/sandglass-live.XXXXXX); chmod 755 "$open"; cp "$sg" "$open/sg"
	says no-root-run 125 "root" runuser -u nobody -- "$open/sg" run -- true
	says no-root-record 125 "root" runuser -u nobody -- "$open/sg" record -o /dev/null -a --duration 1s
	rm -rf "$open"
else
	skip no-root "no user nobody"
fi

# ---- recordings that are none
: >"$dir/empty"; head -c 5000 /dev/urandom >"$dir/foreign"; head -c 3000 "$dir/INT.sgt" >"$dir/cut"
says report-empty 1 "empty" "$sg" report "$dir/empty"
says report-foreign 1 "not a" "$sg" report "$dir/foreign"
"$sg" report "$dir/cut" >/dev/null 2>"$dir/err"; code=$?
verdict report-cut "$([ $code = 1 ] && [ -s "$dir/err" ] || echo "code $code")"
says report-absent 1 "No such file" "$sg" report "$dir/nowhere"
