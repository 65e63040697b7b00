#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# A virtual machine whose exits are known by construction (miniguest), under the kernel's own accounting, then under
# sandglass: on this machine's /dev/kvm, and in the lab's. What this KVM cannot do is skipped by name.
cd "$(dirname "$0")/../.." || exit 1
export O="${O:-build}" LC_ALL=C
[ "$(id -u)" = 0 ] || { echo 'needs root' >&2; exit 77; }
# File systems of the kernel, mounted for this script alone.
if [ -z "${SG_VM_OWN:-}" ]; then
	SG_VM_OWN=1 exec unshare -m --propagation private "$0" "$@"
fi
. tests/lib.sh
if ! [ -c /dev/kvm ]; then
	skip vm 'no /dev/kvm here'
	exit 0
fi
mountpoint -q /sys/kernel/debug || mount -t debugfs vm /sys/kernel/debug
mountpoint -q /sys/kernel/tracing || mount -t tracefs vm /sys/kernel/tracing
"${MAKE:-make}" --no-print-directory O="$O" "$O/tests/vm/miniguest" >&2 || exit 1
mini=$(realpath "$O/tests/vm/miniguest") sg=$(realpath -m "$O/sandglass")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
judge() { # PREFIX WHAT FILE...
	local prefix=$1
	shift
	python3 tests/vm/judge.py "$@" | sed -E "s,^(ok|not ok|skip) ,\1 $prefix/,"
}

# A halt in the lab's emulated machine costs the host milliseconds.
halt=2000000
[ -z "${LAB:-}" ] || halt=20000000

# What can be had here: each part alone, once, briefly; by name what can't.
"$mini" >/dev/null 2>"$tmp/err" </dev/null
if [ $? = 77 ]; then
	skip vm "$(tail -n1 "$tmp/err")"
	exit 0
fi
args() { # RING: the words of all parts that it has
	local ring=$1 words='' p
	# Ring 3 may not do the three.
	for p in out:30 in:20 mmio-write:25 mmio-read:15 halt:10 hypercall:40 cpuid:50 msr:60 page-fault:300 balloon:2 burn:50000000; do
		case $ring/${p%:*} in 3/halt | 3/hypercall | 3/msr) continue ;; esac
		if "$mini" --ring "$ring" --limit 1500000000 --halt-ns "$halt" "--${p%:*}" 1 >/dev/null 2>"$tmp/err" </dev/null; then
			words="$words --${p%:*} ${p#*:}"
		else
			skip "ring$ring/${p%:*}" "$(sed -n 's/^miniguest: //p' "$tmp/err" | tail -n1)" >&3
		fi
	done
	echo "--ring $ring --halt-ns $halt$words --deflate"
}

exec 3>&1
events=
for e in kvm_entry kvm_exit kvm_pio kvm_mmio kvm_cpuid kvm_msr kvm_hypercall kvm_vcpu_wakeup kvm_userspace_exit; do
	[ -d "/sys/kernel/tracing/events/kvm/$e" ] && events="$events,kvm:$e"
done
for ring in 0 3; do
	read -ra words <<<"$(args $ring)"
	"$mini" "${words[@]}" >"$tmp/own" 2>"$tmp/err" </dev/null
	check "ring$ring/run" "$(tail -n1 "$tmp/err")" [ $? = 0 ]
	judge "ring$ring/own" own "$tmp/own"
	if [ -z "$events" ]; then
		skip "ring$ring/stat" 'no tracepoints of KVM here'
	elif perf stat -x, -e "${events#,}" -o "$tmp/stat" -- "$mini" "${words[@]}" >"$tmp/out" 2>"$tmp/err" </dev/null; then
		judge "ring$ring/stat" stat "$tmp/out" "$tmp/stat"
	else
		not_ok "ring$ring/stat" "$(tail -n1 "$tmp/err")"
	fi
	# The report opens a pager, or asks, unless its input and output are no terminal.
	if perf kvm stat record -o "$tmp/data" -- "$mini" "${words[@]}" >"$tmp/out" 2>"$tmp/err" </dev/null; then
		perf kvm -i "$tmp/data" stat report >"$tmp/report" 2>&1 </dev/null
		judge "ring$ring/perf" kvmstat "$tmp/out" "$tmp/report"
	else
		skip "ring$ring/perf" "perf kvm: $(tail -n1 "$tmp/err")"
	fi
done

# Two vCPUs on one CPU: what the guest is told against what the scheduler says.
"$mini" --ring 3 --vcpus 2 --cpu 0 --burn 300000000 >"$tmp/own" 2>"$tmp/err" </dev/null
check steal/run "$(tail -n1 "$tmp/err")" [ $? = 0 ]
judge steal own "$tmp/own"

# ---- sandglass ----------------------------------------------------------------------------------
if ! "$sg" report --help 2>/dev/null | grep -q -- '--vm'; then
	skip sandglass 'this sandglass has no report --vm'
	exit 0
fi
# told NAME WHAT WORD...: a miniguest, recorded, judged
told() {
	local name=$1 what=$2
	shift 2
	"$sg" record -q -o "$tmp/r.sgt" -- "$mini" "$@" >"$tmp/own" 2>"$tmp/err" </dev/null ||
		{ not_ok "$name/record" "$(tail -n1 "$tmp/err")"; return; }
	"$sg" report --vm --json "$tmp/r.sgt" >"$tmp/vm" 2>"$tmp/err" </dev/null ||
		{ not_ok "$name/report" "$(tail -n1 "$tmp/err")"; return; }
	judge "$name" "$what" "$tmp/own" "$tmp/vm"
}
for ring in 0 3; do
	read -ra words <<<"$(args $ring 3>/dev/null)"
	told "sandglass/ring$ring" vm "${words[@]}" --vmm-spin 200000
done
told sandglass/sleep vm --ring 3 --out 50 --vmm-sleep 1000000
told sandglass/steal steal --ring 3 --vcpus 2 --cpu 0 --burn 300000000
