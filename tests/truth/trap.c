/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Scenarios about being held: stopped, traced, frozen, supervised. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "truth.h"

/* What the held one lost: its account of a stretch of work, until whoever held it is done (w[1]). */
static struct truth_span work(struct truth *t)
{
	struct truth_clk c = truth_clk();

	do {
		truth_burn(10 * MSEC);
	} while (!t->w[1] && truth_now() - c.wall < 5 * SEC);
	return truth_since(&c);
}

static void stopper(struct truth *t, void *arg)
{
	pid_t to = *(pid_t *)arg;

	while (!t->w[0])
		truth_nap(100000);
	truth_nap(5 * MSEC);
	kill(to, SIGSTOP);
	truth_wait_state(to, "T");
	truth_nap(40 * MSEC);
	kill(to, SIGCONT);
	t->w[1] = 1;
}

static void trap_stop(struct truth *t)
{
	pid_t self = getpid(), pid = truth_fork(t, stopper, &self);
	struct truth_span s;

	truth_begin(t, "trap_stop");
	t->w[0] = 1;
	s = work(t);
	truth_end(t, "trap_stop");
	truth_reap(t, pid);
	if (s.blocked < 5 * MSEC)
		truth_fail(t, "stopped for only %llu ns", (unsigned long long)s.blocked);
	truth_leaf(t, "trap.stop", TRUTH_EQ, s.blocked);
	truth_blocked(t, "trap.stop", &s);
	truth_cpu_leaf(t, NULL, s.cpu);
}

/* FREEZING is not yet FROZEN: on a busy machine the victim may not have run since. */
static bool frozen(const char *dir, bool v2)
{
	char path[512], text[16] = "";
	int fd;

	if (v2)
		return truth_read_u64(dir, "cgroup.events", "frozen");
	snprintf(path, sizeof(path), "%s/freezer.state", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	return !strncmp(text, "FROZEN", 6);
}

static void freezer(struct truth *t, void *arg)
{
	const char *dir = arg;
	bool v2 = access("/sys/fs/cgroup/freezer", F_OK);

	while (!t->w[0])
		truth_nap(100000);
	truth_nap(5 * MSEC);
	truth_write(t, dir, v2 ? "cgroup.freeze" : "freezer.state", v2 ? "1" : "FROZEN");
	for (int i = 0; i < 5000 && !frozen(dir, v2); i++)
		truth_nap(MSEC);
	truth_nap(40 * MSEC);
	truth_write(t, dir, v2 ? "cgroup.freeze" : "freezer.state", v2 ? "0" : "THAWED");
	t->w[1] = 1;
}

static void trap_freeze(struct truth *t)
{
	char *dir = getenv("TRUTH_FREEZER");
	pid_t pid = truth_fork(t, freezer, dir);
	struct truth_span s;

	truth_join_cgroup(t, "TRUTH_FREEZER");
	truth_begin(t, "trap_freeze");
	t->w[0] = 1;
	s = work(t);
	truth_end(t, "trap_freeze");
	truth_reap(t, pid);
	if (s.blocked < 5 * MSEC)
		truth_fail(t, "frozen for only %llu ns", (unsigned long long)s.blocked);
	truth_leaf(t, "trap.freeze", TRUTH_EQ, s.blocked);
	truth_cpu_leaf(t, NULL, s.cpu);
}

/* ---- ptrace: a tracer that takes 2 ms at each stop of 10 system calls ---- */
static void tracer(struct truth *t, void *arg)
{
	pid_t to = *(pid_t *)arg;
	int status;

	while (!t->w[0])
		truth_nap(100000);
	if (ptrace(PTRACE_SEIZE, to, NULL, (void *)(uintptr_t)PTRACE_O_TRACESYSGOOD) ||
	    ptrace(PTRACE_INTERRUPT, to, NULL, NULL)) {
		t->w[1] = 2;
		return;
	}
	for (int i = 0; waitpid(to, &status, __WALL) == to && WIFSTOPPED(status); i++) {
		if (i == 0)
			t->w[1] = 1;
		else
			truth_nap(2 * MSEC);
		if (t->w[3] && WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			ptrace(PTRACE_DETACH, to, NULL, NULL);
			return;
		}
		ptrace(PTRACE_SYSCALL, to, NULL, NULL);
	}
}

static void trap_ptrace(struct truth *t)
{
	pid_t self = getpid(), pid = truth_fork(t, tracer, &self);
	struct truth_span s;
	struct truth_clk c;

	prctl(PR_SET_PTRACER, pid);
	t->w[0] = 1;
	while (!t->w[1])
		truth_nap(500000);
	if (t->w[1] != 1)
		truth_fail(t, "cannot be traced here");
	truth_begin(t, "trap_ptrace");
	c = truth_clk();
	for (int i = 0; i < 10; i++)
		syscall(SYS_getpid);
	s = truth_since(&c);
	truth_end(t, "trap_ptrace");
	t->w[3] = 1;
	syscall(SYS_getpid);
	truth_reap(t, pid);
	if (s.blocked < 30 * MSEC)
		truth_fail(t, "held by the tracer for only %llu ns", (unsigned long long)s.blocked);
	/* The marks and the measurement itself are traced as well; only the window between the clocks is known. */
	truth_want(t, NULL, "app", "trap.ptrace", TRUTH_GE, s.blocked)->by_wait = true;
	truth_leaf(t, "trap.ptrace", TRUTH_GE, s.blocked * 95 / 100);
	truth_leaf(t, "cpu.user", TRUTH_LE, s.blocked / 20 + MSEC);
}

/* ---- seccomp: a supervisor decides about each call ---------------------- */
static int notify_filter(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof(f) / sizeof(f[0]), f };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &p);
}

