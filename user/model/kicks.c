/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Kicks: which thread of the host gave a guest an interrupt, and when. They come in
 * order of time and are looked up from the last one before an instant; those that no
 * open task can ask for go, as timelines do.
 */
#include <errno.h>
#include <stdlib.h>
#include "model/priv.h"

#define DROP_MIN  4096 /* kicks: fewer are not worth moving the rest */
#define LOOK_BACK 4096 /* kicks of others than those asked for */

struct kick {
	uint64_t ts;
	uint32_t uid;
};

struct sg_kicks {
	struct kick *kick;
	size_t n, cap;
};

void sg_kicks_free(struct sg_kicks *k)
{
	if (!k)
		return;
	free(k->kick);
	free(k);
}

/* The first kick after @ts. */
static size_t after(const struct sg_kicks *k, uint64_t ts)
{
	size_t lo = 0, hi = k->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->kick[mid].ts > ts)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* Before it grows: what is older than the horizon goes, if that is half of it; beyond the memory's bound the older half does. */
static void drop(struct sg_model *m, struct sg_kicks *k)
{
	size_t n = k->n < DROP_MIN ? 0 : after(k, sg_timeline_horizon(m));

	if (k->n >= DROP_MIN && m->opts.mem_cap && m->stats.mem_bytes > m->opts.mem_cap && n < k->n / 2)
		n = k->n / 2;
	if (!n || n < k->n / 2)
		return;
	memmove(k->kick, k->kick + n, (k->n - n) * sizeof(*k->kick));
	k->n -= n;
}

int sg_kicks_add(struct sg_model *m, const struct sg_inject *ev)
{
	struct sg_kicks *k = m->kicks;
	size_t cap;

	if (!m->fusion || !ev->h.uid)
		return 0;
	if (!k) {
		k = m->kicks = calloc(1, sizeof(*k));
		if (!k)
			return -ENOMEM;
	}
	if (k->n && ev->h.ts < k->kick[k->n - 1].ts)
		return 0; /* a damaged recording: the order is what lookups rest on */
	if (k->n == k->cap)
		drop(m, k);
	cap = k->cap;
	if (SG_GROW(k->kick, k->cap, k->n + 1))
		return -ENOMEM;
	sg_mem_add(m, (k->cap - cap) * sizeof(*k->kick));
	k->kick[k->n++] = (struct kick){ .ts = ev->h.ts, .uid = ev->h.uid };
	return 0;
}

struct sg_thr *sg_kicks_last(struct sg_model *m, uint64_t from, uint64_t to, sg_kicks_of_fn of,
			     const void *ctx, uint64_t *ret_ts)
{
	const struct sg_kicks *k = m->kicks;

	size_t i = k ? after(k, to) : 0, end = i > LOOK_BACK ? i - LOOK_BACK : 0;

	while (i-- > end && k->kick[i].ts > from) {
		struct sg_thr *th = sg_thr_find(m, k->kick[i].uid);

		if (th && of(th, ctx)) {
			*ret_ts = k->kick[i].ts;
			return th;
		}
	}
	return NULL;
}
