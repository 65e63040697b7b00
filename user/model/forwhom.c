/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * For whom a thread worked: the marked tasks it was inside of. The innermost
 * one counts (begun last and still open on that thread).
 */
#include <errno.h>
#include <stdlib.h>
#include "model/priv.h"

#define STAY_OPEN_MAX 256 /* marks open at once on one thread that are looked at */

int sg_stay_begin(struct sg_thr *th, uint64_t ts, uint64_t id)
{
	int rc = SG_GROW(th->stay, th->stay_cap, th->nstay + 1);

	if (!th->first_mark)
		th->first_mark = ts + 1;
	if (!rc)
		th->stay[th->nstay++] = (struct sg_stay){ ts, SG_T_MAX, id };
	return rc;
}

void sg_stay_end(struct sg_thr *th, uint64_t ts, uint64_t id)
{
	for (uint32_t i = th->nstay; i-- > 0;)
		if (th->stay[i].id == id && th->stay[i].end == SG_T_MAX) {
			th->stay[i].end = ts;
			return;
		}
}

void sg_stay_prune(struct sg_thr *th, uint64_t horizon)
{
	uint32_t n = 0;

	/* rewriting is amortised: only when the array would grow */
	if (th->nstay < th->stay_cap || !th->nstay)
		return;
	for (uint32_t i = 0; i < th->nstay; i++)
		if (th->stay[i].end > horizon)
			th->stay[n++] = th->stay[i];
	th->nstay = n;
}

/* Newest begin or end of a mark on @th before @ts, 0 none: a slice is laid out piece by piece between marks. */
uint64_t sg_stay_edge_before(const struct sg_thr *th, uint64_t ts)
{
	uint32_t lo = 0, hi = th->nstay;
	uint64_t edge = 0;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (th->stay[mid].begin < ts)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo)
		edge = th->stay[lo - 1].begin;
	for (uint32_t i = lo, k = 0; i-- > 0 && k < STAY_OPEN_MAX; k++)
		if (th->stay[i].end < ts && th->stay[i].end > edge)
			edge = th->stay[i].end;
	return edge;
}

/* The innermost task open on @th just before @ts. */
static const struct sg_stay *inside(const struct sg_thr *th, uint64_t ts)
{
	uint32_t lo = 0, hi = th->nstay;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (th->stay[mid].begin < ts)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (uint32_t i = lo, k = 0; i-- > 0 && k < STAY_OPEN_MAX; k++)
		if (th->stay[i].end >= ts)
			return &th->stay[i];
	return NULL;
}

static uint8_t whom(const struct sg_open *o, const struct sg_thr *th, const struct sg_seg *s)
{
	const struct sg_stay *in;

	if (!th)
		return SG_FOR_UNMARKED;
	in = inside(th, s->hi);
	if (in)
		return in->id == o->id || (o->inside.uid && in->id == o->inside.id) ? SG_FOR_SELF
										    : SG_FOR_OTHER;
	if (th->uid == o->uid || th->uid == o->begin_uid || (th->first_mark && th->first_mark <= s->hi))
		return SG_FOR_SELF;
	return SG_FOR_UNMARKED;
}

void sg_stay_label(struct sg_model *m, const struct sg_open *o, struct sg_seg *seg, size_t n)
{
	for (size_t i = 0; i < n; i++)
		seg[i].forwhom = whom(o, sg_thr_find(m, seg[i].uid), &seg[i]);
}
