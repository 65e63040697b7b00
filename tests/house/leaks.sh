#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# leaks.sh save DIR | compare DIR RUNNER-PID
# What the machine looks like before and after: the tests, and sandglass itself,
# leave nothing behind.
. tests/lib.sh
PATH=$PATH:/usr/sbin:/sbin
tracefs=/sys/kernel/tracing
[ -d $tracefs/events ] || tracefs=/sys/kernel/debug/tracing

snapshot() { # DIR
	mkdir -p "$1"
	tail -n +2 /proc/swaps | awk '{print $1}' | sort >"$1/swap"
	awk '{print $5, $(NF-2)}' /proc/self/mountinfo | sort >"$1/mounts"
	find /sys/fs/cgroup -type d 2>/dev/null | sort >"$1/cgroups"
	# with a process in it, which is not of this run (leaks/processes): somebody else's, made meanwhile
	find /sys/fs/cgroup -name cgroup.procs -exec grep -l . {} + 2>/dev/null | sed 's,/cgroup.procs$,,' | sort >"$1/busy"
	bpftool prog show 2>/dev/null | sed -n 's/^\([0-9]*: [a-z_]* *name [^ ]*\).*/\1/p' | sort >"$1/bpf-programs"
	bpftool link show 2>/dev/null | grep -E '^[0-9]+:' | sort >"$1/bpf-links"
	find /sys/fs/bpf -mindepth 1 2>/dev/null | sort >"$1/bpf-pins"
	losetup -nO NAME,BACK-FILE 2>/dev/null | sort >"$1/loop-devices"
	for z in /sys/block/zram*; do
		[ -f "$z/disksize" ] && [ "$(cat "$z/disksize")" != 0 ] && echo "$z"
	done | sort >"$1/zram"
	{
		cat $tracefs/uprobe_events $tracefs/kprobe_events $tracefs/current_tracer
		cat $tracefs/set_event
		ls $tracefs/instances
	} 2>/dev/null | sort >"$1/tracing"
	for k in kernel.bpf_stats_enabled kernel.sched_schedstats kernel.task_delayacct vm.swappiness \
		vm.dirty_bytes vm.dirty_background_bytes kernel.perf_event_paranoid kernel.ftrace_dump_on_oops; do
		sysctl "$k" 2>/dev/null
	done >"$1/sysctl"
	cat /sys/block/*/queue/scheduler /sys/block/*/queue/read_ahead_kb 2>/dev/null >"$1/block-settings"
}

# descends PID ANCESTOR
descends() {
	local p=$1
	while [ "${p:-0}" -gt 1 ]; do
		[ "$p" = "$2" ] && return 0
		p=$(awk '$1 == "PPid:" { print $2 }' "/proc/$p/status" 2>/dev/null)
	done
	return 1
}

# Processes with this run's mark, but the runner and this script with its own.
leftover_processes() { # RUNNER-PID
	local p
	for p in $(grep -lsaF "SANDGLASS_CHECK=$SANDGLASS_CHECK" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3); do
		[ "$p" != "$1" ] && [ -d "/proc/$p" ] && ! descends "$p" $$ &&
			printf '%s(%s) ' "$p" "$(cat "/proc/$p/comm" 2>/dev/null)"
	done
}

few() { printf '%s' "$1" | head -n 5; [ "$(printf '%s' "$1" | grep -c .)" -le 5 ] || echo ' ...'; }

# foreign_recorders DIR: sandglass processes without this run's mark, before or now
foreign_recorders() {
	local p
	{
		cat "$1/foreign"
		for p in $(pgrep -x 'sandglass|truthrun'); do
			grep -qsaF "SANDGLASS_CHECK=$SANDGLASS_CHECK" "/proc/$p/environ" || echo "$p"
		done
	} 2>/dev/null | sort -un | tr '\n' ' '
}

case $1 in
save)
	snapshot "$2"
	: >"$2/foreign"
	foreign_recorders "$2" | xargs -rn1 >"$2/found" && mv "$2/found" "$2/foreign" ;;
compare)
	# The kernel frees programs and cgroups a little after their last user.
	others=
	for try in 1 2 3 4 5 6; do
		others="$others$(foreign_recorders "$2")"
		snapshot "$2.after"
		: >"$2.after/foreign"
		left=$(for f in "$2"/[!b]* "$2"/b[!u]*; do diff "$f" "$2.after/${f##*/}" | grep '^>'; done)
		[ -z "$left" ] && break
		[ $try = 6 ] || sleep 1
	done
	# shellcheck disable=SC2086 # words
	others=$(printf '%s ' $(printf '%s\n' $others | sort -un))
	others=${others# }
	for f in "$2"/*; do
		what=${f##*/} new=$(diff "$f" "$2.after/${f##*/}" | sed -n 's/^> //p')
		case $what in
		foreign | busy) ;;
		cgroups) new=$(printf '%s\n' "$new" | grep -vxFf "$2.after/busy") ;;&
		bpf-* | cgroups | swap | loop-devices | zram | mounts)
			if [ -n "$new" ] && [ -n "$others" ]; then
				skip "leaks/$what" "another sandglass (process $others) runs here and changes them"
			else
				verdict "leaks/$what" "$(few "$new")"
			fi ;;
		*) verdict "leaks/$what" "$(few "$new")" ;;
		esac
	done
	verdict leaks/processes "$(leftover_processes "$3")"
	rm -rf "$2.after"
	verdict leaks/files "$(few "$(find "$TMPDIR" -mindepth 1 -maxdepth 2 ! -path "$TMPDIR/before*" 2>/dev/null)")" ;;
esac
