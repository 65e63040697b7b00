/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A recording's records, one after the other, for programs that judge one; and what it says of its machines' clocks. */
#ifndef TEST_RECORDS_H
#define TEST_RECORDS_H

#include <fcntl.h>
#include <stdio.h>
#include "trace/clockmap.h"
#include "trace/machine.h"
#include "trace/rec.h"

struct machines {
	struct sg_machines ms;
	struct sg_clocks clocks[SG_MACHINE_MAX];
};

/** records_machine() - take what @h says of a machine or its clock; false: it says something else */
static inline bool records_machine(struct machines *m, const struct sg_hdr *h)
{
	const struct sg_clockmap *c = (const void *)h;

	if (h->kind == SG_REC_MACHINE)
		sg_machines_add(&m->ms, (const void *)h);
	else if (h->kind != SG_REC_CLOCKMAP)
		return false;
	else if (c->machine < SG_MACHINE_MAX)
		sg_clocks_feed(&m->clocks[c->machine], c);
	return true;
}

/** records_read() - @fn for every record of @path; 0, or -1 with a sentence on standard error */
static inline int records_read(const char *path, void (*fn)(void *ctx, const struct sg_hdr *h), void *ctx)
{
	struct sg_err err = { 0 };
	const struct sg_hdr *h;
	struct sg_reader *r;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return perror(path), -1;
	if (sg_reader_open(&r, fd, &err))
		return fprintf(stderr, "%s: %s\n", path, err.msg), -1;
	while ((rc = sg_reader_next(r, &h, &err)) > 0)
		fn(ctx, h);
	if (rc)
		fprintf(stderr, "%s: %s\n", path, err.msg);
	sg_reader_close(r);
	return rc ? -1 : 0;
}

#endif
