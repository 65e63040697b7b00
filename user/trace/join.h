/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The recordings of several machines become one: all events, sorted, on one clock,
 * with no number used twice. What is written depends on the parts and not on the order they
 * are given in. Pure: works on descriptors or memory of the caller's.
 */
#ifndef SG_JOIN_H
#define SG_JOIN_H

#include <stdbool.h>
#include "base/err.h"
#include "trace/clockmap.h"
#include "trace/machine.h"
#include "trace/rec.h"

struct sg_join_part {
	int fd;		 /* a file, read several times from its beginning ... */
	const void *mem; /* ... or @len bytes here when not NULL */
	size_t len;
	const char *name;		/* of the machine */
	const char *kernel;		/* its release; NULL unknown */
	uint32_t number;		/* 0: the host; each is used once */
	uint32_t vmm, cid, meta;	/* as in struct sg_machine */
	const struct sg_clocks *clocks; /* of a guest: its own clock against the host's; NULL for the host */
	/* filled by sg_join() */
	struct sg_machine_info info;
	uint64_t events, lost;
	char damage[384]; /* what of it could not be read, or "" */
};

struct sg_join_opts {
	const char *meta, *end; /* JSON: first and last block of the result */
	int level;		/* zlib */
	int out_fd;
};

/**
 * sg_join() - write the sorted union of @p[0..n) to o->out_fd
 *
 * Guests' events are shifted by one constant each (sg_clocks_shift()); the points of
 * their clocks become CLOCKMAP records. Guests' WINDOW records are told by MACHINE instead. A
 * part that is damaged loses what is damaged: LOST where it was, of its own CPUs.
 * @p is sorted by number. Return: 0 or negative errno with @err; -EEXIST: a part is a merged one already;
 * -ESTALE: one is not what it was at the first of the two readings.
 */
int sg_join(struct sg_join_part *p, size_t n, const struct sg_join_opts *o, struct sg_writer_stats *ret,
	    struct sg_err *err);

/**
 * sg_join_clocks() - what a host's recording knows of its guests: MACHINE and raw CLOCKMAP records
 * @ms:     filled; cpu and uid bases are 0
 * @clocks: [SG_MACHINE_MAX], filled, finished; to be freed by the caller
 */
int sg_join_clocks(int fd, struct sg_machines *ms, struct sg_clocks *clocks, struct sg_err *err);

#endif
