# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Sourced by the tests of bench. They call bench_begin, and define left_now(): what there still is, now, of a run that has
# ended, one word each; nothing when all is as before. What the maker of a run leaves in /run is looked for here.
export LC_ALL=C
O=${O:-build}
SANDGLASS=${SANDGLASS:-$PWD/$O/sandglass}

# bench_begin WORKLOAD NAME PROGRAM...: skips the test without root or one of these programs. Sets workload (the word behind
# bench), tmp (the test's folder, on a disk: swap files need one), bg and occupant (processes in the background, ended at exit)
bench_begin() {
	local p
	[ "$(id -u)" = 0 ] || { echo "bench $1 needs root" >&2; exit 77; }
	for p in "${@:3}"; do
		have "$p" || { echo "no $p here" >&2; exit 77; }
	done
	workload=$1 bg= occupant=
	tmp=$(mktemp -d "/var/tmp/sandglass-$2.XXXXXX")
	trap bench_end EXIT
}
bench_end() {
	local p
	for p in $bg $occupant; do kill "$p" 2> /dev/null; done
	umount "$tmp/small" 2> /dev/null
	rm -rf "$tmp"
}
have() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" > /dev/null; }

# ---- what is left

# Cgroups and folders of makers that are gone: another run beside this test is not our concern
gone_groups() { of_the_gone $(find /sys/fs/cgroup -maxdepth 2 -type d -name 'sandglass-bench-*' 2> /dev/null); }
gone_folders() { of_the_gone /var/tmp/sandglass-bench-*; }
of_the_gone() {
	local p
	for p; do [ ! -e "$p" ] || [ -d "/proc/${p##*-}" ] || echo "$p"; done
}
unfinished() { find "$tmp" -name swap -o -name data; }

# still WORD EVIDENCE: WORD when there is any
still() { [ -z "$2" ] || echo "$1"; }

# What is left of a run, within some seconds
left() {
	local what
	for _ in $(seq 200); do
		what=$(still state "$(grep -ls "$tmp/" /run/sandglass/bench-* 2> /dev/null)"; left_now)
		[ -n "$what" ] || return
		sleep 0.1
	done
	echo "left behind: $what"
}

# ---- runs

# experiment NAME LIMIT COMMAND...: succeeds within so many seconds and leaves nothing; what it printed is in $tmp/printed
experiment() {
	local name=$1 limit=$2 start=$SECONDS rc
	shift 2
	timeout "$limit" "$@" > "$tmp/printed" 2> "$tmp/err" < /dev/null
	rc=$?
	cat "$tmp/err" >&2
	echo "$name: $((SECONDS - start)) s" >&2
	check "$name" "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
	verdict "$name-leaves-nothing" "$(left)"
	return $rc
}

# judged NAME SCRIPT ARGUMENT...: the results of a judge that uses bench_judge.py; SCRIPT may be - (standard input)
judged() {
	local name=$1
	shift
	PYTHONPATH=tests/live python3 -B "$@" > "$tmp/judged"
	check "$name" 'the judge itself failed' [ $? = 0 ]
	cat "$tmp/judged"
}

# background FILE COMMAND...: in the background, its pid in bg; returns when FILE has something in it, or the run ended
background() {
	local file=$1
	shift
	"$@" > "$tmp/out" 2> "$tmp/err" < /dev/null &
	bg=$!
	for _ in $(seq 900); do
		[ -s "$file" ] || [ ! -d /proc/$bg ] && return
		sleep 0.1
	done
}

# killed: the run in the background goes by SIGKILL, in the middle, and leaves nothing
killed() {
	check kill-was-running "it did not run: $(tail -n1 "$tmp/err")" [ -d "/proc/$bg" ]
	kill -KILL "$bg"
	wait "$bg" 2> /dev/null
	bg=
	verdict killed "$(left)"
}

# ends_by SIGNAL [PREFIX]: the run in the background ends by it, says so in one sentence, and leaves nothing
ends_by() {
	local rc name="${2:-}signal-$1"
	kill -"$1" "$bg"
	wait "$bg"
	rc=$?
	bg=
	verdict "$name" "$([ $rc = $((128 + $(kill -l "$1"))) ] || echo "status $rc; ")$(left)"
	check "$name-sentence" "said '$(tail -n1 "$tmp/err")'" grep -qx 'sandglass: interrupted' "$tmp/err"
}

# fails NAME STATUS PATTERN COMMAND...: ends with that status and one sentence, and leaves nothing
fails() {
	local name=$1 want=$2 pattern=$3 rc bad=
	shift 3
	timeout 60 "$@" > "$tmp/out" 2> "$tmp/err" < /dev/null
	rc=$?
	grep -v "^bench $workload: " "$tmp/err" > "$tmp/said"
	[ $rc = "$want" ] || bad="status $rc, not $want; "
	grep -qE "$pattern" "$tmp/said" || bad="${bad}said '$(cat "$tmp/said")'; "
	[ "$want" = 2 ] || [ "$(wc -l < "$tmp/said")" = 1 ] || bad="${bad}not one line; "
	[ ! -s "$tmp/out" ] || bad="${bad}standard output is not empty; "
	verdict "$name" "$bad$(left)"
}
