#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Virtual machines by name, uuid and process, with libvirt's help and without it, and their balloons: a QEMU
# with a QMP socket and a libvirtd of the test's own (an unprivileged user's), emulating (tcg) a stock kernel.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
PATH=$PATH:/usr/sbin:/sbin
for c in qemu-system-x86_64 libvirtd virsh busybox modprobe cpio runuser; do
	command -v $c >/dev/null || { echo "$c is not installed" >&2; exit 77; }
done
sg=${SANDGLASS:?}
kernel=$(tests/lab/kernel.sh 6.1) || { echo "no stock kernel can be had" >&2; exit 77; }
read -r release vmlinuz modules <<<"$kernel"
. tests/live/own_libvirtd.sh
trap libvirtd_gone EXIT

# until NAME SECONDS COMMAND...: wait for it; else NAME has failed
until_true() {
	local name=$1 left=$((10 * $2))
	shift 2
	until "$@"; do
		((left--)) || { not_ok "$name" "did not happen: $*"; return 1; }
		sleep 0.1
	done
}

# ---- a guest that does nothing but follow its balloon and tell of it
mkdir -p "$dir/root/modules"
cp "$(command -v busybox)" "$dir/root/busybox"
for top in virtio_pci virtio_balloon; do
	modprobe -d "$modules" -S "$release" --show-depends $top
done 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r path; do
	name=${path##*/} && name=${name%.xz}
	case $path in *.xz) xz -dc "$path" ;; *) cat "$path" ;; esac >"$dir/root/modules/$name"
	echo "$name" >>"$dir/root/order"
done
cat >"$dir/root/init" <<'INIT'
#!/busybox sh
/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /dev
mount -t proc proc /proc
mount -t devtmpfs dev /dev
while read -r m; do insmod "/modules/$m"; done </order
while :; do
	echo "inflated $(sed -n 's/^balloon_inflate //p' /proc/vmstat) pages"
	sleep 0.3
done
INIT
mkdir "$dir/root/bin"
chmod 755 "$dir/root/init"
(cd "$dir/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$dir/initrd"
cp "$vmlinuz" "$dir/vmlinuz"
chmod 644 "$dir/vmlinuz" "$dir/initrd"
append='console=ttyS0 quiet panic=-1 rdinit=/init mitigations=off nokaslr'

# ---- both machines boot at the same time
qemu-system-x86_64 -accel tcg -m 192 -display none -no-reboot -nodefaults -kernel "$dir/vmlinuz" -initrd "$dir/initrd" -append "$append" \
	-device virtio-balloon-pci -name guest=plain,debug-threads=on -serial "file:$dir/plain.out" \
	-chardev "socket,id=m1,path=$dir/plain.qmp,server=on,wait=off" -mon chardev=m1,mode=control \
	-qmp "unix:$dir/second.qmp,server=on,wait=off" </dev/null >"$dir/plain.log" 2>&1 &
plain=$!
libvirtd_start || { skip libvirt "libvirtd does not start here: $(tail -1 "$dir/libvirtd.log")"; exit 0; }
uuid=7d6e3d1c-9a0a-4b6e-8a59-$(printf %012x $$)
cat >"$dir/web.xml" <<XML
<domain type='qemu'><name>web</name><uuid>$uuid</uuid><memory unit='MiB'>512</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><kernel>$dir/vmlinuz</kernel><initrd>$dir/initrd</initrd><cmdline>$append</cmdline></os>
<features><acpi/><apic/></features><on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot>
<devices><emulator>$(command -v qemu-system-x86_64)</emulator><serial type='file'><source path='$run/web.out'/></serial>
<memballoon model='virtio'><stats period='1'/></memballoon></devices></domain>
XML
v create "$dir/web.xml" >/dev/null || { not_ok domain "$(tail -1 "$dir/libvirtd.log")"; exit 1; }
inflated() { grep -aq "inflated $2 pages" "$1"; }
threads() { [ "$(cat /proc/$1/task/*/comm | grep -c "^CPU 0/TCG$")" = 1 ]; }
until_true start-plain 60 threads $plain || exit 1
web=$(pgrep -u $user -f "guest=web,.*$uuid")
until_true start-web 60 threads $web || exit 1

# ---- the list, with libvirt and without
listed() { # JSON SOURCE-OF-WEB
	python3 - "$1" "$2" "$web" "$plain" "$uuid" "$dir" <<'PY' 2>&1
import json, os, sys
file, source, web, plain, uuid, dir = sys.argv[1:]
have = {v["pid"]: v for v in json.load(open(file))["vms"]}
w, p = have[int(web)], have[int(plain)]
want = {"name": "web", "uuid": uuid, "vmm": "qemu", "accel": "tcg", "source": source, "vcpus": 1, "memory_bytes": 512 << 20, "qmp": ""}
if source == "libvirt":
    want |= {"state": "running", "actual_bytes": 512 << 20}
for k, v in want.items():
    assert w[k] == v, "web: %s is %r, not %r" % (k, w[k], v)
want = {"name": "plain", "uuid": "", "vmm": "qemu", "accel": "tcg", "source": "process", "vcpus": 1, "memory_bytes": 192 << 20,
        "qmp": dir + "/second.qmp"}
for k, v in want.items():
    assert p[k] == v, "plain: %s is %r, not %r" % (k, p[k], v)
for v in (w, p):
    comm = open("/proc/%d/task/%d/comm" % (v["pid"], v["vcpu_threads"][0])).read()
    assert comm == "CPU 0/TCG\n", comm
    at = next(d for d in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup") if os.path.isdir(d + v["cgroup"]))
    assert v["cgroup_id"] == os.stat(at + v["cgroup"]).st_ino, "cgroup_id"
PY
}
"$sg" vms --connect "$uri" --json >"$dir/j"; verdict list-libvirt "$(listed "$dir/j" libvirt)"
"$sg" vms --connect '' --json >"$dir/j"; verdict list-without "$(listed "$dir/j" process)"
XDG_RUNTIME_DIR=$run "$sg" vms --json >"$dir/j"; verdict list-default "$(listed "$dir/j" libvirt)"
"$sg" vms --connect "$uri" >"$dir/out"
verdict list-table "$(grep -qE "^web +qemu +tcg +running +$web +1 +512 MiB libvirt $uuid /" "$dir/out" || cat "$dir/out")"
says list-refused 1 'libvirt \(qemu\+unix.*absent\) refuses: ' "$sg" vms --connect "qemu+unix:///session?socket=$dir/absent"
LIBVIRT_DEFAULT_URI="qemu+unix:///session?socket=$dir/absent" "$sg" vms --json >"$dir/j" 2>"$dir/err"
verdict list-refused-default "$(grep -q 'refuses.*only processes were looked at' "$dir/err" || cat "$dir/err"; listed "$dir/j" process)"
# KVM's own descriptors, held by a program that nobody knows
python3 -c 'import fcntl, os, sys, time
try:
    vm = fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), 0xAE01, 0)
    cpus = [fcntl.ioctl(vm, 0xAE41, i) for i in range(2)]
