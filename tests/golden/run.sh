#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Streams of this folder become recordings, go through the program, and every
# byte of its outputs is compared. SG_UPDATE_GOLDEN=1 writes what it would compare.
. tests/lib.sh
O=${O:-build}
here=$PWD/tests/golden
sg=$PWD/$O/sandglass mkrec=$PWD/$O/tests/golden/mkrec
case $O in /*) sg=$O/sandglass mkrec=$O/tests/golden/mkrec ;; esac
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
export LC_ALL=C TZ=UTC COLUMNS=100
unset TERM

# same NAME COMMAND...: its standard output equals tests/golden/expected/NAME
same() {
	local name=$1 want=$here/expected/$1 rc
	shift
	timeout 20 "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
	if [ $rc != 0 ]; then
		not_ok "golden/$name" "status $rc: $(head -n1 "$tmp/err")"
	elif [ -n "${SG_UPDATE_GOLDEN:-}" ]; then
		cp "$tmp/out" "$want" && ok "golden/$name"
	elif ! [ -f "$want" ]; then
		not_ok "golden/$name" 'has no expected output; SG_UPDATE_GOLDEN=1 writes it'
	elif cmp -s "$tmp/out" "$want"; then
		ok "golden/$name"
	else
		diff -u "$want" "$tmp/out" >&2
		not_ok "golden/$name" "$(diff "$want" "$tmp/out" | grep -c '^[<>]') lines differ"
	fi
}

conserves() { # JSON: what every task's rows do not sum to
	python3 -c '
import json, sys
doc = json.load(open(sys.argv[1]))
for t in doc["tasks"]:
    for key in "blame", "by_wait":
        rows = t.get(key, [])
        if (rows or key == "blame") and sum(r["ns"] for r in rows) != t["latency_ns"]:
            print(t["name"], t.get("id"), key, sum(r["ns"] for r in rows), "of", t["latency_ns"])
' "$1" 2>&1
}

# System calls of a group of tasks: on a CPU and counted as its rows cpu.sys.* are
calls_agree() { # JSON
	python3 -c '
import collections, json, sys
for g in json.load(open(sys.argv[1]))["groups"]:
    rows = collections.Counter()
    for r in g["blame"]:
        if r["cause"].startswith("cpu.sys.") and r["cause"] != "cpu.sys.exit":
            key = r["component"], r["cause"][8:]
            rows[key + ("ns",)] += r["ns"]
            rows[key + ("count",)] += r["count"]
    if not rows:
        print(g["name"], "has no system call")
    for c in g["syscalls"]["calls"]:
        key = c["component"], c["call"]
        rows[key + ("ns",)] -= c["on_cpu_ns"]
        rows[key + ("count",)] -= c["count"]
    for key, n in rows.items():
        if n:
            print(g["name"], *key, n)
' "$1" 2>&1
}

for s in "$here"/*.stream; do
	n=$(basename "$s" .stream)
	"$mkrec" "$s" "$n.sgt" || { not_ok "golden/$n.sgt" 'can not be recorded'; continue; }
	same "$n.report" "$sg" report "$n.sgt"
	"$sg" report "$n.sgt" --json="$n.json" >/dev/null 2>"$tmp/err" </dev/null
	verdict "golden/$n-sums" "$(conserves "$n.json")"
done

# A sandbox's guest, and what the host's processes did for it
for n in guest_ptrace guest_systrap box_ptrace box_systrap box_gofer box_hop; do
	[ -f "$n.sgt" ] || { not_ok "golden/$n" 'no such stream'; continue; }
	same "$n.guest" "$sg" report "$n.sgt" --guest-syscalls
	same "$n.syscalls" "$sg" report "$n.sgt" --guest-syscalls --syscalls --json
	verdict "golden/$n.syscalls-form" "$("$OLDPWD/tests/golden/check_formats.py" report "$tmp/out" 2>&1)"
	same "$n.container" "$sg" report "$n.sgt" --tasks thread --by container --rows 4
done

# System calls by group of tasks, and by container and process
for n in task_calls w1_chain w8_rewait; do
	[ -f "$n.sgt" ] || { not_ok "golden/$n" 'no such stream'; continue; }
	same "$n.calls" "$sg" report "$n.sgt" --syscalls
	same "$n.calls.json" "$sg" report "$n.sgt" --syscalls --json
	verdict "golden/$n.calls-form" "$("$OLDPWD/tests/golden/check_formats.py" report "$tmp/out" 2>&1)"
	verdict "golden/$n.calls-sums" "$(calls_agree "$tmp/out")"
done

# A machine's vCPUs, one by one and together, and its other threads
for n in vm_threads; do
	same "$n.vm" "$sg" report "$n.sgt" --vm
	same "$n.vm.json" "$sg" report "$n.sgt" --vm --json
	verdict "golden/$n.vm-form" "$("$OLDPWD/tests/golden/check_formats.py" report "$tmp/out" 2>&1)"
	verdict "golden/$n.vm-sums" "$("$OLDPWD/tests/lab/vmthreads.py" "$tmp/out" 20 26 27 2>&1 | grep -v '^ok \|^-- ')"
done

# Every output, through the program (the writers have their own goldens in formats/)
for n in w1_chain; do
	[ -f "$n.sgt" ] || { not_ok "golden/$n" 'no such stream'; continue; }
	same "$n.json" "$sg" report "$n.sgt" --json
	same "$n.wait" "$sg" report "$n.sgt" --by wait
	for view in oncpu offcpu path cause; do
		same "$n.$view.folded" "$sg" export "$n.sgt" --format folded --view "$view"
		verdict "golden/$n.$view.folded-form" "$(grep -vE '^[^;]+(;[^;]+)* [1-9][0-9]*$' "$tmp/out")"
	done
	same "$n.csv" "$sg" export "$n.sgt" --format csv
	same "$n.speedscope" "$sg" export "$n.sgt" --format speedscope --view path
	check "golden/$n.speedscope-json" 'is not JSON' python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$tmp/out"
	"$sg" export "$n.sgt" --format perfetto -o "$n.perfetto" 2>"$tmp/err" </dev/null
	protoc -I "$OLDPWD/user/out" --decode=perfetto.protos.Trace perfetto.proto <"$n.perfetto" >"$n.pbtxt" 2>>"$tmp/err"
	same "$n.pbtxt" cat "$n.pbtxt"
done
# Stacks of tasks are of whole ones, and sum to what the table says of them; what they leave out is said.
for view in path cause; do
	"$sg" export half.sgt --format folded --view $view >"$tmp/out" 2>"$tmp/err" </dev/null
	check "golden/half.$view-sums" "$(tr '\n' ' ' <"$tmp/out")" test "$(awk '{ n += $NF } END { print n }' "$tmp/out")" = \
		"$("$sg" report half.sgt --json | python3 -c 'import json, sys; print(sum(g["total_ns"] for g in json.load(sys.stdin)["groups"]))')"
	check "golden/half.$view-told" "$(cat "$tmp/err")" grep -q "^sandglass export: left out.* 1 task not" "$tmp/err"
done
same box_handoff.json "$sg" report box_handoff.sgt --json
same box_message.json "$sg" report box_message.sgt --json
same box_message.wait "$sg" report box_message.sgt --by wait

# Several machines: which, and how far their clocks can be trusted
for n in fused fused_clock fused_inside; do
	"$sg" report "$n.sgt" --json="$n.json" >/dev/null 2>"$tmp/err" </dev/null
	python3 -c 'import json, sys; json.dump(json.load(open(sys.argv[1])).get("machines"), sys.stdout, indent=1)' "$n.json" >"$n.machines"
	same "$n.machines" cat "$n.machines"
	verdict "golden/$n.machines-form" "$("$OLDPWD/tests/golden/check_formats.py" report "$n.json" 2>&1)"
done
"$sg" merge w1_chain.sgt w3_loopback.sgt --offset 7 -q -o merged.sgt 2>"$tmp/err" </dev/null || not_ok golden/merged "$(head -n1 "$tmp/err")"
same merged.report "$sg" report --tasks marked --rows 1 --slowest 0 merged.sgt
same diff.report "$sg" diff w1_chain.sgt w3_loopback.sgt

# What is read is never written over, and what fails leaves what was there
keeps() { # NAME FILE SENTENCE COMMAND...: fails with the sentence, FILE is as it was, nothing is beside it
	local name=$1 file=$2 want=$3 rc
	shift 3
	cp "$file" was && ls -A >names
	timeout 20 "$@" >out 2>err </dev/null
	rc=$?
	check "golden/$name" "status $rc: $(head -n1 err)" test $rc != 0 -a "$(grep -c "$want" err)" = 1
	check "golden/$name-kept" "$file is not what it was" cmp -s "$file" was
	verdict "golden/$name-nothing-left" "$(ls -A | diff names - | tr '\n' ' ')"
}
mkdir over && cp w1_chain.sgt over/host.sgt && cp w3_loopback.sgt over/web.sgt
(
	cd over || exit 1
	ln host.sgt hard.sgt && ln -s web.sgt soft.sgt && echo precious >other && touch was names out err
	for f in host web hard soft; do
		keeps "merge-onto-$f" $f.sgt 'give the output another name' "$sg" merge host.sgt web.sgt --offset 0 -o $f.sgt
	done
	keeps merge-fails other 'is a merged one already' sh -c "'$sg' merge host.sgt web.sgt --offset 0 -o m.sgt -q &&
		mv m.sgt names.sgt && '$sg' merge host.sgt names.sgt --offset 0 -o other; rc=\$?; rm -f names.sgt m.sgt; exit \$rc"
	keeps export-onto-input host.sgt 'give the output another name' "$sg" export host.sgt --format csv -o hard.sgt
	keeps report-onto-input host.sgt 'give the output another name' "$sg" report host.sgt --json=hard.sgt
	keeps diff-onto-input web.sgt 'give the output another name' "$sg" diff host.sgt web.sgt --json=soft.sgt
	"$sg" merge host.sgt web.sgt --offset 0 -q -o other 2>err && "$sg" merge host.sgt web.sgt --offset 0 -q -o new.sgt 2>>err
	check golden/merge-replaces "$(cat err)" cmp -s other new.sgt
	check golden/merge-mode 'others may read it' test "$(stat -c %a other new.sgt | sort -u)" = 600
	"$sg" merge host.sgt web.sgt --offset 0 -q -o /dev/stdout 2>err | cat >piped.sgt
	check golden/merge-pipe "$(cat err)" cmp -s piped.sgt new.sgt
)

(cd "$OLDPWD" && tests/golden/formats.sh)
