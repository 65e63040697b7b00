/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Enters and exits of a sandbox's threads made into calls. No I/O here. */
#ifndef SG_GVTRACE_PAIR_H
#define SG_GVTRACE_PAIR_H

#include "env/gvtrace_msg.h"

/* Threads of one sandbox that are followed at a time (at most ~10 MiB); calls of more have no begin. */
#define SG_GVPAIR_THREADS 16384
#define SG_GVPAIR_PATH	  511

/* One call of a guest. Times: the sandbox's CLOCK_REALTIME. Strings: for the time of the callback. */
struct sg_gvcall {
	int64_t begin_ns; /* 0: not known */
	int64_t end_ns;	  /* of one whose exit was lost: the thread's next sign of life, begin_ns is 0 then */
	uint32_t gtid;
	int32_t ret;
	uint16_t nr;
	const char *name, *path;
};
typedef void (*sg_gvcall_fn)(void *ctx, const struct sg_gvcall *c);

struct sg_gvpair;
/** sg_gvpair_new() - NULL: no memory */
struct sg_gvpair *sg_gvpair_new(sg_gvcall_fn fn, void *ctx);
void sg_gvpair_free(struct sg_gvpair *p);
/** sg_gvpair_feed() - next message of the sandbox; calls fn for each call that has ended by it */
void sg_gvpair_feed(struct sg_gvpair *p, const struct sg_gvmsg *m);
/** sg_gvpair_end() - the session is over at @now_ns: calls still open end there */
void sg_gvpair_end(struct sg_gvpair *p, int64_t now_ns);
/** sg_gvpair_halves() - calls so far of which one half was missing */
uint64_t sg_gvpair_halves(const struct sg_gvpair *p);

#endif
