# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Sourced by tests of containers: a dockerd of the test's own in $dir, its socket $sock, with one image, sgtest:1,
# whose only program /idle sleeps for so many times 10 ms, for ever when it is told none.
# Uses ok, not_ok and skip of tests/lib.sh; the caller sets the trap on EXIT.
PATH=$PATH:/usr/sbin:/sbin
dir=$(mktemp -d)
sock=$dir/s
parent=sandglass-test-$$
unset DOCKER_HOST
dk() { DOCKER_HOST=unix://$sock timeout 60 docker "$@"; }

# The processes of this daemon: its own, its containerd, the shims that outlive both, and what they run.
ours() {
	grep -lsaF "$dir/" /proc/[0-9]*/cmdline | cut -d/ -f3
	cat /sys/fs/cgroup/"$parent"/*/cgroup.procs /sys/fs/cgroup/*/"$parent"/*/cgroup.procs 2>/dev/null
}

# daemon_gone: all of them, what they have mounted, their cgroups, and $dir; each process by its id
daemon_gone() {
	local p try
	for try in 1 2 3 4 5 6 7 8; do
		p=$(ours | sort -u | grep -vxe $$ -e "$BASHPID")
		[ -n "$p" ] || break
		kill -KILL $p 2>/dev/null
		sleep 0.2
	done
	[ -n "${daemon:-}" ] && wait "$daemon" 2>/dev/null
	awk -v d="$dir/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r -n1 umount -l 2>/dev/null
	find /sys/fs/cgroup -depth -type d -path "*/$parent*" -exec rmdir {} + 2>/dev/null
	rm -rf "$dir"
}

# daemon_start [RUNTIME]: with gVisor as box-ptrace where runsc is installed, and RUNTIME, a member of "runtimes".
# Ends the test when there is nothing to test with.
daemon_start() {
	local i box=
	cat >"$dir/idle.c" <<'C'
#include <stdlib.h>
#include <time.h>
int main(int argc, char **argv)
{
	struct timespec t = { 0, 10000000 };
	for (long n = argc > 1 ? atol(argv[1]) : -1; n; n--)
		nanosleep(&t, NULL);
	return 0;
}
C
	gcc -O1 -static -o "$dir/idle" "$dir/idle.c" || { not_ok program "does not build"; exit 1; }
	runsc=$(command -v runsc)
	[ -z "$runsc" ] || box='"box-ptrace":{"path":"'$runsc'","runtimeArgs":["--platform=ptrace","--network=none"]}'
	[ -z "${1:-}" ] || [ -z "$box" ] || box=,$box
	printf '{"runtimes":{%s%s}}' "${1:-}" "$box" >"$dir/daemon.json"
	# where a containerd that is slow to answer leaves its stacks before dockerd kills it
	TMPDIR=$dir dockerd --config-file "$dir/daemon.json" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
		-H "unix://$sock" --bridge=none --iptables=false --ip-forward=false --storage-driver vfs \
		--cgroup-parent "/$parent" >"$dir/daemon.log" 2>&1 </dev/null &
	daemon=$!
	for ((i = 0; i < 100; i++)); do
		dk version >/dev/null 2>&1 && break
		kill -0 $daemon 2>/dev/null || break
		sleep 0.2
	done
	if ! dk version >/dev/null 2>&1; then
		skip daemon "dockerd does not start here: $(grep -E 'level=(error|fatal)|failed' "$dir/daemon.log" | tail -1)"
		exit 0
	fi
	tar -C "$dir" -c idle | dk import - sgtest:1 >/dev/null || { not_ok image "cannot be imported"; exit 1; }
}
