/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What guestcalls.c gathers and guestcalls_sums.c adds up. Private to these two. */
#ifndef SG_GUESTCALLS_PRIV_H
#define SG_GUESTCALLS_PRIV_H

#include "base/pairmap.h"
#include "model/guestcalls.h"

#define SG_GUEST_APART UINT32_MAX /* in place of a row: messages of no single call */

/* Durations of calls, as one kind of source tells them. */
struct sg_guest_dist {
	uint64_t *v;
	uint32_t n, cap;
	uint64_t seen, sum_ns, max_ns;
};

/* Sources that tell durations: the default ones are two faces of one. */
enum { SG_DIST_DEFAULT, SG_DIST_UPROBE, SG_DIST_TRACE, SG_DIST_MAX };

/* One call of one container's guest. */
struct sg_guest_raw {
	uint64_t cgroup;
	uint16_t nr;
	uint64_t seen[SG_SEEN_MAX];
	uint64_t stop_cpu_ns; /* of stops, on a CPU beside them: stopping and going on */
	struct sg_guest_dist dist[SG_DIST_MAX];
	uint64_t explained;
	uint64_t part_ns[SG_PART_MAX];
};

/* Messages of one program of one kind, caused by one call. */
struct sg_guest_raw_msg {
	uint32_t row, program;
	uint16_t word;
	uint64_t cnt;
};

/* Waits for a Gofer's answers of one kind, by the program that answered. */
struct sg_guest_answer {
	uint32_t program;
	uint16_t word;
	uint64_t cnt, ns;
};

/* Messages that probes in the Sentry saw sent. */
struct sg_guest_rpc {
	uint64_t cgroup, cnt;
	uint16_t word;
};

/* A slice of a thread that answered messages: it may belong to a call. */
struct sg_guest_flip {
	uint64_t lo, hi, cgroup;
	uint32_t program, waker, cnt, of; /* of: messages in that slice */
	uint32_t row;			  /* index + 1 of its call, 0 none yet */
	uint32_t uid;			  /* whose call that was */
	uint32_t met;			  /* row + 1 of the first call it overlaps */
	uint16_t word;
	bool sure, several, mixed;
};

/* A call that has ended. */
struct sg_guest_span {
	uint64_t lo, hi, cgroup;
	uint32_t row, uid, waker;
};

#define SG_GUEST_FLIPS 4096
#define SG_GUEST_SPANS 1024
#define SG_GUEST_NEAR  128 /* of each that are looked at for one of the other */

struct sg_guest_result {
	struct sg_guest_sandbox *box;
	size_t n;
};

struct sg_guestcalls {
	struct sg_owners *owners;
	struct sg_pairmap row_at, msg_at, rpc_at, answer_at;
	struct sg_guest_raw *row;
	size_t nrow, row_cap;
	struct sg_guest_raw_msg *msg;
	size_t nmsg, msg_cap;
	struct sg_guest_rpc *rpc;
	size_t nrpc, rpc_cap;
	struct sg_guest_answer *answer;
	size_t nanswer, answer_cap;
	struct sg_guest_flip flip[SG_GUEST_FLIPS]; /* ring: number nflip % size is the next */
	uint64_t nflip;
	struct sg_guest_span span[SG_GUEST_SPANS];
	uint64_t nspan;
	uint64_t kept; /* durations */
	uint64_t rng;
	struct sg_guest_result res;
};

/** sg_guest_settle() - give the messages of a flip to its call; done when the ring comes round, and at the end */
int sg_guest_settle(struct sg_guestcalls *g, struct sg_guest_flip *f);
void sg_guest_result_free(struct sg_guest_result *r);
/** sg_guest_grown() - room for one more; NULL: no memory, and @p is as it was */
void *sg_guest_grown(void *p, size_t *cap, size_t n, size_t each);

#endif
