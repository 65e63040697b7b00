/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The bytes of a recording by offset, whether they come from a file, a pipe or memory. */
#ifndef SG_SOURCE_H
#define SG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sg_source {
	int fd;
	bool seekable;
	bool eof;  /* pipe: nothing more will come */
	int error; /* negative errno of a failed read: the bytes end there */
	const uint8_t *mem;
	uint64_t size; /* file, memory: bytes in all */
	uint8_t *buf;  /* window: bytes [base, base + len) */
	uint64_t base;
	size_t len, cap;
};

/** sg_source_init() - of @fd, or of @size bytes at @mem when @mem is not NULL */
void sg_source_init(struct sg_source *s, int fd, const void *mem, uint64_t size);
void sg_source_free(struct sg_source *s);

/**
 * sg_source_at() - bytes [@off, @off + @n)
 * @ret_have: how many there are, less than @n only where the bytes end
 *
 * A pipe forgets what is before @off. Valid until the next call. Return: NULL
 * when nothing is there, or out of memory (error says so).
 */
const uint8_t *sg_source_at(struct sg_source *s, uint64_t off, size_t n, size_t *ret_have);

#endif
