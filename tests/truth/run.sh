#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Runs the truth scenarios under sandglass, on this machine's own kernel.
# Arguments go to truthrun (--only PATTERN, -v, --bare ...).
# A scenario that fails is tried again, twice at most: other load on the machine can take the CPU, or a wake, from a
# scenario of 50 ms. One that fails three times in a row has failed, and every failed try is shown.
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
"${MAKE:-make}" --no-print-directory O="$O" "$O/tests/truth/truth" "$O/tests/truth/truthrun" >&2 || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
run() { "$O/tests/truth/truthrun" --sandglass "$O/sandglass" "$@"; }

run "$@" >"$tmp/out"
status=$?
if [ $status != 1 ] && ! grep -q '^not ok' "$tmp/out"; then
	sed -E 's,^(ok|skip) +,\1 truth/,' "$tmp/out"
	exit $status
fi
grep -vE '^[0-9]+ passed' "$tmp/out" | grep -v '^not ok' | grep -E '^(ok|skip)' | sed -E 's,^(ok|skip) +,\1 truth/,'
passed=$(grep -c '^ok' "$tmp/out") skipped=$(grep -c '^skip' "$tmp/out") failed=0
for name in $(sed -nE 's/^not ok +([^ ]+).*/\1/p' "$tmp/out"); do
	sed -nE "/^not ok +$name( |$)/,/^(ok|not ok|skip|[0-9]+ passed)/p" "$tmp/out" | sed '1s/^/first try: /' >&2
	for try in 2 3; do
		run "$@" --only "$name" >"$tmp/again"
		line=$(grep -E '^(ok|not ok|skip)' "$tmp/again" | head -1)
		[ "${line#ok}" = "$line" ] || break
		echo "try $try: $line" >&2
	done
	sed -E "s,^(ok|not ok|skip) +,\1 truth/," <<<"$line (try $try)"
	case $line in ok*) passed=$((passed + 1)) ;; skip*) skipped=$((skipped + 1)) ;; *) failed=$((failed + 1)) ;; esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
