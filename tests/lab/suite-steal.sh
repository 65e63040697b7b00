#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Steal, task by task: a Linux guest of two vCPUs that share one CPU of the host, an agent in it, one recording of both machines.
# Its tasks compute; what each lost to its host is held against what the host's scheduler says of the vCPU's thread, from the
# exit at the task's begin to the exit at its end, and what the guest's own kernel counts as stolen from the CPU (steal.py).
# Alone: tests/lab/boot.sh -k 6.1 -s 1 -t 600 tests/lab/suite-steal.sh
set -u
. tests/lib.sh
. tests/lab/l2.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?} work=$(realpath -e "${O:?}/tests/vm/guestwork") || { echo 'guestwork is not built: make tests' >&2; exit 1; }
tmp=$(mktemp -d)
facts=$tmp/facts
marks=''
trap 'kill $l2_rec $marks 2>/dev/null; rm -rf "$tmp"' EXIT
command -v bpftrace >/dev/null || { echo 'bpftrace is not installed' >&2; exit 77; }
note() { printf -- '-- %s s: %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2; }
why=$(l2_ready 2>&1) && why=$(modprobe vhost_vsock 2>&1) || { echo "$why" >&2; exit 77; }

# ---- the guest: the small one, with an agent. All of it on CPU 0, but for the tasks: on CPU 1 nothing else runs.
LAB_ADD="$(realpath "$sg") $work" tests/lab/initrd.sh "$(uname -r)" / "$tmp/initrd" l2-init.sh virtio_pci vmw_vsock_virtio_transport
l2_start s 320 2 -initrd "$tmp/initrd" -device vhost-vsock-pci,guest-cid=3 || { not_ok guest/up 'the nested guest did not come up'; exit 1; }
note 'guest is up'
for t in $l2_vcpus; do
	taskset -p 1 "$t" >/dev/null
done
head -c 24 /dev/urandom | base64 >"$tmp/token"
l2 s "taskset -p 1 \$\$; mkdir -p /tmp /run /var/tmp; mount -t tracefs t /sys/kernel/tracing; mount -t debugfs d /sys/kernel/debug; mount -t cgroup2 c /sys/fs/cgroup" >&2
l2 s "echo $(cat "$tmp/token") >/run/token; sandglass agent --listen vsock:7777 --token-file /run/token >/run/agent 2>&1 &" >&2
for _ in $(seq 120); do l2 s 'cat /run/agent' >"$tmp/agent"; grep -q listening "$tmp/agent" && break; sleep 1; done
check agent/listens "$(tail -n1 "$tmp/agent")" grep -q 'listening' "$tmp/agent"
note agent

l2_record recording "$tmp/m.sgt" sched,syscall,irq,kvm
note recording

# What the scheduler says of a vCPU's thread when a task of its guest marks its begin and its end.
cat >"$tmp/bt" <<'BT'
BEGIN { printf("ready\n"); }
tracepoint:kvm:kvm_cpuid /(args->function & 0xffff0000) == 0x4f4c0000/ {
	printf("mark %d %llu %llu\n", args->function & 0xffff, nsecs, ((struct task_struct *)curtask)->sched_info.run_delay);
}
BT
bpftrace -B line "$tmp/bt" >"$tmp/marks" 2>"$tmp/err.bt" </dev/null &
marks=$!
for _ in $(seq 300); do grep -q ready "$tmp/marks" && break; kill -0 $marks || break; sleep 0.5; done
check marks/ready "$(tail -n1 "$tmp/err.bt")" grep -q ready "$tmp/marks"

# tasks COMMAND: in the guest; what they say themselves
tasks() {
	l2 s "$1" >"$tmp/got" || not_ok tasks "$(tail -n1 "$tmp/got")"
	cat "$tmp/got" >>"$facts"
	note "$(tr '\n' ' ' <"$tmp/got")"
}
# Two vCPUs want the CPU; then one, and its host's other threads; then two tasks on one vCPU.
tasks 'taskset 1 guestwork other burn 3000 & taskset 2 guestwork both share 3000; wait $!'
tasks 'taskset 2 guestwork quiet share 1500'
tasks 'taskset 1 guestwork other burn 3000 & o=$!; taskset 2 guestwork pair1 share 3000 & p=$!; taskset 2 guestwork pair2 share 3000; wait $o $p'

kill -INT $marks
wait $marks
marks=
l2_recorded recording
note recorded
"$sg" report --json "$tmp/m.sgt" >"$tmp/fused" 2>"$tmp/err" || not_ok report/fused "$(tail -n1 "$tmp/err")"
note reported
l2_stop s
tests/lab/steal.py "$tmp/fused" "$facts" "$tmp/marks"
