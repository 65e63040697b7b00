#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# The header's probes as every compiler at hand emits them, and the system calls by which other
# languages mark: exactly one per mark, on the calling thread (docs/marks.md).
set -u
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fails=0
fail() { echo "marks: FAIL: $*" >&2; fails=$((fails + 1)); }

cat > "$dir/a.c" <<'C'
#include "sandglass/mark.h"
__attribute__((noinline)) void work(unsigned id, const char *name);
void work(unsigned id, const char *name) { SG_TASK_BEGIN(id, name); SG_TASK_END(id, 3); }
int main(int argc, char **argv) { SG_TASK_BEGIN(7, "literal"); SG_TASK_END(7, -1); work(argc, argv[0]); return 0; }
C
cat > "$dir/b.cc" <<'C'
#include "sandglass/mark.h"
template <class T> inline void both(T id) { SG_TASK_BEGIN(id, "t"); SG_TASK_END(id, 0); }
int main() { both(1); both(2ul); return 0; }
C

# check FILE N: N probes of each kind, every argument in a register or a constant
check() {
	local notes
	notes=$(readelf -n "$1" 2>/dev/null)
	for probe in task_begin task_end; do
		[ "$(grep -c "Name: $probe\$" <<< "$notes")" = "$2" ] || fail "$3: not $2 probes $probe"
	done
	[ "$(grep -c 'Provider: sandglass$' <<< "$notes")" = $((2 * $2)) ] || fail "$3: provider"
	if grep 'Arguments:' <<< "$notes" | grep -vqE 'Arguments: 8@(%r[a-z0-9]+|\$-?[0-9]+) 8@(%r[a-z0-9]+|\$-?[0-9]+)$'; then
		fail "$3: an argument that a tracer may not be able to read"
	fi
	"$1" || fail "$3: the program itself"
}
warn="-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes"
for cc in gcc clang; do
	command -v $cc > /dev/null || continue
	for opt in -O0 "-O2 -std=c89" "-O2 -fPIC -ffunction-sections -Wl,--gc-sections"; do
		# shellcheck disable=SC2086
		$cc $warn $opt -Iinclude "$dir/a.c" -o "$dir/a" || fail "$cc $opt"
		check "$dir/a" 2 "$cc $opt"
	done
	$cc $warn -DSG_MARKS_OFF -Iinclude "$dir/a.c" -o "$dir/a" || fail "$cc off"
	readelf -n "$dir/a" | grep -q sandglass && fail "$cc: SG_MARKS_OFF leaves probes"
done
for cc in g++ clang++; do
	command -v $cc > /dev/null || continue
	$cc -O1 -fno-inline -Wall -Wextra -Werror -Iinclude "$dir/b.cc" -o "$dir/b" || fail "$cc"
	check "$dir/b" 2 "$cc"
done

# calls NAME COMMAND...: the command makes one begin and one end mark, each by one call of its first thread
calls() {
	local name=$1
	shift
	if ! command -v "$1" > /dev/null; then
		echo "marks: no $1 here, its example is not checked"
		return
	fi
	strace -f -o "$dir/trace" -e trace=access,faccessat,faccessat2 "$@" > /dev/null 2>&1
	local main
	main=$(sed -n '1s/ .*//p' "$dir/trace")
	for mark in 'begin/7/a b' 'end/7/0'; do
		[ "$(grep -c "\"/.sandglass/$mark\"" "$dir/trace")" = 1 ] || fail "$name: not one call for $mark"
		grep -q "^$main .*\"/.sandglass/$mark\"" "$dir/trace" || fail "$name: $mark is not on the calling thread"
	done
}
if command -v strace > /dev/null && strace -o /dev/null true 2> /dev/null; then
	calls "node existsSync" node -e 'const fs = require("fs"); fs.existsSync("/.sandglass/begin/7/a b"); fs.existsSync("/.sandglass/end/7/0")'
	calls "node accessSync" node -e 'const fs = require("fs"); for (const p of ["begin/7/a b", "end/7/0"]) try { fs.accessSync("/.sandglass/" + p) } catch (e) {}'
	calls "python os.access" python3 -c 'import os; os.access("/.sandglass/begin/7/a b", os.F_OK); os.access("/.sandglass/end/7/0", os.F_OK)'
	calls "bash test -r" bash -c 'test -r "/.sandglass/begin/7/a b"; test -r /.sandglass/end/7/0'
	calls "dash test -r" dash -c '[ -r "/.sandglass/begin/7/a b" ]; [ -r /.sandglass/end/7/0 ]'
else
	echo "marks: strace is missing or may not trace here; the languages' calls are not checked"
fi

[ $fails = 0 ] && echo "marks: ok"
exit $((fails > 0))
