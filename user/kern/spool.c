/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPOOL_BYTES (32 << 20)
#define CHUNK_BYTES (256 << 10)

struct sg_spool {
	pthread_t thread;
	int in_fd, put_fd, out_fd;
	atomic_int error;
	char *chunk;
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

/* After an error the pipe is still emptied: the drain must never wait for a file that is lost. */
static void *spool_main(void *arg)
{
	struct sg_spool *s = arg;
	ssize_t n;

	while ((n = read(s->in_fd, s->chunk, CHUNK_BYTES)) != 0) {
		int e;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		e = atomic_load(&s->error) ? 0 : write_all(s->out_fd, s->chunk, n);
		if (e)
			atomic_store(&s->error, e);
	}
	return NULL;
}

static void spool_free(struct sg_spool *s)
{
	if (s->in_fd >= 0)
		close(s->in_fd);
	if (s->put_fd >= 0)
		close(s->put_fd);
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
	s->chunk = malloc(CHUNK_BYTES);
	r = s->chunk ? -pthread_create(&s->thread, NULL, spool_main, s) : -ENOMEM;
	if (r) {
		spool_free(s);
		return sg_err_set(err, r, "can't start a thread for the file: %s", strerror(-r));
	}
	*ret_fd = s->put_fd;
	*ret = s;
	return 0;
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
