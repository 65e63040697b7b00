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

# says NAME CODE PATTERN COMMAND...: within 60 s, that exit code and exactly one line on standard error, which matches. What it
# prints is in $dir/out and $dir/err: the script's own folder.
says() {
	local name=$1 want=$2 pattern=$3 code
	shift 3
	timeout 60 "$@" >"$dir/out" 2>"$dir/err" </dev/null
	code=$?
	if [ "$code" != "$want" ]; then not_ok "$name" "exit $code, not $want: $(tail -1 "$dir/err")"
	elif [ "$(wc -l <"$dir/err")" != 1 ] || ! grep -qE "$pattern" "$dir/err"; then not_ok "$name" "said: $(cat "$dir/err")"
	else ok "$name"; fi
}

# house_files PATTERN...: the project's own files, tracked or new
house_files() {
	git ls-files -co --exclude-standard -- "$@" 2>/dev/null | sort -u | while read -r f; do
		[ -f "$f" ] && printf '%s\n' "$f"
	done
}
