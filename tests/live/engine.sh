#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# A Docker daemon of our own: every use of its Engine API, and that nothing of it is left, neither after a stop nor
# after its maker was killed and another start came; a neighbour's daemon notices nothing of either.
set -u
. tests/lib.sh
. tests/live/need_dockerd.sh
prog=${O:-build}/tests/live/engine
need_dockerd "$prog"

base=$(mktemp -d /tmp/sg-live.XXXXXX)
pids=
finish() {
	for p in $pids; do kill -9 "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
	for d in a n; do [ ! -e "$base/$d" ] || timeout 60 "$prog" "$base/$d" again >/dev/null 2>&1; done
	rm -rf --one-file-system "$base"
}
trap finish EXIT

# What is there of the daemon under folder $1; ids of its containers follow.
leftovers() {
	local dir=$1 id
	shift
	grep -F " $dir/" /proc/self/mountinfo | awk '{ print "mount:" $5 }'
	printf '%s\n' "$dir/dockerd/" >"$base/pattern" # grep's own arguments must not have it
	grep -lzF -f "$base/pattern" /proc/[0-9]*/cmdline 2>/dev/null | sed 's/^/process:/'
	for id; do
		find /sys/fs/cgroup -depth -maxdepth 5 -type d -name "*$id*" 2>/dev/null | sed 's/^/cgroup:/'
		for f in $(grep -l "$id" /proc/[0-9]*/cgroup 2>/dev/null); do
			# a dead one waits for init to take notice
			grep -q '^State:[[:space:]]*Z' "${f%cgroup}status" 2>/dev/null || [ ! -e "$f" ] || echo "process:$f"
		done
	done
	[ ! -e "$dir" ] || find "$dir" -maxdepth 2
}
# Places outside of the folder that a daemon writes to
outside() { ls -d /etc/docker/key.json /run/docker /run/docker/* 2>/dev/null; true; }
# Sockets of a daemon's shims, which are outside, too
shim_sockets() { sed 's,unix://,,;s,$,\n,' "$1"/dockerd/exec/containerd/daemon/*/moby/*/address | grep .; }

hold() { # DIR OUTPUT: in the background, until it is ready
	"$prog" "$1" hold >"$2" 2>"$2.err" &
	pids="$pids $!"
	held=$!
	for _ in $(seq 300); do
		grep -q '^ready' "$2" && return 0
		kill -0 $held 2>/dev/null || break
		sleep 0.1
	done
	not_ok "hold-$(basename "$1")" "$(tail -n1 "$2.err")"
	return 1
}

# The neighbour: its containers must outlive all that follows.
hold "$base/n" "$base/n.out" || exit 0
neighbour=$(sed -n 's/^pids //p' "$base/n.out")
n_pid=$held
outside >"$base/before"

timeout -k 5 150 "$prog" "$base/a" all || not_ok all "status $?"
verdict stop-leaves-nothing "$(leftovers "$base/a")"
outside >"$base/after"
verdict stop-outside "$(diff "$base/before" "$base/after")"

# Killed in the middle: the daemon goes with it, shims and containers do not; the next start removes them.
if hold "$base/a" "$base/a.out"; then
	ids=$(sed -n 's/^id //p' "$base/a.out")
	sockets=$(shim_sockets "$base/a")
	check shim-sockets 'none found' [ -S "${sockets%%$'\n'*}" ]
	check busy 'a second start took a living one' eval "! timeout 60 $prog $base/a again 2>/dev/null"
	kill -9 "$held"
	wait "$held" 2>/dev/null
	# shellcheck disable=SC2086
	check kill-leaves-something 'the test tests nothing' [ -n "$(leftovers "$base/a" $ids)" ]
	check again-none-left 'containers were there' [ "$(timeout -k 5 100 "$prog" "$base/a" again)" = 'containers 0' ]
	# shellcheck disable=SC2086
	verdict again-leaves-nothing "$(leftovers "$base/a" $ids)"
	# shellcheck disable=SC2086
	verdict again-shim-sockets "$(ls $sockets 2>/dev/null)"
	outside >"$base/after"
	verdict again-outside "$(diff "$base/before" "$base/after")"
fi

# What is not ours is not touched.
mkdir -p "$base/f/dockerd"
echo precious >"$base/f/dockerd/file"
timeout 60 "$prog" "$base/f" again 2>"$base/f.err"
check foreign-folder "$(cat "$base/f.err")" [ -s "$base/f/dockerd/file" ]
long=$base/$(printf '%0100d' 0)
timeout 60 "$prog" "$long" again 2>"$base/f.err"
check long-path "$(cat "$base/f.err")" grep -q 'too long' "$base/f.err"
check long-path-leaves-nothing 'the folder stays' [ ! -e "$long" ]

# shellcheck disable=SC2086
check neighbour-lives 'its maker or its containers are gone' kill -0 "$n_pid" $neighbour
n_ids=$(sed -n 's/^id //p' "$base/n.out")
kill -9 "$n_pid"
wait "$n_pid" 2>/dev/null
timeout -k 5 100 "$prog" "$base/n" again >/dev/null
# shellcheck disable=SC2086
verdict neighbour-leaves-nothing "$(leftovers "$base/n" $n_ids)"
