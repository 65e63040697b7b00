#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# A virtual machine whose exits are known by construction (miniguest), under the kernel's own accounting, then under
# sandglass: on this machine's /dev/kvm, and in the lab's. What this KVM cannot do is skipped by name.
cd "$(dirname "$0")/../.." || exit 1
export O="${O:-build}" LC_ALL=C
[ "$(id -u)" = 0 ] || { echo 'needs root' >&2; exit 77; }
# File systems of the kernel, mounted for this script alone. Where something fails all is done once more: what it measures it shares
# with whatever else runs on the machine.
if [ -z "${SG_VM_OWN:-}" ]; then
	for try in 1 2; do
		out=$(SG_VM_OWN=1 unshare -m --propagation private "$0" "$@")
		rc=$?
		[ $rc = 0 ] && ! grep -q '^not ok ' <<<"$out" && break
		echo "-- try $try, status $rc" >&2
		grep '^not ok ' <<<"$out" >&2
	done
	printf '%s\n' "$out"
	exit $rc
fi
. tests/lib.sh
if ! [ -c /dev/kvm ]; then
	skip vm 'no /dev/kvm here'
	exit 0
fi
mountpoint -q /sys/kernel/debug || mount -t debugfs vm /sys/kernel/debug
mountpoint -q /sys/kernel/tracing || mount -t tracefs vm /sys/kernel/tracing
"${MAKE:-make}" --no-print-directory O="$O" "$O/tests/vm/miniguest" >&2 || exit 1
mini=$(realpath "$O/tests/vm/miniguest") sg=${SANDGLASS:-$(realpath -m "$O/sandglass")}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
runs=0
# kept: a name for the next run's files; judge PREFIX WHAT FILE...: later, all at once
kept() { runs=$((runs + 1)) && at=$tmp/$runs; }
judge() { echo "vm/$*" >>"$tmp/list"; }

# A halt costs the host of the lab's emulated machine milliseconds.
halt=5000000
[ -z "${LAB:-}" ] || halt=20000000

"$mini" >/dev/null 2>"$tmp/err" </dev/null
if [ $? = 77 ]; then
	skip vm "$(tail -n1 "$tmp/err")"
	exit 0
fi

# What can be had here: every part once; by name what can't. words_RING gets the words of those that it has.
parts='out:30 in:20 mmio-write:25 mmio-read:15 halt:10 hypercall:40 cpuid:50 msr:60 page-fault:300 dirty:120 balloon:2 burn:50000000'
for ring in 0 3; do
	once=() words=("--ring" $ring "--halt-ns" $halt --deflate)
	for p in $parts; do
		# Ring 3 may not do the three.
		case $ring/${p%:*} in 3/halt | 3/hypercall | 3/msr) continue ;; esac
		once+=("--${p%:*}" 1)
	done
	"$mini" --ring $ring --limit 1500000000 --halt-ns $halt "${once[@]}" >/dev/null 2>"$tmp/err" </dev/null
	for p in $parts; do
		why=$(sed -n "s/^miniguest: vCPU 0, ${p%:*}: //p" "$tmp/err")
		case " ${once[*]} " in *" --${p%:*} "*) ;; *) continue ;; esac
		if [ -n "$why" ]; then skip "vm/ring$ring/${p%:*}" "$why"; else words+=("--${p%:*}" "${p#*:}"); fi
	done
	[ $ring = 0 ] && words_0=("${words[@]}") || words_3=("${words[@]}")
done

events=
for e in kvm_entry kvm_exit kvm_pio kvm_mmio kvm_cpuid kvm_msr kvm_hypercall kvm_vcpu_wakeup kvm_userspace_exit; do
	[ -d "/sys/kernel/tracing/events/kvm/$e" ] && events="$events,kvm:$e"
done
for ring in 0 3; do
	declare -n has=words_$ring
	kept
	"$mini" "${has[@]}" >"$at.own" 2>"$tmp/err" </dev/null
	rc=$?
	check "vm/ring$ring/run" "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
	judge "ring$ring/own" own "$at.own"
	if [ -z "$events" ]; then
		skip "vm/ring$ring/stat" 'no tracepoints of KVM here'
	elif perf stat -x, -e "${events#,}" -o "$at.stat" -- "$mini" "${has[@]}" >"$at.out" 2>"$tmp/err" </dev/null; then
		judge "ring$ring/stat" stat "$at.out" "$at.stat"
	else
		not_ok "vm/ring$ring/stat" "$(tail -n1 "$tmp/err")"
	fi
	# Its report opens a pager, or asks, unless its input and output are no terminal.
	if perf kvm stat record -o "$tmp/data" -- "$mini" "${has[@]}" >"$at.perf" 2>"$tmp/err" </dev/null; then
		perf kvm -i "$tmp/data" stat report >"$at.report" 2>&1 </dev/null
		judge "ring$ring/perf" kvmstat "$at.perf" "$at.report"
		cp "$at.report" "$tmp/alone.$ring"
	else
		skip "vm/ring$ring/perf" "perf kvm: $(tail -n1 "$tmp/err")"
	fi
done

# Two vCPUs on one CPU: what the guest is told against what the scheduler says.
kept
"$mini" --ring 3 --vcpus 2 --cpu 0 --burn 300000000 >"$at.own" 2>"$tmp/err" </dev/null
rc=$?
check vm/steal/run "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
judge steal own "$at.own"

# ---- sandglass ----------------------------------------------------------------------------------
# told NAME WHAT WORD...: a miniguest, recorded, judged
told() {
	local name=$1 what=$2
	shift 2
	kept
	# all groups of probes that it concerns, by name: only so what follows a balloon is told from other page faults
	"${beside[@]}" "$sg" record -q -o "$tmp/r.sgt" --probes sched,syscall,fault,swap,reclaim,irq,block,trap,kvm -- "$mini" "$@" >"$at.own" 2>"$tmp/err" </dev/null ||
		{ not_ok "vm/$name/record" "$(tail -n1 "$tmp/err")"; return; }
	"$sg" report --vm --json "$tmp/r.sgt" >"$at.vm" 2>"$tmp/err" </dev/null ||
		{ not_ok "vm/$name/report" "$(tail -n1 "$tmp/err")"; return; }
	judge "$name" "$what" "$at.own" "$at.vm"
}
if ! "$sg" report --help 2>/dev/null | grep -q -- '--vm'; then
	skip vm/sandglass 'this sandglass has no report --vm'
else
	beside=()
	told sandglass/ring0 vm "${words_0[@]}" --vmm-spin 200000
	told sandglass/ring3 vm "${words_3[@]}" --vmm-spin 200000
	told sandglass/sleep vm --ring 3 --out 50 --vmm-sleep 1000000
	told sandglass/steal steal --ring 3 --vcpus 2 --cpu 0 --burn 300000000
	# Side by side: one run, seen by both.
	beside=(perf kvm stat record -o "$tmp/data" --)
	told sandglass/beside vm "${words_0[@]}" --vmm-spin 200000
	perf kvm -i "$tmp/data" stat report >"$at.report" 2>&1 </dev/null
	[ ! -f "$tmp/alone.0" ] || judge sandglass/beside both "$at.report" "$at.vm" "$tmp/alone.0"
fi
python3 tests/vm/judge.py <"$tmp/list"