except OSError as e:
    open(sys.argv[1], "w").write(str(e))
    sys.exit()
open(sys.argv[1], "w").close()
time.sleep(60)' "$dir/kvm" &
raw=$!
until_true kvm 30 test -e "$dir/kvm"
if [ -s "$dir/kvm" ]; then
	skip list-kvm "no virtual machine can be made: $(cat "$dir/kvm")"
else
	"$sg" vms --connect '' >"$dir/out"
	verdict list-kvm "$(grep -qE "^python3[^ ]*-$raw +python3[^ ]* +kvm +- +$raw +2 +- process " "$dir/out" || cat "$dir/out")"
	kill $raw
fi
wait $raw 2>/dev/null
# A daemon that takes connections and says nothing; looked at later.
python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(8); time.sleep(60)' "$dir/mute" &
until_true mute 30 test -S "$dir/mute"
timeout 60 "$sg" vms --connect "qemu+unix:///session?socket=$dir/mute" >/dev/null 2>"$dir/mute.err" &
mute=$!

# ---- recordings, when the guests are up
until_true boot-plain 120 inflated "$dir/plain.out" 0 || exit 1
until_true boot-web 120 inflated "$run/web.out" 0 || exit 1
mkfifo "$dir/ready"
recorder=
# record FILE HOW...: begins one, and waits until it has begun
record() {
	local file=$1
	shift
	timeout 120 "$sg" record -o "$file" --ready-fd 3 "$@" 3>"$dir/ready" 2>"$dir/err" </dev/null &
	recorder=$!
	read -r -t 100 _ <"$dir/ready"
}
# stop: ends it by signal; sets code
stop() {
	pkill -INT -P $recorder 2>/dev/null # timeout's child
	wait $recorder
	code=$?
}
# balloon FILE VM PAGES KEYS: its memory went down by so many pages, as libvirt or QMP told and as its process gave them back
balloon() {
	"$sg" report --syscalls --json="$dir/j" "$1" 2>/dev/null
	python3 - "$dir/j" "$2" "$3" "$4" <<'PY' 2>&1
import json, sys
d = json.load(open(sys.argv[1]))
name, pages, keys = sys.argv[2], int(sys.argv[3]), sys.argv[4].split()
vm = next(v for v in d["vms"] if v["name"] == name)
b = vm["balloon"]
assert vm["in_scope"] and vm["accel"] == "tcg", vm
assert b["maximum"]["last"] == vm["memory_bytes"], b["maximum"]
assert b["actual"]["first"] == vm["memory_bytes"], b["actual"]
assert b["actual"]["last"] == b["actual"]["low"] == vm["memory_bytes"] - 4096 * pages, b["actual"]
assert b["target"]["last"] == b["actual"]["last"] and b["target"]["told"] == 1, b["target"]
for k in keys:
    assert k in b, "%s is not told: %s" % (k, sorted(b))
groups = d["syscalls"]["groups"]
assert [g["programs"] for g in groups] == [1], "more than its process: %s" % [g["process"] for g in groups]
calls = {c["call"]: c["count"] for c in groups[0]["calls"]}
assert pages <= calls["madvise"] <= pages + 32, calls["madvise"]
assert ("VM %s (qemu, tcg)" % name) in json.dumps(d["recording"]), d["recording"]
PY
}

