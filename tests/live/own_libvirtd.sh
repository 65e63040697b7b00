# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Sourced by tests of virtual machines: a libvirtd of the test's own, an unprivileged user's, everything of it in $dir.
# Its address is $uri, its machines write below $run. The caller sets the trap on EXIT.
dir=$(mktemp -d)
chmod 755 "$dir"
run=$dir/run home=$dir/home user=nobody
uri="qemu+unix:///session?socket=$run/libvirt/libvirt-sock"
v() { timeout 60 virsh -q -c "$uri" "$@"; }

# Everything of ours has our folder in its command line or its environment.
ours() { grep -lsaF "$dir/" /proc/[0-9]*/cmdline /proc/[0-9]*/environ | cut -d/ -f3 | sort -u; }

# libvirtd_gone: it, its machines and $dir; each process by its id
libvirtd_gone() {
	local p try
	for try in 1 2 3 4 5 6 7 8; do
		p=$(ours | grep -vxe $$ -e "$BASHPID")
		[ -n "$p" ] || break
		kill -KILL $p 2>/dev/null
		sleep 0.2
	done
	rm -rf "$dir"
}

# libvirtd_start: fails when it does not answer; its words are in $dir/libvirtd.log
libvirtd_start() {
	local i
	mkdir -p "$run" "$home/.config/libvirt"
	echo 'stdio_handler = "file"' >"$home/.config/libvirt/qemu.conf" # no virtlogd that stays
	chown -R $user "$run" "$home"
	chmod 700 "$run"
	runuser -u $user -- env HOME="$home" XDG_RUNTIME_DIR="$run" XDG_CONFIG_HOME="$home/.config" XDG_CACHE_HOME="$home/.cache" \
		XDG_DATA_HOME="$home/.local" libvirtd </dev/null >"$dir/libvirtd.log" 2>&1 &
	for ((i = 0; i < 300; i++)); do
		v version >/dev/null 2>&1 && return
		sleep 0.1
	done
	v version >/dev/null 2>&1
}
