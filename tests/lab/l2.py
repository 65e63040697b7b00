#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""Talks to a nested guest that l2.sh has started.

  l2.py sh DIR COMMAND       runs it in the small guest, prints what it prints
  l2.py qmp DIR COMMAND [ARGUMENTS]
  l2.py balloon DIR MIB...   sets the guest's memory, step by step, each when the one before is reached
  l2.py pageout DIR PID MIB  has the kernel swap out these pages of the guest (numbers of physical pages on standard
                             input) of so much memory, whose QEMU is PID
  l2.py evict DIR PID MIB    the same, and from the cache that swap to a disk has"""
import ctypes
import json
import os
import re
import socket
import sys
import time

LIMIT_S = 240


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


SYS_PIDFD_OPEN, SYS_PROCESS_MADVISE, MADV_PAGEOUT, PAGE = 434, 440, 21, 4096


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def pageout(pid, mib, pages):
    """The guest's memory is the mapping of that size; below 3 GiB its offset is the physical address."""
    ram = [int(a, 16) for a, b in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) ", open("/proc/%d/maps" % pid).read(), re.M)
           if int(b, 16) - int(a, 16) == mib << 20]
    if len(ram) != 1:
        sys.exit("%d mappings of %d MiB" % (len(ram), mib))
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(SYS_PIDFD_OPEN, pid, 0)
    # Twice: the first time the guest's own tables say that the pages were used, and forget it.
    for i in [*range(0, len(pages), 512)] * 2:
        some = [Iovec(ram[0] + p * PAGE, PAGE) for p in pages[i:i + 512]]
        done = libc.syscall(SYS_PROCESS_MADVISE, pidfd, (Iovec * len(some))(*some), ctypes.c_size_t(len(some)), MADV_PAGEOUT, 0)
        if done != len(some) * PAGE:
            sys.exit("process_madvise: %d, %s" % (done, os.strerror(ctypes.get_errno())))
    return ram[0]


def evict(pid, mib, pages):
    """What is being written stays in the swap cache. Once it is written and mapped again, only read, it is dropped without a write."""
    ram = pageout(pid, mib, pages)
    time.sleep(2)
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as f:
        for p in pages:
            f.seek(ram + p * PAGE)
            f.read(1)
    pageout(pid, mib, pages)


what, where, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
if what == "sh":
    sys.exit(shell(where, " ".join(rest)))
elif what in ("pageout", "evict"):
    {"pageout": pageout, "evict": evict}[what](int(rest[0]), int(rest[1]), [int(n) for n in sys.stdin.read().split()])
elif what == "balloon":
    balloon(where, [int(m) for m in rest])
else:
    print(json.dumps(Qmp(where).ask(rest[0], **(json.loads(rest[1]) if len(rest) > 1 else {}))))
