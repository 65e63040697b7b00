/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * System calls of a sandbox's guest, by container and number: how often, how long,
 * and where the time went; and the messages to the Gofer that they caused. Counts
 * and times are raw sums of records; the split comes from the model's guest tasks.
 * Calls that do not return (exit, exit_group) have a count and no time. Pure; memory
 * is bounded.
 */
#ifndef SG_GUESTCALLS_H
#define SG_GUESTCALLS_H

#include <stdbool.h>
#include <stdio.h>
#include "model/containers.h"
#include "model/model.h"

#define SG_GUEST_FAULT	  0x1fffu    /* in place of a number: a fault of the guest, caught like a call */
#define SG_GUEST_ROWS	  65536	     /* (container, call) pairs */
#define SG_GUEST_SAMPLES  65536	     /* durations kept of one row: all up to this, then a uniform sample */
#define SG_GUEST_BUDGET	  (4u << 20) /* durations kept of all rows; rows that come after it have none */
#define SG_GUEST_MESSAGES 4	     /* kinds of messages shown of one call */

/* Who can see a guest's call, in the order in which they are believed. */
#define SG_GUEST_SEEN_LIST(X)                                                           \
	X(0, STOP, "ptrace stops", "every call on gVisor's ptrace platform")            \
	X(1, TRAP, "seccomp traps", "calls that gVisor's systrap platform has to trap") \
	X(2, UPROBE, "probes in the Sentry", "every call that the Sentry serves")       \
	X(3, TRACE, "runsc trace", "every call that its points are set for")
/* clang-format off */
enum sg_guest_seen {
#define SG_X(id, sym, ...) SG_SEEN_##sym = id,
	SG_GUEST_SEEN_LIST(SG_X)
#undef SG_X
	SG_SEEN_MAX = 4,
};
/* clang-format on */

/* Where the time of a call can go. The parts of a row sum to its total exactly. */
#define SG_GUEST_PART_LIST(X)                                                    \
	X(0, TRAP, "trap", "switching between the guest and its sandbox")        \
	X(1, SENTRY, "sentry", "the Sentry, running or waiting")                 \
	X(2, GOFER, "gofer", "the Gofer, and waiting for it")                    \
	X(3, HOST, "host kernel", "the host's kernel, on behalf of the sandbox") \
	X(4, OTHER, "other", "others, the run queue of the guest, and what is not known")
/* clang-format off */
enum sg_guest_part {
#define SG_X(id, sym, ...) SG_PART_##sym = id,
	SG_GUEST_PART_LIST(SG_X)
#undef SG_X
	SG_PART_MAX = 5,
};
/* clang-format on */

struct sg_guest_msg {
	uint16_t word;
	bool is_9p;
	uint64_t cnt;  /* as the Gofer answered them */
	uint64_t seen; /* as probes in the Sentry saw them sent */
	uint64_t waits,
		wait_ns; /* times the Sentry blocked for the answer; the others it took while it spun */
};

struct sg_guest_row {
	uint16_t nr;
	uint64_t seen[SG_SEEN_MAX];
	enum sg_guest_seen timed; /* whose times these are: stops and traps if there are any */
	uint64_t cnt;		  /* calls that total_ns is of */
	uint64_t total_ns, mean_ns, p99_ns, max_ns;
	uint64_t sampled;   /* durations that p99_ns stands on */
	uint64_t explained; /* calls with a split; the time of the others is SG_PART_OTHER */
	uint64_t part_ns[SG_PART_MAX];
	size_t nmsg;
	struct sg_guest_msg msg[SG_GUEST_MESSAGES]; /* most first */
};

struct sg_guest_sandbox {
	char container[SG_OWNERS_LABEL];
	char platform[32];
	struct sg_guest_row sum; /* seen, cnt, total_ns, explained, part_ns */
	size_t nrow;
	struct sg_guest_row *row; /* most time first */
	size_t nmsg;
	struct sg_guest_msg *msg; /* all messages of its Gofer, most first */
	uint64_t msg_apart;	  /* messages that fit no call, or several */
	uint64_t
		trace_dropped; /* messages of gVisor's trace points that it dropped: its counts are short by these */
};

struct sg_guestcalls;

/** sg_guestcalls_new() - @o: who is who; fed by the caller before this is, outlives it */
int sg_guestcalls_new(struct sg_guestcalls **ret, struct sg_owners *o);
void sg_guestcalls_free(struct sg_guestcalls *g);
/** sg_guestcalls_feed() - next event, in time order; kinds it does not need are ignored. 0 or -ENOMEM. */
int sg_guestcalls_feed(struct sg_guestcalls *g, const struct sg_hdr *ev);
/** sg_guestcalls_ended() - how long a call took (sg_model_on_guest()). 0 or -ENOMEM. */
int sg_guestcalls_ended(struct sg_guestcalls *g, const struct sg_guest_call *c);
/** sg_guestcalls_task() - an explained guest call: a task of one wait of a stub, called like the system call */
int sg_guestcalls_task(struct sg_guestcalls *g, const struct sg_model *m, const struct sg_task *t);
/** sg_guest_part() - which part of a call's time a segment of (@comp, @cause) is */
enum sg_guest_part sg_guest_part(const char *comp, uint16_t cause);
/** sg_guest_call_name() - "openat", "nr777", "(fault)" */
const char *sg_guest_call_name(char *buf, size_t cap, uint16_t nr);

/** sg_guestcalls_list() - the sums so far, by falling time; valid until the next call. 0 or -ENOMEM. */
int sg_guestcalls_list(struct sg_guestcalls *g, const struct sg_guest_sandbox **ret, size_t *ret_n);

struct sg_text_opts;
/** sg_guestcalls_text() - the tables, and what could not be seen (user/out/guestcalls_text.c) */
int sg_guestcalls_text(struct sg_guestcalls *g, FILE *f, const struct sg_text_opts *o);
/** sg_guestcalls_json() - {"sandboxes":[..]}, see docs/json.md; caller owns; NULL: no memory */
struct json_object *sg_guestcalls_json(struct sg_guestcalls *g);

#endif