# libvirt: 512 -> 300 MiB
record "$dir/web.sgt" --vm web --connect "$uri"
v setmem web 300M --live
until_true setmem 60 inflated "$run/web.out" 54272
until_true setmem-told 30 sh -c "virsh -q -c '$uri' dommemstat web | grep -q 'actual 307200'"
sleep 1.2 # the guest's statistics come every second
stop
verdict record-vm "$([ $code = 0 ] || echo "$code: $(cat "$dir/err")")"
verdict balloon-libvirt "$(balloon "$dir/web.sgt" web 54272 'swap_in swap_out major_fault minor_fault unused available usable disk_caches')"
"$sg" report "$dir/web.sgt" >"$dir/out"
verdict report-line "$(grep -qE "^VM web \(qemu process $web, tcg, 1 vCPU\): memory by the balloon 512 MiB -> 300 MiB of 512 MiB, target 300 MiB; guest: .*usable at the end$" "$dir/out" || head -5 "$dir/out")"

# QMP: 192 -> 160 MiB, set through the machine's other socket
# qmp COMMAND [BYTES or URI]...: each answered
qmp() {
	python3 - "$dir/plain.qmp" "$@" <<'PY'
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile("rw")
f.readline()
for c in ["qmp_capabilities"] + sys.argv[2:]:
    name, *value = c.split()
    arguments = [{"value": int(v)} if v.isdigit() else {"uri": v} for v in value]
    f.write(json.dumps({"execute": name} | ({"arguments": arguments[0]} if arguments else {})) + "\n"); f.flush()
    answer = json.loads(f.readline())
    while "return" not in answer: answer = json.loads(f.readline()) # an event
    if name == "query-status": print(answer["return"]["status"])
PY
}
record "$dir/plain.sgt" --vm $plain --connect ''
qmp "balloon $((160 << 20))"
until_true balloon 60 inflated "$dir/plain.out" 8192
sleep 0.3
stop
verdict balloon-qmp "$(balloon "$dir/plain.sgt" plain 8192 '')"

# what it was asked for while it could not follow
record "$dir/late.sgt" --vm $plain --connect ''
qmp stop "balloon $((1 << 40))" "balloon $((128 << 20))"
stop
qmp "balloon $((160 << 20))" cont
"$sg" report "$dir/late.sgt" >"$dir/out"
verdict target-late "$(grep -qE "^VM plain .*: memory by the balloon 160 MiB of 192 MiB, target 128 MiB not reached" "$dir/out" || head -5 "$dir/out")"

# it goes on in another machine, here nobody's, while it is recorded; then in this one again
record "$dir/moved.sgt" --vm $plain --connect ''
qmp 'migrate exec:cat>/dev/null'
moved() { [ "$(qmp query-status)" = postmigrate ]; }
until_true migrate 60 moved
sleep 0.3
stop
qmp cont
verdict migrated "$([ $code = 0 ] && grep -q 'VM plain was migrated to another machine while it was recorded' "$dir/err" || echo "$code: $(cat "$dir/err")")"
"$sg" report "$dir/moved.sgt" >"$dir/out" 2>&1
verdict migrated-report "$(grep -q '^VM plain (qemu process ' "$dir/out" || cat "$dir/out")"

