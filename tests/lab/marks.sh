# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Sourced by a suite in the lab's guest: when a nested guest ran cpuidmark, by this kernel's own tracing, which sandglass has no part in.
#   marks_begin         from now on
#   marks_end FILE      a line a mark: its number and CLOCK_MONOTONIC in nanoseconds
#   marks_drop          whatever state it is in

marks_trace=/sys/kernel/tracing/instances/marks

marks_begin() {
	mkdir $marks_trace || return 1
	echo mono >$marks_trace/trace_clock
	echo 'function >= 0x4f4d0000 && function <= 0x4f4dffff' >$marks_trace/events/kvm/kvm_cpuid/filter || return 1
	echo 1 >$marks_trace/events/kvm/kvm_cpuid/enable
}

# What an event is prints microseconds only, the time in nanoseconds prints no event: the same lines, once each way.
marks_end() {
	echo 0 >$marks_trace/tracing_on
	grep -o 'func 4f4d[0-9a-f]*' $marks_trace/trace | cut -c10- >"$1.number"
	echo 1 >$marks_trace/options/raw
	awk '/^[0-9]+ [0-9]+ [0-9]+ / { print $3 }' $marks_trace/trace >"$1.at"
	[ "$(wc -l <"$1.number")" = "$(wc -l <"$1.at")" ] || return 1
	while read -r number at <&3; do
		echo $((16#$number)) "$at"
	done 3< <(paste -d ' ' "$1.number" "$1.at") >"$1"
	marks_drop
}

marks_drop() { rmdir $marks_trace 2>/dev/null; }
