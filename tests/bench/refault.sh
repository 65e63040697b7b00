#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# refault.sh: what the probe of `kvm.refault` adds to a page fault of any process of the machine, which all pass it while a virtual machine is
# recorded by --vm: a program touches fresh memory, nobody recording, then under a recorder of another process without that probe and with it. Counted in
# instructions:
#   tests/lab/boot.sh -i -k 6.1 -t 100000000 tests/bench/refault.sh
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build} sg=${SANDGLASS:-$O/sandglass} work=$O/tests/vm/guestwork mib=32
[ "$(id -u)" = 0 ] || { echo 'refault.sh: needs root' >&2; exit 77; }
modprobe kvm_amd 2>/dev/null || modprobe kvm_intel 2>/dev/null
[ -c /dev/kvm ] || { echo 'refault.sh: no /dev/kvm here' >&2; exit 77; }
tmp=$(mktemp -d)
rec='' other=''
trap 'kill $rec $other 2>/dev/null; rm -rf "$tmp"' EXIT
mkfifo "$tmp/ready"
sleep 1000000 &
other=$!
# ns_of: nanoseconds a page, the least of ten
ns_of() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do "$work" x touch $mib; done | awk -v n=$((mib * 256)) '{ if (!m || $2 < m) m = $2 } END { printf "%d", m / n }'
}
# under PROBES: the same, while another process is recorded
under() {
	"$sg" record -q -o "$tmp/r.sgt" -p $other --probes "$1" --ready-fd 3 3>"$tmp/ready" &
	rec=$!
	read -r _ <"$tmp/ready"
	ns_of
	kill -INT $rec
	wait $rec
	rec=
}
for round in 1 2 3; do
	bare=$(ns_of) without=$(under sched,syscall) with=$(under sched,syscall,kvm)
	echo "-- round $round: $bare ns a page, $((without - bare)) added by a recorder without the probe, $((with - bare)) with it" >&2
done
echo ok refault/measured
