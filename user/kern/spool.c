/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SPOOL_BYTES (32 << 20)
#define CHUNK_BYTES (256 << 10)

struct sg_spool {
	pthread_t thread;
	int in_fd, put_fd, out_fd, begin_fd;
	atomic_int error;
	char *chunk;
	/* before it begins */
	char *held;
	size_t held_len, held_cap;
};

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		p += k;
		n -= k;
	}
	return 0;
}

static void keep_error(struct sg_spool *s, int e)
{
	if (e && !atomic_load(&s->error))
		atomic_store(&s->error, e);
}

/* What has come so far, at most CHUNK_BYTES. 0 at its end. */
static ssize_t take(struct sg_spool *s)
{
	ssize_t n;

	do
		n = read(s->in_fd, s->chunk, CHUNK_BYTES);
	while (n < 0 && errno == EINTR);
	return n;
}

static int hold(struct sg_spool *s, size_t n)
{
	if (s->held_cap - s->held_len < n) {
		size_t cap = 2 * s->held_cap + n;
		void *m = realloc(s->held, cap);

		if (!m)
			return -ENOMEM;
		s->held = m;
		s->held_cap = cap;
	}
	memcpy(s->held + s->held_len, s->chunk, n);
	s->held_len += n;
	return 0;
}

/* False: it never begins. */
static bool wait_begin(struct sg_spool *s)
{
	struct pollfd p[2] = { { .fd = s->begin_fd, .events = POLLIN },
			       { .fd = s->in_fd, .events = POLLIN } };

	for (;;) {
		ssize_t n;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents)
			return true;
		n = take(s);
		if (n <= 0) /* it may have begun since it was asked for */
			return !eventfd_read(s->begin_fd, &(eventfd_t){ 0 });
		keep_error(s, atomic_load(&s->error) ? 0 : hold(s, (size_t)n));
	}
}

/* After an error the pipe is still emptied: the drain must never wait for a file that is lost. */
static void *spool_main(void *arg)
{
	struct sg_spool *s = arg;
	ssize_t n;

	if (!wait_begin(s))
		return NULL;
	keep_error(s, atomic_load(&s->error) ? 0 : write_all(s->out_fd, s->held, s->held_len));
	free(s->held);
	s->held = NULL;
	while ((n = take(s)) > 0)
		keep_error(s, atomic_load(&s->error) ? 0 : write_all(s->out_fd, s->chunk, (size_t)n));
	return NULL;
}

static void spool_free(struct sg_spool *s)
{
	if (s->in_fd >= 0)
		close(s->in_fd);
	if (s->put_fd >= 0)
		close(s->put_fd);
	if (s->begin_fd >= 0)
		close(s->begin_fd);
	free(s->held);
	free(s->chunk);
	free(s);
}

int sg_spool_open(struct sg_spool **ret, int out_fd, int *ret_fd, struct sg_err *err)
{
	struct sg_spool *s = calloc(1, sizeof(*s));
	int fd[2], r;

	if (!s || pipe2(fd, O_CLOEXEC)) {
		r = s ? -errno : -ENOMEM;
		free(s);
		return sg_err_set(err, r, "can't make a pipe to the file: %s", strerror(-r));
	}
	s->in_fd = fd[0];
	s->put_fd = fd[1];
	s->out_fd = out_fd;
	for (int bytes = SPOOL_BYTES; bytes > 65536 && fcntl(s->put_fd, F_SETPIPE_SZ, bytes) < 0; bytes /= 2)
		;
	s->begin_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->chunk = malloc(CHUNK_BYTES);
	r = s->begin_fd < 0 ? -errno : s->chunk ? -pthread_create(&s->thread, NULL, spool_main, s) : -ENOMEM;
	if (r) {
		spool_free(s);
		return sg_err_set(err, r, "can't start a thread for the file: %s", strerror(-r));
	}
	*ret_fd = s->put_fd;
	*ret = s;
	return 0;
}

void sg_spool_begin(struct sg_spool *s)
{
	eventfd_write(s->begin_fd, 1);
}

int sg_spool_error(const struct sg_spool *s)
{
	return s ? atomic_load(&s->error) : 0;
}

int sg_spool_close(struct sg_spool *s)
{
	int e;

	if (!s)
		return 0;
	close(s->put_fd);
	s->put_fd = -1;
	pthread_join(s->thread, NULL);
	e = atomic_load(&s->error);
	spool_free(s);
	return e;
}
