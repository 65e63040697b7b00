#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# A file that `-o` names keeps its old recording until a new one has begun: whatever comes to nothing leaves it as it was, and leaves
# no other file behind. What has begun takes its place: in a file, behind a link, in a pipe, in a folder that can't be written to.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
sg=${SANDGLASS:?}
dir=$(mktemp -d)
cleanup() {
	mountpoint -q "$dir/ro" && umount "$dir/ro"
	rm -rf "$dir"
}
trap cleanup EXIT
mkdir "$dir/d"
old=$dir/d/old.sgt
"$sg" record -q -o "$dir/first.sgt" -- true || { not_ok first "no recording"; exit 1; }
echo some of a guest >"$dir/part"
head -c 24 /dev/urandom | base64 >"$dir/token"

# kept NAME STATUS WORDS COMMAND...: it says so, and the folder is what it was, names and bytes
kept() {
	local name=$1 want=$2 words=$3
	shift 3
	rm -rf "$dir/d" && mkdir "$dir/d"
	cp "$dir/first.sgt" "$old"
	cp "$dir/part" "$dir/d/old.web.sgt" && cp "$dir/part" "$dir/d/old.host.sgt"
	ls -li "$dir/d" >"$dir/before"
	says "$name-says" "$want" "$words" "$@"
	verdict "$name-keeps" "$(ls -li "$dir/d" | diff "$dir/before" -; cmp "$dir/first.sgt" "$old"; cmp "$dir/part" "$dir/d/old.web.sgt"; cmp "$dir/part" "$dir/d/old.host.sgt")"
}
# nothing NAME COMMAND...: where nothing was there is nothing
nothing() {
	local name=$1
	shift
	rm -rf "$dir/d" && mkdir "$dir/d"
	"$@" >/dev/null 2>&1 </dev/null
	verdict "$name-makes-nothing" "$(ls "$dir/d")"
}
kept command 127 "can't run $dir/none: No such file" "$sg" record -o "$old" -- "$dir/none"
kept run-command 127 "can't run $dir/none: No such file" "$sg" run -o "$old" -- "$dir/none"
nothing guest "$sg" record -o "$old" -a --guest web=tcp:127.0.0.1:1 --token-file "$dir/token"
kept vm 125 'no virtual machine' "$sg" record -o "$old" --vm no-such-machine
kept guest 125 'no agent at tcp:127.0.0.1:1' "$sg" record -o "$old" -a --guest web=tcp:127.0.0.1:1 --token-file "$dir/token"
kept token 125 'no token' "$sg" record -o "$old" -a --guest web=tcp:127.0.0.1:1 --token-file /dev/null
# a machine without what recording takes: no BTF, and BPF that is forbidden
kept btf 125 . unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$@"' - "$sg" record -o "$old" -a --duration 1s
kept run-btf 125 . unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$@"' - "$sg" run -o "$old" -- true
nothing btf unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$@"' - "$sg" record -o "$old" -a --duration 1s

# ---- the guests' parts are in their place as soon as all record, and a command that is not there is no recording
"$sg" agent --listen tcp:127.0.0.1:0 --token-file "$dir/token" 2>"$dir/agent.log" &
agent=$!
for _ in $(seq 200); do grep -qs listening "$dir/agent.log" && break; sleep 0.1; done
at=$(sed -n 's/.*listening on //p' "$dir/agent.log")
kept agent-command 127 "can't run $dir/none: No such file" "$sg" record -o "$old" --guest "web=$at" --token-file "$dir/token" -- "$dir/none"
kept second-guest 125 'no agent at tcp:127.0.0.1:1' "$sg" record -o "$old" -a --guest "web=$at" --guest db=tcp:127.0.0.1:1 --token-file "$dir/token"
"$sg" record -q -o "$old" --keep-parts --guest "web=$at" --token-file "$dir/token" -- sleep 0.5 2>"$dir/err"
code=$?
verdict guest-begun "$([ $code = 0 ] && [ "$(ls "$dir/d" | tr '\n' ' ')" = 'old.host.sgt old.sgt old.web.sgt ' ] &&
	"$sg" report "$old" >/dev/null 2>&1 && "$sg" report "$dir/d/old.web.sgt" >/dev/null 2>&1 && "$sg" report "$dir/d/old.host.sgt" >/dev/null 2>&1 ||
	echo "status $code: $(cat "$dir/err"; ls "$dir/d")")"
kill $agent
wait $agent 2>/dev/null

