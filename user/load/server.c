/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "load/client.h"
#include "load/server.h"
#include "sandglass/mark.h"

#define STDIO_BUFFER 16384
#define LINE_LEN     (sizeof(SG_SERVER_LINE) - 1)
#define IOV_BATCH    1024

const char *const sg_write_mode_names[SG_WRITE_MODE_MAX] = {
#define SG_X(sym, name) name,
	SG_WRITE_MODE_LIST(SG_X)
#undef SG_X
};

struct server {
	const char *file;
	uint64_t writes;
	enum sg_write_mode mode;
	struct iovec *queue; /* STREAM: kept from request to request */
	char *data;
	/* the request in hand, as its client calls it; id 0: it is not marked */
	bool marks;
	uint64_t task_id;
	char task[48];
};

int sg_write_mode_find(const char *name)
{
	for (int i = 0; i < SG_WRITE_MODE_MAX; i++)
		if (!strcmp(sg_write_mode_names[i], name))
			return i;
	return -EINVAL;
}

uint64_t sg_server_queue_bytes(enum sg_write_mode mode, uint64_t writes)
{
	return mode == SG_WRITE_STREAM ? writes * (sizeof(struct iovec) + LINE_LEN) : 0;
}

static int queue_alloc(struct server *s)
{
	size_t n = s->writes;

	if (s->queue || s->mode != SG_WRITE_STREAM)
		return 0;
	s->queue =
		mmap(NULL, n * sizeof(*s->queue), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	s->data = mmap(NULL, n * LINE_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->queue == MAP_FAILED || s->data == MAP_FAILED) {
		s->queue = NULL;
		return -ENOMEM;
	}
	/* a heap of small objects does not sit on huge pages */
	madvise(s->queue, n * sizeof(*s->queue), MADV_NOHUGEPAGE);
	madvise(s->data, n * LINE_LEN, MADV_NOHUGEPAGE);
	return 0;
}

/* Write all of @n vectors; a short write goes on where it stopped. */
static int writev_all(int fd, struct iovec *iov, uint64_t n)
{
	while (n) {
		ssize_t done = writev(fd, iov, n < IOV_BATCH ? (int)n : IOV_BATCH);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		while (n && (size_t)done >= iov->iov_len) {
			done -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (done) {
			iov->iov_base = (char *)iov->iov_base + done;
			iov->iov_len -= (size_t)done;
		}
	}
	return 0;
}

static int write_stream(struct server *s, int fd)
{
	for (uint64_t i = 0; i < s->writes; i++) {
		char *to = s->data + i * LINE_LEN;

		memcpy(to, SG_SERVER_LINE, LINE_LEN);
		s->queue[i] = (struct iovec){ .iov_base = to, .iov_len = LINE_LEN };
	}
	return writev_all(fd, s->queue, s->writes);
}

static int write_stdio(struct server *s, int fd)
{
	FILE *f = fdopen(dup(fd), "w");
	int rc = 0;

	if (!f)
		return -errno;
	setvbuf(f, NULL, _IOFBF, STDIO_BUFFER);
	for (uint64_t i = 0; i < s->writes && !rc; i++)
		if (fwrite(SG_SERVER_LINE, 1, LINE_LEN, f) != LINE_LEN)
			rc = -errno;
	if (fclose(f) && !rc)
		rc = -errno;
	return rc;
}

static int write_syscall(struct server *s, int fd)
{
	for (uint64_t i = 0; i < s->writes; i++) {
		ssize_t n = write(fd, SG_SERVER_LINE, LINE_LEN);

		if (n != (ssize_t)LINE_LEN)
			return n < 0 ? -errno : -ENOSPC;
	}
	return 0;
}

static int make_file(struct server *s)
{
	int fd, rc = queue_alloc(s);

	if (rc)
		return rc;
	fd = open(s->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (s->mode == SG_WRITE_STREAM)
		rc = write_stream(s, fd);
	else
		rc = s->mode == SG_WRITE_STDIO ? write_stdio(s, fd) : write_syscall(s, fd);
	if (close(fd) && !rc)
		rc = -errno;
	return rc;
}

static enum MHD_Result reply(struct MHD_Connection *conn, unsigned code, const char *text)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result ok;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", "application/json");
	ok = MHD_queue_response(conn, code, r);
	MHD_destroy_response(r);
	return ok;
}

static void mark_begin(struct server *s, struct MHD_Connection *conn)
{
	const char *text =
		s->marks ? MHD_lookup_connection_value(conn, MHD_HEADER_KIND, SG_CLIENT_HEADER) : NULL;

	if (!text || sscanf(text, "%" SCNu64 " %47[^\n]", &s->task_id, s->task) != 2)
		s->task_id = 0;
	if (s->task_id)
		SG_TASK_BEGIN(s->task_id, s->task);
}

/* Before the answer goes out: when it is there this has ended. */
static void mark_end(struct server *s, int rc)
{
	if (s->task_id)
		SG_TASK_END(s->task_id, rc);
	s->task_id = 0;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *conn, const char *url, const char *method,
				  const char *version, const char *body, size_t *body_len, void **state)
{
	struct rusage a, b;
	struct timespec t0, t1;
	char text[256];
	int rc;

	(void)url, (void)version, (void)body;
	if (*body_len || strcmp(method, "GET"))
		return MHD_NO;
	/* the first call comes with the headers; a reply now would close the connection */
	if (!*state) {
		*state = ctx;
		mark_begin(ctx, conn);
		return MHD_YES;
	}
	getrusage(RUSAGE_SELF, &a);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	rc = make_file(ctx);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	getrusage(RUSAGE_SELF, &b);
	mark_end(ctx, rc);
	if (rc) {
		snprintf(text, sizeof(text), "{\"error\":\"%s\"}\n", strerror(-rc));
		return reply(conn, MHD_HTTP_INTERNAL_SERVER_ERROR, text);
	}
	snprintf(text, sizeof(text), "{\"ns\":%" PRId64 ",\"majflt\":%ld}\n",
		 (int64_t)(t1.tv_sec - t0.tv_sec) * 1000000000 + (t1.tv_nsec - t0.tv_nsec),
		 b.ru_majflt - a.ru_majflt);
	return reply(conn, MHD_HTTP_OK, text);
}

int sg_server_run(unsigned port, const char *file, uint64_t writes, enum sg_write_mode mode, bool outside,
		  bool marks, struct sg_err *err)
{
	struct server s = { .file = file, .writes = writes, .mode = mode, .marks = marks };
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(outside ? INADDR_ANY : INADDR_LOOPBACK) };
	const union MHD_DaemonInfo *info;
	struct MHD_Daemon *d;

	prctl(PR_SET_NAME, "bench-server");
	errno = 0;
	/* no thread of its own: one thread serves, as in Node.js */
	d = MHD_start_daemon(MHD_USE_EPOLL, (uint16_t)port, NULL, NULL, on_request, &s, MHD_OPTION_SOCK_ADDR,
			     &at, MHD_OPTION_END);
	if (!d)
		return sg_err_set(err, errno ? -errno : -EIO, "cannot listen on %s port %u: %s",
				  outside ? "any address," : "127.0.0.1", port,
				  strerror(errno ? errno : EIO));
	info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
	if (printf("port %u\n", info ? info->port : port) < 0 || fflush(stdout)) {
		MHD_stop_daemon(d);
		return sg_err_set(err, -EPIPE, "the server's starter is gone");
	}
	while (MHD_run_wait(d, -1) == MHD_YES)
		;
	MHD_stop_daemon(d);
	return sg_err_set(err, -EIO, "the HTTP server stopped");
}
