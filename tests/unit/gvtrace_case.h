/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Messages of gVisor's trace sink, recorded and made.
 *
 * tests/golden/gvtrace/RELEASE-PLATFORM.bin: {u32 length, message}... of one session, which ran
 * busybox sh -c '/work/w open 3; cat /work/b.js >/dev/null; cd /tmp; chroot /none true; sleep 0.02', where w
 * opens /vol/f, which is not there, and closes -1, three times.
 */
#ifndef SG_GVTRACE_CASE_H
#define SG_GVTRACE_CASE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDED_OLD "tests/golden/gvtrace/20221219-ptrace.bin"
#define RECORDED_NEW "tests/golden/gvtrace/20240729-systrap.bin"

struct file {
	uint8_t *p;
	size_t len, at;
};

static inline struct file file_read(const char *path)
{
	struct file f = { .p = malloc(1 << 20) };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, f.p, 1 << 20);

	cr_assert_gt(n, 0, "%s: %s", path, strerror(errno));
	close(fd);
	f.len = (size_t)n;
	return f;
}

static const uint8_t *file_next(struct file *f, uint32_t *len)
{
	const uint8_t *p = f->p + f->at + 4;

	if (f->at + 4 > f->len)
		return NULL;
	memcpy(len, f->p + f->at, 4);
	f->at += 4 + *len;
	cr_assert_leq(f->at, f->len);
	return p;
}

/* A message under construction. */
struct made {
	uint8_t b[1 << 17];
	size_t n;
};

static inline void varint(struct made *m, uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		m->b[m->n++] = (uint8_t)(v | 0x80);
	m->b[m->n++] = (uint8_t)v;
}

static inline void num(struct made *m, unsigned field, uint64_t v)
{
	varint(m, field << 3);
	varint(m, v);
}

static inline void bytes(struct made *m, unsigned field, const void *p, size_t n)
{
	varint(m, field << 3 | 2);
	varint(m, n);
	memcpy(m->b + m->n, p, n);
	m->n += n;
}

static inline void head(struct made *m, uint16_t type, uint32_t dropped)
{
	uint16_t len = 8;

	m->n = 0;
	memcpy(m->b, &len, 2);
	memcpy(m->b + 2, &type, 2);
	memcpy(m->b + 4, &dropped, 4);
	m->n = 8;
}

static inline void context(struct made *m, int64_t time_ns, uint32_t tid, const char *name)
{
	struct made c = { .n = 0 };

	num(&c, 1, (uint64_t)time_ns);
	num(&c, 2, tid);
	if (name)
		bytes(&c, 9, name, strlen(name));
	bytes(m, 1, c.b, c.n);
}

/* A raw call; @ret INT64_MIN: its enter. */
static inline void raw(struct made *m, uint32_t dropped, int64_t time_ns, uint32_t tid, uint64_t nr,
		       int64_t ret)
{
	struct made x = { .n = 0 };

	head(m, 6, dropped);
	context(m, time_ns, tid, "p");
	if (ret != INT64_MIN) {
		num(&x, 1, (uint64_t)ret);
		bytes(m, 2, x.b, x.n);
	}
	num(m, 4, nr);
}

#endif
