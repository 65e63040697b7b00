/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Segments. Every emit covers (lo, cur] and sets cur = lo: segments tile by
 * construction. They are made latest first and turned round at the end.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/kvmexit.h"
#include "model/box.h"
#include "model/walk.h"

int sg_emit(struct sg_walk *w, const struct sg_seg *s)
{
	int rc = SG_GROW(w->segs.seg, w->segs.cap, w->segs.n + 1);

	if (rc)
		return rc;
	w->segs.seg[w->segs.n++] = *s;
	w->cur = s->lo;
	w->quiet = 0;
	return 0;
}

/* A segment (lo, cur] of the top frame's thread. */
struct sg_seg sg_emit_base(struct sg_model *m, struct sg_walk *w, uint64_t lo, uint16_t cause)
{
	struct sg_wframe *f = sg_walk_top(w);

	return (struct sg_seg){
		.lo = lo,
		.hi = w->cur,
		.uid = f->th->uid,
		.chain = f->chain,
		.cause = cause,
		.wait_cause = w->n > 1 ? w->outer : cause,
		.wait_nr = w->n > 1 ? w->outer_nr : 0xffff,
		.wait_detail = w->n > 1 ? w->outer_detail : 0,
		.comp = f->th->box ? sg_box_comp(m, f->th, cause) : sg_thr_comp(m, f->th),
		.nr = f->nr,
		.detail = f->detail,
		.note = f->note,
		.flags = f->flags,
	};
}

int sg_emit_unknown(struct sg_model *m, struct sg_walk *w, uint64_t lo, uint8_t why)
{
	bool lost = why == SG_WHY_LOST || why == SG_WHY_CAP;
	struct sg_seg s = sg_emit_base(m, w, lo, lost ? SG_C_UNKNOWN_LOST : SG_C_UNKNOWN);

	s.why = why;
	/* a thread nobody announced has no name: its time is its asker's */
	if (!sg_walk_top(w)->th->announced && w->n > 1)
		s.comp = sg_walk_top(w)->comp;
	return sg_emit(w, &s);
}

/* Breakdown of [in, t]; prorated inside the piece @d between two cuts, which is empty if @t is one. */
static void upto(const struct sg_view *v, uint64_t t, struct sg_vec *ret, uint64_t *ret_s0, uint64_t *ret_s1,
		 struct sg_vec *d)
{
	const struct sg_pair *p0 = NULL, *p1 = v->pair;
	uint32_t n0 = 0, n1 = v->npair, lo = 0, hi = v->ncut;
	uint64_t w[SG_VEC_MAX], got[SG_VEC_MAX], s0 = v->in, s1 = v->out, sum;
	struct sg_vec all;

	while (lo < hi) { /* first cut after t */
		uint32_t mid = lo + (hi - lo) / 2;

		if (v->cuts->cut[mid].ts <= t)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < v->ncut) {
		s1 = v->cuts->cut[lo].ts;
		p1 = v->cuts->pair + v->cuts->cut[lo].off;
		n1 = v->cuts->cut[lo].npair;
	}
	if (lo) {
		s0 = v->cuts->cut[lo - 1].ts;
		p0 = v->cuts->pair + v->cuts->cut[lo - 1].off;
		n0 = v->cuts->cut[lo - 1].npair;
	}
	*ret_s0 = s0;
	*ret_s1 = s1;
	d->n = 0;
	if (t >= s1 || t <= s0) {
		ret->n = t >= s1 ? n1 : n0;
		if (ret->n)
			memcpy(ret->p, t >= s1 ? p1 : p0, ret->n * sizeof(*ret->p));
		return;
	}
	sg_vec_sub(d, p1, n1, p0, n0);
	for (uint32_t i = 0; i < d->n; i++)
		w[i] = d->p[i].ns;
	sg_apportion(w, d->n, s1 - s0, t - s0, got);
	all.n = n0;
	if (n0)
		memcpy(all.p, p0, n0 * sizeof(*p0));
	for (uint32_t i = 0; i < d->n; i++) {
		struct sg_pair part = d->p[i];
		uint32_t j = 0;

		part.cnt = (unsigned __int128)part.cnt * (t - s0) / (s1 - s0);
		part.err = (uint64_t)part.err * (t - s0) / (s1 - s0);
		part.ns = got[i];
		while (j < all.n && all.p[j].key != part.key)
			j++;
		if (j < all.n) {
			all.p[j].ns += part.ns;
			all.p[j].cnt += part.cnt;
			all.p[j].err += part.err;
		} else if (got[i]) {
			all.p[all.n++] = part;
		}
	}
	sg_vec_load(ret, all.p, all.n, &sum);
}

