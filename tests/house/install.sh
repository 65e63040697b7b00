#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# make install into an empty place, use what is there, make uninstall.
. tests/lib.sh
O=${O:-build} MAKE=${MAKE:-make}
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

$MAKE --no-print-directory O="$O" WERROR="$WERROR" install PREFIX=/usr DESTDIR="$d" >&2
check install/install 'see the log' test $? = 0
for f in bin/sandglass include/sandglass/mark.h share/bash-completion/completions/sandglass share/man/man1/sandglass.1; do
	check "install/$(basename "$f")-$(dirname "$f" | tr / -)" "$f is missing or empty" test -s "$d/usr/$f"
done
check install/runs 'the installed program does not run' sh -c "'$d/usr/bin/sandglass' --version | grep -q '^sandglass [0-9]'"
printf '#include <sandglass/mark.h>\nint main(void) { SG_TASK_BEGIN(1, "t"); SG_TASK_END(1, 0); return 0; }\n' >"$d/m.c"
check install/header 'a program cannot use the installed header' \
	sh -c "gcc -I'$d/usr/include' -o '$d/m' '$d/m.c' >&2 && '$d/m'"

# Completion, driven the way bash drives it
complete_words() { # WORDS... -> the candidates
	(
		PATH=$d/usr/bin:$PATH
		. "$d/usr/share/bash-completion/completions/sandglass"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
		_sandglass
		printf '%s\n' "${COMPREPLY[@]}"
	)
}
verdict install/completes-commands "$(for c in $("$d/usr/bin/sandglass" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
	complete_words sandglass "${c:0:2}" | grep -qx "$c" || echo "$c"; done)"
check install/completes-options 'record --dur is not completed' \
	test "$(complete_words sandglass record --dur | head -n1)" = --duration

$MAKE --no-print-directory O="$O" uninstall PREFIX=/usr DESTDIR="$d" >&2
verdict install/uninstall "$(find "$d/usr" -type f)"
