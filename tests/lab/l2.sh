# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Sourced by a suite in the lab's guest: guests in that guest, by its KVM. Each has a folder $TMPDIR/l2-NAME with its
# console, its QMP socket, its QEMU's words and, the small one, a shell (l2.py).
#   l2_ready                        KVM's module and the small guest's initrd; fails with a sentence
#   l2_start NAME MIB CPUS WORD...  a small guest of busybox with a balloon (l2-init.sh); WORDs are QEMU's. Waits until
#                                   it is up. Sets l2_pid (QEMU) and l2_vcpus (tids)
#   l2_small NAME MIB CPUS WORD...  the same, and nobody waits for it
#   l2_root NAME MIB CPUS SCRIPT    one with the lab's root and tools over 9p: runs SCRIPT there as boot.sh runs a suite,
#                                   prints what it prints, ends with its status
#   l2_root_start NAME MIB CPUS SCRIPT SECONDS WORD...  the same, begun only, and SCRIPT has so long; WORDs are QEMU's
#   l2_agent_script FILE TOKEN PROGRAM...  SCRIPT for it: an agent on vsock port 7777, a shell on its second serial line (l2),
#                                   the PROGRAMs in /run; what is on standard input comes first
#   l2 NAME COMMAND                 in the small guest, or by that shell
#   l2_stop NAME
#   l2_record NAME FILE PROBES WORD...  begins a recording of the lab's guest and of the last one begun, by the agent in that one;
#                                   returns when it has begun. WORDs are the recorder's. Sets l2_rec (its pid)
#   l2_recorded NAME                ends it; its words are in $tmp/err

l2_cgroup= # where QEMU is put before it starts
l2_rec=	   # recorder, while it runs
l2_by=()   # command that runs the recorder

l2_ready() {
	modprobe kvm_amd 2>/dev/null || modprobe kvm_intel 2>/dev/null
	[ -c /dev/kvm ] || { echo 'no /dev/kvm in the lab: its processor has no virtualisation'; return 1; }
	[ -s "$TMPDIR/l2-initrd" ] ||
		tests/lab/initrd.sh "$(uname -r)" / "$TMPDIR/l2-initrd" l2-init.sh virtio_pci virtio_balloon virtio_blk virtio_net
}

# What a guest is made of besides. As seen with Debian's 7.2 as host and guest on the lab's emulated processor, and not with 6.1 or 6.12: a guest
# that is offered XSAVE ends in fpu__init_system_xstate() -> fpstate_reset(), one without it at its first use of AVX; and KVM gives up
# a guest whose first exit after an interrupt is for a device's memory ("KVM internal error. Suberror: 3", delivery of an event). Hence
# devices by ports, and no end of an interrupt without an exit (QEMU's SVM then tells of the event no more).
l2_odd() { case $(uname -r) in [7-9].*) ;; *) return 1 ;; esac; }
l2_without='xsave avx avx2 fma f16c'
l2_words() {
	echo '-cpu host'"$(l2_odd && printf ',%s=off' kvm-pv-eoi $l2_without)"
	! l2_odd || printf -- '-global virtio-%s-pci.disable-modern=on ' 9p blk balloon
}

# l2_qemu NAME MIB CPUS WORD...: sets l2_pid
l2_qemu() {
	local name=$1 dir=$TMPDIR/l2-$1 mib=$2 cpus=$3
	shift 3
	mkdir -p "$dir"
	rm -f "$dir/console"
	(
		[ -z "$l2_cgroup" ] || echo "$BASHPID" >"$l2_cgroup/cgroup.procs"
		exec setpriv --pdeathsig KILL qemu-system-x86_64 -name "guest=$name,debug-threads=on" -accel kvm $(l2_words) -m "$mib" \
			-smp "$cpus" -nodefaults -no-user-config -display none -no-reboot -kernel "$LAB_KERNEL" \
			-serial "file:$dir/console" -qmp "unix:$dir/qmp,server=on,wait=off" "$@"
	) </dev/null >"$dir/qemu" 2>&1 &
	l2_pid=$!
}

# l2_wait NAME TEXT: until the console has it; fails when QEMU has ended or after five minutes
l2_wait() {
	local dir=$TMPDIR/l2-$1 end=$((SECONDS + 300))
	until grep -qsa "$2" "$dir/console"; do
		if [ $SECONDS -gt $end ] || ! kill -0 "$l2_pid" 2>/dev/null; then
			echo "-- $1 did not come up:" >&2
			tail -n 15 "$dir/console" >&2
			head -n 15 "$dir/qemu" >&2
			return 1
		fi
		sleep 0.1
	done
	grep -a "$2" "$dir/console" | sed "s/^/-- $1: /" >&2
}

