/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The walk over the truth of a simulated program: what the model's must come to, by its rules, without its records. */
#include <assert.h>
#include <stdlib.h>
#include "sim.h"

struct truth_walk {
	const struct sim *s;
	struct sim_blame *ret;
	bool onstack[4096];
};

static void book(struct truth_walk *w, uint32_t uid, uint16_t cause, uint64_t ns)
{
	struct sim_blame *b = w->ret;
	unsigned i = 0;

	while (i < b->n && (b->row[i].uid != uid || b->row[i].cause != cause))
		i++;
	if (i == b->n) {
		assert(b->n < 512);
		b->n++;
		b->row[i].uid = uid;
		b->row[i].cause = cause;
		b->row[i].ns = 0;
	}
	b->row[i].ns += ns;
}

/* Who ended the last wait of the call this one belongs to. Lock waits are numbered one by one. */
static uint32_t final_origin(const struct sim_thread_truth *t, size_t i)
{
	uint32_t origin = t->span[i].origin;

	for (size_t k = i + 1; k < t->n && k < i + 64; k++)
		if (t->span[k].blocked && t->span[k].inst == t->span[i].inst)
			origin = t->span[k].origin;
	return origin;
}

static void walk(struct truth_walk *w, uint32_t uid, uint64_t b, uint64_t e)
{
	const struct sim_thread_truth *t = &w->s->truth[uid - 1];
	size_t lo = 0, hi = t->n;

	w->onstack[uid] = true;
	while (lo < hi) { /* the span that holds e */
		size_t mid = lo + (hi - lo) / 2;

		if (t->span[mid].hi < e)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo + 1; e > b && e > t->birth && i-- > 0;) {
		const struct sim_span *x = &t->span[i];
		uint64_t from = x->lo > b ? x->lo : b;
		uint32_t o = x->blocked ? final_origin(t, i) : 0;

		assert(i < t->n && x->lo < e && e <= x->hi);
		if (o && !w->onstack[o])
			walk(w, o, from, e);
		else
			book(w, uid, x->cause, e - from);
		e = from;
	}
	w->onstack[uid] = false;
	if (e <= b)
		return;
	if (t->creator && !w->onstack[t->creator])
		walk(w, t->creator, b, e);
	else
		book(w, uid, SG_C_UNKNOWN, e - b);
}

void sim_truth_walk(const struct sim *s, uint32_t uid, uint64_t b, uint64_t e, struct sim_blame *ret)
{
	struct truth_walk *w = calloc(1, sizeof(*w));

	ret->n = 0;
	w->s = s;
	w->ret = ret;
	if (e > b)
		walk(w, uid, b, e);
	free(w);
}
