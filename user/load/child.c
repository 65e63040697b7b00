/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "load/child.h"

/* What the child reports when it cannot become the program. */
struct spawn_fail {
	int code;
	char what[96];
};

static void child_fail(int fd, const char *what)
{
	struct spawn_fail f = { .code = errno };

	strncpy(f.what, what, sizeof(f.what) - 1);
	if (write(fd, &f, sizeof(f)) < 0)
		_exit(126);
	_exit(125);
}

static void child_become(const struct sg_child_opts *o, char *const argv[], pid_t parent, int fail_fd, int in,
			 int out, int err_fd)
{
	char path[512];
	sigset_t none;
	int fd;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (o->group)
		setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		child_fail(fail_fd, "bind it to this process");
	if (o->cgroup) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", o->cgroup);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1)
			child_fail(fail_fd, "put it into its cgroup");
		close(fd);
	}
	if (o->dir && chdir(o->dir))
		child_fail(fail_fd, "enter its directory");
	if (o->cpus && sched_setaffinity(0, sizeof(*o->cpus), o->cpus))
		child_fail(fail_fd, "bind it to its CPUs");
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0 || dup2(in < 0 ? fd : in, 0) < 0)
		child_fail(fail_fd, "connect its input");
	if (out < 0 && o->out_fd > 0)
		out = o->out_fd;
	if (out < 0 && o->quiet)
		out = fd;
	if (err_fd < 0 && o->err_fd > 0)
		err_fd = o->err_fd;
	if ((out >= 0 && dup2(out, 1) < 0) || (err_fd >= 0 && dup2(err_fd, 2) < 0))
		child_fail(fail_fd, "connect its output");
	for (const int *k = o->keep; k && *k >= 0; k++)
		if (fcntl(*k, F_SETFD, 0))
			child_fail(fail_fd, "hand it its pipes");
	execvp(argv[0], argv);
	child_fail(fail_fd, "execute it");
}

static void close_pair(int p[2])
{
	for (int i = 0; i < 2; i++)
		if (p[i] >= 0)
			close(p[i]);
}

int sg_child_spawn(struct sg_child *ret, const struct sg_child_opts *o, char *const argv[],
		   struct sg_err *err)
{
	int fail[2] = { -1, -1 }, in[2] = { -1, -1 }, out[2] = { -1, -1 }, errp[2] = { -1, -1 }, rc = 0;
	struct sg_child c = SG_CHILD_NONE;
	struct spawn_fail f;
	pid_t self = getpid();
	ssize_t n;

	snprintf(c.name, sizeof(c.name), "%s", o->name);
	if (pipe2(fail, O_CLOEXEC) || (o->in && pipe2(in, O_CLOEXEC)) || (o->out && pipe2(out, O_CLOEXEC)) ||
	    (o->err && pipe2(errp, O_CLOEXEC)) || (c.pid = fork()) < 0) {
		rc = sg_err_set(err, -errno, "cannot start %s: %s", o->name, strerror(errno));
		goto out;
	}
	if (!c.pid)
		child_become(o, argv, self, fail[1], in[0], out[1], errp[1]);
	close(fail[1]);
	fail[1] = -1;
	do
		n = read(fail[0], &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n != 0) {
		waitpid(c.pid, NULL, 0);
		if (n != sizeof(f))
			f = (struct spawn_fail){ .code = EIO, .what = "start it" };
		rc = sg_err_set(err, -f.code, "cannot start %s (%s): cannot %s: %s", o->name, argv[0], f.what,
				strerror(f.code));
		goto out;
	}
	c.pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
	if (c.pidfd < 0) {
		rc = sg_err_set(err, -errno, "cannot watch %s: %s", o->name, strerror(errno));
		kill(c.pid, SIGKILL);
		waitpid(c.pid, NULL, 0);
		goto out;
	}
	fcntl(c.pidfd, F_SETFD, FD_CLOEXEC);
	c.group = o->group;
	c.in = in[1];
	c.out = out[0];
	c.err = errp[0];
	in[1] = out[0] = errp[0] = -1;
	*ret = c;
out:
	close_pair(fail);
	close_pair(in);
	close_pair(out);
	close_pair(errp);
	return rc;
}