static int fd_pass(int sock, int fd)
{
	char ctl[CMSG_SPACE(sizeof(int))] = { 0 }, x = 'x';
	struct iovec v = { &x, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	if (fd < 0) {
		if (recvmsg(sock, &m, 0) != 1 || !(c = CMSG_FIRSTHDR(&m)))
			return -1;
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		return fd;
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &m, 0) == 1 ? 0 : -1;
}

static void supervisor(struct truth *t, void *arg)
{
	int fd = fd_pass(*(int *)arg, -1);
	struct seccomp_notif n = { 0 };
	struct seccomp_notif_resp r;

	while (fd >= 0 && !ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n)) {
		t->w[1] += truth_sleep(10 * MSEC);
		r = (struct seccomp_notif_resp){ .id = n.id, .val = 1 };
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r))
			return;
		memset(&n, 0, sizeof(n));
	}
}

static void trap_seccomp(struct truth *t)
{
	struct truth_span s;
	struct truth_clk c;
	int sv[2], fd;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		truth_fail(t, "socketpair: %s", strerror(errno));
	pid = truth_fork(t, supervisor, &sv[1]);
	fd = notify_filter();
	if (fd < 0 || fd_pass(sv[0], fd))
		truth_fail(t, "no seccomp listener: %s", strerror(errno));
	close(fd);
	truth_nap(2 * MSEC);
	truth_begin(t, "trap_seccomp");
	c = truth_clk();
	for (int i = 0; i < 4; i++)
		syscall(SYS_getppid);
	s = truth_since(&c);
	truth_end(t, "trap_seccomp");
	kill(pid, SIGKILL);
	truth_reap(t, pid);
	if (s.blocked < 30 * MSEC)
		truth_fail(t, "held by the supervisor for only %llu ns", (unsigned long long)s.blocked);
	truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
	truth_blocked(t, "trap.seccomp", &s);
}

const struct truth_scenario truth_trap[] = {
	{ "trap_stop", trap_stop, 0, "SIGSTOP for 40 ms" },
	{ "trap_freeze", trap_freeze, TRUTH_FREEZER, "its cgroup frozen for 40 ms" },
	{ "trap_ptrace", trap_ptrace, 0, "a tracer that takes 2 ms at each stop" },
	{ "trap_seccomp", trap_seccomp, 0, "a seccomp supervisor that takes 10 ms" },
	{ 0 },
};
