#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Truth scenarios of the fused path where one waits for another: a Linux guest of two vCPUs, three disks and a network by vhost,
# whose tasks (guestpair) wait for a thread on the other vCPU, for a device, for time, for their own memory, while the host
# disturbs one of them. Component, cause and size, and what must not be there, are held against what both kernels count (pair.py).
# Alone: tests/lab/boot.sh -k 6.1 -s 1 -t 600 tests/lab/suite-pair.sh
set -u
. tests/lib.sh
. tests/lab/l2.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?} work=$(realpath -e "${O:?}/tests/vm/guestpair") || { echo 'guestpair is not built: make tests' >&2; exit 1; }
tmp=$(mktemp -d) group=/sys/fs/cgroup/sandglass-pair disk=/var/tmp/pair-disk
facts=$tmp/facts
echo='' h=''
cleanup() {
	kill $l2_rec $echo $h 2>/dev/null
	l2_stop s
	rm -rf "$tmp" $disk
	rmdir $group/one $group 2>/dev/null
}
trap cleanup EXIT
note() { printf -- '-- %s s: %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2; }
why=$(l2_ready 2>&1) && why=$(modprobe -a vhost_vsock tun vhost_net 2>&1) || { echo "$why" >&2; exit 77; }

# ---- the guest: a is a disk on the host's, by its native way; b one that QEMU itself slows; c is as quick as memory
LAB_ADD="$(realpath "$sg") $work" tests/lab/initrd.sh "$(uname -r)" / "$tmp/initrd" l2-init.sh virtio_pci vmw_vsock_virtio_transport \
	virtio_blk virtio_net msr
dd if=/dev/urandom of=$disk bs=1M count=8 status=none
dd if=/dev/urandom of="$tmp/b" bs=1M count=8 status=none
truncate -s 32M "$tmp/c"
mkdir -p $group
l2_cgroup=$group
l2_start s 320 2 -initrd "$tmp/initrd" -device vhost-vsock-pci,guest-cid=3 \
	-object iothread,id=slow -object iothread,id=quick \
	-drive "file=$disk,if=none,id=a,format=raw,cache=none,aio=native" -device virtio-blk-pci,drive=a,iothread=slow \
	-drive "file=$tmp/b,if=none,id=b,format=raw,aio=threads,throttling.bps-total=262144" -device virtio-blk-pci,drive=b \
	-drive "file=$tmp/c,if=none,id=c,format=raw,aio=threads" -device virtio-blk-pci,drive=c,iothread=quick \
	-netdev tap,id=n,ifname=sg0,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=n,romfile= ||
	{ not_ok guest/up 'the nested guest did not come up'; exit 1; }
note 'guest is up'
read -r _ vcpu1 <<<"$l2_vcpus"
busybox ip addr add 10.9.8.1/24 dev sg0 && busybox ip link set sg0 up
head -c 24 /dev/urandom | base64 >"$tmp/token"
l2 s "taskset -p 1 \$\$; mkdir -p /tmp /run /var/tmp; mount -t tracefs t /sys/kernel/tracing; mount -t debugfs d /sys/kernel/debug; mount -t cgroup2 c /sys/fs/cgroup;
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control; mkdir /sys/fs/cgroup/small; ip link set eth0 up; ip addr add 10.9.8.2/24 dev eth0; mkdir -p /dev/cpu; ls /dev/vd* /dev/cpu/1/msr" >&2
l2 s "echo $(cat "$tmp/token") >/run/token; sandglass agent --listen vsock:7777 --token-file /run/token >/run/agent 2>&1 &" >&2
for _ in $(seq 120); do l2 s 'cat /run/agent' >"$tmp/agent"; grep -q listening "$tmp/agent" && break; sleep 1; done
check agent/listens "$(tail -n1 "$tmp/agent")" grep -q 'listening' "$tmp/agent"
# Answers each question, after "wait" seconds; to "s" it does something else: it stops the machine for a second, soon
cat >"$tmp/answer.py" <<'PY'
import os, signal, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.9.8.1", 7007))
slept = 0
while True:
    c, at = s.recvfrom(16)
    if c == b"s":
        time.sleep(0.3)
        os.kill(int(sys.argv[2]), signal.SIGSTOP)
        time.sleep(1)
        os.kill(int(sys.argv[2]), signal.SIGCONT)
        continue
    if os.path.exists(sys.argv[1] + "/wait"):
        t = time.monotonic_ns()
        time.sleep(0.2)
        slept += time.monotonic_ns() - t
        open(sys.argv[1] + "/slept", "w").write(str(slept))
    s.sendto(c, at)
PY
python3 -IS "$tmp/answer.py" "$tmp" "$l2_pid" &
echo=$!
note agent

# Swap that is there when a recording begins is looked for by its probes.
l2 s 'echo 1536K >/sys/fs/cgroup/small/memory.max; mkswap /dev/vdc && swapon /dev/vdc; echo 0 >/proc/sys/vm/page-cluster' >&2
l2_record recording "$tmp/m.sgt" sched,syscall,fault,swap,reclaim,irq,block,trap,kvm
note recording

fact() { echo "$*" >>"$facts"; }
# guest NAME KIND N [GROUP]: the task, in that cgroup of the guest's, and what it says of itself
guest() {
	local got wall blocked steal
	got=$(l2 s "sh -c 'echo \$\$ >/sys/fs/cgroup/${4:-}/cgroup.procs; exec guestpair $1 $2 $3'") || { not_ok "$1/task" "$got"; return; }
	read -r _ wall blocked _ steal <<<"$(tail -n2 <<<"$got" | tr '\n' ' ')"
	fact "$1" wall "$wall"
	fact "$1" blocked "$blocked"
	[ -z "$steal" ] || fact "$1" steal "$steal"
	note "$2 $3: $(tail -n2 <<<"$got" | tr '\n' ' ')"
}
hog() { while :; do :; done; }

guest asleep sleep 300
guest late sleep-on 800
hog & h=$!
guest hogged lock 1500
kill $h
wait $h 2>/dev/null
h=
# A quota for vCPU 1 alone
mkdir $group/one && echo threaded >$group/one/cgroup.type && echo +cpu >$group/cgroup.subtree_control && echo "$vcpu1" >$group/one/cgroup.threads ||
	not_ok quota/group 'no threaded cgroup'
echo '20000 100000' >$group/one/cpu.max
guest quota lock 1500
echo max >$group/one/cpu.max
guest turns turns 40
note cpus
dev=$(cat /sys/class/block/vda/dev)
echo "$dev rbps=1048576" >$group/io.max
guest native read-a 16
guest two read-both 16
echo "$dev rbps=max" >$group/io.max
guest throttle read-b 8
note disks
touch "$tmp/wait"
guest answer ask 4
fact answer slept "$(cat "$tmp/slept")"
note network
guest msr msr 1500
guest remap remap 8
p0=$(l2 s 'stat pswpin')
guest swap again 2 small
fact swap pages $(($(l2 s 'stat pswpin') - p0))
note own
l2_recorded recording
note recorded
"$sg" report --json "$tmp/m.sgt" >"$tmp/fused" 2>"$tmp/err" || not_ok report/fused "$(tail -n1 "$tmp/err")"
note reported
tests/lab/pair.py "$tmp/fused" "$facts" -v
