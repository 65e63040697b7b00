/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Company of the recorder that knows containers and sandboxes: ROLE for every
 * Sentry, Gofer and stub, CONTAINER for every container, those that exist at the
 * start and those that come and go while it records.
 */
#ifndef SG_WATCH_H
#define SG_WATCH_H

#include "kern/companion.h"

struct sg_watch_opts {
	const char *
		engine; /* socket of the Engine API; NULL: the machine's, if any; "" = ask none. Named, it must answer. */
	const char *proc;   /* NULL: "/proc" */
	const char *cgroup; /* NULL: "/sys/fs/cgroup" */
};

/**
 * sg_watch_new() - make one; starts nothing. Free it with sg_watch_free() after finish().
 *
 * Memory, at most: 2.3 MiB for records not yet looked at, 0.9 MiB for processes, and 0.7 KiB for each of up to 8192 containers.
 * The texts of @o must outlive it (NULL: all defaults). Return: 0 or -ENOMEM with @err.
 */
int sg_watch_new(struct sg_companion *ret, const struct sg_watch_opts *o, struct sg_err *err);
void sg_watch_free(struct sg_companion *c);

struct sg_watch_stats {
	uint64_t roles, containers; /* events put */
	uint64_t dropped;	    /* records not looked at: the queue was full */
	uint64_t crowded;	    /* processes and containers not kept: too many */
	uint64_t nameless;	    /* containers of which nobody could tell the name */
	char note[384];		    /* what went wrong with the daemon, one sentence; empty: nothing */
};
/** sg_watch_stats() - what it did so far; after finish() the whole */
void sg_watch_stats(const struct sg_companion *c, struct sg_watch_stats *ret);

#endif
