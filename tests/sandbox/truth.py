#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
"""truth.py SANDGLASS BOX GUEST CACHE [PATTERN]: programs of known shape in containers of runc and gVisor.

Each runs under `sandglass record --container` and is one task; what the report says of it must be what was done:
component, cause and size, and calls counted one by one. Times are compared with the program's own clock.
Prints ok / not ok / skip lines, as all tests.
"""
import fnmatch, json, os, subprocess, sys, tempfile, time

sg, box_bin, guest, cache = sys.argv[1:5]
pattern = sys.argv[5] if len(sys.argv) > 5 else "*"
GVISOR = ["runsc-ptrace", "runsc24-ptrace", "runsc-systrap", "runsc-lisafs"]
MS = 1_000_000
TRIES = 3  # other load on the machine takes CPUs away from 50 ms programs


class Box:
    """The containers' maker: one container a runtime, made when first asked for."""

    def __init__(self, vol):
        self.p = subprocess.Popen([box_bin, cache, guest, "runc"] + GVISOR, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.vol, self.made = vol, {}
        self.why = self.line()

    def line(self):
        return self.p.stdout.readline().strip() or "error it ended without a word"

    def ask(self, *words):
        self.p.stdin.write(" ".join(words) + "\n")
        self.p.stdin.flush()
        answer = self.line()
        if answer.startswith("error"):
            raise RuntimeError(answer)
        return answer

    def get(self, runtime):
        if runtime not in self.made:
            name, cid, pid, *execute = self.ask("start", "sg-truth-" + runtime, runtime, self.vol).split(" ")
            self.made[runtime] = (cid, int(pid), execute)
        return self.made[runtime]

    def close(self):
        self.p.stdin.close()
        self.p.wait(120)


class Blame:
    """What the report says of the task."""

    def __init__(self, report, calls, own_ns):
        group = [g for g in report["groups"] if g["name"] == "scenario"]
        if not group:
            raise AssertionError("no task: groups are %s" % [g["name"] for g in report["groups"]])
        self.g = group[0]
        blame = self.g["blame"]
        self.rows = blame["rows"] if isinstance(blame, dict) else blame
        self.total = sum(r["ns"] for r in self.rows)
        self.own, self.calls = own_ns, calls

    def ns(self, comp, *causes):
        return sum(r["ns"] for r in self.rows if comp in ("*", r["component"])
                   and any(not c or r["cause"] == c or r["cause"].startswith(c + ".") for c in causes))

    def share(self, comp, *causes):
        return self.ns(comp, *causes) / self.total

    def call(self, name):
        return sum(c["by_stops"] + c["by_traps"] for c in self.calls.get("calls", []) if c["call"] == name)

    def messages(self):
        return {m["message"]: m["count"] for m in self.calls.get("gofer_messages", [])}

    def top(self):
        rows = sorted(self.rows, key=lambda r: -r["ns"])[:6]
        return ", ".join("%s %s %.1f ms" % (r["component"], r["cause"], r["ns"] / MS) for r in rows)


def want(cond, text):
    if not cond:
        raise AssertionError(text)


def run(box, runtime, op, n, during=None, file="/vol/file"):
    cid, pid, execute = box.get(runtime)
    rec = os.path.join(tmp, "r.sgt")
    cmd = [sg, "record", "-q", "--engine", "", "--container", cid, "-o", rec, "--"] + execute + ["/guest", op, str(n), file]
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if during:
        p.stdout.readline()
        during(cid, pid)
    try:
        out, err = p.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        p.kill()
        raise AssertionError("the recording did not end")
    want(p.returncode == 0, "record: exit %d: %s" % (p.returncode, err.strip()[-300:]))
    own = int(out.split()[-1])
    report = json.loads(subprocess.run([sg, "report", "--json", rec], stdout=subprocess.PIPE, check=True).stdout)
    calls = {}
    if runtime != "runc":
        calls = json.loads(subprocess.run([sg, "report", "--guest-syscalls", "--json", rec], stdout=subprocess.PIPE,
                                          check=True).stdout)
        calls = (calls["guest_syscalls"]["sandboxes"] or [{}])[0]
    b = Blame(report, calls, own)
    want(abs(b.total - own) < max(own * 0.1, 3 * MS), "task lasts %.1f ms, by its own clock %.1f ms" % (b.total / MS, own / MS))
    limit = 0.01 if runtime == "runc" else 0.02
    want(b.share("*", "unknown") <= limit, "unknown is %.1f %%" % (100 * b.share("*", "unknown")))
    return b


def near(got, expected, what, rel=0.2, floor=2 * MS):
    want(abs(got - expected) <= max(expected * rel, floor), "%s: %.1f ms, not %.1f" % (what, got / MS, expected / MS))


def gofer_of(cid):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open("/proc/%s/cmdline" % pid, "rb").read().split(b"\0")
        except OSError:
            continue
        if words[0] == b"runsc-gofer" and any(cid.encode() in w for w in words):
            return int(pid)
    raise AssertionError("no Gofer")


def stop_gofer(cid, _pid):
    pid = gofer_of(cid)
    time.sleep(0.02)
    os.kill(pid, 19)
    time.sleep(0.15)
    os.kill(pid, 18)


# ---- scenarios: name, runtimes, function of (box, runtime) --------------------------------------
def burn(box, rt):
    b = run(box, rt, "burn", 60)
    busy = b.ns("*", "sched", "cpu.irq")  # what other programs took
    near(b.ns("app", "cpu.user"), 60 * MS - busy, "app cpu.user", 0.15, 4 * MS)


def sleep(box, rt):
    b = run(box, rt, "sleep", 80)
    near(b.ns("*", "timer.sleep"), 80 * MS, "timer.sleep", 0.15)
    want(b.ns("app" if rt == "runc" else "sentry", "timer.sleep") >= 60 * MS, "asleep in another component: " + b.top())


def getpid(box, rt):
    b = run(box, rt, "getpid", 3000)
    trap = "trap.ptrace" if "ptrace" in rt else "trap.seccomp"
    other = "trap.seccomp" if "ptrace" in rt else "trap.ptrace"
    busy = b.ns("*", "sched", "cpu.irq")
    want(b.ns("*", trap) >= 0.4 * (b.total - busy), "%s is not most of it: %s" % (trap, b.top()))
    want(b.ns("app", "cpu.user") <= 0.25 * (b.total - busy), "the guest itself does next to nothing: " + b.top())
    want(b.ns("*", other) <= 0.02 * b.total, other + " in a sandbox of the other platform")
    want(b.share("gofer", "") < 0.05, "the Gofer has nothing to do with getpid: " + b.top())
    want(b.call("getpid") == 3001, "counted %d of 3001 calls" % b.call("getpid"))  # one for the marks


def runc_getpid(box, rt):
    b = run(box, rt, "getpid", 20000)
    row = [r for r in b.rows if r["cause"] == "cpu.sys.getpid"]
    want(row and row[0]["count"] == 20000, "counted %s" % row)


def stat(box, rt):
    b = run(box, rt, "stat", 500)
    want(b.call("stat") == 500, "counted %d of 500 calls" % b.call("stat"))
    if rt in ("runsc-ptrace", "runsc-lisafs"):
        want(sum(b.messages().values()) >= 500, "fewer messages than calls: %s" % b.messages())
    if rt == "runsc-systrap":
        want(sum(b.messages().values()) < 50, "directfs asks no Gofer: %s" % b.messages())


def create(box, rt):
    b = run(box, rt, "create", 100, file="/vol/new")
    for name in ("openat", "close", "unlink"):
        want(b.call(name) >= 100, "counted %d of 100 %s" % (b.call(name), name))
    if rt == "runsc-ptrace":
        m = b.messages()
        want(m.get("OpenCreateAt") == 100 and m.get("UnlinkAt") == 100, "messages: %s" % m)


def read(box, rt):
    b = run(box, rt, "read", 500)
    want(b.call("pread64") == 500, "counted %d of 500 calls" % b.call("pread64"))
    want(b.ns("gofer", "") <= 0.1 * b.total, "reads go past the Gofer: " + b.top())


def fork(box, rt):
    b = run(box, rt, "fork", 8)
    want(b.ns("sentry", "") > 0.1 * b.total, "the Sentry makes processes: " + b.top())


def fault(box, rt):
    b = run(box, rt, "fault", 2000)
    faults = sum(r["count"] for r in b.rows if r["component"] == "app" and r["cause"] == "cpu.fault")
    want(2000 <= faults <= 2050, "%d faults for 2000 new pages" % faults)
    busy = b.ns("*", "sched", "cpu.irq")
    hidden = os.environ.get("FAULT_HIDDEN_NS", "0")
    if hidden != "0":
        print("skip sandbox/%s/fault-time a page fault takes %s ns outside the kernel here, in the host" % (rt, hidden))
    else:
        want(b.ns("app", "cpu.fault") >= 0.3 * (b.total - busy), "faults are most of the work: " + b.top())


def slow_gofer(box, rt):
    b = run(box, rt, "stat", 20000 if "ptrace" in rt else 40000, during=stop_gofer)
    near(b.ns("gofer", "trap.stop"), 150 * MS, "gofer trap.stop", 0.15, 10 * MS)


def throttled(box, rt):
    cid, pid, _ = box.get(rt)
    cg = "/sys/fs/cgroup/cpu" + [l.split(":")[2].strip() for l in open("/proc/%d/cgroup" % pid) if ":cpu:" in l or "cpu,cpuacct" in l][0]
    with open(cg + "/cpu.cfs_quota_us", "w") as f:
        f.write("25000")
    try:
        b = run(box, rt, "burn", 400)
    finally:
        with open(cg + "/cpu.cfs_quota_us", "w") as f:
            f.write("-1")
    want(b.ns("*", "sched.throttle") >= 200 * MS, "held by its quota for %.1f of 400 ms; %s" % (b.ns("*", "sched.throttle") / MS, b.top()))


SCENARIOS = [
    ("burn", ["runc"] + GVISOR, burn), ("sleep", ["runc"] + GVISOR, sleep), ("getpid", ["runc"], runc_getpid),
    ("getpid", GVISOR, getpid), ("stat", GVISOR, stat), ("create", ["runsc-ptrace", "runsc24-ptrace"], create),
    ("read", ["runsc-ptrace", "runsc24-ptrace"], read), ("fork", ["runsc-ptrace", "runsc24-ptrace"], fork),
    ("fault", ["runc", "runsc-ptrace", "runsc-systrap"], fault),
    ("slow_gofer", ["runsc-ptrace", "runsc-lisafs"], slow_gofer),
    ("throttled", ["runc", "runsc-ptrace", "runsc-systrap"], throttled),
]


def attempt(box, name, rt, fn):
    for i in range(1, TRIES + 1):
        try:
            fn(box, rt)
            print("ok sandbox/%s/%s%s" % (rt, name, " (try %d)" % i if i > 1 else ""), flush=True)
            return
        except AssertionError as e:
            print("try %d: %s/%s: %s" % (i, rt, name, e), file=sys.stderr)
            why = str(e)
    print("not ok sandbox/%s/%s %s" % (rt, name, why.replace("\n", " ")), flush=True)


def main():
    vol = os.path.join(tmp, "vol")
    os.mkdir(vol)
    os.chmod(vol, 0o777)
    os.chmod(tmp, 0o755)
    with open(os.path.join(vol, "file"), "w") as f:
        f.write("x" * 4096)
    box = Box(vol)
    try:
        for name, runtimes, fn in SCENARIOS:
            for rt in runtimes:
                if not fnmatch.fnmatch(rt + "/" + name, pattern):
                    continue
                if box.why != "ready":
                    print("skip sandbox/%s/%s %s" % (rt, name, box.why.replace("error ", "")))
                    continue
                attempt(box, name, rt, fn)
    finally:
        box.close()


with tempfile.TemporaryDirectory(prefix="sg-sandbox.") as tmp:
    main()
