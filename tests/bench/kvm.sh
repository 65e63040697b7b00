#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# kvm.sh [OPTION...]: what recording a virtual machine from its host costs, see kvm.py. On this machine's /dev/kvm, or
#   tests/lab/boot.sh -i -k 6.1 -t 1500 tests/bench/kvm.sh --reps 1 --ms 100 --only sandglass,perf >tests/bench/results/6.1.0-56-amd64.json
# in the lab, where the processor is emulated and a nanosecond is an instruction (-i). The table is on standard error,
# the results are JSON on standard output.
cd "$(dirname "$0")/../.." || exit 1
export O="${O:-build}" LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || { echo 'kvm.sh: needs root' >&2; exit 77; }
# File systems of the kernel, mounted for this script alone.
if [ -z "${SG_VM_OWN:-}" ]; then
	SG_VM_OWN=1 exec unshare -m --propagation private "$0" "$@"
fi
modprobe kvm_amd 2>/dev/null || modprobe kvm_intel 2>/dev/null
[ -c /dev/kvm ] || { echo 'kvm.sh: no /dev/kvm here' >&2; exit 77; }
mountpoint -q /sys/kernel/debug || mount -t debugfs vm /sys/kernel/debug
mountpoint -q /sys/kernel/tracing || mount -t tracefs vm /sys/kernel/tracing
exec python3 tests/bench/kvm.py "$@"
