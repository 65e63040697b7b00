#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# The rules of the house that a machine can hold: sizes, licences, format.
. tests/lib.sh

sources=$(house_files '*.c' '*.h' ':!vmlinux')
scripts=$(house_files '*.sh' '*.py' '*.js' '*.bash')

verdict house/file-800-lines "$(for f in $sources $scripts; do
	n=$(wc -l <"$f"); [ "$n" -le 800 ] || echo "$f:$n"; done)"

# Kernel style: a function's body stands between a lone { and a lone } in column one.
verdict house/function-120-lines "$(for f in $sources; do
	awk -v f="$f" '/^\{/ { b = NR } /^\}/ { if (b && NR - b + 1 > 120) print f ":" b ":" NR - b + 1; b = 0 }' "$f"
done)"
verdict house/main-40-lines "$(awk '/^int main\(/ { b = NR } b && /^\}/ { if (NR - b > 40) print FILENAME; b = 0 }' user/main.c)"

verdict house/spdx "$(for f in $sources $scripts; do
	case $f in
	bpf/*) want='GPL-2.0' ;;
	*) want='GPL-2.0-or-later OR BSD-2-Clause' ;;
	esac
	head -3 "$f" | grep -qE "SPDX-License-Identifier: $want( \*/)?\$" || echo "$f"
done)"

verdict house/top-level "$(git ls-files -co --exclude-standard | sed -n 's|^\([^/]*\).*|\1|p' | sort -u |
	grep -vxE '\..*|bpf|user|include|tests|vmlinux|docs|Makefile|README\.md|LICENSE')"
verdict house/executable "$(for f in $(house_files 'tests/*.sh' 'vmlinux/*.sh' '.ci/run'); do
	head -1 "$f" | grep -q '^#!' && ! [ -x "$f" ] && echo "$f"; done)"
# A command substitution's status takes the place of the one that is asked for after it: such a test can't fail.
verdict house/status-lost "$(house_files '*.sh' | xargs grep -nE '^[^#]*\$\([^()]*\)[^()]*\[ "?\$\?' | cut -d: -f1,2)"
verdict house/shell-syntax "$(for f in $(house_files '*.sh' '*.bash' .ci/run); do
	bash -n "$f" 2>/dev/null || echo "$f"; done)"

case $(clang-format --version 2>/dev/null) in
*'version 14.'*)
	verdict house/format "$(for f in $sources; do
		clang-format --dry-run -Werror "$f" >/dev/null 2>&1 || echo "$f"; done)" ;;
*)
	skip house/format 'needs clang-format 14: others format the same rules differently' ;;
esac
