/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A task of the host's that a guest serves: a request goes in, its answer comes out. Where
 * the guest marks what it does for it by the same id and name, that is no task of its own
 * but the inside of the host's: over that window the guest's ledger, refined by what the
 * host saw of its vCPUs, takes the place of what the host saw of the VMM. Ids are as often
 * as not counters, and two programs count alike: only a large one is known to both sides.
 */
#include <errno.h>
#include <stdlib.h>
#include "model/walk.h"

typedef unsigned __int128 u128;

struct sg_insides {
	struct sg_segs host, out; /* the task as the host sees it; the result */
	struct sg_task_sample *sample;
	size_t nsample, sample_cap;
};

/* What the walk says beside its segments: of the host's, to be added to the guest's. */
struct sums {
	uint64_t prorated, uncertain, calls_off, own_calls_off;
};

void sg_inside_free(struct sg_insides *i)
{
	if (!i)
		return;
	free(i->host.seg);
	free(i->out.seg);
	free(i->sample);
	free(i);
}

uint64_t sg_inside_id(const struct sg_model *m, const struct sg_open *in)
{
	const struct sg_machine_info *mi = sg_machine_of_uid(&m->machines, in->uid);
	uint64_t id;

	if (!mi || !mi->number || in->incomplete || in->end <= in->begin)
		return 0;
	/* as the guest itself calls it: a merged recording keeps the machines' ids apart */
	id = sg_machine_mark(mi, in->id);
	return id >= SG_INSIDE_ID_MIN ? id : 0;
}

static bool in_guest(const struct sg_model *m, uint32_t uid)
{
	const struct sg_machine_info *mi = sg_machine_of_uid(&m->machines, uid);

	return mi && mi->number;
}

bool sg_inside_of(const struct sg_model *m, const struct sg_open *o, const struct sg_open *in)
{
	return o->id == sg_inside_id(m, in) && !strcmp(o->name, in->name) && !o->inside.uid &&
	       !in_guest(m, o->begin_uid);
}

/* ---- the two ledgers as one -------------------------------------------------------- */
static int put(struct sg_segs *out, const struct sg_seg *s, uint64_t lo, uint64_t hi)
{
	if (hi <= lo)
		return 0;
	if (SG_GROW(out->seg, out->cap, out->n + 1))
		return -ENOMEM;
	out->seg[out->n] = *s;
	if (lo > s->lo)
		out->seg[out->n].cnt = out->seg[out->n].err = 0; /* counted where it begins */
	out->seg[out->n].lo = lo;
	out->seg[out->n++].hi = hi;
	return 0;
}

/* What the task's own thread waits for in the window, by the most of it; NULL: it does not wait. */
static const struct sg_seg *waits(const struct sg_segs *host, uint32_t own, uint64_t from, uint64_t to)
{
	const struct sg_seg *best = NULL;
	uint64_t most = 0;

	for (size_t i = 0; i < host->n; i++) {
		const struct sg_seg *s = &host->seg[i];
		uint64_t lo = s->lo > from ? s->lo : from, hi = s->hi < to ? s->hi : to;

		if (s->uid == own || hi <= lo || hi - lo <= most)
			continue;
		most = hi - lo;
		best = s;
	}
	return best;
}

struct window {
	uint64_t from, to; /* on the host's clock */
	uint64_t lo, hi;   /* the same on the guest's */
};

static uint64_t to_host(const struct window *x, uint64_t ts)
{
	return x->from + (uint64_t)((u128)(ts - x->lo) * (x->to - x->from) / (x->hi - x->lo));
}

/* The guest's ledger @in, below the thread that waits for it. */
static int put_inside(struct sg_model *m, const struct sg_open *o, const struct window *x,
		      const struct sg_segs *in)
{
	struct sg_insides *ins = m->insides;
	const struct sg_seg *wait = waits(&ins->host, o->uid, x->from, x->to);
	uint16_t cause = wait ? wait->wait_cause : SG_C_UNKNOWN;
	struct sg_thr *own = sg_thr_find(m, o->uid);
	uint32_t root;
	int rc = sg_chain_push(m, 0, 0, o->uid, sg_thr_comp(m, own), false, &root);

	for (size_t i = 0; i < in->n && !rc; i++) {
		struct sg_seg s = in->seg[i];
		uint64_t lo = to_host(x, s.lo), hi = to_host(x, s.hi);

		rc = sg_chain_graft(m, s.chain, root, cause, &s.chain);
		s.wait_cause = cause;
		s.wait_nr = wait ? wait->wait_nr : 0xffff;
		s.wait_detail = wait ? wait->wait_detail : 0;
		s.lo = lo;
		if (!rc)
			rc = put(&ins->out, &s, lo, hi);
	}
	return rc;
}