# ---- what has begun takes the file
# good NAME FILE: a recording of the shell's command, whole, and nothing of what was there
good() { verdict "$1" "$("$sg" report "$2" 2>"$dir/err" | grep -q '"sh"\|sh ' && [ ! -s "$dir/err" ] || { cat "$dir/err"; ls -l "$2"; })"; }
for cmd in record run; do
	rm -rf "$dir/d" && mkdir "$dir/d"
	head -c 3000000 /dev/urandom >"$old" && chmod 644 "$old"
	ino=$(stat -c %i "$old")
	"$sg" $cmd -o "$old" -- sh -c : 2>/dev/null
	good $cmd-over-a-larger-one "$old"
	verdict $cmd-mode "$([ "$(stat -c %a "$old")" = 600 ] || stat -c %a "$old")"
	verdict $cmd-same-file "$([ "$(stat -c %i "$old")" = "$ino" ] || echo 'another file has its name')"
	# only what is in it can be written to: the file is a mount of its own
	mkdir -p "$dir/ro" && mount -t tmpfs none "$dir/ro" && cp "$dir/first.sgt" "$dir/ro/x.sgt"
	unshare -m sh -c 'mount --bind "$1" "$1" && mount --bind "$1/x.sgt" "$1/x.sgt" && mount -o remount,bind,ro "$1" && "$2" $3 -o "$1/x.sgt" -- sh -c : 2>/dev/null
		"$2" $3 -o "$1/y.sgt" -- true 2>"$4"' - "$dir/ro" "$sg" $cmd "$dir/ro.err"
	good $cmd-folder-read-only "$dir/ro/x.sgt"
	verdict $cmd-read-only "$(grep -q "can't write .*/y.sgt: Read-only file system" "$dir/ro.err" || cat "$dir/ro.err")"
	umount "$dir/ro"
done
rm -rf "$dir/d" && mkdir "$dir/d" && cp "$dir/first.sgt" "$old"
ln -s old.sgt "$dir/d/link" && ln -s nowhere.sgt "$dir/d/dangling"
head -c 1000 /dev/urandom >"$old"
"$sg" record -q -o "$dir/d/link" -- sh -c :
good link "$old"
verdict link-stays "$([ -L "$dir/d/link" ] || ls -l "$dir/d/link")"
"$sg" record -q -o "$dir/d/dangling" -- sh -c :
good dangling "$dir/d/nowhere.sgt"
mode=$(stat -c %a /dev/null)
"$sg" record -q -o /dev/null -- true
verdict device "$([ -c /dev/null ] && [ "$(stat -c %a /dev/null)" = "$mode" ] || echo "/dev/null was $mode: $(ls -l /dev/null)")"
chmod "$mode" /dev/null
says folder 125 "can't write $dir/d: Is a directory" "$sg" record -o "$dir/d" -- true
says no-folder 125 "can't write $dir/d/n/x: No such file" "$sg" record -o "$dir/d/n/x" -- true
mkfifo "$dir/fifo"
cat "$dir/fifo" >"$dir/out.sgt" &
"$sg" record -q -o "$dir/fifo" -- sh -c :
wait $!
good fifo "$dir/out.sgt"
verdict fifo-stays "$([ -p "$dir/fifo" ] || ls -l "$dir/fifo")"
"$sg" record -q -o /dev/stdout -- sh -c : >"$dir/out.sgt"
good dev-stdout "$dir/out.sgt"
"$sg" record -q -o - -- sh -c : | cat >"$dir/out.sgt"
good stdout "$dir/out.sgt"

# ---- a full disk: the old one made room for the new one, which is readable as far as it came
mount -t tmpfs -o size=200k none "$dir/ro"
head -c 190000 /dev/urandom >"$dir/ro/x.sgt"
"$sg" record -q -o "$dir/ro/x.sgt" -- sh -c : 2>"$dir/err"
code=$?
verdict full-disk-makes-room "$([ $code = 0 ] || echo "status $code: $(cat "$dir/err")")"
good full-disk "$dir/ro/x.sgt"
head -c 400000 /dev/zero >"$dir/ro/fill" 2>/dev/null
rm "$dir/ro/x.sgt"
head -c 400000 /dev/zero >>"$dir/ro/fill" 2>/dev/null
says no-room 125 'writing the recording failed.*No space left' "$sg" record -q -o "$dir/ro/x.sgt" -- sh -c :
umount "$dir/ro"
