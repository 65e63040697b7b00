/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define READ_BYTES (256 << 10)
#define READS	   16 /* at once, then the host has its turn */

static void child(char *const *argv, int out, int err)
{
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	/* with its agent it ends as a signal would end it: in order */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execv("/proc/self/exe", argv);
	_exit(127);
}

int sg_relay_start(struct sg_relay *r, char *const *argv, uint64_t spool_bytes, struct sg_err *err)
{
	int out[2] = { -1, -1 }, say[2] = { -1, -1 }, e = 0;

	memset(r, 0, sizeof(*r));
	r->out_fd = r->err_fd = -1;
	e = sg_spooler_new(&r->spool, spool_bytes);
	if (!e && (pipe2(out, O_CLOEXEC) || pipe2(say, O_CLOEXEC)))
		e = -errno;
	if (!e) {
		fcntl(out[0], F_SETPIPE_SZ, PIPE_BYTES);
		fcntl(out[0], F_SETFL, O_NONBLOCK);
		fcntl(say[0], F_SETFL, O_NONBLOCK);
		r->pid = fork();
		if (!r->pid)
			child(argv, out[1], say[1]);
		e = r->pid < 0 ? -errno : 0;
	}
	r->out_fd = out[0];
	r->err_fd = say[0];
	if (out[1] >= 0)
		close(out[1]);
	if (say[1] >= 0)
		close(say[1]);
	if (!e)
		return 0;
	r->pid = 0;
	sg_relay_free(r);
	return sg_err_set(err, e, "the recorder can't be started: %s", strerror(-e));
}

static int cut(struct sg_relay *r)
{
	size_t at = 0;
	struct sg_unit u;
	int rc;

	while ((rc = sg_units_next(&r->units, r->buf + at, r->len - at, &u)) > 0) {
		rc = sg_spooler_put(r->spool, &u, r->buf + at);
		if (rc)
			return rc;
		r->begun |= u.kind == SG_UNIT_BLOCK && u.type == SG_BLOCK_EVENTS;
		at += u.size;
	}
	memmove(r->buf, r->buf + at, r->len - at);
	r->len -= at;
	return rc;
}

static int take(struct sg_relay *r)
{
	ssize_t n;

	if (r->cap - r->len < READ_BYTES) {
		void *m = realloc(r->buf, r->len + 2 * READ_BYTES);

		if (!m)
			return -ENOMEM;
		r->buf = m;
		r->cap = r->len + 2 * READ_BYTES;
	}
	n = read(r->out_fd, r->buf + r->len, r->cap - r->len);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n) {
		close(r->out_fd);
		r->out_fd = -1;
		return 0;
	}
	r->len += (size_t)n;
	return cut(r) ?: 1;
}

/* The last line is kept: it says what went wrong. */
static void listen_to(struct sg_relay *r)
{
	char c[256];
	ssize_t n;

	while (r->err_fd >= 0 && (n = read(r->err_fd, c, sizeof(c))) != 0) {
		if (n < 0)
			return;
		for (ssize_t i = 0; i < n; i++) {
			if (r->text_len && r->text[r->text_len - 1] == '\n')
				r->text_len = 0;
			if (r->text_len < sizeof(r->text) - 1)
				r->text[r->text_len++] = c[i];
		}
	}
	if (r->err_fd >= 0)
		close(r->err_fd);
	r->err_fd = -1;
	while (r->text_len && r->text[r->text_len - 1] == '\n')
		r->text_len--;
	r->text[r->text_len] = 0;
}

int sg_relay_read(struct sg_relay *r)
{
	int rc = 1;

	listen_to(r);
	for (int i = 0; i < READS && rc > 0 && r->out_fd >= 0; i++)
		rc = take(r);
	if (rc < 0 && r->pid > 0)
		kill(r->pid, SIGKILL);
	if (rc < 0 && r->out_fd >= 0) {
		close(r->out_fd);
		r->out_fd = -1;
	}
	return rc < 0 ? rc : 0;
}

bool sg_relay_ended(struct sg_relay *r)
{
	int status;

	if (r->out_fd >= 0)
		return false;
	if (r->pid > 0) {
		if (waitpid(r->pid, &status, WNOHANG) != r->pid)
			return false;
		r->pid = 0;
		r->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		listen_to(r);
	}
	return true;
}

void sg_relay_stop(struct sg_relay *r)
{
	if (r->pid > 0)
		kill(r->pid, SIGINT);
}

void sg_relay_free(struct sg_relay *r)
{
	if (r->pid > 0) {
		/* its programs leave the kernel with it, however it ends */
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	if (r->out_fd >= 0)
		close(r->out_fd);
	if (r->err_fd >= 0)
		close(r->err_fd);
	sg_spooler_free(r->spool);
	free(r->buf);
	memset(r, 0, sizeof(*r));
	r->out_fd = r->err_fd = -1;
}
