#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""Talks to a nested guest that l2.sh has started.

  l2.py sh DIR COMMAND       runs it in the small guest, prints what it prints
  l2.py qmp DIR COMMAND [ARGUMENTS]
  l2.py balloon DIR MIB...   sets the guest's memory, step by step, each when the one before is reached"""
import json
import os
import socket
import sys
import time

LIMIT_S = 120


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(LIMIT_S)
    s.connect(path)
    return s


def shell(where, command):
    s = connect(os.path.join(where, "shell"))
    s.sendall(command.encode() + b"\n")
    got = b""
    while b"L2 status " not in got or not got.endswith(b"\n"):
        more = s.recv(4096)
        if not more:
            sys.exit("the guest is gone")
        got += more.replace(b"\r", b"")
    out, status = got.decode(errors="replace").rsplit("L2 status ", 1)
    sys.stdout.write(out)
    return int(status)


class Qmp:
    def __init__(self, where):
        self.f = connect(os.path.join(where, "qmp")).makefile("rw")
        self.f.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.f.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.f.flush()
        while True:
            answer = json.loads(self.f.readline())
            if "error" in answer:
                sys.exit("%s: %s" % (command, answer["error"]["desc"]))
            if "return" in answer:
                return answer["return"]


def balloon(where, steps):
    q = Qmp(where)
    for mib in steps:
        start, end = time.monotonic(), time.monotonic() + LIMIT_S
        q.ask("balloon", value=mib << 20)
        while q.ask("query-balloon")["actual"] != mib << 20:
            if time.monotonic() > end:
                sys.exit("%d MiB were not reached in %d s" % (mib, LIMIT_S))
            time.sleep(0.05)
        print("-- balloon: %d MiB after %.1f s" % (mib, time.monotonic() - start), file=sys.stderr)


what, where, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
if what == "sh":
    sys.exit(shell(where, " ".join(rest)))
elif what == "balloon":
    balloon(where, [int(m) for m in rest])
else:
    print(json.dumps(Qmp(where).ask(rest[0], **(json.loads(rest[1]) if len(rest) > 1 else {}))))
