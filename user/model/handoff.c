/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/handoff.h"
#include "model/box.h"

#define LOOKED_AT 1024 /* records of one wait; a thread with more of them hardly sleeps through it */
#define STRETCHES 16   /* sleeps that are looked at: each is at least this part of the wait */

struct stretch {
	uint64_t lo, hi;
};

#define SLEEPS                                                                                     \
	(1u << SG_STOP_SLEEP | 1u << SG_STOP_DISK | 1u << SG_STOP_STOPPED | 1u << SG_STOP_TRACED | \
	 1u << SG_STOP_FROZEN | 1u << SG_STOP_IDLE | 1u << SG_STOP_BLOCKED)

/* The blocked time of @th in (lo, hi]: its sum, and the long stretches of it. */
static uint64_t slept(const struct sg_thr *th, uint64_t lo, uint64_t hi, struct stretch *ret, unsigned *ret_n)
{
	unsigned left = LOOKED_AT;
	uint64_t sum = 0;
	struct sg_pos pos;

	*ret_n = 0;
	if (!sg_timeline_find(th, lo + 1, &pos))
		return 0;
	do {
		const struct sg_trec *r = sg_timeline_at(th, pos);
		uint64_t from = r->lo > lo ? r->lo : lo, to = r->wake ? r->wake : r->in;

		if (r->lo >= hi)
			break;
		to = to < hi ? to : hi;
		if (!(SLEEPS >> r->stop & 1) || from >= to)
			continue;
		sum += to - from;
		if (to - from >= (hi - lo) / STRETCHES && *ret_n < STRETCHES)
			ret[(*ret_n)++] = (struct stretch){ from, to };
	} while (--left && sg_timeline_next(th, &pos));
	return left ? sum : 0;
}

/* A cut in (from, until] of a slice: it ran there. */
static bool cut_between(const struct sg_cuts *c, uint32_t n, uint64_t from, uint64_t until)
{
	for (uint32_t i = 0; i < n && c->cut[i].ts <= until; i++)
		if (c->cut[i].ts > from)
			return true;
	return false;
}

/* Did @th run in @s, as far as was known at @hi? */
static bool ran(const struct sg_thr *th, const struct stretch *s, uint64_t hi)
{
	struct sg_pos pos;

	if (sg_timeline_find(th, s->lo + 1, &pos)) {
		const struct sg_trec *r = sg_timeline_at(th, pos);

		if (r->in >= s->hi || r->in == r->out)
			return false;
		return r->out <= hi || (r->cuts && cut_between(r->cuts, r->cuts->n, s->lo, hi));
	}
	return th->cuts.n && th->open_in < s->hi && cut_between(&th->cuts, th->cuts.n, s->lo, hi);
}

bool sg_handoff(const struct sg_model *m, const struct sg_thr *th, uint64_t lo, uint64_t hi, bool traced)
{
	struct stretch sleep[STRETCHES];
	unsigned n;

	if (th->box != SG_BOX_SENTRY || traced || hi <= lo || slept(th, lo, hi, sleep, &n) <= (hi - lo) / 2)
		return false;
	for (uint32_t i = 0; i < m->nsentry; i++) {
		const struct sg_thr *other = m->sentry[i];

		if (other == th || other->box != SG_BOX_SENTRY || other->sandbox != th->sandbox)
			continue;
		for (unsigned k = 0; k < n; k++)
			if (ran(other, &sleep[k], hi))
				return true;
	}
	return false;
}
