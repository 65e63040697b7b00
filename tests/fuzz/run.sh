#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Builds the libFuzzer targets with AddressSanitizer and UBSan against the pure
# library and runs each for a bounded count. Seeds: tests/fuzz/seeds/NAME/ and,
# for targets of the recording, the golden recordings. FUZZ_RUNS, FUZZ_SECONDS.
. tests/lib.sh
O=${O:-build} MAKE=${MAKE:-make} JOBS=${JOBS:--j2}
runs=${FUZZ_RUNS:-20000} seconds=${FUZZ_SECONDS:-20}

# shellcheck disable=SC2086
$MAKE --no-print-directory $JOBS O="$O" fuzz >&2
check fuzz/build 'see the log' test $? = 0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

for src in tests/fuzz/fuzz_*.c; do
	n=$(basename "$src" .c) bin=$O/fuzz/${src%.c}
	[ -x "$bin" ] || { not_ok "fuzz/$n" 'is not built'; continue; }
	mkdir -p "$tmp/$n/corpus" "$O/check/crashes"
	seeds=()
	[ -d "tests/fuzz/seeds/${n#fuzz_}" ] && seeds+=("tests/fuzz/seeds/${n#fuzz_}")
	ls tests/golden/*.sgt >/dev/null 2>&1 && seeds+=(tests/golden)
	"$bin" -runs="$runs" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -max_len=65536 \
		-artifact_prefix="$O/check/crashes/$n-" -print_final_stats=1 \
		"$tmp/$n/corpus" "${seeds[@]}" >"$tmp/$n/log" 2>&1 </dev/null
	rc=$?
	done=$(sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/$n/log")
	if [ $rc != 0 ]; then
		tail -n 40 "$tmp/$n/log" >&2
		not_ok "fuzz/$n" "$(grep -m1 -E 'ERROR|runtime error|Assertion' "$tmp/$n/log"); input in $O/check/crashes"
	elif [ "${done:-0}" -lt 1000 ]; then
		not_ok "fuzz/$n" "only ${done:-0} inputs in $seconds s"
	else
		echo "$n: $done inputs" >&2
		ok "fuzz/$n"
	fi
done
