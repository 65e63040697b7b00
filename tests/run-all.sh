#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#
# Runs every test of the project, part by part; `make check` is the way in.
# A part is a command that prints the lines of tests/lib.sh. What it says
# otherwise goes to a log, shown when the part fails. Without arguments every
# part runs; with arguments only those named.
set -u
cd "$(dirname "$0")/.."
export O=${O:-build} MAKE=${MAKE:-make} CC=${CC:-gcc} WERROR=${WERROR:-} LC_ALL=C
unset MAKEFLAGS MAKELEVEL MFLAGS # each part calls make as a user would
JOBS=${JOBS:--j$(nproc)}
export JOBS

# name  seconds  command
# What runs while the lab does, which leaves a CPU idle as long: those of $beside measure nothing and use little but a CPU, and
# yield to all else; those of $aside hold to no times, and wait most of their own.
beside='layers house golden docs install asan valgrind fuzz'
aside='aside'
parts() {
	cat <<-EOF
	build      600 tests/house/build.sh
	layers     240 tests/house/layers.sh
	house      360 tests/house/house.sh
	unit       600 tests/unit/run.sh plain
	asan      1500 tests/unit/run.sh asan
	valgrind  2700 tests/unit/run.sh valgrind
	fuzz      1500 tests/fuzz/run.sh
	golden     300 tests/golden/run.sh
	docs       240 tests/house/docs.sh
	install    240 tests/house/install.sh
	live      2400 tests/live/run.sh measuring
	aside     2400 tests/live/run.sh aside
	truth      900 tests/truth/run.sh
	sandbox    900 tests/sandbox/run.sh
	vm         300 tests/vm/run.sh
	lab       3000 tests/lab/run.sh -b $log/beside
	EOF
}

log=$O/check
mkdir -p "$log"
: >"$log/failed"
TMPDIR=$(mktemp -d /tmp/sandglass-check.XXXXXX)
chmod 755 "$TMPDIR" # tests become another user in it
# Every process of this run carries the mark, so that what stays behind is found.
export TMPDIR SANDGLASS_CHECK=$TMPDIR
passed=0 failed=0 skipped=0
started=$SECONDS

ours() {
	grep -lsaF "SANDGLASS_CHECK=$SANDGLASS_CHECK" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 |
		grep -vxe $$ -e "$BASHPID"
}

finish() {
	rm -rf "$TMPDIR"
	# Once more at the end, where a reader of a long log looks first.
	cut -c1-300 "$log/failed"
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
	exit
}

lanes= # processes that run the parts beside the lab
interrupted() {
	# shellcheck disable=SC2086 # process numbers
	[ -z "$lanes" ] || kill -KILL $lanes 2>/dev/null
	for p in $(ours); do kill -KILL "$p" 2>/dev/null; done
	echo 'interrupted: the rest did not run'
	failed=$((failed + 1))
	finish
}
trap interrupted INT TERM HUP

# count NAME EXIT-STATUS SECONDS: read the part's lines, print what did not pass
count() {
	local name=$1 rc=$2 out=$log/$1.out p f s
	p=$(grep -c '^ok ' "$out") f=$(grep -c '^not ok ' "$out") s=$(grep -c '^skip ' "$out")
	if [ "$rc" != 0 ] && [ "$f" = 0 ]; then
		[ "$rc" = 124 ] || [ "$rc" = 137 ] && rc="$rc (out of time)"
		echo "not ok $name/ended with status $rc and named no failure" >>"$out"
		f=1
	elif [ $((p + f + s)) = 0 ]; then
		echo "not ok $name/nothing ran" >>"$out"
		f=1
	fi
	grep -E '^(not ok|skip) ' "$out"
	if [ "$f" != 0 ]; then
		sed -n 's/^not ok /failed: /p' "$out" >>"$log/failed"
		echo "   (log: $log/$name.log)"
		tail -n 25 "$log/$name.log" | sed 's/^/   | /'
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	printf '   %d ok, %d not ok, %d skipped, %d s\n' "$p" "$f" "$s" "$3"
}

run_part() { # NAME LIMIT COMMAND...
	local name=$1 limit=$2 t0=$SECONDS
	shift 2
	timeout -k 10 "$limit" "$@" >"$log/$name.out" 2>"$log/$name.log" </dev/null &
	wait $!
	echo $? $((SECONDS - t0)) >"$log/$name.rc"
}

counted() { # NAME
	# shellcheck disable=SC2046 # two words
	count "$1" $(cat "$log/$1.rc")
}

# lane PARTS COMMAND...: these parts one after the other, each by COMMAND
lane() {
	local name limit cmd parts=$1
	shift
	while read -r name limit cmd; do
		# shellcheck disable=SC2086 # the command's words
		[ -z "$name" ] || run_part "$name" "$limit" "$@" $cmd
	done <<<"$parts"
}

# with_lab LIMIT COMMAND...: the lab, and the parts of $yielding and of $waiting beside it
with_lab() {
	local name limit cmd
	touch "$log/beside"
	{
		lane "$yielding" chrt --idle 0
		rm "$log/beside"
	} &
	lanes=$!
	lane "$waiting" &
	lanes="$lanes $!"
	run_part lab "$@"
	counted lab
	# shellcheck disable=SC2086 # process numbers
	wait $lanes
	lanes=
	while read -r name limit cmd; do
		[ -n "$name" ] || continue
		echo "== $name"
		counted "$name"
	done <<<"$yielding$waiting"
}

wanted=" $* "
known=" $(parts | awk '{print $1}' | tr '\n' ' ')"
for w in "$@"; do
	case $known in *" $w "*) ;; *) echo "run-all.sh: no part '$w'; there are:$known" >&2; exit 2 ;; esac
done

is_wanted() { [ "$wanted" = '  ' ] || case $wanted in *" $1 "*) ;; *) return 1 ;; esac }

tests/house/leaks.sh save "$TMPDIR/before"
yielding='' waiting=''
while read -r name limit cmd; do
	is_wanted "$name" || continue
	if is_wanted lab; then
		case " $beside " in *" $name "*) yielding=$yielding$name\ $limit\ $cmd$'\n'; continue ;; esac
		case " $aside " in *" $name "*) waiting=$waiting$name\ $limit\ $cmd$'\n'; continue ;; esac
	fi
	echo "== $name"
	if [ "$name" = lab ]; then
		# shellcheck disable=SC2086 # the command's words
		with_lab "$limit" $cmd
		continue
	fi
	# shellcheck disable=SC2086
	run_part "$name" "$limit" $cmd
	counted "$name"
	# Nothing after it can be right without a build.
	if [ "$name" = build ] && ! [ -x "$O/sandglass" ]; then
		echo 'the build failed: nothing else can run'
		finish
	fi
done < <(parts)

echo '== leaks'
t0=$SECONDS
tests/house/leaks.sh compare "$TMPDIR/before" $$ >"$log/leaks.out" 2>"$log/leaks.log"
echo $? $((SECONDS - t0)) >"$log/leaks.rc"
counted leaks
echo "== all: $((SECONDS - started)) s (budget 1800)"
finish
