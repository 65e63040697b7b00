#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# A host of virtual machines: a miniguest beside the kernel's own accounting, then a Linux guest in this guest, whose
# balloon, stolen time and swapped memory are held against what the kernels of both say. What sandglass makes of each
# is judged where it has `report --vm`. "all" takes half an hour of an emulated processor; without it the parts that take
# longest are left out, by name.
set -u
. tests/lib.sh
. tests/lab/l2.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
export O MAKE=true # built outside, and not again
choice=${1:-short}
sg=${SANDGLASS:?} mini=$O/tests/vm/miniguest
tmp=$(mktemp -d) swap=/var/tmp/kvm-swap disk=/var/tmp/kvm-disk group=/sys/fs/cgroup/sandglass-kvm
cleanup() {
	swapoff $swap 2>/dev/null
	rm -rf "$tmp" $swap $disk
	rmdir $group 2>/dev/null
}
trap cleanup EXIT
note() { printf -- '-- %s s: %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2; }
why=$(l2_ready 2>&1) || { echo "$why" >&2; exit 77; }
told_vm=$("$sg" report --help 2>/dev/null | grep -c -- '--vm')
has_vm() { [ "$told_vm" != 0 ]; }

tests/vm/run.sh </dev/null
note miniguest

# told FILE PID COMMAND...: the command, with all that process PID does meanwhile recorded; FILE gets report --vm
told() {
	local file=$1 pid=$2
	shift 2
	if has_vm; then
		"$sg" record -q -o "$tmp/r.sgt" -p "$pid" -- "$@" && "$sg" report --vm --json "$tmp/r.sgt" >"$file"
	else
		"$@"
	fi
}
# holds NAME FILE PYTHON: of c, the vCPUs in what sandglass says; a string that is not empty is what is wrong
holds() {
	if has_vm; then
		verdict "$1" "$(python3 -c 'import json, sys
c = [v for m in json.load(open(sys.argv[1]))["kvm"] for v in m["vcpus"]]
print((lambda: '"$3"')() or "", end="")' "$2" 2>&1 | tail -n1)"
	else
		skip "$1" 'this sandglass has no report --vm'
	fi
}

mkdir -p $group
# ---- a balloon, down and up
l2_cgroup=$group
# A disk behind a thread of its own, and where there is vhost a network by that.
dd if=/dev/urandom of=$disk bs=1M count=8 status=none
words=(-object iothread,id=iothread1 -drive "file=$disk,if=none,id=d,format=raw,cache=none,aio=threads"
	-device virtio-blk-pci,drive=d,iothread=iothread1)
if net_why=$(modprobe -a tun vhost_net 2>&1); then
	words+=(-netdev tap,id=n,ifname=sg0,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=n,romfile=)
fi
l2_start a 192 1 "${words[@]}" || { not_ok l2/up 'the nested guest did not come up'; exit 1; }
ok l2/up
steps='160 176 128 192' down=$((32 + 48)) up=$((16 + 64))
before=$(l2 a 'echo $(stat balloon_inflate) $(stat balloon_deflate)')
vcpu=${l2_vcpus# }
told "$tmp/balloon" "$l2_pid" perf stat -x, -o "$tmp/madvise" -t "$vcpu" \
	-e syscalls:sys_enter_madvise --filter 'behavior == 4 && len_in == 4096' \
	-e syscalls:sys_enter_madvise --filter 'behavior == 3 && len_in == 4096' -- \
	tests/lab/l2.py balloon "$TMPDIR/l2-a" $steps </dev/null >/dev/null
check balloon/steps "status $?" [ $? = 0 ]
after=$(l2 a 'echo $(stat balloon_inflate) $(stat balloon_deflate)')
note balloon
read -r i0 d0 <<<"$before"
read -r i1 d1 <<<"$after"
read -r inflated deflated <<<"$(sed -n 's/^\([0-9]*\),.*/\1/p' "$tmp/madvise" | tr '\n' ' ')"
check balloon/guest "inflate $((i1 - i0)), deflate $((d1 - d0)) pages" [ "$((i1 - i0)) $((d1 - d0))" = "$((down * 256)) $((up * 256))" ]
check balloon/host "madvise: $inflated and $deflated pages" [ "$inflated $deflated" = "$((down * 256)) $((up * 256))" ]
holds balloon/sandglass "$tmp/balloon" "'' if [sum(v['balloon'][k] for v in c) for k in ('inflate_pages', 'deflate_pages', 'windows')] == [$((down * 256)), $((up * 256)), $((down + up))] else str([v['balloon'] for v in c])"

# ---- its other threads: the disk's, vhost's, the VMM's own
# Before Linux 6.4 vhost's is a kernel thread, then one of the VMM's.
workers=$(grep -lsx "vhost-$l2_pid" /proc/[0-9]*/task/*/comm | sed 's,/comm$,,; s,.*/,,')
command='dd if=/dev/vda of=/dev/null bs=64k 2>/dev/null'
if [ -z "$net_why" ]; then
	check threads/vhost-worker 'vhost has no thread' test -n "$workers"
	busybox ip addr add 10.9.8.1/24 dev sg0 && busybox ip link set sg0 up
	l2 a 'ip link set eth0 up && ip addr add 10.9.8.2/24 dev eth0' || not_ok threads/network 'the guest has none'
	command="$command; ping -c 20 -i 0.05 10.9.8.1 >/dev/null"
else
	skip threads/vhost "$net_why"
fi
if has_vm; then
	"$sg" record -q -o "$tmp/r.sgt" --vm "$l2_pid" --connect '' --duration 100s --ready-fd 3 3>"$tmp/ready" 2>"$tmp/err" </dev/null &
	rec=$!
	until [ -s "$tmp/ready" ] || ! kill -0 $rec 2>/dev/null; do sleep 0.2; done
	l2 a "$command" || not_ok threads/work "status $?"
	kill -INT $rec
	wait $rec
	rc=$?
	check threads/recorded "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
	"$sg" report --vm --json "$tmp/r.sgt" >"$tmp/vm" 2>"$tmp/err" || not_ok threads/report "$(tail -n1 "$tmp/err")"
	tests/lab/vmthreads.py "$tmp/vm" "$l2_pid" $workers
fi
note threads

if [ "$choice" != all ]; then
	for n in swapped steal swapped-linux l2/root; do
		skip "$n" 'left out for time: suite-kvm.sh all runs it'
	done
	l2_stop a
	exit 0
fi

# ---- a guest's memory under a limit: what the host reads back for it, by do_swap_page of its vCPU's thread
fallocate -l 256M $swap && chmod 600 $swap && mkswap $swap >/dev/null 2>&1 && swapon $swap
check swap "no swap in the guest" grep -q kvm-swap /proc/swaps
echo 16M >$group/memory.max
cat >"$tmp/in.sh" <<'SH'
echo $$ >"$1/cgroup.procs" && shift && exec "$@"
SH
# swapped FILE COMM COMMAND: with FILE as its output; sets swap_cnt and swap_ns, of threads called COMM, and swap_async: how
# many pages they left to a kernel worker
swapped() {
	cat >"$tmp/bt" <<-BT
		kprobe:do_swap_page /comm == "$2"/ { @at[tid] = nsecs; }
		kretprobe:do_swap_page /@at[tid]/ { @ns += nsecs - @at[tid]; @n += 1; delete(@at[tid]); }
		tracepoint:kvm:kvm_try_async_get_page /comm == "$2"/ { @a += 1; }
		END { clear(@at); printf("swapin %lld %lld %lld\n", @n, @ns, @a); clear(@n); clear(@ns); clear(@a); }
	BT
	printf '%s\n' "$3" >"$tmp/command"
	bpftrace -c "$(command -v bash) $tmp/command" "$tmp/bt" >"$1" 2>"$tmp/err" </dev/null
	read -r _ swap_cnt swap_ns swap_async <<<"$(grep '^swapin ' "$1")"
	sed -i '/^Attaching\|^swapin /d' "$1"
}
run="exec bash $tmp/in.sh $group $mini --rounds 2 --memory 24"
! has_vm || run="exec $sg record -q -o $tmp/s.sgt -- bash $tmp/in.sh $group $mini --rounds 2 --memory 24"
swapped "$tmp/own" vcpu0 "$run"
check swapped/run "$(tail -n2 "$tmp/err" | tr '\n' ' ')" test -s "$tmp/own" -a "${swap_cnt:-0}" -gt 0
verdict swapped/oracle "$(python3 - "$tmp/own" "${swap_cnt:-0}" "${swap_ns:-0}" <<'PY'
import json, sys
v = json.load(open(sys.argv[1]))["vcpus"][0]
n, ns = map(int, sys.argv[2:])
m = [p for p in v["parts"] if p["part"] == "memory"][0]
print("-- swapped: %d calls of do_swap_page, %d page faults; %.0f of %.0f ms in KVM_RUN" %
      (n, m["kvm"]["pf_taken"], ns / 1e6, m["run_ns"] / 1e6), file=sys.stderr)
# 24 MiB twice through 16: the second time most of it has to be read back, a page a fault.
if not 6144 // 2 < n <= m["kvm"]["pf_taken"]:
    print("%d calls of do_swap_page, %d page faults" % (n, m["kvm"]["pf_taken"]))
if not ns < m["run_ns"]:
    print("%d ns swapping in, %d ns in all" % (ns, m["run_ns"]))
PY
)"
if ! has_vm; then
	skip swapped/sandglass 'this sandglass has no report --vm'
elif "$sg" report --vm --json "$tmp/s.sgt" >"$tmp/vm" 2>"$tmp/err"; then
	echo "swapped/sandglass swap $tmp/own $tmp/vm ${swap_ns:-0}" | python3 tests/vm/judge.py
else
	not_ok swapped/sandglass "$(tail -n1 "$tmp/err")"
fi
echo max >$group/memory.max
note swapped

# ---- stolen time: the guest and a hog of the host on one CPU
delay_ns() { cut -d' ' -f2 "/proc/$l2_pid/task/$vcpu/schedstat"; }
taskset -p 1 "$vcpu" >/dev/null
cat >"$tmp/steal.sh" <<SH
. tests/lab/l2.sh
taskset 1 sh -c 'while :; do :; done' &
hog=\$!
tests/lab/l2.py qmp "$TMPDIR/l2-a" cont
l2 a 'busy 4 1'
tests/lab/l2.py qmp "$TMPDIR/l2-a" stop
kill \$hog
wait \$hog 2>/dev/null
true
SH
# What the guest has counted and what its host's scheduler says, one after the other while nobody else wants the CPU.
s0=$(l2 a steal) w0=$(delay_ns)
# Stopped at both ends of the recording: starting a recorder wants the CPU too, and is none of it.
tests/lab/l2.py qmp "$TMPDIR/l2-a" stop >/dev/null
r0=$(delay_ns)
told "$tmp/steal" "$l2_pid" bash "$tmp/steal.sh" >/dev/null
r1=$(delay_ns)
tests/lab/l2.py qmp "$TMPDIR/l2-a" cont >/dev/null
s1=$(l2 a steal) w1=$(delay_ns)
note steal
stolen=$(((s1 - s0) * 10)) waited=$(((w1 - w0) / 1000000)) recorded=$(((r1 - r0) / 1000000))
echo "-- steal: the guest counts $stolen ms, the scheduler $waited ms; $recorded ms of it recorded" >&2
check steal/size "$recorded ms" [ $recorded -gt 1000 ]
# The guest counts in ticks of 10 ms.
check steal/guest "the guest counts $stolen ms, the host's scheduler $waited ms" \
	[ $((stolen * 100)) -ge $((waited * 95 - 2000)) -a $((stolen * 100)) -le $((waited * 105 + 2000)) ]
holds steal/sandglass "$tmp/steal" "(lambda r: '' if abs(r - $recorded) <= $recorded * 0.05 + 50 else '%d ms, the scheduler says $recorded ms' % r)(sum(v['runq_ns'] for v in c) / 1e6)"
holds steal/by-whom "$tmp/steal" "(lambda t: '' if t.get('sh', 0) > $recorded * 5e5 else 'taken by %s' % t)({t['name']: t['ns'] for v in c for t in v['cpu_taken_by']})"

# ---- the same guest, swapped
f0=$(sed -n 's/^pswpin //p' /proc/vmstat)
# Less than what the guest walks and its QEMU have: part of it is read back in each turn, whatever else the guest holds.
echo 80M >$group/memory.max
run="exec tests/lab/l2.py sh $TMPDIR/l2-a 'load 80 2'"
! has_vm || run="exec $sg record -q -o $tmp/s.sgt -p $l2_pid -- tests/lab/l2.py sh $TMPDIR/l2-a 'load 80 2'"
swapped "$tmp/own" 'CPU 0/KVM' "$run"
echo max >$group/memory.max
note swapped-linux
f1=$(sed -n 's/^pswpin //p' /proc/vmstat)
echo "-- swapped-linux: ${swap_cnt:-0} calls of do_swap_page by the vCPU, $((${swap_ns:-0} / 1000000)) ms; $((f1 - f0)) pages read back, ${swap_async:-0} left to a worker" >&2
check swapped-linux/run "$(tail -n1 "$tmp/err")" [ "${swap_cnt:-0}" -gt 500 ]
! has_vm || "$sg" report --vm --json "$tmp/s.sgt" >"$tmp/vm" 2>"$tmp/err"
# Of the time in do_swap_page, what the thread waited for a CPU and what interrupts took are other rows.
holds swapped-linux/sandglass "$tmp/vm" "(lambda s, o: '' if s <= ${swap_ns:-0} * 1.03 and s + o >= ${swap_ns:-0} * 0.97 and s >= ${swap_ns:-0} * 0.75 else '%d ns (and %d for want of a CPU and in interrupts), do_swap_page took ${swap_ns:-0}' % (s, o))(sum(v['swapin_ns'] for v in c), sum(v['runq_ns'] + v['irq_ns'] for v in c))"
# What is asked for twice in one exit is one; recorder and bpftrace do not begin at once.
holds swapped-linux/async "$tmp/vm" "(lambda n: '' if 0 < n <= ${swap_async:-0} <= n * 1.1 + 5 else '%d exits, ${swap_async:-0} pages left to a worker' % n)(sum(e['count'] for v in c for e in v['exits'] if e['reason'] == 'async-page-fault'))"
l2_stop a
l2_cgroup=

# ---- a guest with all tools
# Not below /run or /var/tmp: the nested guest has its own there.
cat >/lab-l2-root.sh <<'SH'
. tests/lib.sh
check hypervisor 'not in a guest' grep -q hypervisor /proc/cpuinfo
check sandglass 'does not run' "$SANDGLASS" --version >&2
echo "ok root-linux-$(uname -r)"
SH
l2_root b 384 1 /lab-l2-root.sh | sed -E 's,^(ok|not ok|skip) ,\1 l2/,'
check l2/root "status ${PIPESTATUS[0]}" [ "${PIPESTATUS[0]}" = 0 ]
note root
