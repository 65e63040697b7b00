/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void child_main(const struct sg_target *c, int go, int report, char *const *argv, const sigset_t *mask)
{
	char byte;
	int e;

	(void)c;
	/* The recorder died before it was ready: do not run unrecorded. */
	if (read(go, &byte, 1) != 1)
		_exit(125);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	e = errno;
	if (write(report, &e, sizeof(e)) < 0)
		_exit(126);
	_exit(e == ENOENT ? 127 : 126);
}

int sg_target_fork(struct sg_target *c, char *const *argv, const sigset_t *mask, struct sg_err *err)
{
	int go[2], report[2];

	if (pipe2(go, O_CLOEXEC))
		return sg_err_set(err, -errno, "can't make a pipe: %s", strerror(errno));
	if (pipe2(report, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return sg_err_set(err, -errno, "can't make a pipe: %s", strerror(errno));
	}
	c->pid = fork();
	if (!c->pid) {
		close(go[1]);
		close(report[0]);
		child_main(c, go[0], report[1], argv, mask);
	}
	close(go[0]);
	close(report[1]);
	c->go_fd = go[1];
	c->errno_fd = report[0];
	if (c->pid > 0) {
		fcntl(c->errno_fd, F_SETFL, O_NONBLOCK);
		return 0;
	}
	c->pid = 0;
	close(go[1]);
	close(report[0]);
	return sg_err_set(err, -errno, "can't start a process: %s", strerror(errno));
}

void sg_target_release(struct sg_target *c)
{
	if (write(c->go_fd, "g", 1) < 0)
		kill(c->pid, SIGKILL);
	close(c->go_fd);
	c->go_fd = -1;
}

bool sg_target_reap(struct sg_target *c, int *ret_status)
{
	if (c->pid > 0 && !c->reaped && waitpid(c->pid, ret_status, WNOHANG) == c->pid)
		c->reaped = true;
	return c->reaped;
}

void sg_target_wait(struct sg_target *c, int *ret_status)
{
	while (c->pid > 0 && !c->reaped) {
		if (waitpid(c->pid, ret_status, 0) == c->pid || errno != EINTR)
			c->reaped = true;
	}
}

void sg_target_cancel(struct sg_target *c)
{
	int status;

	if (c->pid <= 0)
		return;
	kill(c->pid, SIGKILL);
	sg_target_wait(c, &status);
}

bool sg_target_exec_known(struct sg_target *c)
{
	ssize_t n;
	int e;

	if (c->pid <= 0 || c->exec_known)
		return c->exec_known;
	n = read(c->errno_fd, &e, sizeof(e));
	if (n < 0)
		return false;
	c->exec_errno = n == sizeof(e) ? e : 0;
	c->exec_known = true;
	return true;
}

int sg_target_exec_errno(struct sg_target *c)
{
	sg_target_exec_known(c);
	return c->exec_errno;
}
