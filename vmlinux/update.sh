#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# update.sh [ARCH] - make vmlinux/ARCH/vmlinux.h from the running kernel's types.
# CO-RE relocates field offsets when the programs are loaded, so the header's
# kernel need not be the kernel recorded on; it must only know what bpf/ names.
set -eu
arch=${1:-x86}
btf=${BTF:-/sys/kernel/btf/vmlinux}
bpftool=$(command -v bpftool || echo /usr/sbin/bpftool)
dir=$(dirname "$0")/$arch
[ -r "$btf" ] || { echo "update.sh: $btf can not be read: this kernel was built without BTF." >&2; exit 1; }
[ -x "$bpftool" ] || { echo "update.sh: needs bpftool (apt-get install bpftool)." >&2; exit 1; }

mkdir -p "$dir"
tmp=$(mktemp "$dir/.vmlinux.XXXXXX")
trap 'rm -f "$tmp"' EXIT
"$bpftool" btf dump file "$btf" format c >"$tmp"
grep -q '^struct task_struct {' "$tmp" || { echo "update.sh: $btf does not describe a kernel." >&2; exit 1; }
chmod 644 "$tmp"
mv "$tmp" "$dir/vmlinux.h"
cat >"$dir/VERSION" <<EOF
kernel: $(uname -r)
command: bpftool btf dump file $btf format c
bpftool: $("$bpftool" version | head -n1)
EOF
cat "$dir/VERSION"
