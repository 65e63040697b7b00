#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# readme.sh NAME... - fill the marked places of README.md with real output:
#   demo (runs make demo), run (runs a build under sandglass), bench (from the
#   stored results), packages (from the Makefile). As root, in a built tree.
set -eu
cd "$(dirname "$0")/../.."
O=${O:-build}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# place NAME FILE: put FILE between the marks of NAME
place() {
	grep -q "^<!-- $1:" README.md || { echo "readme.sh: README.md has no place '$1'" >&2; exit 1; }
	[ -s "$2" ] || { echo "readme.sh: nothing to put at '$1'" >&2; exit 1; }
	awk -v name="$1" -v file="$2" '
		$0 ~ "^<!-- /" name " -->" { inside = 0 }
		!inside { print }
		$0 ~ "^<!-- " name ":" { inside = 1; while ((getline line < file) > 0) print line }' README.md >"$tmp/README"
	cat "$tmp/README" >README.md
}

# As a terminal of 100 columns shows it, indented
shown() { sed 's/\x1b\[[0-9;]*[A-Za-z]//g; s/[[:space:]]*$//; s/^\(.\)/    \1/'; }

packages() {
	printf '| package | why |\n|---|---|\n'
	sed -n 's/^PKG += \([a-z0-9.+-]*\)  *# \(.*\)$/| `\1` | \2 |/p' Makefile
	grep -q '^PKG += .*nodejs npm' Makefile && sed -n 's/^PKG += .*nodejs npm).*# \(.*\)$/| `nodejs`, `npm` | \1 (not when npm is there) |/p' Makefile
}

for what in "$@"; do
	case $what in
	demo)
		make --no-print-directory O="$O" demo >"$tmp/text" 2>&1 </dev/null || { tail "$tmp/text" >&2; exit 1; }
		{
			echo '    $ make demo'
			grep -vE '^  [A-Z]{2,6}  +' "$tmp/text" | sed "s|$O/|build/|g" | shown
		} >"$tmp/out" ;;
	run)
		rm -rf /tmp/b
		{
			echo '    $ sandglass run -- make -j2 O=/tmp/b /tmp/b/libsg.a'
			"$O/sandglass" run -- make -j2 O=/tmp/b /tmp/b/libsg.a 2>&1 >/dev/null </dev/null | shown
		} >"$tmp/out"
		rm -rf /tmp/b ;;
	bench) tests/bench/table.py tests/bench/results/*.json >"$tmp/out" ;;
	packages) packages >"$tmp/out" ;;
	*) echo "readme.sh: demo, run, bench or packages" >&2; exit 2 ;;
	esac
	place "$what" "$tmp/out"
done