l2_small() {
	local name=$1 mib=$2 cpus=$3
	shift 3
	l2_qemu "$name" "$mib" "$cpus" -initrd "$TMPDIR/l2-initrd" -append 'console=ttyS0 quiet panic=-1 mitigations=off' \
		-serial "unix:$TMPDIR/l2-$name/shell,server=on,wait=off" -device virtio-balloon-pci,id=balloon0 "$@"
}

l2_start() {
	l2_small "$@"
	l2_wait "$1" '^L2 up' || return 1
	l2_vcpus_find
}

l2_vcpus_find() {
	local t
	l2_vcpus=
	for t in "/proc/$l2_pid/task"/*; do
		case $(cat "$t/comm") in CPU*KVM) l2_vcpus="$l2_vcpus ${t##*/}" ;; esac
	done
}

l2() {
	local name=$1
	shift
	tests/lab/l2.py sh "$TMPDIR/l2-$name" "$@"
}

l2_stop() {
	kill "$l2_pid" 2>/dev/null
	wait "$l2_pid" 2>/dev/null
	rm -rf "$TMPDIR/l2-$1"
}

l2_root_start() {
	local name=$1 mib=$2 cpus=$3 script=$4 limit=$5 out=$TMPDIR/l2-$1/out
	shift 5
	mkdir -p "$out"
	{
		printf "LAB_TREE='%s' LAB_O='%s' LAB_SUITE='%s' LAB_MODULES=/ LAB_LIMIT=%d LAB_ARGS=''\n" "$PWD" "$(realpath "$O")" "$script" "$limit"
	} >"$out/env"
	l2_qemu "$name" "$mib" "$cpus" -initrd "$LAB_INITRD" \
		-append "console=ttyS0 quiet panic=-1 mitigations=off lab.guest=$PWD/tests/lab/guest.sh lab.rw=$((mib / 2))m" \
		-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap" -device virtio-9p-pci,fsdev=root,mount_tag=root \
		-fsdev "local,id=out,path=$out,security_model=none" -device virtio-9p-pci,fsdev=out,mount_tag=out "$@"
}

l2_agent_script() {
	local file=$1 token=$2
	shift 2
	{
		printf '%s\n' 'modprobe vmw_vsock_virtio_transport' 'echo never >/sys/kernel/mm/transparent_hugepage/enabled' \
			"cp $* /run" "echo $token >/run/token"
		cat
		cat <<-'SH'
			"$SANDGLASS" agent --listen vsock:7777 --token-file /run/token >/dev/console 2>&1 &
			stty -F /dev/ttyS1 raw -echo
			work() { rm -f /run/guestwork.*; /run/guestwork "$@"; }
			while :; do
				while read -r line; do
					eval "$line"
					echo "L2 status $?"
				done </dev/ttyS1 >/dev/ttyS1 2>&1
			done
		SH
	} >"$file"
}

l2_record() {
	local name=$1 file=$2 probes=$3
	shift 3
	[ -p "$tmp/ready" ] || mkfifo "$tmp/ready"
	"${l2_by[@]}" "$SANDGLASS" record -a -q -o "$file" --probes "$probes" --guest "web=vsock:3:7777,pid=$l2_pid" \
		--token-file "$tmp/token" --ready-fd 3 "$@" 3>"$tmp/ready" 2>"$tmp/err" &
	l2_rec=$!
	read -r _ <"$tmp/ready"
	check "$name/begins" "$(tail -n1 "$tmp/err")" kill -0 "$l2_rec"
}

l2_recorded() {
	local rc
	kill -INT "$l2_rec"
	wait "$l2_rec"
	rc=$?
	check "$1/ends" "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
	l2_rec=
	cat "$tmp/err" >&2
}

l2_root() {
	local name=$1 dir=$TMPDIR/l2-$1 out=$TMPDIR/l2-$1/out rc
	l2_root_start "$1" "$2" "$3" "$4" 100
	l2_wait "$name" '^lab: suite ended' || { l2_stop "$name"; return 125; }
	wait "$l2_pid"
	cat "$out/err" >&2
	cat "$out/out"
	rc=$(cat "$out/status")
	rm -rf "$dir"
	return "$rc"
}
