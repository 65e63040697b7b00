#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Memory of a guest that its host has swapped to a slow disk: KVM's asynchronous page faults. A Linux guest in the lab's guest
# touches pages that are gone; its task waits outside calls and faults until a worker of the host has read them and KVM
# tells the guest. The blame must say so, guest alone (mem.host) and looked at from the host (the worker, mem.swapin), and its
# sizes are held against what both kernels count (asyncpf.py).
# Alone: tests/lab/boot.sh -k 6.1 -s 1 -m 3072 -t 900 tests/lab/suite-asyncpf.sh
set -u
. tests/lib.sh
. tests/lab/l2.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?} work=$(realpath -e "${O:?}/tests/vm/guestwork") || { echo 'guestwork is not built: make tests' >&2; exit 1; }
tmp=$(mktemp -d) swap=/dev/nullb0 group=/sys/fs/cgroup/sandglass-asyncpf facts=$tmp/facts mib=8
trace=''
cleanup() {
	kill $l2_rec $trace 2>/dev/null
	swapoff $swap 2>/dev/null
	rm -rf "$tmp"
	rmdir $group 2>/dev/null
}
trap cleanup EXIT
note() { printf -- '-- %s s: %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2; }
why=$(l2_ready 2>&1) && why=$(modprobe vhost_vsock 2>&1) || { echo "$why" >&2; exit 77; }

# A disk that takes 2 ms for everything. The lab's own is so quick beside its processor that a page has come before KVM looks for it.
modprobe null_blk nr_devices=1 gb=1 memory_backed=1 queue_mode=2 irqmode=2 completion_nsec=2000000 &&
	mkswap $swap >/dev/null 2>&1 && swapon $swap || { not_ok swap 'no swap'; exit 1; }
# As little as may be brought beside a page: where nothing is, the kernel waits for the one itself, at once, and nothing is asynchronous.
echo 1 >/proc/sys/vm/page-cluster
echo never >/sys/kernel/mm/transparent_hugepage/enabled
head -c 24 /dev/urandom | base64 >"$tmp/token"
l2_agent_script /asyncpf-guest.sh "$(cat "$tmp/token")" "$work" </dev/null
mkdir -p $group
l2_cgroup=$group
l2_root_start p 448 1 /asyncpf-guest.sh 900 -device vhost-vsock-pci,guest-cid=3 \
	-serial "unix:$TMPDIR/l2-p/shell,server=on,wait=off"
if ! l2_wait p 'listening on vsock'; then
	kill -0 "$l2_pid" 2>/dev/null || { not_ok guest/up 'the nested guest ended'; exit 1; }
	skip asyncpf 'the nested guest was not up after five minutes: the machine is too slow for it, or busy'
	exit 0
fi
note 'guest is up'

# ---- the host's own count: what its workers do for guests, and what it tells them
cat >"$tmp/bt" <<'BT'
kprobe:async_pf_execute { @at[tid] = nsecs; @n += 1; }
kretprobe:async_pf_execute /@at[tid]/ { @ns += nsecs - @at[tid]; delete(@at[tid]); }
kprobe:do_swap_page /@at[tid]/ { @swap[tid] = nsecs; }
kretprobe:do_swap_page /@swap[tid]/ { @swapns += nsecs - @swap[tid]; @swaps += 1; delete(@swap[tid]); }
tracepoint:kvm:kvm_async_pf_not_present { @absent += 1; }
BEGIN { printf("counting\n"); }
END {
	printf("worked %lld\nworks %lld\nswap %lld\nswaps %lld\nabsent %lld\n", @ns, @n, @swapns, @swaps, @absent);
	clear(@at); clear(@swap); clear(@ns); clear(@n); clear(@swapns); clear(@swaps); clear(@absent);
}
BT
# pause SECONDS: without a process
mkfifo "$tmp/nothing"
exec 9<>"$tmp/nothing"
pause() { read -rt "$1" -u 9; }
# fact NAME KEY VALUE: for the judge
fact() { echo "$*" >>"$facts"; }

# again NAME PROBES: one recording, in it one task of that name whose pages are all gone
again() {
	local name=$1 got key value wall blocked absent
	l2_record "$name" "$tmp/$name.sgt" "$2" --keep-parts
	l2 p "rm -f /run/guestwork.*; work $name again $mib >/run/out & until [ -s /run/guestwork.ready ]; do sleep 0.05; done"
	l2 p 'cat /run/guestwork.ready' | tests/lab/l2.py evict "$TMPDIR/l2-p" "$l2_pid" 448 || not_ok "$name/evict" 'the pages stay'
	note "$name: pages are out, $(grep swapcached $group/memory.stat)"
	bpftrace "$tmp/bt" >"$tmp/counted" 2>"$tmp/bt.err" &
	trace=$!
	until grep -q counting "$tmp/counted" || ! kill -0 $trace 2>/dev/null; do pause 0.2; done
	got=$(l2 p 'touch /run/guestwork.go; wait $!; cat /run/out')
	kill -INT $trace
	wait $trace
	trace=
	read -r _ wall blocked <<<"${got##*$'\n'}"
	fact "$name" wall "$wall"
	fact "$name" blocked "$blocked"
	fact "$name" preempts "$(grep -cE '\((full|lazy)\)' /sys/kernel/debug/sched/preempt)"
	grep -E '^[a-z]+ [0-9]+$' "$tmp/counted" | while read -r key value; do fact "$name" "$key" "$value"; done
	absent=$(sed -n 's/^absent //p' "$tmp/counted")
	check "$name/counted" "told of ${absent:-no} pages: $(tail -n1 "$tmp/bt.err")" [ "${absent:-0}" -gt $((mib * 64)) ]
	l2_recorded "$name"
	note "$name: $(tr '\n' ' ' <"$tmp/counted")"
	"$sg" report --json "$tmp/$name.sgt" >"$tmp/$name.fused" 2>"$tmp/err" || not_ok "$name/report" "$(tail -n1 "$tmp/err")"
	"$sg" report --json "$tmp/$name.web.sgt" >"$tmp/$name.alone" 2>"$tmp/err" || not_ok "$name/report/alone" "$(tail -n1 "$tmp/err")"
}

again told sched,syscall,fault,swap,reclaim,irq,block,trap,kvm
l2_stop p
tests/lab/asyncpf.py told "$tmp/told.fused" "$tmp/told.alone" "$facts"
