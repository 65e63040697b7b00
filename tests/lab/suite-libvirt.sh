#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# libvirt as the oracle: a domain of two vCPUs, by KVM, in a libvirtd of the suite's own, recorded by its name while both compute on one
# CPU, then while both idle. `virsh domstats --vcpu` before and after against `report --vm` (domstats.py), and its balloon by `virsh setmem`.
# Alone: tests/lab/boot.sh -k 6.1 -s 1 -t 600 tests/lab/suite-libvirt.sh
set -u
. tests/lib.sh
. tests/lab/l2.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
for c in libvirtd virsh runuser; do
	command -v $c >/dev/null || { echo "$c is not installed" >&2; exit 77; }
done
sg=${SANDGLASS:?} domain=web mib=192
why=$(l2_ready 2>&1) || { echo "$why" >&2; exit 77; }
. tests/live/own_libvirtd.sh
rec=
cleanup() {
	[ -z "$rec" ] || kill "$rec" 2>/dev/null
	libvirtd_gone
}
trap cleanup EXIT
note() { printf -- '-- %s s: %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >&2; }
# Without it the kernel keeps no vcpu.N.wait.
echo 1 >/proc/sys/kernel/sched_schedstats

# ---- the domain
# The guest's memory comes page by page.
echo never >/sys/kernel/mm/transparent_hugepage/enabled
chmod 666 /dev/kvm # libvirtd's user is nobody
libvirtd_start || { not_ok libvirtd "$(tail -1 "$dir/libvirtd.log")"; exit 1; }
note libvirtd
install -m644 "$LAB_KERNEL" "$dir/vmlinuz"
install -m644 "$TMPDIR/l2-initrd" "$dir/initrd"
without=$(l2_odd && printf "<feature policy='disable' name='%s'/>" $l2_without)
cat >"$dir/web.xml" <<XML
<domain type='kvm'><name>$domain</name><memory unit='MiB'>$mib</memory><vcpu>2</vcpu>
<cpu mode='host-passthrough' check='none'>$without</cpu>
<os><type arch='x86_64' machine='pc'>hvm</type><kernel>$dir/vmlinuz</kernel><initrd>$dir/initrd</initrd>
<cmdline>console=ttyS0 quiet panic=-1 mitigations=off</cmdline></os>
<features><acpi/><apic$(l2_odd && echo " eoi='off'")/></features><on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot>
<devices><emulator>$(command -v qemu-system-x86_64)</emulator><serial type='file'><source path='$run/console'/><target port='0'/></serial>
<serial type='unix'><source mode='bind' path='$run/shell'/><target port='1'/></serial>
<memballoon model='virtio'><stats period='1'/></memballoon></devices></domain>
XML
v create "$dir/web.xml" >/dev/null || { not_ok domain "$(tail -1 "$dir/libvirtd.log")"; exit 1; }
until_up() {
	local end=$((SECONDS + 300))
	until grep -qsa '^L2 up' "$run/console"; do
		[ $SECONDS -lt $end ] && kill -0 "$(cat "$run/libvirt/qemu/run/$domain.pid")" || return 1
		sleep 0.2
	done
}
if ! until_up; then
	tail -n 15 "$run/console" "$home/.cache/libvirt/qemu/log/$domain.log" >&2
	not_ok domain/up 'the domain did not come up'
	exit 1
fi
ok domain/up
note "$(grep -a '^L2 up' "$run/console")"
guest() { tests/lab/l2.py sh "$run" "$@"; }

mkfifo "$dir/ready"
# record FILE: begins, and waits until it has begun
record() {
	"$sg" record -q -o "$1" --vm $domain --connect "$uri" --ready-fd 3 3>"$dir/ready" 2>"$dir/err" </dev/null &
	rec=$!
	read -r -t 100 _ <"$dir/ready"
}
# recorded NAME: ends it
recorded() {
	kill -INT $rec
	wait $rec
	rc=$?
	check "$1" "status $rc: $(tail -n1 "$dir/err")" [ $rc = 0 ]
	rec=
}

# ---- vCPUs. Paused before and after, so that what libvirt has counted in between is what was recorded.
# phase NAME COMMAND: of the guest
phase() {
	v domstats --vcpu $domain >"$dir/before"
	record "$dir/$1.sgt"
	v resume $domain
	guest "$2"
	v suspend $domain
	recorded "$1/recorded"
	v domstats --vcpu $domain >"$dir/after"
	note "$1"
	"$sg" report --vm --json "$dir/$1.sgt" >"$dir/vm" 2>"$dir/err" || not_ok "$1/report" "$(tail -n1 "$dir/err")"
	tests/lab/domstats.py "$1" $domain "$dir/before" "$dir/after" "$dir/vm"
}
v suspend $domain
phase busy 'busy 3 2; load 4 1'
phase idle 'sleep 3'
v resume $domain

# ---- its balloon, by the domain's name
record "$dir/balloon.sgt"
# setmem MIB: until the guest has followed
setmem() {
	local end=$((SECONDS + 200))
	v setmem $domain "$1M" --live
	until v dommemstat $domain | grep -q "^actual $(($1 * 1024))$"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}
before=$(guest 'echo $(stat balloon_inflate) $(stat balloon_deflate)')
for m in 160 176; do
	check "balloon/setmem-$m" "$(v dommemstat $domain | head -1)" setmem $m
	sleep 1.5 # QEMU tells of it once a second
done
after=$(guest 'echo $(stat balloon_inflate) $(stat balloon_deflate)')
recorded balloon/recorded
note balloon
read -r i0 d0 <<<"$before"
read -r i1 d1 <<<"$after"
check balloon/guest "$((i1 - i0)) and $((d1 - d0)) pages" [ "$((i1 - i0)) $((d1 - d0))" = '8192 4096' ]
"$sg" report --vm --json "$dir/balloon.sgt" >"$dir/vm" 2>"$dir/err" || not_ok balloon/report "$(tail -n1 "$dir/err")"
verdict balloon/sandglass "$(python3 - "$dir/vm" $domain "$(v domstats --balloon $domain)" <<'PY' 2>&1
import json, sys
d, name, told = json.load(open(sys.argv[1])), sys.argv[2], dict(w.split("=") for w in sys.argv[3].split() if "=" in w)
vm = [v for v in d["vms"] if v["name"] == name and v["in_scope"]][0]
b = {k: (v["first"] >> 20, v["low"] >> 20, v["last"] >> 20) for k, v in vm["balloon"].items() if k in ("actual", "maximum", "target")}
want = {"actual": (192, 160, 176), "maximum": (192, 192, 192), "target": (160, 160, 176)}
assert b == want, "libvirt told %s, not %s" % (b, want)
assert int(told["balloon.current"]) == 176 << 10 and int(told["balloon.maximum"]) == 192 << 10, told
got = [sum(c["balloon"][k] for m in d["kvm"] if m["name"] == name for c in m["vcpus"]) for k in ("inflate_pages", "deflate_pages")]
assert got == [8192, 4096], "%s pages" % got
PY
)"
"$sg" report "$dir/balloon.sgt" >"$dir/out"
grep '^VM ' "$dir/out" >&2
check balloon/line "$(grep '^VM ' "$dir/out")" grep -qE "^VM $domain \(qemu process [0-9]+, kvm, 2 vCPUs\): memory by the balloon 192 MiB -> 176 MiB, down to 160 MiB of 192 MiB, target 176 MiB" "$dir/out"

# ---- a balloon that cannot follow: the guest is paused
v suspend $domain
record "$dir/late.sgt"
v setmem $domain 128M --live
recorded target/recorded
v resume $domain
"$sg" report "$dir/late.sgt" >"$dir/out"
grep '^VM ' "$dir/out" >&2
check target/line "$(grep '^VM ' "$dir/out")" grep -qE "^VM $domain .*: memory by the balloon 176 MiB of 192 MiB, target 128 MiB not reached" "$dir/out"
