/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The host's side of a virtual machine's agent. What comes from the guest is hostile. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "env/vmagent.h"

#define GRACE_MS 60000 /* for the answer, after the command's own time: an emulated, swapped guest is slow */
#define LINE_CAP 160

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, int sigfd, int64_t end)
{
	struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = sigfd, .events = POLLIN } };

	for (;;) {
		int64_t left = end - now_ms();
		int n = poll(p, 2, left < 0 ? 0 : (int)left);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && p[1].revents)
			return -EINTR;
		if (n > 0)
			return 0;
		if (left <= 0)
			return -ETIMEDOUT;
	}
}

static int get(int fd, char *buf, size_t n, int sigfd, int64_t end)
{
	while (n) {
		int rc = wait_for(fd, POLLIN, sigfd, end);
		ssize_t got = rc ? 0 : read(fd, buf, n);

		if (rc)
			return rc;
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return -EPIPE;
		buf += got;
		n -= (size_t)got;
	}
	return 0;
}

/* One line without its newline. A byte a call: lines are short and few. */
static int get_line(int fd, char *buf, int sigfd, int64_t end)
{
	for (size_t i = 0; i < LINE_CAP; i++) {
		int rc = get(fd, buf + i, 1, sigfd, end);

		if (rc)
			return rc;
		if (buf[i] == '\n') {
			buf[i] = 0;
			return 0;
		}
	}
	return -EPROTO;
}

static int put(int fd, const char *p, size_t n, int sigfd, int64_t end)
{
	while (n) {
		int rc = wait_for(fd, POLLOUT, sigfd, end);
		ssize_t done = rc ? 0 : send(fd, p, n, MSG_NOSIGNAL);

		if (rc)
			return rc;
		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return -EPIPE;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

static int fail(int rc, const char *what, struct sg_err *err)
{
	if (rc == -EINTR)
		return sg_err_set(err, rc, "interrupted");
	if (rc == -ETIMEDOUT)
		return sg_err_set(err, rc, "the virtual machine does not answer (%s)", what);
	if (rc == -EPIPE)
		return sg_err_set(err, rc, "the virtual machine is gone (%s)", what);
	return sg_err_set(err, rc, "the virtual machine answered nonsense (%s)", what);
}

int sg_vmagent_ready(int fd, int sigfd, int timeout_ms, struct sg_err *err)
{
	char line[LINE_CAP];
	int rc = get_line(fd, line, sigfd, now_ms() + timeout_ms);

	if (!rc && strcmp(line, "ready"))
		rc = -EPROTO;
	return rc ? fail(rc, "while it starts", err) : 0;
}

int sg_vmagent_run(int fd, const char *command, int timeout_ms, int sigfd, struct sg_vmagent_result *ret,
		   struct sg_err *err)
{
	int64_t end = now_ms() + timeout_ms + GRACE_MS;
	char line[LINE_CAP];
	size_t len = strlen(command);
	int rc, n;

	memset(ret, 0, sizeof(*ret));
	if (len > SG_VMAGENT_COMMAND_MAX)
		return sg_err_set(err, -E2BIG, "a command of %zu bytes is too long for a virtual machine",
				  len);
	n = snprintf(line, sizeof(line), "run %d %zu\n", timeout_ms, len);
	rc = put(fd, line, (size_t)n, sigfd, end);
	if (!rc)
		rc = put(fd, command, len, sigfd, end);
	if (!rc)
		rc = get_line(fd, line, sigfd, end);
	n = 0;
	if (!rc && (sscanf(line, "done %d %" SCNu64 " %" SCNu64 " %" SCNu64 " %zu%n", &ret->status,
			   &ret->wall_ns, &ret->user_ns, &ret->system_ns, &ret->len, &n) != 5 ||
		    line[n] || ret->len > SG_VMAGENT_OUT_MAX))
		rc = -EPROTO;
	if (!rc)
		rc = get(fd, ret->out, ret->len, sigfd, end);
	if (rc)
		ret->len = 0;
	ret->out[ret->len] = 0;
	return rc ? fail(rc, "a command", err) : 0;
}
