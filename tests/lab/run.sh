#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# run.sh [-q] [-a | -w] [KERNEL...]: every suite on every kernel (6.1; "all": whatever kernel.sh can get), and a table of both.
# -q shows only what did not pass. -a: the suites that take longest in any case; else only where the others were quick, and
# what is left out is named. -w: all of them, and each whole ("suite-NAME.sh all"): hours.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib.sh
export O="${O:-build}"
quiet='' long='' whole=''
while getopts qaw o; do
	case $o in q) quiet=1 ;; a) long=1 ;; w) long=1 whole=1 ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ "${1:-}" != all ] || set -- $(tests/lab/kernel.sh --list)
[ $# != 0 ] || set -- 6.1
longest='fused asyncpf libvirt steal bench'
suites="load cgroup2 live vsock kvm $longest"
QUICK_S=1000 # a machine that is past this when it comes to the longest has no time for them
tmp=$(mktemp -d)
child=
trap '[ -z "$child" ] || { kill "$child" && wait "$child"; } 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP

# limit SUITE: seconds, boot and all; several times what it takes on two free CPUs
limit() {
	local s=900
	case $1 in load) s=240 ;; cgroup2) s=600 ;; fused | bench) s=1200 ;; esac
	echo $((whole ? 4 * s : s))
}

# A guest of two CPUs has hung after recordings (docs/lab.md), and why is not known.
cpus() { echo 1; }

memory() { case $1 in fused | asyncpf | bench) echo 3072 ;; *) echo 2048 ;; esac; }

among_longest() { case " $longest " in *" $1 "*) ;; *) return 1 ;; esac }

# once_more, after rc: a guest that stops dead (docs/lab.md), or a busy host, which breaks times that two kernels measure:
# again as long as there is time, as every live test is; what failed at first is shown.
once_more() {
	case $rc in 124 | 125) return 0 ;; esac
	[ $SECONDS -lt $((QUICK_S + 500)) ] && grep -q '^not ok ' "$tmp/out"
}

# boot KERNEL SUITE: sets rc
boot() {
	tests/lab/boot.sh -k "$1" -s "$(cpus "$2")" -m "$(memory "$2")" -t "$(limit "$2")" "tests/lab/suite-$2.sh" ${whole:+all} >"$tmp/out" 2>"$tmp/err" </dev/null &
	child=$!
	wait $child
	rc=$?
	child=
	cat "$tmp/err" >&2
}

passed=0 failed=0 skipped=0
printf '%-10s' kernel >"$tmp/table"
printf ' %-22s' $suites >>"$tmp/table"
for k in "$@"; do
	printf '\n%-10s' "$k" >>"$tmp/table"
	for s in $suites; do
		if [ -z "$long" ] && [ $SECONDS -gt $QUICK_S ] && among_longest "$s"; then
			skip "lab/$k/$s" "left out: the suites before it took $SECONDS s; tests/lab/run.sh -a runs it"
			skipped=$((skipped + 1))
			printf ' %-22s' 'left out' >>"$tmp/table"
			continue
		fi
		boot "$k" "$s"
		if once_more; then
			echo "-- $k $s: status $rc, again" >&2
			grep '^not ok ' "$tmp/out" >&2
			boot "$k" "$s"
		fi
		{
			sed -nE "s,^(ok|not ok|skip) ,\1 lab/$k/$s/,p" "$tmp/out"
			case $rc in
			0) grep -qE '^(ok|skip) ' "$tmp/out" || not_ok "lab/$k/$s" 'it said nothing' ;;
			77) skip "lab/$k/$s" "$(tail -n1 "$tmp/err")" ;;
			124) not_ok "lab/$k/$s" 'out of time' ;;
			*) not_ok "lab/$k/$s" "status $rc: $(tail -n1 "$tmp/err")" ;;
			esac
		} >"$tmp/lines"
		if [ -n "$quiet" ]; then grep -v '^ok ' "$tmp/lines"; else cat "$tmp/lines"; fi
		p=$(grep -c '^ok ' "$tmp/lines") f=$(grep -c '^not ok ' "$tmp/lines") n=$(grep -c '^skip ' "$tmp/lines")
		passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + n))
		printf ' %-22s' "$p ok, $f not, $n skip" >>"$tmp/table"
	done
done
echo >>"$tmp/table"
sed 's/ *$//' "$tmp/table"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
