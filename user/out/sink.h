/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Where writers write: a stream with the first error kept. Writers check nothing until the end. Pure. */
#ifndef SG_SINK_H
#define SG_SINK_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sg_sink {
	FILE *f;
	int err;	/* first error, negative errno; later writes do nothing */
	uint64_t bytes; /* written so far */
};

/** sg_sink_init() - write to @f, which stays the caller's. */
void sg_sink_init(struct sg_sink *s, FILE *f);
void sg_sink_write(struct sg_sink *s, const void *p, size_t n);
void sg_sink_puts(struct sg_sink *s, const char *text);
void sg_sink_printf(struct sg_sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** sg_sink_fail() - note an error of the writer itself (-ENOMEM ...), unless one is noted already. */
void sg_sink_fail(struct sg_sink *s, int code);

/** sg_sink_end() - flush; return the first error, or 0. */
int sg_sink_end(struct sg_sink *s);

#endif
