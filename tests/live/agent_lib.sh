# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Sourced by the tests of the agent: skips without root; makes the folder $dir with a token in it, removed at the end with every
# process of pids. A test may define undo(), called first then. Sets sg, live (the folder of the tests' programs).
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?} live=${O:?}/tests/live
dir=$(mktemp -d)
pids=()
undo() { :; }
finish() {
	undo
	for p in "${pids[@]}"; do kill -CONT "$p"; kill -KILL "$p"; wait "$p"; done 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
head -c 24 /dev/urandom | base64 >"$dir/token"
until_true() { # SECONDS COMMAND...: wait for what another process does
	local end=$((SECONDS + $1))
	shift
	while ! "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
place() { sed -n 's/.*listening on //p' "$1"; }
agent_start() { # OPTIONS...: an agent; its place in $at, its log in $dir/agent.log
	rm -f "$dir/agent.log" # the last one's place is not this one's
	"$sg" agent --listen tcp:127.0.0.1:0 --token-file "$dir/token" "$@" 2>"$dir/agent.log" &
	agent=$!
	pids+=("$agent")
	until_true 60 grep -qs listening "$dir/agent.log"
	at=$(place "$dir/agent.log")
}
begun() { # COMMAND...: run it in the background, until it has begun to record; its process is $rec
	# A pipe of its own: while the one before still holds the last, its end would be read as this one's begin, and who opens it then waits for ever.
	rm -f "$dir/ready"
	mkfifo "$dir/ready"
	"$@" --ready-fd 3 3>"$dir/ready" 2>"$dir/err" &
	rec=$!
	pids+=("$rec")
	read -r _ <"$dir/ready"
}
host_start() { # PLACE WORD...: records of itself a process that sleeps, and the agent there; WORDs are record's
	local at=$1
	shift
	if [ -z "${sleeper:-}" ]; then
		sleep 3600 &
		sleeper=$!
		pids+=("$sleeper")
	fi
	begun "$sg" record -p "$sleeper" --guest "web=$at" --token-file "$dir/token" "$@"
}
ended() { # its status in $rc
	wait "$rec"
	rc=$?
	cat "$dir/err" >&2
}
host_end() { kill -INT "$rec"; ended; }
fact() { printf '%s\n' "$told" | tr ' ' '\n' | sed -n "s/^$1=//p"; } # of what a program told, in $told
