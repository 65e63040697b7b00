#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Process 1 of the guest: what an init sets up (the kernel's file systems, cgroup v2 alone, a disk at /var/tmp), then
# the suite as a child, its status to /out, and off. boot.sh left the words it needs in /out/env.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C
off() { sync -f /out; busybox poweroff -f; }
trap off EXIT
. /out/env || exit 1
for m in 'tracefs /sys/kernel/tracing' 'debugfs /sys/kernel/debug' 'bpf /sys/fs/bpf' 'cgroup2 /sys/fs/cgroup' 'tmpfs /run' \
	'devpts /dev/pts' 'tmpfs /dev/shm'; do
	mkdir -p "${m#* }" 2>/dev/null
	mount -t "${m% *}" lab "${m#* }" || echo "lab: no ${m% *}"
done
ln -sfn /proc/self/fd /dev/fd
ln -sfn fd/0 /dev/stdin && ln -sfn fd/1 /dev/stdout && ln -sfn fd/2 /dev/stderr
mkdir -p /run/lab/tmp
chmod 1777 /run/lab/tmp /dev/shm
mkdir -p /lib/modules
[ "$LAB_MODULES" = / ] || mount --bind "$LAB_MODULES/lib/modules" /lib/modules || echo 'lab: no modules'
for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$c"; done >/run/lab/controllers
while read -r c; do echo "$c" >/sys/fs/cgroup/cgroup.subtree_control; done </run/lab/controllers
busybox ip link set lo up
busybox hostname lab
for m in virtio_blk ext4 loop fuse zram; do modprobe $m || echo "lab: $m does not load"; done
for try in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda ] && break; sleep 0.1; done
mount -t ext4 /dev/vda /var/tmp || echo 'lab: no disk'
chmod 1777 /var/tmp

cd "$LAB_TREE" || exit 1
export O=$LAB_O SANDGLASS=$LAB_O/sandglass TMPDIR=/run/lab/tmp LAB=1
echo "lab: up after $(cut -d' ' -f1 /proc/uptime) s, Linux $(uname -r)"
timeout -k 5 "$LAB_LIMIT" bash "$LAB_SUITE" $LAB_ARGS >/out/out 2>/out/err </dev/null
echo $? >/out/status.new
dmesg >/out/dmesg
mv /out/status.new /out/status
echo "lab: suite ended with $(cat /out/status) at $(cut -d' ' -f1 /proc/uptime) s"
