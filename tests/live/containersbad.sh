#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Containers that go wrong while they are recorded: the daemon is stopped or killed, a container does not start or ends at
# once, names mean harm, a sandbox is traced by somebody else. One sentence each; the recording goes on, ends in time, and
# holds what there was. (Words that name none or several: container.sh.)
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
PATH=$PATH:/usr/sbin:/sbin
for c in dockerd containerd runc docker python3; do
	command -v $c >/dev/null || { echo "$c is not installed (Debian: docker.io)" >&2; exit 77; }
done
sg=${SANDGLASS:?}
END_MS=1500 # what a stuck daemon may add to the end of a recording, on a busy machine
. tests/live/own_dockerd.sh
cleanup() {
	[ -n "${daemon:-}" ] && kill -CONT "$daemon" 2>/dev/null
	daemon_gone
}
trap cleanup EXIT

now_ms() { date +%s%3N; }
# rec NAME CODE PATTERN [OPTION...]: the exit code, and exactly one line on standard error that matches ('' none)
rec() {
	local name=$1 want=$2 pattern=$3 code
	shift 3
	timeout 60 "$sg" record -q -o "$dir/r.sgt" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	code=$?
	judge "$name" "$want" "$pattern" $code
}
judge() { # NAME CODE PATTERN HAD
	if [ "$4" != "$2" ]; then not_ok "$1" "exit $4, not $2: $(cat "$dir/err")"
	elif [ -z "$3" ] && [ -s "$dir/err" ]; then not_ok "$1" "said: $(cat "$dir/err")"
	elif [ -n "$3" ] && { [ "$(wc -l <"$dir/err")" != 1 ] || ! grep -qE "$3" "$dir/err"; }; then not_ok "$1" "said: $(cat "$dir/err")"
	else ok "$1"; fi
}
# known NAME: the recording can be read to its end and knows the container 'web' with its image
known() {
	"$sg" report --json="$dir/j" "$dir/r.sgt" 2>"$dir/err"
	verdict "$1" "$(python3 - "$dir/j" <<'PY' 2>&1
import json, sys
d = json.load(open(sys.argv[1]))
assert d["lost"] == 0, "%d lost" % d["lost"]
web = [c for c in d["containers"] if c["name"] == "web"]
assert web and web[0]["image"] == "sgtest:1", d["containers"]
PY
)$(cat "$dir/err")"
}

daemon_start "\"broken\":{\"path\":\"$dir/no-such-runtime\"}"
dk run -d --network none --name web sgtest:1 /idle >/dev/null || { not_ok start "runc does not start"; exit 1; }

# ---- containers that do not start, or end at once: the recording says nothing, and knows those that ran
cat >"$dir/churn" <<CHURN
export DOCKER_HOST=unix://$sock
docker run --rm --network none --runtime nobody sgtest:1 /idle 1
docker run --rm --network none --runtime broken sgtest:1 /idle 1
docker run --rm --network none sgtest:1 /no-such-program
docker run --rm --network none --name brief sgtest:1 /idle 0
true
CHURN
rec churn 0 '' -a --engine "$sock" -- sh -c "sh $dir/churn 2>$dir/churn.err"
verdict churn-failed "$(for w in nobody no-such-runtime no-such-program; do grep -q "$w" "$dir/churn.err" || echo "not tried: $w"; done
	[ "$(grep -c 'rror' "$dir/churn.err")" -ge 3 ] || cat "$dir/churn.err")"
known churn-known
verdict churn-brief "$(grep -q '"brief"' "$dir/j" || echo "the container that ended at once has no name")"

# ---- a container that ends while the recorder still begins
dk run -d --network none --name moment sgtest:1 /idle 20 >/dev/null
timeout 60 "$sg" record -q -o "$dir/r.sgt" --engine "$sock" --container moment --duration 20s 2>"$dir/err"; code=$?
# 1: the recorder was quick enough
verdict moment "$([ $code = 1 ] && [ ! -s "$dir/err" ] && exit
	[ $code = 125 ] && [ "$(wc -l <"$dir/err")" = 1 ] && grep -qE 'is not running|ended before the recording began' "$dir/err" ||
		{ echo "exit $code: "; cat "$dir/err"; })"

# ---- an Engine that answers with names that mean harm
cat >"$dir/engine.py" <<'PY'
import json, socketserver, sys
from http.server import BaseHTTPRequestHandler
LIST = [{"Id": "ab" * 32, "Names": ["/a\u001b[2Jb\u0007\nc\u202e"], "Image": "x\r\n\u001b]0;y\u0007", "State": "running"},
        {"Id": "../../etc", "Names": ["/path"], "Image": "p", "State": "running"},
        {"Id": "cd" * 32, "Names": ["/" + "n" * 100000], "Image": 7, "State": "running"},
        {"Id": ["ef" * 32], "Names": {"a": 1}, "Image": None, "State": 1}, 5, None]
class H(BaseHTTPRequestHandler):
    def do_GET(self):
        o = {"ApiVersion": "1.41", "MinAPIVersion": "1.12"} if "version" in self.path else LIST if "containers/json" in self.path else \
            {"Id": self.path.split("/")[-2], "Name": "/\u001b[31mq", "State": {"Pid": 1}, "HostConfig": {"Runtime": "\u001b[0m"}, "Config": {"Image": "\n"}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(o).encode())
    def log_message(self, *a):
        pass
