/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Very long tasks: millions of segments say little one by one. When there are
 * too many, runs of neighbours are merged by identity and laid out one after
 * another inside the run. Every sum stays exact and the segments still tile;
 * only the place inside the run becomes a convention (SG_SEG_MERGED).
 */
#include <stddef.h>
#include <stdlib.h>
#include "model/walk.h"

#define RUN 4096 /* neighbours merged together */

/* Everything that makes two segments the same row of evidence: uid..wait_nr lie together without holes. */
static int same_order(const void *a, const void *b)
{
	const size_t from = offsetof(struct sg_seg, uid), to = offsetof(struct sg_seg, err);
	const struct sg_seg *x = a, *y = b;
	int d = memcmp((const char *)x + from, (const char *)y + from, to - from);

	if (!d && x->stack_kern != y->stack_kern)
		d = x->stack_kern < y->stack_kern ? -1 : 1;
	if (!d && x->detail != y->detail)
		d = x->detail < y->detail ? -1 : 1;
	if (!d && x->dev != y->dev)
		d = x->dev < y->dev ? -1 : 1;
	if (!d && x->note != y->note)
		d = x->note < y->note ? -1 : 1;
	if (!d && x->wait_detail != y->wait_detail)
		d = x->wait_detail < y->wait_detail ? -1 : 1;
	return d;
}

static bool longer_first(const struct sg_seg *a, const struct sg_seg *b)
{
	return a->hi - a->lo > b->hi - b->lo;
}

static void add_errors(struct sg_seg *to, const struct sg_seg *s)
{
	uint32_t err = (uint32_t)to->err + s->err;

	to->flags |= err > UINT16_MAX ? SG_SEG_ERRMORE : 0;
	to->err = err > UINT16_MAX ? UINT16_MAX : err;
}

/* Merge seg[0..n), latest first, in place. Returns how many are left. */
static size_t merge_run(struct sg_seg *seg, size_t n)
{
	uint64_t hi = seg[0].hi;
	size_t k = 0;

	qsort(seg, n, sizeof(*seg), same_order);
	for (size_t i = 1; i < n; i++) {
		struct sg_seg *to = &seg[k], *s = &seg[i];

		if (same_order(to, s)) {
			seg[++k] = *s;
			continue;
		}
		if (longer_first(s, to)) {
			to->stack_user = s->stack_user;
			to->who = s->who;
		}
		add_errors(to, s);
		to->hi += s->hi - s->lo;
		to->cnt += s->cnt;
		to->svc_ns += s->svc_ns;
	}
	k++;
	for (size_t i = 0; i < k; i++) {
		uint64_t ns = seg[i].hi - seg[i].lo;

		seg[i].hi = hi;
		seg[i].lo = hi -= ns;
		seg[i].flags |= SG_SEG_MERGED;
	}
	return k;
}

/* The walk has made too many segments: merge all so far. Memos that were being recorded are given up. */
void sg_compact(struct sg_walk *w)
{
	struct sg_segs *s = &w->segs;
	size_t n = 0;

	for (size_t at = 0; at < s->n; at += RUN) {
		size_t run = s->n - at < RUN ? s->n - at : RUN;
		size_t left = merge_run(s->seg + at, run);

		memmove(s->seg + n, s->seg + at, left * sizeof(*s->seg));
		n += left;
	}
	s->n = n;
	for (size_t i = 0; i < w->n; i++)
		w->frame[i].memo_rec = NULL;
	w->compact_at = n + SG_COMPACT_AT;
	w->told = n;
}
