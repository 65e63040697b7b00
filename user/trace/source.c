/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/source.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void sg_source_init(struct sg_source *s, int fd, const void *mem, uint64_t size)
{
	struct stat st;

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->mem = mem;
	s->size = size;
	s->seekable = true;
	if (mem)
		return;
	s->seekable = !fstat(fd, &st) && S_ISREG(st.st_mode);
	s->size = s->seekable ? (uint64_t)st.st_size : 0;
}

void sg_source_free(struct sg_source *s)
{
	free(s->buf);
	s->buf = NULL;
}

static bool window_grow(struct sg_source *s, size_t n)
{
	uint8_t *p;

	if (n <= s->cap)
		return true;
	n = n < 65536 ? 65536 : n + n / 2;
	p = realloc(s->buf, n);
	if (!p) {
		s->error = -ENOMEM;
		return false;
	}
	s->buf = p;
	s->cap = n;
	return true;
}

/* Appends to the window until it holds @n bytes or the bytes end. */
static void window_fill(struct sg_source *s, size_t n)
{
	while (s->len < n && !s->eof && !s->error) {
		uint8_t *p = s->buf + s->len;
		ssize_t got = s->seekable ? pread(s->fd, p, n - s->len, (off_t)(s->base + s->len))
					  : read(s->fd, p, s->cap - s->len);

		if (got > 0) {
			s->len += (size_t)got;
		} else if (!got) {
			s->eof = !s->seekable;
			return;
		} else if (errno == EAGAIN) {
			struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

			poll(&pfd, 1, -1);
		} else if (errno != EINTR) {
			s->error = -errno;
		}
	}
}

const uint8_t *sg_source_at(struct sg_source *s, uint64_t off, size_t n, size_t *ret_have)
{
	size_t skip;

	*ret_have = 0;
	if (s->seekable && off >= s->size)
		return NULL;
	if (s->seekable && n > s->size - off)
		n = (size_t)(s->size - off);
	if (s->mem) {
		*ret_have = n;
		return s->mem + off;
	}
	if (off < s->base || off >= s->base + s->len) {
		/* nothing of the window is wanted; a pipe has to read up to @off */
		while (!s->seekable && off > s->base + s->len && !s->eof && !s->error) {
			s->base += s->len;
			s->len = 0;
			if (!window_grow(s, 65536))
				return NULL;
			window_fill(s, 1);
		}
		if (s->seekable || off == s->base + s->len) {
			s->base = off;
			s->len = 0;
		}
		if (off < s->base || off > s->base + s->len)
			return NULL;
	}
	skip = (size_t)(off - s->base);
	if (s->len - skip < n) {
		if (!window_grow(s, n))
			return NULL;
		memmove(s->buf, s->buf + skip, s->len - skip);
		s->base = off;
		s->len -= skip;
		skip = 0;
		window_fill(s, n);
	}
	*ret_have = s->len - skip < n ? s->len - skip : n;
	return *ret_have ? s->buf + skip : NULL;
}