with socketserver.ThreadingUnixStreamServer(sys.argv[1], H) as s:
    s.serve_forever()
PY
python3 "$dir/engine.py" "$dir/hostile" 2>/dev/null & engine=$!
for ((i = 0; i < 100; i++)); do [ -S "$dir/hostile" ] && break; sleep 0.1; done
harm() { LC_ALL=C grep -naP '[\x00-\x08\x0b-\x1f\x7f]' "$dir/out" "$dir/err" | cat -v | head -3; }
timeout 20 "$sg" containers --engine "$dir/hostile" >"$dir/out" 2>"$dir/err"; code=$?
verdict hostile-list "$(harm; [ $code = 0 ] && [ "$(grep -c . "$dir/out")" = 3 ] || { echo "exit $code:"; cat "$dir/out" "$dir/err"; } | cut -c1-300)"
timeout 20 "$sg" record -q -a -o "$dir/r.sgt" --engine "$dir/hostile" --duration 300ms 2>"$dir/err"; code=$?
"$sg" report "$dir/r.sgt" >"$dir/out" 2>>"$dir/err" || code="$code, report $?"
verdict hostile-recording "$(harm; [ "$code" = 0 ] || { echo "exit $code:"; cat "$dir/err"; })"
kill $engine; wait $engine 2>/dev/null

# ---- gVisor's trace points where there is no sandbox, and where somebody else has the session
rec trace-no-sandbox 0 'gvisor-trace: the container is no sandbox of gVisor' --engine "$sock" --container web --gvisor-trace --duration 300ms
known trace-no-sandbox-known
if [ -n "$runsc" ] && dk run -d --network none --runtime box-ptrace --name box sgtest:1 /idle >"$dir/box" 2>"$dir/err"; then
	root=$dir/exec/runtime-runc/moby
	cat >"$dir/session" <<-J
	{"trace_session":{"name":"Default","points":[{"name":"container/start"}],
	 "sinks":[{"name":"remote","config":{"endpoint":"$dir/theirs"}}]}}
	J
	# who takes all and looks at nothing: a greeting of version 1, then whatever comes
	python3 - "$dir/theirs" <<-'PY' &
	import socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	s.bind(sys.argv[1])
	s.listen(1)
	c = s.accept()[0]
	c.recv(4096)
	c.send(b"\x08\x01")
	while c.recv(1 << 20):
	    pass
	PY
	theirs=$!
	for ((i = 0; i < 100; i++)); do [ -S "$dir/theirs" ] && break; sleep 0.1; done
	if "$runsc" --root="$root" trace create --config "$dir/session" "$(cat "$dir/box")" >"$dir/out" 2>&1; then
		rec trace-foreign 125 'already has a trace session that is not ours' --engine "$sock" --container box --gvisor-trace --duration 300ms
		verdict trace-foreign-stays "$("$runsc" --root="$root" trace list "$(cat "$dir/box")" 2>&1 | grep -q '"Default"' || echo "their session is gone")"
	else
		skip trace-foreign "no session of somebody else: $(tail -1 "$dir/out")"
	fi
	dk rm -f box >/dev/null
	kill $theirs 2>/dev/null; wait $theirs 2>/dev/null
else
	skip trace-foreign "no runsc, or it does not start here"
fi

# ---- a daemon that is stuck: neither the begin nor the end waits for it
kill -STOP $daemon
t=$(now_ms)
timeout 60 "$sg" record -q -o "$dir/r.sgt" -a --engine '' --duration 500ms 2>"$dir/err"
plain=$(($(now_ms) - t))
t=$(now_ms)
DOCKER_HOST=unix://$sock rec stuck-default 0 'daemon behind .* (does not answer|was too slow)' -a --duration 500ms
t=$(($(now_ms) - t))
echo "stuck daemon: a recording of 500 ms took $t ms, without asking it $plain ms"
check stuck-default-time "it took $t ms, without asking $plain ms" [ $t -lt $((plain + END_MS)) ]
known stuck-default-known # from state files
rec stuck-named 125 'does not answer' -a --engine "$sock" --duration 500ms
kill -CONT $daemon
dk version >/dev/null

# ---- it is killed while a recording goes on
rm -f "$dir/r.sgt"
timeout 60 "$sg" record -q -o "$dir/r.sgt" --engine "$sock" -a --duration 3s 2>"$dir/err" & recorder=$!
for ((i = 0; i < 300; i++)); do [ -s "$dir/r.sgt" ] && break; sleep 0.1; done # it has begun when its file has a head
kill -KILL $daemon; wait $daemon 2>/dev/null
wait $recorder; code=$?
judge killed 0 'container daemon' $code
known killed-known
pids=$(pgrep -x idle)
verdict killed-container-lives "$([ -n "$pids" ] || echo "the container went with its daemon: this tests nothing")"
rec killed-named 125 "$sock" --engine "$sock" --container web --duration 3s
rec killed-without 0 '' --engine '' --container web --duration 300ms
known killed-without-known
