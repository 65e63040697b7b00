# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Sourced by the test scripts. A script reports each result on one line:
#   ok NAME | not ok NAME WHY | skip NAME WHY        (NAME has no blanks)

ok() { printf 'ok %s\n' "$1"; }
not_ok() { printf 'not ok %s %s\n' "$1" "$(printf '%s' "$2" | tr '\n' ' ')"; }
skip() { printf 'skip %s %s\n' "$1" "$2"; }

# check NAME WHY-NOT COMMAND...: ok when the command succeeds
check() {
	local name=$1 why=$2
	shift 2
	if "$@"; then ok "$name"; else not_ok "$name" "$why"; fi
}

# verdict NAME BAD: ok when BAD (a list of offenders) is empty
verdict() {
	if [ -z "$2" ]; then ok "$1"; else not_ok "$1" "$2"; fi
}

# house_files PATTERN...: the project's own files, tracked or new
house_files() {
	git ls-files -co --exclude-standard -- "$@" 2>/dev/null | sort -u | while read -r f; do
		[ -f "$f" ] && printf '%s\n' "$f"
	done
}
