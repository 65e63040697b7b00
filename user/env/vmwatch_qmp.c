/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * QMP while it is recorded, of a virtual machine that was named and is not libvirt's. QEMU speaks with
 * one client at a time: a socket that is in use is left alone. Only questions are asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "env/container_priv.h" /* the file name in a path */
#include "env/vmwatch_priv.h"
#include "out/text.h"

#define LINE_MAX_BYTES (256u << 10) /* a longer line is no answer to what we ask */
#define GREETING_MS    1000
#define LAST_MS	       300 /* for the last answer, when the recording has ended */

/* ---- lines --------------------------------------------------------------------------------------- */

static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static bool actual_in(struct json_object *o, uint64_t *ret)
{
	struct json_object *v = member(o, "actual");

	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0)
		return false;
	*ret = json_object_get_uint64(v);
	return true;
}

/* What was asked for: the balloon's size, or the machine's state (qapi/run-state.json). */
static enum sg_qmp_line answer(struct json_object *o, uint64_t *ret)
{
	const char *status = json_object_get_string(member(o, "status"));

	if (actual_in(o, ret))
		return SG_QMP_ACTUAL;
	return status && (!strcmp(status, "postmigrate") || !strcmp(status, "finish-migrate"))
		       ? SG_QMP_MIGRATED
		       : SG_QMP_RETURN;
}

static enum sg_qmp_line event(struct json_object *o, uint64_t *ret)
{
	const char *name = json_object_get_string(member(o, "event"));

	if (!name)
		return SG_QMP_BAD;
	if (!strcmp(name, "BALLOON_CHANGE"))
		return actual_in(member(o, "data"), ret) ? SG_QMP_ACTUAL : SG_QMP_BAD;
	return !strcmp(name, "STOP")	   ? SG_QMP_STOP
	       : !strcmp(name, "RESUME")   ? SG_QMP_RESUME
	       : !strcmp(name, "SHUTDOWN") ? SG_QMP_SHUTDOWN
					   : SG_QMP_OTHER;
}

enum sg_qmp_line sg_qmp_parse(const char *line, uint64_t *ret_bytes)
{
	struct json_tokener *tok = json_tokener_new_ex(32);
	struct json_object *o = tok ? json_tokener_parse_ex(tok, line, -1) : NULL;
	enum sg_qmp_line r = SG_QMP_OTHER;

	if (!json_object_is_type(o, json_type_object) || !tok ||
	    json_tokener_get_error(tok) != json_tokener_success)
		r = SG_QMP_BAD;
	else if (member(o, "QMP"))
		r = SG_QMP_GREETING;
	else if (member(o, "event"))
		r = event(o, ret_bytes);
	else if (member(o, "error"))
		r = SG_QMP_ERROR;
	else if (member(o, "return"))
		r = answer(member(o, "return"), ret_bytes);
	json_object_put(o);
	if (tok)
		json_tokener_free(tok);
	return r;
}

/* ---- the socket ----------------------------------------------------------------------------------- */

struct qmp {
	struct sg_vmw *w;
	int fd;
	char *buf; /* LINE_MAX_BYTES + 1 */
	size_t len;
};

/* Folder of a path as the monitor means it: through its own root or working folder. */
static int open_folder(const struct sg_vm_info *v, const char *proc)
{
	const char *base = sg_ct_base(v->qmp);
	char dir[512];
	int n, fd;

	n = snprintf(dir, sizeof(dir), "%.100s/%u/%s/%.*s", proc, v->pid, v->qmp[0] == '/' ? "root" : "cwd",
		     (int)(base - v->qmp), v->qmp);
	if (n >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* An address has room for 108 bytes: the folder goes in as a descriptor. */
static int reach(const struct sg_vm_info *v, const char *proc)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int dir = open_folder(v, proc), fd, r = 0;

	if (dir < 0)
		return dir;
	if (snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dir, sg_ct_base(v->qmp)) >=
	    (int)sizeof(a.sun_path))
		r = -ENAMETOOLONG;
	fd = r ? r : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!r && fd < 0)
		fd = -errno;
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		r = -errno;
		close(fd);
		fd = r;
	}
	close(dir);
	return fd;
}

