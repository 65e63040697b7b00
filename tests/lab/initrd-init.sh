#!/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# First program of the guest: the machine's root file system over 9p, never written (what the guest writes goes to
# memory), /out for results, then the shell of that root with the script that the kernel's command line names.
/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /root /ro /rw
mount -t devtmpfs dev /dev
mount -t proc proc /proc
guest='' rw=1G
for word in $(cat /proc/cmdline); do
	case $word in
	lab.guest=*) guest=${word#lab.guest=} ;;
	lab.rw=*) rw=${word#lab.rw=} ;;
	esac
done
while read -r module; do
	insmod "/modules/$module" || echo "lab: $module does not load"
done </modules/order
p9=trans=virtio,version=9p2000.L,msize=512000
for try in 1 2 3 4 5 6 7 8 9 10; do
	mount -t 9p -o "$p9,cache=loose,ro" root /ro && break
	sleep 0.3
done
mount -t tmpfs -o "size=$rw" rw /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work root /root || echo 'lab: no root file system'
mkdir -p /root/out
mount -t 9p -o "$p9" out /root/out || echo 'lab: no /out'
mount --move /dev /root/dev
mount --move /proc /root/proc
mount -t sysfs sys /root/sys
exec switch_root /root /bin/bash "$guest"
