#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# run.sh [-q] [-a | -w] [-j N] [-b FILE] [KERNEL...]: every suite on every kernel (6.1; "all": whatever kernel.sh can get), and a
# table of both.
# -q shows only what did not pass. -a: the suites that take longest in any case; else only where the others were quick, and
# what is left out is named, and those of `asked` not at all. -w: all of them, and each whole ("suite-NAME.sh all"): hours.
# -j: suites at a time, each in a guest of one CPU (as many as there are CPUs). -b: one at a time as long as FILE exists.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
export O="${O:-build}"
quiet='' long='' whole='' jobs=$(nproc) beside=
while getopts qawj:b: o; do
	case $o in q) quiet=1 ;; a) long=1 ;; w) long=1 whole=1 ;; j) jobs=$OPTARG ;; b) beside=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ "${1:-}" != all ] || set -- $(tests/lab/kernel.sh --list)
[ $# != 0 ] || set -- 6.1
longest='fused bench libvirt guestbad asyncpf steal'
asked='pair vm' # only with -a or -w
suites="load cgroup2 live vsock kvm $longest $asked"
QUICK_S=1500 # a machine that is past this when it comes to the longest has no time for them
tmp=$(mktemp -d)
trap 'pkill -P $$; wait; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP

# limit SUITE: seconds, boot and all; several times what it takes on two free CPUs
limit() {
	local s=900
	case $1 in load) s=240 ;; fused | bench) s=1200 ;; esac
	echo $((whole ? 4 * s : s))
}

# A guest of two CPUs has hung after recordings (docs/lab.md), and why is not known.
cpus() { echo 1; }

memory() { case $1 in fused | asyncpf | bench) echo 3072 ;; *) echo 2048 ;; esac; }

among() { case " $1 " in *" $2 "*) ;; *) return 1 ;; esac }

# once_more RC OUT: a guest that stops dead (docs/lab.md), or a busy host, which breaks times that two kernels measure:
# again as long as there is time, as every live test is; what failed at first is shown.
once_more() {
	case $1 in 124 | 125) return 0 ;; esac
	[ $SECONDS -lt $((QUICK_S + 500)) ] && grep -q '^not ok ' "$2"
}

# boot KERNEL SUITE: its output to $at.out and $at.err; its status
boot() {
	exec_boot "$@" >"$at.out" 2>"$at.err" </dev/null &
	trap 'kill $!; wait; exit 130' TERM
	wait $!
}
exec_boot() {
	# A guest that counts instructions has a clock that leaps: only this machine's tells how long it took.
	[ "$2" != vm ] || exec timeout -k 20 "$(limit "$2")" tests/lab/boot.sh -i -k "$1" -t 100000000 tests/lab/suite-vm.sh
	exec tests/lab/boot.sh -k "$1" -s "$(cpus "$2")" -m "$(memory "$2")" -t "$(limit "$2")" "tests/lab/suite-$2.sh" ${whole:+all}
}

# suite KERNEL SUITE: boots it, again where that may help; its result lines to $at.lines, what it said otherwise to $at.log
suite() {
	local k=$1 s=$2 rc
	boot "$k" "$s"
	rc=$?
	cp "$at.err" "$at.log"
	if once_more $rc "$at.out"; then
		echo "-- $k $s: status $rc, again" >>"$at.log"
		grep '^not ok ' "$at.out" >>"$at.log"
		boot "$k" "$s"
		rc=$?
		cat "$at.err" >>"$at.log"
	fi
	{
		sed -nE "s,^(ok|not ok|skip) ,\1 lab/$k/$s/,p" "$at.out"
		case $rc in
		0) grep -qE '^(ok|skip) ' "$at.out" || not_ok "lab/$k/$s" 'it said nothing' ;;
		77) skip "lab/$k/$s" "$(grep -v '^lab: Linux ' "$at.err" | tail -n1)" ;;
		124) not_ok "lab/$k/$s" 'out of time' ;;
		*) not_ok "lab/$k/$s" "status $rc: $(tail -n1 "$at.err")" ;;
		esac
	} >"$at.lines"
}

# begin KERNEL SUITE: as a child, when there is a place; one of the longest is left out when it is late
begin() {
	local at=$tmp/$1.$2
	while [ "$(jobs -rp | wc -l)" -ge "$(places)" ]; do sleep 0.5; done
	tell_ended
	if [ -z "$long" ] && [ $SECONDS -gt $QUICK_S ] && among "$longest" "$2"; then
		skip "lab/$1/$2" "left out: the suites before it took $SECONDS s; tests/lab/run.sh -a runs it" >"$at.lines"
		tell "$1.$2"
		return
	fi
	if [ -z "$long" ] && among "$asked" "$2"; then
		skip "lab/$1/$2" 'left out for time; tests/lab/run.sh -a runs it' >"$at.lines"
		tell "$1.$2"
		return
	fi
	suite "$1" "$2" &
	begun[$!]=$1.$2
}

places() { if [ -n "$beside" ] && [ -e "$beside" ]; then echo 1; else echo "$jobs"; fi; }

# tell NAME: what a suite that ended said
tell() {
	cat "$tmp/$1.log" >&2 2>/dev/null
	if [ -n "$quiet" ]; then grep -v '^ok ' "$tmp/$1.lines"; else cat "$tmp/$1.lines"; fi
}
tell_ended() {
	local p
	for p in "${!begun[@]}"; do
		kill -0 "$p" 2>/dev/null && continue
		tell "${begun[$p]}"
		unset "begun[$p]"
	done
}

# n_of WORD NAMES: lines of that result
n_of() { cat "$tmp"/$2.lines | grep -c "^$1 "; }

# table: kernel x suite
table() {
	local k s
	printf '%-10s' kernel
	printf ' %-22s' $suites
	for k in "$@"; do
		printf '\n%-10s' "$k"
		for s in $suites; do
			if grep -q "^skip lab/$k/$s left out" "$tmp/$k.$s.lines"; then
				printf ' %-22s' 'left out'
			else
				printf ' %-22s' "$(n_of ok "$k.$s") ok, $(n_of 'not ok' "$k.$s") not, $(n_of skip "$k.$s") skip"
			fi
		done
	done
	echo
}

declare -A begun # process -> its suite; of those not yet told
for k in "$@"; do
	tests/lab/kernel.sh "$k" >/dev/null 2>&1 # fetched once, not by two at a time
	for s in $suites; do begin "$k" "$s"; done
done
while [ ${#begun[@]} != 0 ]; do
	wait -n
	tell_ended
done
table "$@" | sed 's/ *$//'
passed=$(n_of ok '*') failed=$(n_of 'not ok' '*') skipped=$(n_of skip '*')
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
