# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Sourced by the tests of bench, which set tmp (their folder) and workload (the word behind bench) and define left():
# what is left of a run that has ended, nothing when all is as before.

# ends_by SIGNAL: the run in the background (its pid in bg) ends by it, says so in one sentence, and leaves nothing
ends_by() {
	local rc
	kill -"$1" "$bg"
	wait "$bg"
	rc=$?
	bg=
	verdict "signal-$1" "$([ $rc = $((128 + $(kill -l "$1"))) ] || echo "status $rc; ")$(left)"
	check "signal-$1-sentence" "said '$(tail -n1 "$tmp/err")'" grep -qx 'sandglass: interrupted' "$tmp/err"
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
