#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Every row of the catalogue loads and attaches by its first choice, in `doctor` and in a recording with everything
# switched on. Verifiers differ from kernel to kernel: a program that this one refuses would otherwise be a row that is
# quietly off, or that a costlier variant stands in for. One line per row, with the variant; the verifier's words when
# one is refused. What may be missing on which kernel stands in absent below.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# refused NAME COMMAND...: by one sentence, and not with success
refused() {
	local name=$1 code
	shift
	timeout 20 "$sg" "$@" >"$dir/refused" 2>"$dir/err" </dev/null
	code=$?
	check "$name" "status $code: $(cat "$dir/err")" [ $code != 0 -a $code != 124 -a "$(wc -l <"$dir/err")" = 1 ]
	check "$name/why" "$(cat "$dir/err")" grep -q 'BPF storage for tasks.*5.11' "$dir/err"
}
case $(uname -r) in
4.* | 5.[0-9].* | 5.10.*)
	head -c 24 /dev/urandom | base64 >"$dir/token"
	refused run run -- true
	refused record record -o "$dir/r.sgt" -- true
	refused agent agent --listen tcp:127.0.0.1:7777 --token-file "$dir/token"
	refused bench bench task -o "$dir/bench"
	refused doctor doctor
	exit 0
	;;
esac

# rows FILE PREFIX: judge the rows of a plan; asked 0: rows without a use there are left out
rows() {
	python3 - "$1" "$2" <<'PY'
import json, os, sys
doc, where = json.load(open(sys.argv[1])), sys.argv[2]
release = tuple(int(x) for x in os.uname().release.split("-")[0].split("+")[0].split(".")[:2])
# row -> (first kernel that has what it attaches to, first that has not)
absent = {}
# A variant that is passed over since the kernel has no such event is no fault of the program.
lacking = ": no such tracepoint"
# Nor that a kernel's compiler made a function a part of its caller: row -> from which kernel on
inlined = {"irq.page.entry": (7,), "irq.page.exit": (7,)}
# 7.x calls tracepoints preemptibly: there the classic one goes first, and stands second in the catalogue.
bad = 0
for r in doc["plan"]:
    name, by, why = where + "/" + r["name"], r["variant"], r["reason"]
    since, until = absent.get(r["name"], ((0,), (99,)))
    if why == "not asked for" and not r["on"]:
        if r["group"] == "gvisor":
            print("skip", name, "needs --gvisor-uprobes and a sandbox")
        elif r["name"] == "kvm.refault":
            print("skip", name, "needs --vm; the recording of a cgroup below has it")
        elif where != "doctor":
            bad += 1
            print("not ok", name, "was asked for, but is off")
    elif not since <= release < until:
        print("skip", name, "Linux %d.%d has nothing like it" % release)
    elif not r["on"]:
        bad += 1
        print("not ok", name, "is off:", why, "(required)" if r["required"] else "")
    elif [w for w in why.split("; ") if w and not w.endswith(lacking)] and release < inlined.get(r["name"], (99,)):
        bad += 1
        print("not ok", name, "is only %s:" % by, why)
    else:
        print("ok", name, by)
sys.exit(bad != 0)
PY
}

# What has its probes only where its module is.
modprobe kvm_amd
modprobe virtio_balloon
SECONDS=0
"$sg" doctor --json >"$dir/doctor" 2>"$dir/err"
code=$?
echo "load: doctor $SECONDS s" >&2
check possible "doctor ends with $code: $(cat "$dir/err")" [ $code = 0 ]
if ! rows "$dir/doctor" doctor || [ $code != 0 ]; then
	echo "-- what the kernel says" >&2
	SANDGLASS_DEBUG=1 "$sg" doctor 2>&1 | grep -avE 'CO-RE relocating|: found target candidate|matching candidate' | tail -n 150 >&2
fi

# Its probes of swapping are used only where there is something to swap to.
swap=/var/tmp/lab-swap
PATH=$PATH:/usr/sbin:/sbin
dd if=/dev/zero of=$swap bs=1M count=8 2>/dev/null && chmod 600 $swap && mkswap $swap >/dev/null 2>&1 && swapon $swap
check swap "no swap in the guest" grep -q lab-swap /proc/swaps

# All of it at once, while a little of everything happens.
group=/sys/fs/cgroup/sandglass-load
mkdir -p "$group"
"$sg" record -q -o "$dir/r.sgt" -a -F 99 --stack-threshold 1us --task-uprobe "$sg:main" -- sh -c "
	(sleep 0.2; ls -lR /proc/sys; \"$sg\" --version; test -r /.sandglass/begin/7/a; test -r /.sandglass/end/7/0
	 dd if=/dev/zero of=/var/tmp/load bs=1M count=20 conv=fsync; cat /var/tmp/load | wc -c; rm /var/tmp/load) >/dev/null 2>&1" 2>"$dir/err"
code=$?
swapoff $swap 2>/dev/null
rm -f $swap
check record "ends with $code: $(tail -n1 "$dir/err")" [ $code = 0 ]
"$sg" report --json="$dir/j" "$dir/r.sgt" >/dev/null 2>"$dir/err"
code=$?
check report "ends with $code: $(tail -n1 "$dir/err")" [ $code = 0 ]
[ $code = 0 ] || exit 0
# The row of -G has no use in a recording of the whole machine.
python3 - "$dir/j" <<'PY' >"$dir/plan"
import json, sys
d = json.load(open(sys.argv[1]))
json.dump({"plan": [r for r in d["plan"] if r["name"] != "sched.cgroup"]}, sys.stdout)
PY
rows "$dir/plan" record
python3 - "$dir/j" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
p = d["perturbation"]
def say(name, ok, why): print("ok %s" % name if ok else "not ok %s %s" % (name, why))
say("slices", p["slices"] > 500, "only %d" % p["slices"])
say("not-torn", p["torn"] == 0, "%d slices" % p["torn"])
say("not-lost", p["lost"] == 0 and d["lost"] == 0, "%d records" % p["lost"])
say("sums", d["tasks"] and all(sum(b["ns"] for b in t["blame"]) == t["latency_ns"] for t in d["tasks"]), "a task does not sum")
say("marks", [t for t in d["tasks"] if t["name"] == "a"], "the mark made by access(2) is no task")
causes = {b["cause"] for t in d["tasks"] for b in t["blame"]}
say("causes", {"cpu.user", "cpu.irq", "timer.sleep"} <= causes and any(c.startswith("cpu.sys") for c in causes), sorted(causes))
PY

# The rows of -G and of --vm.
mkfifo "$dir/ready"
"$sg" record -q -o "$dir/g.sgt" -G "$group" --probes sched,syscall,kvm --ready-fd 3 3>"$dir/ready" 2>"$dir/err" &
rec=$!
read -r _ <"$dir/ready"
sh -c "echo \$\$ >$group/cgroup.procs; ls / >/dev/null"
kill -TERM $rec
wait $rec
code=$?
rmdir "$group"
"$sg" report --json="$dir/g" "$dir/g.sgt" >/dev/null 2>>"$dir/err"
python3 - "$dir/g" "$code" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
for name in "sched.cgroup", "kvm.refault":
    r = [r for r in d["plan"] if r["name"] == name]
    ok = r and r[0]["on"] and not r[0]["reason"]
    print("ok record/%s %s" % (name, r[0]["variant"]) if ok else "not ok record/%s %s (record ended with %s)" % (name, r, sys.argv[2]))
PY
