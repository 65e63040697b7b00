#!/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# All of the small nested guest: memory at /m, and a shell on the second serial line that answers each line with what
# it printed and "L2 status N".
/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /m
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o size=95% m /m
while read -r module; do
	insmod "/modules/$module" || echo "L2: $module does not load"
done </modules/order

# load MIB ROUNDS: writes a file of that size, no byte of it zero, and reads it, ROUNDS times
load() {
	local i=0
	while [ $i -lt "$2" ]; do
		tr '\0' x </dev/zero | dd of=/m/load bs=64k count=$(($1 * 16)) iflag=fullblock conv=notrunc 2>/dev/null
		cat /m/load >/dev/null
		i=$((i + 1))
	done
}

# busy SECONDS N: N processes compute for so long
busy() {
	local i=0
	while [ $i -lt "$2" ]; do
		timeout "$1" sh -c 'while :; do :; done' &
		i=$((i + 1))
	done
	wait
}

# stat NAME: the number beside NAME in /proc/vmstat
stat() { sed -n "s/^$1 //p" /proc/vmstat; }

# steal [CPU]: /proc/stat's, of all CPUs or of cpu0, cpu1 ..., in ticks of 10 ms
steal() { sed -n "s/^${1:-cpu}  *//p" /proc/stat | cut -d' ' -f8; }

stty -F /dev/ttyS1 raw -echo
echo "L2 up after $(cut -d' ' -f1 /proc/uptime) s" >/dev/console
while :; do
	while read -r line; do
		eval "$line"
		echo "L2 status $?"
	done </dev/ttyS1 >/dev/ttyS1 2>&1
done
