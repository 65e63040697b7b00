/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Guest system calls as gVisor's own trace points tell them (record --gvisor-trace):
 * a trace session in each sandbox, by the sandbox's own runsc, whose messages become
 * GUEST records (what CALL, src TRACE) with process names and paths. Costs the guest
 * two messages a call; so it is asked for, never the default.
 *
 * A sandbox has room for one session. One that a killed recorder has left is replaced; one of
 * somebody else (a security monitor) is let be, and is an error.
 */
#ifndef SG_GVTRACE_H
#define SG_GVTRACE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "kern/companion.h"

/* Where a sandbox's GUEST records tell how many messages it had to drop so far (ret, saturating). Not a system call. */
#define SG_GVTRACE_DROPPED SG_GUEST_DROPPED

/* Sandboxes of one recording; of more, the rest is counted as failed. */
#define SG_GVTRACE_SANDBOXES 256

struct sg_gvtrace_opts {
	const uint32_t *sentry; /* process ids of Sentries, copied; each must be traceable */
	size_t nsentry;		/* 0: every sandbox there is, and those that start while recording */
	const char *dir;	/* for sockets, made when missing; NULL: /run/sandglass. Short: 60 bytes */
	const char *proc;	/* "/proc"; NULL: that */
};

/* After finish(): of all sandboxes together. */
struct sg_gvtrace_stats {
	uint64_t sandboxes; /* that had a session */
	uint64_t failed;    /* that could not get one, or whose session could not be ended: see err */
	uint64_t messages, records;
	uint64_t dropped; /* by the sandboxes, for lack of room on the way to us */
	uint64_t halves;  /* calls of which one message was missing */
	uint64_t unknown; /* messages of types that this does not know */
	uint64_t bad;	  /* that are no messages of this protocol */
	struct sg_err err;
};

/**
 * sg_gvtrace_new() - the companion; its start() makes the sessions, its finish() ends them
 *
 * Memory: 1.5 MiB, and 10 MiB per sandbox at most; in the kernel 32 MiB per sandbox while we are late.
 * start() fails (and leaves nothing behind) when a sandbox that was asked for cannot be traced, or when none can.
 * Return: 0, -ENOMEM, -EINVAL.
 */
int sg_gvtrace_new(struct sg_companion *ret, const struct sg_gvtrace_opts *o, struct sg_err *err);
void sg_gvtrace_stats(const struct sg_companion *c, struct sg_gvtrace_stats *ret);
/** sg_gvtrace_free() - after finish(), or when start() was not called or has failed. NULL ctx is fine. */
void sg_gvtrace_free(struct sg_companion *c);

#endif
