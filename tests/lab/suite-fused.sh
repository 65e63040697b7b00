#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Truth scenarios of the fused path: a Linux guest in the lab's guest works in tasks of known shape (guestwork) while its
# host disturbs it in a known way; one recording of both machines, the agent over vsock. What each task's blame must show,
# component, cause and size, is held against the kernels' own accounts of both sides (fused.py). Beside, the guest makes instants
# that its host sees, too: what the recordings say of its clock must put each where the host saw it, within the bound they tell.
# Alone: tests/lab/boot.sh -k 6.1 -s 1 -m 3072 -t 900 tests/lab/suite-fused.sh
set -u
. tests/lib.sh
. tests/lab/l2.sh
. tests/lab/marks.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?} work=$(realpath -e "${O:?}/tests/vm/guestwork") || { echo 'guestwork is not built: make tests' >&2; exit 1; }
mark=$(realpath -e "$O/tests/vm/cpuidmark") && within=$(realpath -e "$O/tests/live/clockmarks") &&
	told=$(realpath -e "$O/tests/live/balloonmarks") || exit 1
tmp=$(mktemp -d) swap=/dev/zram0 group=/sys/fs/cgroup/sandglass-fused disk=/var/tmp/fused-disk
facts=$tmp/facts
ticks=''
cleanup() {
	kill $l2_rec $ticks 2>/dev/null
	marks_drop
	swapoff $swap 2>/dev/null
	rm -rf "$tmp" $disk
	rmdir $group 2>/dev/null
}
trap cleanup EXIT
note() { printf -- '-- %s s: %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2; }
why=$(l2_ready 2>&1) && why=$(modprobe vhost_vsock 2>&1) || { echo "$why" >&2; exit 77; }

# ---- the guest: the lab's root, an agent, a shell, a disk whose file lies on the host's
# In memory, so that a page is gone from the swap cache as soon as it is written.
echo 64M >/sys/block/zram0/disksize && mkswap $swap >/dev/null && swapon $swap || { not_ok swap 'no swap'; exit 1; }
echo 0 >/proc/sys/vm/page-cluster
echo never >/sys/kernel/mm/transparent_hugepage/enabled
dd if=/dev/urandom of=$disk bs=1M count=16 status=none
head -c 24 /dev/urandom | base64 >"$tmp/token"
l2_agent_script /fused-guest.sh "$(cat "$tmp/token")" "$work" "$mark" <<'SH'
modprobe virtio_balloon
stat() { awk "/^$1/ { n += \$2 } END { print n + 0 }" /proc/vmstat; }
# When the balloon's driver tells its host, by this kernel's own tracing
t=/sys/kernel/tracing
told_begin() {
	mkdir $t/instances/told && echo mono >$t/instances/told/trace_clock &&
		printf '%s\n' 'p:told/begin tell_host' 'r:told/end tell_host' >$t/kprobe_events && echo 1 >$t/instances/told/events/told/enable
}
# A line each time: begin and end in nanoseconds
told_end() {
	echo 0 >$t/instances/told/tracing_on
	grep -o ' \(begin\|end\): ' $t/instances/told/trace >/run/told.what
	echo 1 >$t/instances/told/options/raw
	awk '/^[0-9]+ [0-9]+ [0-9]+ / { print $3 }' $t/instances/told/trace >/run/told.at
	paste -d ' ' /run/told.what /run/told.at | awk '$1 == "begin:" { at = $2 } $1 == "end:" { print at, $2 }' >/out/told
	[ "$(wc -l </run/told.what)" = "$(wc -l </run/told.at)" ]
}
SH
mkdir -p $group
l2_cgroup=$group
l2_root_start f 448 1 /fused-guest.sh 900 -device virtio-balloon-pci,id=balloon0 -device vhost-vsock-pci,guest-cid=3 \
	-drive "file=$disk,if=none,id=d,format=raw,cache=none,aio=threads" -device virtio-blk-pci,drive=d \
	-serial "unix:$TMPDIR/l2-f/shell,server=on,wait=off"
if ! l2_wait f 'listening on vsock'; then
	kill -0 "$l2_pid" 2>/dev/null || { not_ok guest/up 'the nested guest ended'; exit 1; }
	skip fused 'the nested guest was not up after five minutes: the machine is too slow for it, or busy'
	exit 0
fi
l2_vcpus_find
vcpu=${l2_vcpus# }
note 'guest is up'

# ---- one recording of all
l2_record recording "$tmp/m.sgt" sched,syscall,fault,swap,reclaim,irq,block,trap,kvm
marks_begin || not_ok marks/begin 'no tracing of kvm_cpuid'
l2 f '/run/cpuidmark 100 >/run/marks & echo $! >/run/marks.pid'
"$mark" 100 >"$tmp/ticks" &
ticks=$!
note 'recording'

wait_ns() { cut -d' ' -f2 "/proc/$l2_pid/task/$vcpu/schedstat"; }
throttled_ns() { echo $(($(sed -n 's/^throttled_usec //p' $group/cpu.stat) * 1000)); }
swapped_in() { sed -n 's/^pswpin //p' /proc/vmstat; }
# pause SECONDS: without a process, whose start takes long here
mkfifo "$tmp/nothing"
exec 9<>"$tmp/nothing"
pause() { read -rt "$1" -u 9; }
# fact NAME KEY VALUE: for the judge
fact() { echo "$*" >>"$facts"; }
# measured NAME WALL BLOCKED: what guestwork said
measured() {
	fact "$1" wall "$2"
	fact "$1" blocked "$3"
}
# guest NAME KIND N: the task, and its own measure of it
guest() {
	local got
	rm -f "$TMPDIR/l2-f/out/begun"
	got=$(l2 f "work $*") || { not_ok "$1/task" "$got"; return; }
	measured ${got##*$'\n'}
}
# disturbed COMMAND NAME KIND N: the same; COMMAND NAME runs on the host soon after its beginning
disturbed() {
	local what=$1
	shift
	rm -f "$TMPDIR/l2-f/out/begun"
	(
		until [ -e "$TMPDIR/l2-f/out/begun" ]; do pause 0.01; done
		wait_ns >"$tmp/waited"
		pause 0.2
		"$what" "$1"
	) &
	local by=$!
	guest "$@"
	fact "$1" waited $(($(wait_ns) - $(cat "$tmp/waited")))
	wait $by
}
# hold NAME BEGIN END: half a second between two commands, and what the host's clock says of it at least and at most
hold() {
	local t0 t1 t2
	t0=${EPOCHREALTIME/./}
	eval "$2"
	t1=${EPOCHREALTIME/./}
	pause 0.5
	t2=${EPOCHREALTIME/./}
	eval "$3"
	fact "$1" most $(((${EPOCHREALTIME/./} - t0) * 1000))
	fact "$1" least $(((t2 - t1) * 1000))
}
stopped() { hold "$1" "kill -STOP $l2_pid" "kill -CONT $l2_pid"; }
frozen() { hold "$1" "echo 1 >$group/cgroup.freeze" "echo 0 >$group/cgroup.freeze"; }
# Down and up while the guest's one CPU has something to do
squeezed() {
	tests/lab/l2.py balloon "$TMPDIR/l2-f" 440 430 436 448
	touch "$TMPDIR/l2-f/out/enough"
}
hogged() { timeout 1 sh -c 'while :; do :; done'; }
short_of() {
	local u0
	u0=$(throttled_ns)
	echo '20000 100000' >$group/cpu.max
	pause 1
	echo max >$group/cpu.max
	fact "$1" throttled $(($(throttled_ns) - u0))
}

guest alone burn 400
guest asleep sleep 400
guest cpuid cpuid 2000
guest ports out 1500
note 'exits'
disturbed hogged hog held 2500
disturbed stopped stop held 2500
disturbed frozen freeze held 2500
disturbed short_of quota held 2500

note 'CPU'
guest fresh touch 8
# The task's own pages, and nothing else of the guest's, go to the host's swap.
l2 f "work back again 4 >/run/out & until [ -s /run/guestwork.ready ]; do sleep 0.05; done"
l2 f 'cat /run/guestwork.ready' | tests/lab/l2.py pageout "$TMPDIR/l2-f" "$l2_pid" 448 || not_ok back/pageout 'the pages stay'
p0=$(swapped_in)
got=$(l2 f 'touch /run/guestwork.go; wait $!; cat /run/out')
measured ${got##*$'\n'}
fact back pages $(($(swapped_in) - p0))
note 'memory'

l2 f told_begin || not_ok told/begin 'no tracing of tell_host'
disturbed squeezed squeeze until 60000
fact squeeze pages "$(l2 f 'stat balloon_[id]')"
squeezed=$(l2 f 'grep -c " end: " $t/instances/told/trace')
b0=$(l2 f 'stat balloon_inflate')
tests/lab/l2.py balloon "$TMPDIR/l2-f" 432 448
fact refault inflated $(($(l2 f 'stat balloon_inflate') - b0))
guest refault touch 12

# As much goes as leaves the guest some MiB, and what its page cache holds: who needs more must look for it there. The
# kernel's own thread that would do it does not come to its turn beside a task of real-time policy (with an idle policy of its own it
# had turns on 6.12, with a quota on 7.2).
l2 f 'mkdir /run/full && mount -t tmpfs -o size=400m full /run/full'
l2 f 'head -c $(($(awk "/^MemFree:/ { print \$2 }" /proc/meminfo) - 45000))K /dev/zero >/run/full/zero; cat /dev/vda >/dev/null'
free=$(l2 f 'awk "/^MemFree:/ { print int(\$2 / 1024) }" /proc/meminfo')
tests/lab/l2.py balloon "$TMPDIR/l2-f" $((448 - free + 6))
b0=$(l2 f 'stat allocstall_')
note "starve: $(l2 f 'grep -E "^(MemFree|Cached|Active.file|Inactive.file)" /proc/meminfo' | tr -s ' \n' ' ')"
l2 f 'chrt -f -p 1 $$' || not_ok starve/policy 'no real-time policy'
guest starve touch 14
l2 f 'chrt -o -p 0 $$'
fact starve stalls $(($(l2 f 'stat allocstall_') - b0))
tests/lab/l2.py balloon "$TMPDIR/l2-f" 448
l2 f 'umount /run/full'
l2 f told_end || not_ok told/end "$(l2 f 'wc -l /run/told.what /run/told.at')"
for what in inflate deflate migrate; do fact balloon $what "$(l2 f "stat balloon_$what")"; done
note 'balloon'

dev=$(cat /sys/class/block/vda/dev)
echo "$dev rbps=1048576" >$group/io.max
guest slowdisk read 16
echo "$dev rbps=max" >$group/io.max
note 'disk'

l2_recorded recording
note 'recorded'

# ---- the same guest again, its clock by other ways
# KVM's folder is hidden from the recorder: the two-way exchange is what it has.
l2_by=(unshare -m sh -c 'mount -t tmpfs none /sys/kernel/debug/kvm && exec "$@"' hidden)
l2_record exchange "$tmp/x.sgt" sched,syscall,kvm --keep-parts
note 'recording by exchange'
pause 3
l2_recorded exchange
kill $ticks
ticks=
l2 f 'kill $(cat /run/marks.pid); cp /run/marks /out/marks'
marks_end "$tmp/marks" || not_ok marks/end "$(wc -l "$tmp/marks.number" "$tmp/marks.at")"
# What each machine recorded of itself, by nothing but the offset.
offset=$(cat /sys/kernel/debug/kvm/"$l2_pid"-*/vcpu0/tsc-offset)
"$sg" merge "$tmp/x.host.sgt" "$tmp/x.web.sgt" --tsc-offset "$offset" -o "$tmp/apart.sgt" 2>"$tmp/err" ||
	not_ok apart/merged "$(tail -n1 "$tmp/err")"
cat "$tmp/err" >&2
note 'recorded by exchange'
"$sg" report --json "$tmp/m.sgt" >"$tmp/report" 2>"$tmp/err" || not_ok report "$(tail -n1 "$tmp/err")"
"$sg" report --tasks thread --json "$tmp/m.sgt" >"$tmp/threads" 2>"$tmp/err" || not_ok report/threads "$(tail -n1 "$tmp/err")"
for n in x apart; do
	"$sg" report --tasks thread --json "$tmp/$n.sgt" >"$tmp/$n.report" 2>"$tmp/err" || not_ok report/$n "$(tail -n1 "$tmp/err")"
done
note 'reported'

# clock NAME FILE REPORT SOURCE LEAST: FILE's clock of the guest is by SOURCE; so many instants at least are where the host saw
# them, but for the bound that is told; and moved by more than that, they are not
clock() {
	local name=$1 file=$2 report=$3 source=$4 least=$5 told bound by
	told=$(tests/lab/machines.py "$report" web "$source")
	verdict "clock/$name/told" "${told#* }"
	bound=${told%% *}
	told=$(seen "$file" 0)
	note "$name: $told"
	check "clock/$name/bound" "$told" [ "$(fact_of bound_ns "$told")" = "$bound" ]
	for what in marks ticks; do
		check "clock/$name/$what" "$told" [ "$(fact_of $what "$told")" -ge "$least" -a \
			"$(fact_of ${what}_outside "$told")$(fact_of ${what}_beyond "$told")" = 00 ]
	done
	for by in - +; do
		told=$(seen "$file" $by$((2 * bound + 2000000)))
		check "clock/$name/moved$by" "$told" [ "$(fact_of marks_beyond "$told")" -gt 0 -a "$(fact_of ticks_beyond "$told")" -gt 0 ]
	done
}
seen() { "$within" "$1" web "$TMPDIR/l2-f/out/marks" "$tmp/marks" "$tmp/ticks" "$offset" "$2"; }
fact_of() { tr ' ' '\n' <<<"$2" | sed -n "s/^$1=//p"; }
clock tsc "$tmp/m.sgt" "$tmp/report" tsc 200
clock exchange "$tmp/x.sgt" "$tmp/x.report" exchange 20
clock apart "$tmp/apart.sgt" "$tmp/apart.report" tsc 20
note 'clocks'

# Each burst that the host saw lies where the guest told it; and moved, it does not
balloon() { "$told" "$tmp/m.sgt" web "$TMPDIR/l2-f/out/told" "$1"; }
got=$(balloon 0)
note "balloon: $got"
fact squeeze told "$(head -n "$squeezed" "$TMPDIR/l2-f/out/told" | awk '{ n += $2 - $1 } END { printf "%d", n }')"
check balloon/inside "$got" [ "$(fact_of told "$got")" -gt 0 -a "$(fact_of slices "$got")" -gt 0 -a "$(fact_of outside "$got")" = 0 ]
# A page of the balloon's that its guest's kernel moves elsewhere is given back and another one taken, which is not counted as either.
counted() { sed -n "s/^balloon $1 //p" "$facts"; }
for what in inflate deflate; do
	check "balloon/pages/$what" "$got; moved $(counted migrate)" [ "$(fact_of ${what}d "$got")" = $(($(counted $what) + $(counted migrate))) ]
done
check balloon/pages/inside "$got; moved $(counted migrate)" [ "$(fact_of inside "$got")" = $(($(fact_of inflated "$got") - $(counted migrate))) ]
for by in - +; do
	moved=$(balloon $by$((2 * $(fact_of bound_ns "$got") + $(fact_of longest_ns "$got"))))
	check "balloon/moved$by" "$moved" [ "$(fact_of outside "$moved")" -gt 0 ]
done
l2_stop f
tests/lab/fused.py "$tmp/report" "$tmp/threads" "$facts" -v