static int merge(struct sg_model *m, const struct sg_open *o, const struct window *x,
		 const struct sg_segs *in)
{
	struct sg_insides *ins = m->insides;
	int rc = 0;

	ins->out.n = 0;
	for (size_t i = 0; i < ins->host.n && !rc; i++) {
		const struct sg_seg *s = &ins->host.seg[i];

		rc = put(&ins->out, s, s->lo, s->hi < x->from ? s->hi : x->from);
	}
	if (!rc)
		rc = put_inside(m, o, x, in);
	for (size_t i = 0; i < ins->host.n && !rc; i++) {
		const struct sg_seg *s = &ins->host.seg[i];

		rc = put(&ins->out, s, s->lo > x->to ? s->lo : x->to, s->hi);
	}
	return rc;
}

/* ---- the walk of the guest's part ---------------------------------------------------- */
static int keep_host(struct sg_model *m, struct sums *ret)
{
	struct sg_insides *ins = m->insides;
	struct sg_walk *w = m->walk;
	struct sg_segs host = w->segs;

	if (SG_GROW(ins->sample, ins->sample_cap, w->nsample))
		return -ENOMEM;
	if (w->nsample)
		memcpy(ins->sample, w->sample, w->nsample * sizeof(*w->sample));
	ins->nsample = w->nsample;
	w->segs = ins->host;
	ins->host = host;
	*ret = (struct sums){ w->prorated_ns, w->uncertain_ns, w->calls_off, w->own_calls_off };
	return 0;
}

static int give_back(struct sg_model *m, const struct sums *s)
{
	struct sg_insides *ins = m->insides;
	struct sg_walk *w = m->walk;
	struct sg_segs in = w->segs;

	if (SG_GROW(w->sample, w->sample_cap, w->nsample + ins->nsample))
		return -ENOMEM;
	if (ins->nsample)
		memcpy(w->sample + w->nsample, ins->sample, ins->nsample * sizeof(*w->sample));
	w->nsample += ins->nsample;
	w->segs = ins->out;
	ins->out = in;
	/* the calls of the guest's thread are not the task's own thread's */
	w->calls_off += w->own_calls_off + s->calls_off;
	w->own_calls_off = s->own_calls_off;
	w->prorated_ns += s->prorated;
	w->uncertain_ns += s->uncertain;
	return 0;
}

/* The host's time of the part; false: the clocks have no such, or it is no part of the task by them. */
static bool window_of(struct sg_model *m, const struct sg_open *o, struct window *ret, uint64_t *ret_error)
{
	uint64_t e1, e2;
	bool fits;

	*ret = (struct window){ .lo = o->inside.begin, .hi = o->inside.end };
	if (!sg_fuse_host(m, o->inside.uid, ret->lo, &ret->from, &e1) ||
	    !sg_fuse_host(m, o->inside.uid, ret->hi, &ret->to, &e2))
		return false;
	fits = ret->from + e1 >= o->begin && ret->to <= o->end + e2;
	if (ret->from < o->begin)
		ret->from = o->begin;
	if (ret->to > o->end)
		ret->to = o->end;
	fits &= ret->to > ret->from;
	*ret_error = e1 + e2;
	if (fits && *ret_error > ret->to - ret->from)
		*ret_error = ret->to - ret->from;
	if (!fits)
		sg_fuse_seam(m, o->inside.uid, 0, 0, false);
	return fits;
}

int sg_inside_put(struct sg_model *m, struct sg_open *o, bool force)
{
	struct sg_open in = { .uid = o->inside.uid, .begin = o->inside.begin, .end = o->inside.end };
	uint64_t error;
	struct window x;
	struct sums s;
	int rc;

	if (m->opts.critical || !window_of(m, o, &x, &error))
		return 0;
	if (!m->insides)
		m->insides = calloc(1, sizeof(*m->insides));
	rc = m->insides ? keep_host(m, &s) : -ENOMEM;
	if (!rc)
		rc = sg_walk_run(m, &in, force);
	if (!rc)
		rc = sg_fuse(m, &in, force);
	if (rc == -EAGAIN) {
		o->need_uid = in.need_uid;
		o->need_ts = in.need_ts;
	}
	if (!rc)
		rc = merge(m, o, &x, sg_walk_segs(m));
	if (!rc)
		rc = give_back(m, &s);
	if (!rc)
		sg_fuse_seam(m, o->inside.uid, x.to - x.from, error, true);
	return rc;
}
