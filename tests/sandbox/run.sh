#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Truth scenarios in containers: runc and gVisor, both generations. An argument chooses: 'runsc-ptrace/*'.
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
"${MAKE:-make}" --no-print-directory O="$O" "$O/sandglass" "$O/tests/sandbox/box" "$O/tests/sandbox/guest" "$O/tests/truth/truthrun" >&2 || exit 1
if [ "$(id -u)" != 0 ]; then
	echo "skip sandbox needs root"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
out=$(mktemp)
trap 'rm -f "$out"' EXIT
FAULT_HIDDEN_NS=$("$O/tests/truth/truthrun" --hidden)
export FAULT_HIDDEN_NS
timeout 900 python3 tests/sandbox/truth.py "$O/sandglass" "$O/tests/sandbox/box" "$O/tests/sandbox/guest" "$O/cache" "${1:-*}" | tee "$out"
code=${PIPESTATUS[0]}
[ "$code" = 0 ] || echo "not ok sandbox/runner exit $code" | tee -a "$out"
passed=$(grep -c '^ok ' "$out") failed=$(grep -c '^not ok ' "$out") skipped=$(grep -c '^skip ' "$out")
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