/* Account for the cut at @t, inside the piece [s0, s1] of @causes causes: @w ns of it are taken. */
static bool prorate(struct sg_walk *w, uint64_t s0, uint64_t s1, uint64_t taken, uint32_t causes)
{
	uint64_t rest = s1 - s0 - taken;

	if (causes < 2)
		return false;
	w->prorated_ns += taken;
	w->uncertain_ns += taken < rest ? taken : rest;
	return true;
}

/* System calls of a piece that was divided: so many may be counted in the wrong part of it. */
static void calls_divided(struct sg_walk *w, const struct sg_vec *piece)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < piece->n; i++)
		n += piece->p[i].key & SG_KEY_SYSCALL ? piece->p[i].cnt : 0;
	if (w->n == 1)
		w->own_calls_off += n;
	else
		w->calls_off += n;
}

/* Did so many calls fail in this slice that it counts them no further? */
static bool errors_full(const struct sg_view *v, uint16_t key)
{
	for (uint32_t i = 0; i < v->npair; i++)
		if (v->pair[i].key == key)
			return v->pair[i].err == UINT16_MAX;
	return false;
}

static void call_facts(struct sg_seg *s, const struct sg_view *v, const struct sg_pair *p)
{
	s->err = p->err;
	s->flags |= v->flags & SG_SF_COMPAT ? SG_SEG_COMPAT : 0;
	s->flags |= p->err && errors_full(v, p->key) ? SG_SEG_ERRMORE : 0;
}

/* @n pairs that fill (lo, cur]: one after another, in the order of their keys. */
static int emit_pairs(struct sg_model *m, struct sg_walk *w, const struct sg_view *v, const struct sg_pair *p,
		      uint32_t n, uint64_t lo, bool cut)
{
	struct sg_seg base = sg_emit_base(m, w, lo, 0);
	struct sg_thr *th = sg_walk_top(w)->th;
	struct sg_seg *s;
	uint64_t hi = w->cur;

	if (SG_GROW(w->segs.seg, w->segs.cap, w->segs.n + n))
		return -ENOMEM;
	base.flags |= cut ? SG_SEG_CUT : 0;
	s = w->segs.seg + w->segs.n;
	for (uint32_t i = n; i-- > 0; s++) {
		*s = base;
		s->hi = hi;
		s->lo = hi -= p[i].ns;
		s->cause = p[i].key;
		if (SG_KEY_IS_KVM(p[i].key))
			s->cause = sg_kvm_cause(p[i].key);
		else if (th->box || p[i].key & SG_KEY_GUEST)
			s->cause = sg_box_cause(th, p[i].key, &s->nr);
		if (th->box)
			s->comp = sg_box_comp(m, th, s->cause);
		s->wait_cause = w->n > 1 ? w->outer : s->cause;
		s->cnt = p[i].cnt;
		if (s->cause & SG_KEY_SYSCALL)
			call_facts(s, v, &p[i]);
		if (p[i].key == SG_C_UNKNOWN)
			s->why = SG_WHY_TORN;
		else if (p[i].key == SG_C_UNKNOWN_LOST)
			s->why = SG_WHY_LOST;
	}
	w->segs.n += n;
	w->quiet = 0;
	w->cur = hi;
	return hi == lo ? 0 : -EINVAL; /* cuts are kept monotone: cannot be */
}

/* (lo, cur] of a slice. */
int sg_emit_slice(struct sg_model *m, struct sg_walk *w, const struct sg_view *v, uint64_t lo)
{
	struct sg_vec a, b, d, pa, pb; /* pa, pb: the pieces that are divided at lo and at cur */
	uint64_t a0, a1, b0, b1, hi = w->cur;
	struct sg_seg whole;
	bool cut = false;

	if (w->trapped && w->n == 1) {
		whole = sg_emit_base(m, w, lo, SG_C_TRAP_SECCOMP);
		return sg_emit(w, &whole);
	}
	if (lo == v->in && hi == v->out)
		return emit_pairs(m, w, v, v->pair, v->npair, lo, false);
	upto(v, hi, &b, &b0, &b1, &pb);
	if (lo == v->in) {
		calls_divided(w, &pb);
		cut = pb.n && prorate(w, b0, b1, hi - b0, pb.n);
		return emit_pairs(m, w, v, b.p, b.n, lo, cut);
	}
	upto(v, lo, &a, &a0, &a1, &pa);
	calls_divided(w, &pa);
	if (pa.n && pb.n && a0 == b0) {
		cut = prorate(w, a0, a1, hi - lo, pa.n);
	} else {
		calls_divided(w, &pb);
		if (pa.n)
			cut = prorate(w, a0, a1, a1 - lo, pa.n);
		if (pb.n)
			cut |= prorate(w, b0, b1, hi - b0, pb.n);
	}
	if (!sg_vec_sub(&d, b.p, b.n, a.p, a.n))
		return -EINVAL;
	return emit_pairs(m, w, v, d.p, d.n, lo, cut);
}