bool sg_child_reap(struct sg_child *c)
{
	if (c->pid > 0 && !c->done && wait4(c->pid, &c->status, WNOHANG, &c->ru) == c->pid)
		c->done = true;
	return c->done;
}

void sg_child_kill(struct sg_child *c)
{
	if (c->pid <= 0)
		return;
	if (!sg_child_reap(c)) {
		/* only while it is not reaped is its number surely its own */
		kill(c->group ? -c->pid : c->pid, SIGKILL);
		while (wait4(c->pid, &c->status, 0, &c->ru) < 0 && errno == EINTR)
			;
		c->done = true;
	}
	for (int *fd = (int[]){ c->pidfd, c->in, c->out, c->err, -2 }; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	c->pidfd = c->in = c->out = c->err = -1;
	c->pid = 0;
}

void sg_child_term(struct sg_child *c, int grace_ms)
{
	if (c->pid > 0 && !sg_child_reap(c)) {
		kill(c->pid, SIGTERM);
		sg_child_wait_any(&c, 1, -1, -1, grace_ms);
	}
	sg_child_kill(c);
}

const char *sg_child_fate(const struct sg_child *c, char *buf, size_t cap)
{
	if (WIFSIGNALED(c->status))
		snprintf(buf, cap, "signal %d (%s)", WTERMSIG(c->status), strsignal(WTERMSIG(c->status)));
	else
		snprintf(buf, cap, "exit status %d", WEXITSTATUS(c->status));
	return buf;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int sg_child_wait_any(struct sg_child *const *c, size_t n, int fd, int sigfd, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
	struct pollfd *p = calloc(n + 2, sizeof(*p));
	int rc = -ETIMEDOUT;

	if (!p)
		return -ENOMEM;
	for (;;) {
		int64_t left = end == INT64_MAX ? -1 : end - now_ms();

		if (left < -1 || (left < 0 && end != INT64_MAX))
			left = 0;
		for (size_t i = 0; i < n; i++)
			p[i] = (struct pollfd){ .fd = c[i]->done ? -1 : c[i]->pidfd, .events = POLLIN };
		p[n] = (struct pollfd){ .fd = fd, .events = POLLIN };
		p[n + 1] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
		rc = poll(p, n + 2, left > INT32_MAX ? INT32_MAX : (int)left);
		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0) {
			rc = -errno;
			break;
		}
		if (p[n + 1].revents) {
			rc = -EINTR;
			break;
		}
		if (p[n].revents) {
			rc = (int)n;
			break;
		}
		for (size_t i = 0; i < n; i++)
			if (p[i].revents && sg_child_reap(c[i])) {
				free(p);
				return (int)i;
			}
		if (!left) {
			rc = -ETIMEDOUT;
			break;
		}
	}
	free(p);
	return rc;
}

int sg_child_line(struct sg_child *c, int sigfd, int timeout_ms, char *buf, size_t cap)
{
	int64_t end = now_ms() + timeout_ms;
	size_t len = 0;

	while (len + 1 < cap) {
		int64_t left = end - now_ms();
		int rc = sg_child_wait_any(NULL, 0, c->out, sigfd, left < 0 ? 0 : (int)left);
		ssize_t n;

		if (rc < 0)
			return rc;
		n = read(c->out, buf + len, 1);
		if (n <= 0)
			return -EPIPE;
		if (buf[len] == '\n')
			break;
		len++;
	}
	buf[len] = 0;
	return 0;
}

void sg_child_read_err(struct sg_child *c, char *buf, size_t cap)
{
	struct pollfd p = { .fd = c->err, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	while (len + 1 < cap && poll(&p, 1, 0) > 0 && (n = read(c->err, buf + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	while (len && (buf[len - 1] == '\n' || buf[len - 1] == ' '))
		len--;
	buf[len] = 0;
	for (size_t i = 0; i < len; i++)
		if (buf[i] < 32 || buf[i] == 127)
			buf[i] = ' ';
}

const char *sg_child_sentence(const char *said)
{
	for (const char *const *p = (const char *const[]){ "sandglass record: ", "sandglass: ", NULL }; *p;
	     p++)
		if (!strncmp(said, *p, strlen(*p)))
			return said + strlen(*p);
	return said;
}