# a QMP socket in use is left alone, and said so
python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1); open(sys.argv[2], "w"); time.sleep(60)' "$dir/second.qmp" "$dir/held" &
until_true hold 30 test -e "$dir/held"
timeout 100 "$sg" record -q -o "$dir/new.sgt" --vm plain --connect '' -- timeout 4 qemu-system-x86_64 -accel tcg -S -m 16 -smp 2 \
	-display none -nodefaults -name guest=late,debug-threads=on 2>"$dir/err" </dev/null
code=$?
verdict qmp-in-use "$([ $code = 124 ] && grep -q 'the QMP socket of VM plain is in use' "$dir/err" || echo "$code: $(cat "$dir/err")")"
# and the command itself is a machine that begins while it is recorded
"$sg" report --json="$dir/j" "$dir/new.sgt"
verdict begins-meanwhile "$(python3 -c 'import json, sys
v = {v["name"]: v for v in json.load(open(sys.argv[1]))["vms"]}
assert v["late"]["in_scope"] and v["late"]["vcpus"] == 2, v
assert v["plain"]["in_scope"] and v["plain"]["balloon"] == {}, v' "$dir/j" 2>&1)"

# ---- words that name none, or several
rec="$sg record -q -o $dir/bad.sgt --duration 10s --connect"
says no-such 125 "no virtual machine is called 'nobody'; those that run here: .+ \(process [0-9]+\)" $rec "$uri" --vm nobody
says hostile-name 125 "no virtual machine is called 'a\?\[31m\?'" $rec '' --vm $'a\033[31m\xff'
says connect-refused 125 'refuses: ' $rec "qemu+unix:///session?socket=$dir/absent" --vm web
qemu-system-x86_64 -accel tcg -S -m 16 -display none -nodefaults -name guest=plain </dev/null >/dev/null 2>&1 &
twin=$!
twice() { "$sg" vms --connect '' | grep -c '^plain ' | grep -qx 2; }
until_true twin 30 twice
says ambiguous 125 "'plain' fits 2 virtual machines: plain \(process [0-9]+\), plain \(process [0-9]+\); give the process id" $rec '' --vm plain
kill -KILL $twin; wait $twin 2>/dev/null
for with in '--vm web' '--container web' '-G web'; do
	"$sg" record --vm web $with >/dev/null 2>"$dir/err"; code=$?
	verdict "usage-${with//[ -]/}" "$([ $code = 2 ] && grep -qE 'twice|together' "$dir/err" || echo "$code: $(cat "$dir/err")")"
done
verdict nothing-written "$([ ! -e "$dir/bad.sgt" ] || echo "a recording was begun")"

# ---- it ends, is paused, and libvirt goes away while it is recorded
record "$dir/gone.sgt" --vm $uuid --connect "$uri" --duration 90s
sleep 1.5 # libvirt is connected to while it is recorded already: what happens before that nobody hears
v destroy web >/dev/null
wait $recorder; code=$?
verdict destroyed "$([ $code = 1 ] && grep -q 'VM web was destroyed while it was recorded' "$dir/err" &&
	grep -q 'the virtual machine exited' "$dir/err" || echo "$code: $(cat "$dir/err")")"
"$sg" report "$dir/gone.sgt" >"$dir/out" 2>&1
verdict destroyed-report "$(grep -q '^VM web (qemu process ' "$dir/out" || cat "$dir/out")"
v create "$dir/web.xml" >/dev/null
record "$dir/paused.sgt" --vm web --connect "$uri"
v suspend web >/dev/null
until_true suspend 30 sh -c "virsh -q -c '$uri' domstate web | grep -q paused"
for p in $(ours); do [ "$(cat /proc/$p/comm)" = libvirtd ] && kill -KILL $p; done 2>/dev/null
sleep 1.5 # the recorder asks every second
stop
verdict paused "$([ $code = 0 ] && grep -q 'VM web was paused while it was recorded' "$dir/err" || echo "$code: $(cat "$dir/err")")"
verdict libvirt-dies "$(grep -q 'libvirt went away while it was recorded' "$dir/err" || cat "$dir/err")"
"$sg" report "$dir/paused.sgt" >"$dir/out" 2>&1
verdict paused-report "$(grep -q '^VM web (qemu process .* 512 MiB' "$dir/out" || cat "$dir/out")"

wait $mute; mute_code=$?
verdict list-mute "$([ $mute_code = 1 ] && grep -q 'does not answer' "$dir/mute.err" || echo "$mute_code: $(cat "$dir/mute.err")")"
