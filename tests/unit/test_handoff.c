/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The flag go-handoff over random programs with sandboxes in them, against what their
 * threads really did: never raised for a thread that slept less, or alone; always
 * when somebody's whole slice lies in a long sleep; the same whenever it is asked.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include "model/handoff.h"
#include "sim.h"

#ifndef SEEDS
#define SEEDS 60
#endif
#define WINDOWS 300 /* of each program */

struct window {
	uint32_t uid;
	uint64_t lo, hi;
	int early; /* answer when its thread's next slice after it had just come; -1 not yet */
};

static uint64_t overlap(uint64_t a, uint64_t b, uint64_t lo, uint64_t hi)
{
	a = a > lo ? a : lo;
	b = b < hi ? b : hi;
	return a < b ? b - a : 0;
}

/* Blocked time of @uid in (lo, hi]; with @other: only where that one ran. */
static uint64_t asleep(const struct sim *s, uint32_t uid, uint64_t lo, uint64_t hi, uint32_t other)
{
	const struct sim_thread_truth *t = &s->truth[uid - 1];
	uint64_t sum = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct sim_span *b = &t->span[i];

		if (!b->blocked || !overlap(b->lo, b->hi, lo, hi))
			continue;
		if (!other) {
			sum += overlap(b->lo, b->hi, lo, hi);
			continue;
		}
		for (size_t k = 0; k < s->truth[other - 1].n; k++) {
			const struct sim_span *r = &s->truth[other - 1].span[k];
			bool on = r->cause & (SG_KEY_SYSCALL | SG_KEY_GUEST) || r->cause < SG_ACC_MAX;

			if (!r->blocked && on)
				sum += overlap(r->lo, r->hi, b->lo > lo ? b->lo : lo,
					       b->hi < hi ? b->hi : hi);
		}
	}
	return sum;
}

/* Is a whole slice of another of the Sentry's threads inside a sleep of at least a sixteenth of the window? */
static bool slice_inside(const struct sim *s, const struct window *w)
{
	const struct sim_thread_truth *t = &s->truth[w->uid - 1];

	for (size_t i = 0; i < s->nrec; i++) {
		const struct sg_slice *r = (const void *)sim_rec(s, i);

		if (r->h.kind != SG_REC_SLICE || r->h.uid == w->uid || r->in == r->h.ts || r->h.ts > w->hi ||
		    sim_box_role(s, r->h.uid) != SIM_SENTRY)
			continue;
		for (size_t k = 0; k < t->n; k++) {
			const struct sim_span *b = &t->span[k];

			if (b->blocked && b->lo <= r->in && r->h.ts <= b->hi &&
			    overlap(b->lo, b->hi, w->lo, w->hi) >= (w->hi - w->lo) / 16 &&
			    overlap(r->in, r->h.ts, w->lo, w->hi))
				return true;
		}
	}
	return false;
}

static bool ask(const struct sg_model *m, const struct window *w)
{
	const struct sg_thr *th = sg_thr_find(m, w->uid);

	return th && sg_handoff(m, th, w->lo, w->hi, false);
}

struct tally {
	uint64_t asked, flagged, must;
};

static void judge(const struct sim *s, const struct sg_model *m, const struct window *w, struct tally *n)
{
	bool flag = ask(m, w), sleepy;
	uint64_t slept = asleep(s, w->uid, w->lo, w->hi, 0), beside = 0;

	sleepy = slept > (w->hi - w->lo) / 2;
	for (uint32_t uid = 1; uid <= s->nthread; uid++)
		if (uid != w->uid && sim_box_role(s, uid) == SIM_SENTRY)
			beside += asleep(s, w->uid, w->lo, w->hi, uid);
	cr_assert(!flag || (sleepy && beside), "seed %lu: thread %u in %lu-%lu slept %lu, beside others %lu",
		  s->opts.seed, w->uid, w->lo, w->hi, slept, beside);
	cr_assert(w->early < 0 || w->early == flag, "seed %lu: thread %u in %lu-%lu: %d, later %d",
		  s->opts.seed, w->uid, w->lo, w->hi, w->early, flag);
	n->asked++;
	n->flagged += flag;
	if (!sleepy || !slice_inside(s, w))
		return;
	n->must++;
	cr_assert(flag, "seed %lu: thread %u in %lu-%lu: a slice lies in its sleep", s->opts.seed, w->uid,
		  w->lo, w->hi);
	cr_assert(!sg_handoff(m, sg_thr_find(m, w->uid), w->lo, w->hi, true), "a tracer keeps its goroutine");
}

/* Windows end where their thread runs, as the wait does that it ends. */
static unsigned windows(const struct sim *s, struct window *w)
{
	uint64_t rng = s->opts.seed * 7 + 1;
	unsigned n = 0;

	for (unsigned i = 0; i < 20 * WINDOWS && n < WINDOWS; i++) {
		const struct sg_slice *r = (const void *)sim_rec(s, sim_rand(&rng) % s->nrec);
		uint64_t hi;

		if (r->h.kind != SG_REC_SLICE || sim_box_role(s, r->h.uid) != SIM_SENTRY ||
		    r->h.ts - r->in < 2 || r->in < 3000)
			continue;
		hi = r->in + 1 + sim_rand(&rng) % (r->h.ts - r->in);
		w[n++] = (struct window){ r->h.uid, hi - 1 - sim_rand(&rng) % (hi - 1001), hi, -1 };
	}
	return n;
}

Test(handoff, as_the_threads_really_slept)
{
	struct window *w = calloc(WINDOWS, sizeof(*w));
	struct tally n = { 0 };

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sg_model_opts mo = { .settle_ns = 1ull << 50, .no_prune = true };
		struct sim_opts o = { .seed = seed,
				      .ncpu = 2 + seed % 4,
				      .nthread = 6 + seed % 9,
				      .max_thread = 80,
				      .length_ns = 1500000,
				      .tick_ns = seed % 3 ? 3000 : 0,
				      .mark_percent = 10,
				      .fork = seed % 2,
				      .boxes = true };
		struct sg_model *m;
		unsigned nw;
		struct sim s;

		sim_run(&s, &o);
		nw = windows(&s, w);
		cr_assert_eq(sg_model_new(&m, &mo, NULL, NULL), 0);
		for (size_t i = 0; i < s.nrec; i++) {
			const struct sg_hdr *h = sim_rec(&s, i);

			cr_assert_eq(sg_model_feed(m, h, NULL), 0);
			for (unsigned k = 0; h->kind == SG_REC_SLICE && k < nw; k++)
				if (w[k].early < 0 && h->uid == w[k].uid && h->ts >= w[k].hi)
					w[k].early = ask(m, &w[k]);
		}
		for (unsigned k = 0; k < nw; k++)
			judge(&s, m, &w[k], &n);
		sg_model_free(m);
		sim_free(&s);
	}
	free(w);
	cr_log_info("%lu windows, %lu flagged, %lu of them for sure", n.asked, n.flagged, n.must);
	cr_assert_gt(n.asked, 20 * SEEDS);
	cr_assert(n.must > n.asked / 50 && n.flagged < n.asked, "%lu asked, %lu flagged, %lu sure", n.asked,
		  n.flagged, n.must);
}
