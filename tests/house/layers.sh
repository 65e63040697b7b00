#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# The layers: base, trace, model and out are functions of memory. They see no
# libbpf, open no file, print nothing, end nothing and hold no state.
. tests/lib.sh
O=${O:-build} CC=${CC:-gcc}
lib=$O/libsg.a
[ -f "$lib" ] || { not_ok layers/library "$lib is not built"; exit 1; }

undefined=$(nm -u "$lib" | awk '$1 == "U" { print $2 }' | sed 's/@.*//' | sort -u)
refuse() { # NAME PATTERN
	verdict "layers/$1" "$(printf '%s\n' "$undefined" | grep -xE "$2" | tr '\n' ' ')"
}
refuse no-libbpf '(bpf|btf|libbpf|ring_buffer|perf_buffer|user_ring_buffer|elf|gelf|dwfl?|curl|MHD)_.*'
refuse no-open '(open|openat|fopen|freopen|opendir|creat|mkdir|unlink|rename|socket|connect|popen|mkstemp)(64)?'
refuse no-printing '(__)?(v?printf|puts|putchar|perror|v?syslog|warnx?|errx?|error)(_chk)?|stdout|stderr|stdin'
refuse no-ending '_?exit|_Exit|quick_exit|abort|kill|raise|fork|vfork|exec.*|system'
refuse no-environment 'getenv|secure_getenv|setenv|setlocale|signal|sigaction|clock_gettime|gettimeofday|time'

# Written data outlives a call: a hidden global. (.data.rel.ro is constant.)
verdict layers/no-globals "$(objdump -t "$lib" 2>/dev/null | awk '
	/^[^ ]*\.o: / { file = $1 }
	NF > 3 && $(NF-2) ~ /^\.(data|bss|tdata|tbss)(\.[^r].*)?$/ && $(NF-1) !~ /^0+$/ && $NF !~ /^\./ { print file $NF }' |
	tr '\n' ' ')"

# No libbpf on the include path: every header a pure source reads, system ones too.
bad=
for f in user/base/*.c user/trace/*.c user/model/*.c user/out/*.c; do
	[ -f "$f" ] || continue
	hit=$($CC -std=gnu11 -D_GNU_SOURCE -DSG_VERSION='""' -Iinclude -Iuser -I"$O" -M "$f" 2>/dev/null | tr ' ' '\n' |
		grep -E '/bpf/|libelf|gelf|elfutils|curl/|microhttpd|vmlinux|skel|user/(kern|env|load|cmd)/')
	[ -z "$hit" ] || bad="$bad $f:$hit"
done
verdict layers/pure-includes "$bad"

# Each folder knows those before it only.
bad=$({
	grep -nE '^#include "(trace|model|out)/' user/base/*.[ch]
	grep -nE '^#include "(model|out)/' user/trace/*.[ch]
	grep -nE '^#include "out/' user/model/*.[ch]
} 2>/dev/null)
verdict layers/order "$bad"
verdict layers/no-proc-sys "$(grep -nE '"/(proc|sys|dev)/' user/base/*.c user/trace/*.c user/model/*.c user/out/*.c 2>/dev/null)"
verdict layers/libbpf-in-kern "$(grep -nE '#include <(bpf/|libelf|gelf|elfutils)' user/env/*.[ch] user/load/*.[ch] user/cmd/*.[ch] user/main.c 2>/dev/null)"
verdict layers/one-reserve "$(grep -nE 'bpf_ringbuf_(reserve|output)' bpf/* 2>/dev/null | grep -v '^bpf/core\.bpf\.h:')"
verdict layers/kernel-side-alone "$(grep -nE '#include "(\.\./)?user/' bpf/* include/*.h include/*/*.h 2>/dev/null)"

# A function of two rooms under one name: the linker takes either, or neither.
verdict layers/no-twice "$(nm --defined-only "$lib" "$O/liblive.a" 2>/dev/null | awk '$2 ~ /^[TDBR]$/ { print $3 }' |
	sort | uniq -d | tr '\n' ' ')"
verdict layers/prefix "$(nm --defined-only "$lib" 2>/dev/null | awk '$2 ~ /^[TDBR]$/ { print $3 }' | grep -vE '^sg_|^_|^perfetto__protos__' | tr '\n' ' ')"