static bool say(struct qmp *q, const char *text)
{
	return send(q->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Waits until q->buf begins with a whole line; 0, or why there is none: -ETIMEDOUT, -ECANCELED (the end), -EPIPE, -EMSGSIZE. */
static int read_line(struct qmp *q, int wait_ms, bool to_the_end)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = q->fd, .events = POLLIN },
				       { .fd = q->w->qmp_fd, .events = POLLIN } };
		ssize_t n;

		if (memchr(q->buf, '\n', q->len))
			return 0;
		if (q->len == LINE_MAX_BYTES)
			return -EMSGSIZE;
		if (!to_the_end && atomic_load(&q->w->ending))
			return -ECANCELED;
		if (!poll(p, to_the_end ? 1 : 2, wait_ms))
			return -ETIMEDOUT;
		n = recv(q->fd, q->buf + q->len, LINE_MAX_BYTES - q->len, MSG_DONTWAIT);
		if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
			return -EPIPE;
		q->len += n > 0 ? (size_t)n : 0;
	}
}

static enum sg_qmp_line take_line(struct qmp *q, uint64_t *ret)
{
	char *end = memchr(q->buf, '\n', q->len);
	size_t n = (size_t)(end - q->buf) + 1;
	enum sg_qmp_line r;

	*end = 0;
	r = sg_qmp_parse(q->buf, ret);
	memmove(q->buf, end + 1, q->len - n);
	q->len -= n;
	return r;
}

static void on_line(struct qmp *q, enum sg_qmp_line l, uint64_t bytes)
{
	const char *name = q->w->only.name;

	switch (l) {
	case SG_QMP_ACTUAL:
		sg_vmw_balloon(q->w, q->w->only.pid, SG_BALLOON_ACTUAL, bytes);
		break;
	case SG_QMP_STOP:
		sg_vmw_fate(q->w, name, "was paused while it was recorded: its vCPUs ran no more");
		say(q, "{\"execute\":\"query-status\"}\n"); /* or was it more than that? */
		break;
	case SG_QMP_MIGRATED:
		sg_vmw_fate(q->w, name, "was migrated to another machine while it was recorded");
		break;
	case SG_QMP_RESUME:
		sg_vmw_fate(q->w, name, "was paused and resumed while it was recorded");
		break;
	case SG_QMP_SHUTDOWN:
		sg_vmw_fate(q->w, name, "was shut down while it was recorded");
		break;
	default:
		break;
	}
}

static int greet(struct qmp *q)
{
	uint64_t bytes;
	int r = read_line(q, GREETING_MS, false);

	if (!r && take_line(q, &bytes) != SG_QMP_GREETING)
		return -EPROTO;
	if (!r && !say(q, "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-balloon\"}\n"))
		return -EPIPE;
	return r;
}

/* Events come once a second at most: the last may still be held back. */
static void last_answer(struct qmp *q)
{
	uint64_t bytes = 0;

	if (!say(q, "{\"execute\":\"query-balloon\"}\n"))
		return;
	while (!read_line(q, LAST_MS, true)) {
		enum sg_qmp_line l = take_line(q, &bytes);

		on_line(q, l, bytes);
		if (l == SG_QMP_ACTUAL || l == SG_QMP_ERROR)
			return;
	}
}

static void speak(struct qmp *q, const char *name)
{
	int r = greet(q);
	uint64_t bytes = 0;
	bool greeted = !r;

	if (r == -ETIMEDOUT)
		sg_vmw_note(q->w, "the QMP socket of VM %s is in use: its balloon is not told", name);
	else if (r && r != -ECANCELED)
		sg_vmw_note(q->w, "the QMP socket of VM %s does not speak QMP: its balloon is not told",
			    name);
	if (!r && q->w->only.memory_bytes)
		sg_vmw_balloon(q->w, q->w->only.pid, SG_BALLOON_MAXIMUM, q->w->only.memory_bytes);
	while (!r && !(r = read_line(q, -1, false))) {
		enum sg_qmp_line l = take_line(q, &bytes);

		on_line(q, l, bytes);
	}
	if (r == -ECANCELED && greeted)
		last_answer(q);
}

void *sg_vmw_qmp_main(void *arg)
{
	struct sg_vmw *w = arg;
	struct qmp q = { .w = w, .fd = -1 };
	char name[200];

	sg_text_clean(name, sizeof(name), w->only.name);
	q.buf = malloc(LINE_MAX_BYTES + 1);
	if (q.buf)
		q.fd = reach(&w->only, sg_vm_proc(&w->o.from));
	if (q.fd >= 0) {
		speak(&q, name);
		close(q.fd);
	} else {
		sg_vmw_note(w, "the QMP socket of VM %s cannot be reached, so its balloon is not told: %s",
			    name, q.buf ? strerror(-q.fd) : "out of memory");
	}
	free(q.buf);
	sg_vmw_speaker_ends(w);
	return NULL;
}
