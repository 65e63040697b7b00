/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Cuts: the SNAP records of a running slice. Each is an exact breakdown from
 * switch-in to an instant, so a slice can be divided there without prorating.
 */
#include <errno.h>
#include <stdlib.h>
#include "model/priv.h"

/* Above this many cuts in one slice those without a mark are thinned: a slice of minutes stays small. */
#define CUT_MANY 4096

size_t sg_cut_bytes(const struct sg_cuts *c)
{
	return c->cap * sizeof(*c->cut) + c->pair_cap * sizeof(*c->pair);
}

static void cuts_reset(struct sg_cuts *c)
{
	c->n = 0;
	c->npair = 0;
}

void sg_cut_clear(struct sg_model *m, struct sg_thr *th)
{
	sg_mem_sub(m, sg_cut_bytes(&th->cuts));
	free(th->cuts.cut);
	free(th->cuts.pair);
	memset(&th->cuts, 0, sizeof(th->cuts));
}

void sg_cut_free(struct sg_model *m, struct sg_cuts *c)
{
	if (!c)
		return;
	sg_mem_sub(m, sizeof(*c) + sg_cut_bytes(c));
	free(c->cut);
	free(c->pair);
	free(c);
}

static struct sg_pair *find(struct sg_pair *p, uint32_t n, uint16_t key)
{
	for (uint32_t i = 0; i < n; i++)
		if (p[i].key == key)
			return p + i;
	return NULL;
}

/*
 * A fault that is open at a cut and ends later in the same slice is
 * CPU_FAULT_OPEN in the cut and something else afterwards. Move the excess to
 * the key that took it, so that breakdowns only grow.
 */
static bool settle_open(struct sg_pair *p, uint32_t *n, const struct sg_pair *next, uint32_t nnext, bool same)
{
	static const uint16_t ends[] = { SG_C_CPU_FAULT, SG_C_CPU_FAULT_MAJOR, SG_C_MEM_SWAPIN };
	struct sg_pair *open = find(p, *n, SG_C_CPU_FAULT_OPEN), moved = { 0 };
	const struct sg_pair *later = find((void *)next, nnext, SG_C_CPU_FAULT_OPEN);
	uint64_t left = later && same ? later->ns : 0;
	struct sg_vec v;
	uint64_t sum;

	if (!open || open->ns <= left)
		return false;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends) && !moved.key; i++) {
		const struct sg_pair *to = find((void *)next, nnext, ends[i]), *had = find(p, *n, ends[i]);

		if (to && to->ns >= (had ? had->ns : 0) + open->ns - left)
			moved.key = ends[i];
	}
	if (!moved.key)
		return false;
	moved.ns = open->ns - left;
	open->ns = left;
	v.n = *n;
	memcpy(v.p, p, *n * sizeof(*p));
	if (find(p, *n, moved.key)) {
		find(v.p, v.n, moved.key)->ns += moved.ns;
	} else if (!left) {
		*find(v.p, v.n, SG_C_CPU_FAULT_OPEN) = moved;
	} else {
		return false; /* no room in place; the monotony check drops this cut */
	}
	if (!sg_vec_load(&v, v.p, v.n, &sum))
		return false;
	memcpy(p, v.p, v.n * sizeof(*p));
	*n = v.n;
	return true;
}

/* Make every cut consistent with what comes after it; drop those that cannot be. */
static void settle(struct sg_cuts *c, const struct sg_pair *next, uint32_t nnext, uint32_t flt)
{
	struct sg_vec d;

	for (uint32_t i = c->n; i-- > 0;) {
		struct sg_cut *cut = &c->cut[i];
		struct sg_pair *p = c->pair + cut->off;
		uint32_t n = cut->npair;
		bool moved = settle_open(p, &n, next, nnext, !cut->flt || cut->flt == flt);

		cut->npair = n;
		if (!sg_vec_sub(&d, next, nnext, p, n)) {
			memmove(cut, cut + 1, (c->n - i - 1) * sizeof(*cut));
			c->n--;
			continue;
		}
		if (!moved)
			return; /* all before were consistent with this one already */
		next = p;
		nnext = n;
		flt = cut->flt;
	}
}

static void thin(struct sg_cuts *c, uint64_t horizon)
{
	uint32_t n = 0, np = 0;

	for (uint32_t i = 0; i < c->n; i++) {
		struct sg_cut cut = c->cut[i];
		bool below = i + 1 < c->n && c->cut[i + 1].ts <= horizon;

		if (below || (c->n > CUT_MANY && !cut.keep && i % 2 && i + 1 < c->n))
			continue;
		memmove(c->pair + np, c->pair + cut.off, cut.npair * sizeof(*c->pair));
		cut.off = np;
		np += cut.npair;
		c->cut[n++] = cut;
	}
	c->n = n;
	c->npair = np;
}

