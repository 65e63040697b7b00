/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "env/tool.h"
#include "load/child.h"

#define OUT_MAX	 ((size_t)16 << 20)
#define ERR_TAIL 240

static int find_in(const char *path, const char *name, char *ret)
{
	while (path && *path) {
		size_t len = strcspn(path, ":");

		if (len && snprintf(ret, PATH_MAX, "%.*s/%s", (int)len, path, name) < PATH_MAX &&
		    !access(ret, X_OK))
			return 0;
		path += len + (path[len] == ':');
	}
	return -ENOENT;
}

int sg_tool_find(const char *name, const char *package, char *ret, struct sg_err *err)
{
	if (!find_in(getenv("PATH"), name, ret) || !find_in(SG_TOOL_PATH, name, ret))
		return 0;
	return sg_err_set(err, -ENOENT, "%s is not installed: install the Debian package %s", name, package);
}

/* What a program writes: all of it up to a size, or the last of it. */
struct text {
	char *p;
	size_t len, cap;
};

static int keep_all(struct text *t, const char *p, size_t n)
{
	if (t->len + n + 1 > t->cap) {
		size_t cap = (t->len + n + 1) * 2;
		char *q = cap / 2 > OUT_MAX ? NULL : realloc(t->p, cap);

		if (!q)
			return cap / 2 > OUT_MAX ? 0 : -ENOMEM;
		t->p = q;
		t->cap = cap;
	}
	memcpy(t->p + t->len, p, n);
	t->len += n;
	t->p[t->len] = 0;
	return 0;
}

static void keep_tail(char *tail, const char *p, size_t n)
{
	size_t len = strlen(tail);

	if (n >= ERR_TAIL) {
		p += n - (ERR_TAIL - 1);
		n = ERR_TAIL - 1;
	}
	if (len + n > ERR_TAIL - 1) {
		size_t drop = len + n - (ERR_TAIL - 1);

		memmove(tail, tail + drop, len - drop);
		len -= drop;
	}
	for (size_t i = 0; i < n; i++)
		tail[len + i] = p[i] > 31 && p[i] < 127 ? p[i] : ' ';
	tail[len + n] = 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * Readable when one of the signals that mean "stop" waits: whoever blocks them, as the commands do, looks for them by a
 * descriptor and will find this one still there.
 */
static int open_stop(void)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t blocked, stop;

	sigemptyset(&stop);
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
		if (sigismember(&blocked, stops[i]))
			sigaddset(&stop, stops[i]);
	return signalfd(-1, &stop, SFD_CLOEXEC);
}

/* Read both its pipes until both are closed. */
static int drain(struct sg_child *c, int stop, int64_t end, struct text *out, char *tail)
{
	struct pollfd p[3] = { { .fd = c->out, .events = POLLIN },
			       { .fd = c->err, .events = POLLIN },
			       { .fd = stop, .events = POLLIN } };
	char buf[4096];
	int rc = 0;

	while (!rc && (p[0].fd >= 0 || p[1].fd >= 0)) {
		int64_t left = end - now_ms();

		if (left <= 0 || !poll(p, 3, (int)left))
			return -ETIMEDOUT;
		if (p[2].revents & POLLIN)
			return -EINTR;
		for (int i = 0; i < 2 && !rc; i++) {
			ssize_t n = p[i].fd >= 0 && p[i].revents ? read(p[i].fd, buf, sizeof(buf)) : -1;

			if (!n)
				p[i].fd = -1;
			else if (n > 0 && i)
				keep_tail(tail, buf, (size_t)n);
			else if (n > 0)
				rc = keep_all(out, buf, (size_t)n);
		}
	}
	return rc;
}

int sg_tool_run(const char *name, char *const argv[], int timeout_ms, char **ret, struct sg_err *err)
{
	struct sg_child_opts o = { .name = name, .out = true, .err = true, .group = true };
	struct sg_child c = SG_CHILD_NONE, *one = &c;
	struct text out = { 0 };
	char tail[ERR_TAIL] = "", fate[64];
	int64_t end = now_ms() + timeout_ms;
	int rc = sg_child_spawn(&c, &o, argv, err), stop;

	if (ret)
		*ret = NULL;
	if (rc)
		return rc;
	stop = open_stop();
	rc = keep_all(&out, "", 0);
	if (!rc)
		rc = drain(&c, stop, end, &out, tail);
	if (!rc && !c.done) {
		int64_t left = end - now_ms();

		rc = sg_child_wait_any(&one, 1, -1, stop, left > 0 ? (int)left : 0);
		rc = rc < 0 ? rc : 0;
	}
	if (rc == -ETIMEDOUT) {
		sg_err_set(err, rc, "%s has not ended within %d s", name, timeout_ms / 1000);
	} else if (rc == -EINTR) {
		sg_err_set(err, rc, "interrupted");
	} else if (rc) {
		sg_err_set(err, rc, "cannot run %s: %s", name, strerror(-rc));
	} else {
		rc = WIFSIGNALED(c.status) ? 128 + WTERMSIG(c.status) : WEXITSTATUS(c.status);
		if (rc)
			sg_err_set(err, -EIO, "%s failed with %s: %s", name,
				   sg_child_fate(&c, fate, sizeof(fate)),
				   tail[0] ? tail : "it gave no reason");
	}
	sg_child_kill(&c);
	if (stop >= 0)
		close(stop);
	if (ret && rc >= 0)
		*ret = out.p;
	else
		free(out.p);
	return rc;
}
