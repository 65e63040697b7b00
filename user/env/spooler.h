/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Pieces of a recording on their way to a host: kept until the host says that it has them.
 * Bounded: when there is no room, whole blocks of events are dropped, newest first, and counted;
 * their numbers are missing from the recording, which its reader turns into LOST. What a recording
 * cannot do without (its header, description and end, at most 8 MiB) always has room.
 */
#ifndef SG_SPOOLER_H
#define SG_SPOOLER_H

#include "trace/link.h"

struct sg_spooler;

struct sg_spooler_stats {
	uint64_t first, next; /* numbers of the pieces that are held: [first, next) */
	uint64_t bytes, most; /* held now, and at the most so far */
	struct sg_link_dropped dropped;
};

/** sg_spooler_new() - @limit: bytes of blocks it holds */
int sg_spooler_new(struct sg_spooler **ret, uint64_t limit);
void sg_spooler_free(struct sg_spooler *s);

/** sg_spooler_put() - one piece (copied). 0, also when it was dropped; -ENOMEM when a piece that must be kept can't be. */
int sg_spooler_put(struct sg_spooler *s, const struct sg_unit *u, const uint8_t *data);
/** sg_spooler_get() - piece @seq, valid until it is released; NULL when it is not held */
const uint8_t *sg_spooler_get(const struct sg_spooler *s, uint64_t seq, size_t *ret_len);
/** sg_spooler_release() - the host has all before @next. -EINVAL: it can't have. */
int sg_spooler_release(struct sg_spooler *s, uint64_t next);
void sg_spooler_stats(const struct sg_spooler *s, struct sg_spooler_stats *ret);

#endif