static int cuts_append(struct sg_model *m, struct sg_cuts *c, uint64_t ts, uint32_t flt,
		       const struct sg_vec *v)
{
	size_t was = sg_cut_bytes(c);
	int rc = SG_GROW(c->cut, c->cap, c->n + 1);

	if (!rc)
		rc = SG_GROW(c->pair, c->pair_cap, c->npair + v->n);
	sg_mem_add(m, sg_cut_bytes(c) - was);
	if (rc)
		return rc;
	c->cut[c->n++] = (struct sg_cut){ .ts = ts, .off = c->npair, .flt = flt, .npair = v->n };
	memcpy(c->pair + c->npair, v->p, v->n * sizeof(*v->p));
	c->npair += v->n;
	return 0;
}

int sg_cut_add(struct sg_model *m, struct sg_thr *th, const struct sg_snap *s)
{
	uint64_t horizon = sg_timeline_horizon(m), sum = 0;
	struct sg_cuts *c = &th->cuts;
	struct sg_vec v;

	th->seen = true;
	th->last_snap = s->h.ts;
	if (s->in < th->last_out || s->in > s->h.ts)
		return 0;
	if (s->in != th->open_in) { /* the slice of the cuts before never closed: its record was lost */
		int rc = sg_timeline_lost_slice(m, th);

		if (rc)
			return rc;
		th->open_in = s->in;
	}
	if (!sg_vec_load(&v, s->pair, s->npair, &sum) || sum != s->h.ts - s->in || !sum)
		return 0;
	if (c->n && c->cut[c->n - 1].ts >= s->h.ts)
		return 0;
	settle(c, v.p, v.n, s->out_fltseq);
	if (c->n && (c->cut[0].ts < horizon || c->n > CUT_MANY) && (c->n & (c->n - 1)) == 0)
		thin(c, horizon);
	return cuts_append(m, c, s->h.ts, s->out_fltseq, &v);
}

/*
 * The slice [in, out] has closed with breakdown @total: hand over its cuts, or
 * NULL. The thread starts with none again.
 */
struct sg_cuts *sg_cut_take(struct sg_model *m, struct sg_thr *th, uint64_t in, uint64_t out,
			    const struct sg_pair *total, uint32_t n, uint32_t flt)
{
	struct sg_cuts *c = &th->cuts, *ret = NULL;
	uint64_t horizon = sg_timeline_horizon(m);

	if (c->n && th->open_in == in) {
		settle(c, total, n, flt);
		while (c->n && c->cut[c->n - 1].ts >= out)
			c->n--;
		thin(c, horizon);
		if (c->n)
			ret = calloc(1, sizeof(*ret));
	}
	if (ret) {
		struct sg_cut *cut = malloc(c->n * sizeof(*cut));
		struct sg_pair *pair = malloc((c->npair + 1) * sizeof(*pair));

		if (cut && pair) {
			memcpy(cut, c->cut, c->n * sizeof(*cut));
			memcpy(pair, c->pair, c->npair * sizeof(*pair));
			*ret = (struct sg_cuts){ .n = c->n,
						 .cap = c->n,
						 .npair = c->npair,
						 .pair_cap = c->npair,
						 .cut = cut,
						 .pair = pair };
			sg_mem_add(m, sizeof(*ret) + sg_cut_bytes(ret));
		} else { /* without its cuts the slice is prorated: still conserving */
			free(cut);
			free(pair);
			free(ret);
			ret = NULL;
		}
	}
	cuts_reset(c);
	if (c->cap > 64)
		sg_cut_clear(m, th);
	th->open_in = 0;
	return ret;
}

bool sg_view_rec(const struct sg_trec *r, struct sg_view *ret)
{
	*ret = (struct sg_view){ .in = r->in,
				 .out = r->out,
				 .pair = r->pair,
				 .npair = r->npair,
				 .cuts = r->cuts,
				 .flags = r->flags,
				 .ncut = r->cuts ? r->cuts->n : 0 };
	return r->out > r->in;
}

/* The open slice, as far as its newest cut tells. */
bool sg_view_open(const struct sg_thr *th, struct sg_view *ret)
{
	const struct sg_cuts *c = &th->cuts;
	const struct sg_cut *last;

	if (!c->n)
		return false;
	last = &c->cut[c->n - 1];
	*ret = (struct sg_view){ .in = th->open_in,
				 .out = last->ts,
				 .pair = c->pair + last->off,
				 .npair = last->npair,
				 .cuts = c,
				 .ncut = c->n - 1 };
	return true;
}
