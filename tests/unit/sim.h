/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A simulator of random programs: threads on a few CPUs with locks, pipes,
 * sockets, disk, sleep, page faults, forks, interrupts and preemption. It makes
 * the records a perfect kernel side would, and keeps the exact truth beside.
 */
#ifndef SG_TEST_SIM_H
#define SG_TEST_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "trace/event.h"

struct sim_opts {
	uint64_t seed;
	unsigned ncpu, nthread, max_thread;
	uint64_t length_ns;
	uint64_t tick_ns;      /* cut running slices this often, 0 never */
	unsigned mark_percent; /* of a thread's operations that begin or end a task */
	bool fork;
	bool boxes; /* some of the threads are parts of a sandbox (sim_box.c) */
};

/* Truth: what a thread did over (lo, hi], with its place in time exact. */
struct sim_span {
	uint64_t lo, hi;
	uint16_t cause; /* on CPU: a segment key; off: sched.runq or what it waited for */
	bool blocked;
	uint32_t origin; /* blocked: uid of the thread that ended it, 0 device or timer */
	uint32_t inst;	 /* blocked: number of the wait; repeated waits of one call share it */
};

/* A system call that a thread began, when, and whether it failed. */
struct sim_call {
	uint64_t ts;
	uint16_t nr;
	bool failed;
};

struct sim_thread_truth {
	uint32_t uid, creator;
	uint64_t birth;
	struct sim_span *span;
	size_t n, cap;
	struct sim_call *call;
	size_t ncall, call_cap;
};

struct sim {
	struct sim_opts opts;
	/* records, in time order; off[i] into bytes */
	char *bytes;
	size_t nbytes, bytes_cap;
	size_t *off;
	size_t nrec, off_cap;
	struct sim_thread_truth *truth; /* by uid - 1 */
	size_t nthread;
};

/* What a thread is in a sandbox. Fixed by seed and number: see sim_box.c. */
enum sim_role { SIM_NONE, SIM_SENTRY, SIM_GOFER, SIM_STUB };
enum sim_role sim_box_role(const struct sim *s, uint32_t uid);
void sim_box(struct sim *s); /* called by sim_run() */

void sim_run(struct sim *s, const struct sim_opts *opts);
void sim_free(struct sim *s);

static inline struct sg_hdr *sim_rec(const struct sim *s, size_t i)
{
	return (struct sg_hdr *)(void *)(s->bytes + s->off[i]);
}

/* Truth of (uid, cause) over a window, by the rules of the walk, from the truth alone. */
struct sim_blame {
	struct {
		uint32_t uid;
		uint16_t cause;
		uint64_t ns;
	} row[512];
	unsigned n;
};
void sim_truth_walk(const struct sim *s, uint32_t uid, uint64_t b, uint64_t e, struct sim_blame *ret);

static inline uint64_t sim_rand(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

#endif
