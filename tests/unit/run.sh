#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# run.sh plain|asan|valgrind
# plain: every test of every program. asan: the pure library's programs built
# with AddressSanitizer, UBSan and leak detection. valgrind: a subset, as it is.
. tests/lib.sh
O=${O:-build} MAKE=${MAKE:-make} JOBS=${JOBS:--j2}

# TAP of one program -> our lines; reasons follow their "not ok" as YAML
convert() {
	awk '
	function flush() { if (bad != "") print "not ok " bad " " (why == "" ? note : why); bad = why = note = "" }
	/^1\.\.[0-9]+/ { plan = substr($0, 4) + 0 }
	/^ok - / {
		flush(); seen++
		sub(/^ok - /, "")
		if (match($0, / *# SKIP ?/)) print "skip " substr($0, 1, RSTART - 1) " " substr($0, RSTART + RLENGTH)
		else print "ok " $1
		next
	}
	/^not ok - / { flush(); seen++; bad = $4; note = $0; sub(/^not ok - [^ ]* */, "", note); next }
	bad != "" && /^  - / { line = $0; sub(/^  - /, "", line); sub(/: \|\+$/, ":", line); why = why " " line; next }
	bad != "" && /^      / { line = $0; sub(/^ +/, "", line); why = why " " line }
	END { flush()
		if (!plan) print "not ok " prog " ended without running a test"
		else if (seen != plan) print "not ok " prog " reported " seen " of " plan " tests" }
	' prog="$1"
}

# Name of the tests to run: programs of this folder
programs() { # DIR
	for s in tests/unit/test_*.c; do
		b=$1/${s%.c}
		[ -x "$b" ] && echo "$b"
	done
}

plain() {
	for s in tests/unit/test_*.c; do
		b=$O/${s%.c} n=$(basename "${s%.c}")
		[ -x "$b" ] || { not_ok "$n" 'is not built'; continue; }
		timeout -k 5 180 "$b" --tap=- 2>"$O/check/$n.tap" </dev/null >&2
		rc=$?
		convert "$n" <"$O/check/$n.tap" >"$O/check/$n.out"
		cat "$O/check/$n.out"
		grep -q '^not ok' "$O/check/$n.out" && cat "$O/check/$n.tap" >&2
		[ $rc = 0 ] || grep -q '^not ok' "$O/check/$n.out" || not_ok "$n" "ended with status $rc"
	done
}

# One line a program: its tests passed, and the checker wrote nothing.
checked() { # NAME LOGDIR COMMAND...
	local name=$1 dir=$2 out
	shift 2
	out=$(timeout -k 5 600 "$@" --tap=- 2>&1 </dev/null)
	local rc=$? report
	report=$(cat "$dir"/* 2>/dev/null | grep -v '^--') # valgrind: --PID-- is about itself
	# UBSan writes to stderr, which Criterion keeps from its tests while it prints TAP.
	[ $rc != 0 ] && [ -z "$report" ] && report=$(timeout -k 5 600 "$@" 2>&1 </dev/null | grep -v '^\[====\]')
	if [ $rc != 0 ] && printf '%s\n' "$out" | grep -q '^not ok'; then
		printf '%s\n' "$out" "$report" >&2 # a failed test leaks, too: its own words first
		not_ok "$name" "status $rc: $(printf '%s\n' "$out" "$report" | grep -m3 -E '^not ok|runtime error|ERROR')"
	elif [ -n "$report" ]; then
		printf '%s\n' "$report" >&2
		not_ok "$name" "$(printf '%s\n' "$report" | grep -m1 -E 'ERROR|runtime error|==.*(Invalid|lost|uninit|overlap)' || echo 'see the log')"
	elif [ $rc != 0 ]; then
		printf '%s\n' "$out" >&2
		not_ok "$name" "status $rc: $(printf '%s\n' "$out" | tail -n 1)"
	elif ! printf '%s\n' "$out" | grep -q '^ok '; then
		not_ok "$name" 'ran no test'
	else
		ok "$name"
	fi
	rm -rf "$dir"
}

# side_by_side FUNCTION PROGRAM...: FUNCTION PROGRAM for each, as many at a time as there are CPUs; what they print, in order
side_by_side() {
	local what=$1 out b
	shift
	out=$(mktemp -d)
	for b in "$@"; do
		while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
		"$what" "$b" >"$out/${b##*/}.out" 2>"$out/${b##*/}.err" &
	done
	wait
	for b in "$@"; do
		cat "$out/${b##*/}.err" >&2
		cat "$out/${b##*/}.out"
	done
	rm -rf "$out"
}

asan_one() {
	local d
	d=$(mktemp -d)
	ASAN_OPTIONS=log_path=$d/r:detect_leaks=1:detect_stack_use_after_return=1 \
		UBSAN_OPTIONS=log_path=$d/r:print_stacktrace=1 SG_TEST_SLOW=1 \
		checked "asan/$(basename "$1")" "$d" "$1"
}
asan() {
	# shellcheck disable=SC2086
	$MAKE --no-print-directory $JOBS -k O="$O" asan >&2 || not_ok asan/build "does not build; see the log"
	# shellcheck disable=SC2046 # names
	side_by_side asan_one $(programs "$O/asan")
}

# Programs whose tests run one after the other in one process (tests/inproc), but those of `apart`, in which a test leaves what the
# next would see. Left out: long generated streams, the sanitizers' work, which under valgrind would take an hour;
# test_symbols, test_fncalls and test_pressure, which read their own processes, under valgrind valgrind's;
# test_probes and test_gvprobe, which make libbpf hand the kernel structures whose padding valgrind takes for uninitialised; test_gvtrace_rx,
# test_cpu_vmjob, test_modload, test_vm and test_cpu_runner, which use pidfd_getfd, mincore and pidfd_open, which valgrind does not know or
# passes on differently. Children that a test forks and ends by _exit() hold the parent's heap: no leak, hence silent. Programs of the machine
# that a test starts (runsc among them) run without it.
valgrind_skip='prop|hostile|stream|big|perf|long|test_symbols$|test_probes$|test_gvprobe$|test_fncalls$|test_gvtrace_rx$|test_modload$|test_pressure$|test_cpu_runner$|test_cpu_vmjob$|test_join$|test_vm$'
apart=' test_agentlink test_vmdomains test_vmwatch test_watch '
memcheck_one() {
	local d b=$O/inproc/tests/unit/${1##*/}
	d=$(mktemp -d)
	case $apart in *" ${1##*/} "*) b=$1 ;; esac
	SG_TEST_SLOW=1 checked "valgrind/$(basename "$1")" "$d" valgrind -q --vgdb=no --trace-children=yes \
		--trace-children-skip='/usr/*,/bin/*,/sbin/*' --child-silent-after-fork=yes --leak-check=full \
		--show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
		--log-file="$d/%p" "$b"
}
memcheck() {
	# shellcheck disable=SC2086
	$MAKE --no-print-directory $JOBS -k O="$O" tests-inproc >&2 || not_ok valgrind/build "does not build; see the log"
	# shellcheck disable=SC2046 # names
	side_by_side memcheck_one $(programs "$O" | grep -vE "/[^/]*($valgrind_skip)[^/]*\$")
}

mkdir -p "$O/check"
case ${1:-plain} in
plain) plain ;;
asan) asan ;;
valgrind) memcheck ;;
*) echo "run.sh: plain, asan or valgrind" >&2; exit 2 ;;
esac
