#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# suite-live.sh [all]: scripts of tests/live and scenarios of tests/truth, unchanged, on this kernel: a choice that fits
# in minutes of an emulated processor and whose bounds such a processor keeps. What is left out is named. "all" runs
# all but what cannot hold here.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
export O MAKE=true # built outside, and not again
# The emulator's host takes its CPU for milliseconds, which no clock in here tells.
export TRUTH_STOLEN_MS=10
choice=${1:-short}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

live='swapout'
truth='cpu_user cpu_syscalls mutex_sleep io_fsync io_fuse sleep_plain tcp_disk trap_stop trap_freeze
	trap_seccomp proc_vfork reclaim_cache swap_zram'

# never NAME: why it cannot hold under emulation; nothing when it can
never() {
	case $1 in
	marks) echo 'it tests compilers and languages, not kernels' ;;
	record) echo 'several minutes here, and its times are of a processor that is not emulated' ;;
	bench_task) echo 'half an hour here: suite-cgroup2 runs the workload, small' ;;
	load) echo 'the emulated processor cannot make that load: suite-load holds the same of a smaller one' ;;
	oracle) echo 'its 1 % is of a processor that is not emulated' ;;
	cond_procs | io_odirect | pipe_sleep | trap_ptrace | mem_segv | swap_file | swap_ahead) echo 'it misses its bounds by some per cent under emulation' ;;
	cpu_spin | cpu_quota) echo 'its CPU time is what the host lets the emulator have, within more than its bounds' ;;
	esac
}

# runs NAME LIST: yes, or the skip line is out
runs() {
	local why
	why=$(never "${1##*/}")
	[ -n "$why" ] || case " $(echo $2) " in
	*" ${1##*/} "*) return 0 ;;
	*) [ "$choice" = all ] && return 0 || why='left out for time: suite-live.sh all runs it' ;;
	esac
	skip "$1" "$why"
	return 1
}

chosen=
for f in tests/live/*.sh; do
	n=$(basename "$f" .sh)
	[ "$n" != run ] && head -1 "$f" | grep -q '^#!' || continue # sourced by the others
	runs "$n" "$live" && chosen="$chosen $n"
done
# shellcheck disable=SC2086 # names
tests/live/run.sh $chosen </dev/null | sed -E 's,^(ok|not ok|skip) live/,\1 ,'

# All in one call: what it measures of the machine itself takes as long as a scenario.
start=$SECONDS seen=0 chosen=
while IFS=$'\t' read -r n _; do
	seen=$((seen + 1))
	runs "truth/$n" "$truth" && chosen=$chosen,$n
done < <("$O/tests/truth/truth" --list)
tests/truth/run.sh --only "${chosen#,}" >"$tmp/out" || echo "-- status $?" >&2
# A program says itself that the emulated machine did not do what it wanted to measure.
grep -E '^(ok|not ok|skip) ' "$tmp/out" |
	sed -E 's,^not ok ([^ ]+) +could not be carried out: (.*),skip \1 not carried out under emulation: \2,'
for n in ${chosen//,/ }; do
	grep -qE "^(ok|not ok|skip) truth/$n( |$)" "$tmp/out" || not_ok "truth/$n" 'it said nothing'
done
[ $seen -gt 20 ] || not_ok truth/list "only $seen scenarios"
echo "-- truth: $((SECONDS - start)) s" >&2
