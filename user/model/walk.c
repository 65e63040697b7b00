/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The walk: backwards from a task's end to its begin. On CPU: the slice's
 * breakdown. Runnable: the queue. Blocked: whoever ended the wait is walked over
 * the wait, then back to the thread that waited. An explicit stack, no
 * recursion; a thread is on it at most once. docs/model.md tells the rules.
 */
#include <errno.h>
#include <stdlib.h>
#include "model/walk.h"

#define PATIENCE_KNOWN	 50 /* settle delays a record of a known thread is waited for */
#define PATIENCE_UNKNOWN 5

int sg_walk_new(struct sg_walk **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void sg_walk_free(struct sg_walk *w)
{
	if (!w)
		return;
	free(w->frame);
	free(w->segs.seg);
	free(w->vis);
	free(w->sample);
	free(w);
}

const struct sg_segs *sg_walk_segs(const struct sg_model *m)
{
	return &m->walk->segs;
}

void sg_walk_sums(const struct sg_model *m, struct sg_task *ret)
{
	ret->prorated_ns = m->walk->prorated_ns;
	ret->uncertain_ns = m->walk->uncertain_ns;
	ret->calls_off = m->walk->calls_off;
	ret->own_calls_off = m->walk->own_calls_off;
}

size_t sg_walk_samples(const struct sg_model *m, const struct sg_task_sample **ret)
{
	*ret = m->walk->sample;
	return m->walk->nsample;
}

int sg_walk_visit(struct sg_walk *w, struct sg_thr *th)
{
	int rc = SG_GROW(w->vis, w->vis_cap, w->nvis + 1);

	if (!rc)
		w->vis[w->nvis++] = th;
	return rc;
}

int sg_walk_push(struct sg_model *m, struct sg_walk *w, const struct sg_push *p)
{
	struct sg_wframe *f = sg_walk_top(w);
	uint16_t own = sg_thr_comp(m, p->th);
	uint16_t comp = p->th->flags & SG_TF_KTHREAD || !p->th->announced ? f->comp : own;
	uint32_t chain;
	int rc = sg_chain_push(m, f->chain, p->wait, p->th->uid, p->th->announced ? own : f->comp, p->handoff,
			       &chain);

	if (rc)
		return rc;
	if (p->memo_rec && !m->opts.no_memo) {
		rc = sg_memo_apply(m, w, p, comp, chain);
		if (rc)
			return rc < 0 ? rc : 0;
	}
	rc = SG_GROW(w->frame, w->cap, w->n + 1);
	if (!rc)
		rc = sg_walk_visit(w, p->th);
	if (rc)
		return rc;
	w->frame[w->n++] = (struct sg_wframe){
		.th = p->th,
		.lo = p->lo,
		.chain = chain,
		.spec = p->spec,
		.refine = p->refine,
		.comp = comp,
		.nr = p->nr,
		.flags = p->flags,
		.detail = p->detail,
		.note = p->note,
		.memo_rec = m->opts.no_memo ? NULL : p->memo_rec,
		.chain0 = chain,
		.comp0 = comp,
		.seg0 = w->segs.n,
		.vis0 = w->nvis - 1,
		.hits0 = w->hits,
		.steps0 = w->steps,
		.prorated0 = w->prorated_ns,
		.uncertain0 = w->uncertain_ns,
		.calls_off0 = w->calls_off,
	};
	p->th->onstack = true;
	return 0;
}

/* The rest of the top frame's window belongs to another thread: its creator, or (critical) its waker. */
int sg_walk_replace(struct sg_model *m, struct sg_walk *w, struct sg_thr *th, bool fresh_chain)
{
	struct sg_wframe *f = sg_walk_top(w);
	int rc = sg_chain_push(m, fresh_chain ? 0 : f->chain, 0, th->uid, sg_thr_comp(m, th), false,
			       &f->chain);

	if (!rc)
		rc = sg_walk_visit(w, th);
	f->th->onstack = false;
	f->th = th;
	th->onstack = true;
	if (!(th->flags & SG_TF_KTHREAD))
		f->comp = sg_thr_comp(m, th);
	f->have_pos = f->have_inst = false;
	f->jump_at = 0;
	f->guest = NULL;
	return rc;
}

static int pop(struct sg_model *m, struct sg_walk *w)
{
	struct sg_wframe f = *sg_walk_top(w);

	f.th->onstack = false;
	w->n--;
	return f.memo_rec ? sg_memo_store(m, w, &f) : 0;
}

/* The thread is younger than cur: whoever created it owns the rest of the window. */
static int step_birth(struct sg_model *m, struct sg_walk *w)
{
	struct sg_wframe *f = sg_walk_top(w);
	struct sg_thr *c = sg_thr_find(m, f->th->creator);

	if (c && !c->onstack && c->birth < f->th->birth)
		return sg_walk_replace(m, w, c, false);
	if (c)
		w->hits++;
	return sg_emit_unknown(m, w, f->lo, !c && m->stats.lost ? SG_WHY_LOST : SG_WHY_NO_CREATOR);
}

static bool may_wait(const struct sg_model *m, const struct sg_walk *w, const struct sg_thr *th)
{
	bool known = th->announced || th->seen;
	uint64_t age = m->now - w->cur;

	if (w->force || th->exit_ts)
		return false;
	if (age < m->settle_ns * (known ? PATIENCE_KNOWN : PATIENCE_UNKNOWN))
		return true;
	return th->last_snap && m->now - th->last_snap < m->settle_ns * PATIENCE_UNKNOWN;
}

/* cur lies after the newest closed slice. */
static int step_beyond(struct sg_model *m, struct sg_walk *w, uint64_t floor)
{
	struct sg_wframe *f = sg_walk_top(w);
	struct sg_thr *th = f->th;
	uint64_t known = th->first_set ? th->last_out : 0, edge, lo;
	bool lost = m->stats.lost || th->exit_ts || !m->finished;
	struct sg_view v;
	uint8_t why;

	w->hits++;
	if (sg_view_open(th, &v) && v.in < w->cur) {
		bool covers = w->cur <= v.out;

		if ((covers && floor >= v.in) || !may_wait(m, w, th)) {
			if (covers) {
				edge = sg_stay_edge_before(th, w->cur);
				lo = v.in > floor ? v.in : floor;
				return sg_emit_slice(m, w, &v, edge > lo ? edge : lo);
			}
			return sg_emit_unknown(m, w, v.out > floor ? v.out : floor,
					       lost ? SG_WHY_LOST : SG_WHY_AFTER);
		}
	}
	if (may_wait(m, w, th)) {
		w->need_uid = th->uid;
		w->need_ts = w->cur;
		return -EAGAIN;
	}
	if (!th->announced && !th->seen)
		why = m->stats.lost ? SG_WHY_LOST : SG_WHY_OUT_OF_SCOPE;
	else
		why = lost ? SG_WHY_LOST : SG_WHY_AFTER;
	return sg_emit_unknown(m, w, known > floor ? known : floor, why);
}

/* cur lies before the oldest record that is kept. */
static int step_before(struct sg_model *m, struct sg_walk *w, const struct sg_trec *first, uint64_t floor)
{
	struct sg_thr *th = sg_walk_top(w)->th;
	uint64_t lo = th->birth > floor ? th->birth : floor;
	bool is_first = first && first->lo == th->first_lo;
	uint8_t why;

	if (th->capped && w->cur <= th->dropped_to)
		return sg_emit_unknown(m, w, lo, SG_WHY_CAP);
	if (th->capped)
		return sg_emit_unknown(m, w, th->dropped_to > lo ? th->dropped_to : lo, SG_WHY_LOST);
	/* A thread out of scope is recorded from when it first dealt with one in scope, however old it is. */
	if (is_first && th->birth && !(th->flags & SG_TF_INSCOPE) && !m->stats.lost)
		why = SG_WHY_OUT_OF_SCOPE;
	else if (!is_first || th->birth)
		why = SG_WHY_LOST;
	else if (first->flags & SG_SF_FIRST)
		why = SG_WHY_BEFORE;
	else if (m->stats.lost)
		why = SG_WHY_LOST;
	else if (first->stop == SG_STOP_NEW)
		why = SG_WHY_NO_CREATOR;
	else
		why = th->flags & SG_TF_INSCOPE ? SG_WHY_BEFORE : SG_WHY_OUT_OF_SCOPE;
	return sg_emit_unknown(m, w, lo, why);
}

/*
 * A worker's slice that ran a work item: who queued it beats who woke the worker. But
 * when the worker itself is the task, what it did before is its own time.
 */
static void note_work(struct sg_model *m, struct sg_walk *w, const struct sg_trec *r)
{
	struct sg_wframe *f = sg_walk_top(w);
	const struct sg_ext *ext = sg_trec_ext(r);
	struct sg_thr *by;

	if (!ext || !(r->flags & SG_SF_WORK) || !ext->work_by || (w->n == 1 && !w->critical))
		return;
	if (ext->work_queued <= f->lo || ext->work_queued >= w->cur || ext->work_queued <= f->jump_at)
		return;
	by = sg_thr_find(m, ext->work_by);
	if (!by || by->onstack) {
		w->hits += by != NULL;
		return;
	}
	f->jump_at = ext->work_queued;
	f->jump_to = by;
}

static int step_jump(struct sg_model *m, struct sg_walk *w)
{
	struct sg_wframe *f = sg_walk_top(w);
	struct sg_push p = { .th = f->jump_to,
			     .lo = f->lo,
			     .wait = SG_C_IDLE_WORKER,
			     .spec = f->spec,
			     .refine = f->refine,
			     .nr = f->nr,
			     .note = f->note,
			     .detail = f->detail };

	f->jump_at = 0;
	if (p.th->onstack) {
		w->hits++;
		return 0;
	}
	return w->critical ? sg_walk_replace(m, w, p.th, true) : sg_walk_push(m, w, &p);
}

/* Find the record that holds cur; false: cur lies before all that are kept (*ret: the oldest, or NULL). */
static bool locate(struct sg_walk *w, struct sg_trec **ret, uint64_t *ret_gap)
{
	struct sg_wframe *f = sg_walk_top(w);
	struct sg_trec *r;

	*ret = NULL;
	*ret_gap = 0;
	if (!f->have_pos && !sg_timeline_find(f->th, w->cur, &f->pos))
		return false;
	f->have_pos = true;
	r = *ret = sg_timeline_at(f->th, f->pos);
	while (w->cur <= r->lo) {
		struct sg_pos prev = f->pos;

		if (!sg_timeline_prev(f->th, &prev))
			return false;
		r = sg_timeline_at(f->th, prev);
		if (r->out < w->cur) {
			*ret_gap = r->out;
			return true;
		}
		f->pos = prev;
		*ret = r;
	}
	return true;
}

static int step(struct sg_model *m, struct sg_walk *w)
{
	struct sg_wframe *f = sg_walk_top(w);
	struct sg_thr *th = f->th;
	uint64_t floor, gap, edge;
	struct sg_trec *r;
	struct sg_view v;

	w->steps++;
	w->quiet++;
	if (w->segs.n >= w->compact_at) {
		if (sg_shot_tell(m, w))
			return -ENOMEM;
		sg_compact(w);
	}
	if (w->cur <= f->lo)
		return pop(m, w);
	if (th->birth && w->cur <= th->birth)
		return step_birth(m, w);
	if (f->jump_at && w->cur <= f->jump_at)
		return step_jump(m, w);
	floor = f->jump_at > f->lo ? f->jump_at : f->lo;
	if (th->birth > floor)
		floor = th->birth;
	if (!th->first_set || w->cur > th->last_out)
		return step_beyond(m, w, floor);
	if (!locate(w, &r, &gap))
		return step_before(m, w, r, floor);
	/* Between two times that it dealt with threads in scope, others are not recorded. */
	if (gap)
		return sg_emit_unknown(m, w, gap > floor ? gap : floor,
				       m->stats.lost || th->flags & SG_TF_INSCOPE ? SG_WHY_LOST
										  : SG_WHY_OUT_OF_SCOPE);
	if (w->cur <= r->in)
		return sg_wait_step(m, w, r, floor);
	note_work(m, w, r);
	if (f->jump_at > floor)
		floor = f->jump_at;
	sg_view_rec(r, &v);
	if (r->out_fltseq)
		w->hits++;
	edge = sg_stay_edge_before(th, w->cur);
	if (edge > floor)
		floor = edge;
	return sg_emit_slice(m, w, &v, r->in > floor ? r->in : floor);
}

static void reverse(struct sg_segs *s)
{
	for (size_t i = 0, j = s->n; i + 1 < j; i++) {
		struct sg_seg t = s->seg[--j];

		s->seg[j] = s->seg[i];
		s->seg[i] = t;
	}
}

int sg_walk_window(struct sg_model *m, struct sg_walk *w, struct sg_thr *th, uint64_t lo, uint64_t hi,
		   bool force)
{
	uint32_t chain;
	int rc;

	w->n = w->nvis = w->segs.n = w->nsample = w->told = 0;
	w->hits = w->steps = w->quiet = w->prorated_ns = w->uncertain_ns = w->calls_off = w->own_calls_off =
		0;
	w->outer = 0;
	w->compact_at = SG_COMPACT_AT;
	w->cur = hi;
	w->force = force;
	if (lo >= hi)
		return 0;
	rc = SG_GROW(w->frame, w->cap, 1);
	if (!rc)
		rc = sg_chain_push(m, 0, 0, th->uid, sg_thr_comp(m, th), false, &chain);
	if (rc)
		return rc;
	w->frame[w->n++] = (struct sg_wframe){ .th = th,
					       .lo = lo,
					       .chain = chain,
					       .nr = 0xffff,
					       .comp = sg_thr_comp(m, th),
					       .refine = w->behalf };
	th->onstack = true;
	while (!rc && w->n)
		rc = step(m, w);
	while (w->n) /* after an error */
		w->frame[--w->n].th->onstack = false;
	m->stats.steps += w->steps;
	if (!rc)
		rc = sg_shot_tell(m, w);
	if (!rc)
		reverse(&w->segs);
	return rc;
}

int sg_walk_run(struct sg_model *m, struct sg_open *o, bool force)
{
	struct sg_thr *th = sg_thr_get(m, o->uid);
	struct sg_walk *w = m->walk;
	int rc;

	if (!th)
		return -ENOMEM;
	w->critical = m->opts.critical;
	w->trapped = o->trapped;
	rc = sg_walk_window(m, w, th, o->begin, o->end, force);
	if (rc == -EAGAIN) {
		o->need_uid = w->need_uid;
		o->need_ts = w->need_ts;
	}
	return rc;
}
