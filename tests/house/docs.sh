#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# What the texts say exists, exists; every command teaches itself.
. tests/lib.sh
O=${O:-build} MAKE=${MAKE:-make}
sg=$O/sandglass
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cmds=$(sed -n 's/^\tX("\([a-z]*\)",.*/\1/p' user/cmd/cmd.h)

for c in '' $cmds; do
	# shellcheck disable=SC2086
	timeout 10 "$sg" $c --help >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
	if [ $rc != 0 ]; then
		not_ok "docs/help-${c:-sandglass}" "--help ends with status $rc"
	elif ! [ -s "$tmp/out" ] || [ -s "$tmp/err" ]; then
		not_ok "docs/help-${c:-sandglass}" '--help must go to standard output'
	else
		ok "docs/help-${c:-sandglass}"
	fi
	[ -z "$c" ] || sed -n 's/.*\(--[a-z][a-z-]*\).*/\1/p' "$tmp/out" | sort -u >"$tmp/options-$c"
done

$MAKE --no-print-directory O="$O" WERROR="$WERROR" man >&2
for c in '' $cmds; do
	page=$O/man/sandglass${c:+-$c}.1
	bad=
	[ -s "$page" ] || bad="$page is missing"
	grep -q '^\.TH ' "$page" 2>/dev/null || bad="$bad no title"
	for o in $([ -z "$c" ] || cat "$tmp/options-$c"); do
		grep -qF -- "$(printf '%s' "$o" | sed 's/-/\\-/g')" "$page" 2>/dev/null || grep -qF -- "$o" "$page" 2>/dev/null ||
			bad="$bad $o is not in it"
	done
	verdict "docs/man-${c:-sandglass}" "$bad"
done

# Commands and targets of the README and docs/ that do not exist
texts=$(house_files 'README.md' 'docs/*.md')
now=$(printf '%s\n' $texts | grep -v '^docs/design.md$') # which names what is to come, too
verdict docs/commands "$({
	grep -hoE '^    (\$ |# )?(sudo )?(build/)?sandglass [a-z_]+' $now
	grep -hoE '`(sudo )?sandglass [a-z_]+' $now
} | awk '{print $NF}' | sort -u | while read -r c; do printf '%s\n' $cmds | grep -qx "$c" || echo "$c"; done)"
verdict docs/targets "$(grep -hoE '`make [a-z][a-z-]*|^(\$ |# )?make [a-z][a-z-]*' $texts | awk '{print $NF}' | sort -u |
	while read -r t; do grep -qE "^([a-z -]* )?$t( [a-z -]*)?:" Makefile || echo "$t"; done)"
verdict docs/options "$(for c in $cmds; do
	# shellcheck disable=SC2086
	grep -hoE "(^    (\\\$ |# )?|\`)(sudo )?(build/)?sandglass $c [^\`]*" README.md | sed 's/ -- .*//' | grep -oE -- '--[a-z][a-z-]+' | sort -u |
		while read -r o; do "$sg" "$c" --help 2>/dev/null | grep -qF -- "$o" || echo "$c $o"; done
done)"
verdict docs/packages "$(sed -n 's/^PKG += \([a-z0-9.+-]*\) .*/\1/p' Makefile |
	while read -r p; do grep -qF -- "\`$p\`" README.md || echo "$p"; done)"
verdict docs/links "$(for t in $texts; do
	grep -oE '\]\([^)#:]+[)#]' "$t" | sed 's/^](//; s/[)#]$//' | while read -r l; do
		[ -e "$(dirname "$t")/$l" ] || echo "$t:$l"; done; done)"
verdict docs/paths "$(grep -hoE '`(bpf|user|include|tests|vmlinux|docs)/[A-Za-z0-9_./-]+`' $texts | tr -d '`' | sort -u |
	while read -r f; do [ -e "$f" ] || echo "$f"; done)"
