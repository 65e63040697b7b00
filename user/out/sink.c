/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include "out/sink.h"

void sg_sink_init(struct sg_sink *s, FILE *f)
{
	*s = (struct sg_sink){ .f = f };
}

void sg_sink_fail(struct sg_sink *s, int code)
{
	if (!s->err)
		s->err = code;
}

void sg_sink_write(struct sg_sink *s, const void *p, size_t n)
{
	if (s->err || !n)
		return;
	errno = 0;
	if (fwrite(p, 1, n, s->f) != n)
		s->err = errno ? -errno : -EIO;
	else
		s->bytes += n;
}

void sg_sink_puts(struct sg_sink *s, const char *text)
{
	sg_sink_write(s, text, strlen(text));
}

void sg_sink_printf(struct sg_sink *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (s->err)
		return;
	errno = 0;
	va_start(ap, fmt);
	n = vfprintf(s->f, fmt, ap);
	va_end(ap);
	if (n < 0)
		s->err = errno ? -errno : -EIO;
	else
		s->bytes += (uint64_t)n;
}

int sg_sink_end(struct sg_sink *s)
{
	errno = 0;
	if (!s->err && fflush(s->f))
		s->err = errno ? -errno : -EIO;
	return s->err;
}
