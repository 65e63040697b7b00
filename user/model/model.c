/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The model's door: events come in here and go to the room they concern. */
#include <errno.h>
#include <stdlib.h>
#include "model/priv.h"

#define TS_MAX (1ull << 62) /* times beyond are damage: nothing may overflow */

static int comps_init(struct sg_model *m)
{
	uint16_t none;
	int rc = sg_comp_intern(m, "unknown", 7, &none);

	if (!rc)
		rc = sg_comp_intern(m, "app", 3, &m->comp_app);
	if (!rc)
		rc = sg_comp_intern(m, "kernel", 6, &m->comp_kernel);
	if (!rc)
		rc = sg_comp_intern(m, "other", 5, &m->comp_other);
	return rc;
}

int sg_model_new(struct sg_model **ret, const struct sg_model_opts *opts, sg_task_fn on_task, void *ctx)
{
	struct sg_model *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return -ENOMEM;
	if (opts)
		m->opts = *opts;
	m->settle_ns = m->opts.settle_ns ? m->opts.settle_ns : SG_SETTLE_NS;
	if (m->settle_ns > TS_MAX / 64)
		m->settle_ns = TS_MAX / 64;
	m->on_task = on_task;
	m->task_ctx = ctx;
	rc = sg_walk_new(&m->walk);
	if (!rc)
		rc = comps_init(m);
	if (rc) {
		sg_model_free(m);
		return rc;
	}
	*ret = m;
	return 0;
}

void sg_model_free(struct sg_model *m)
{
	if (!m)
		return;
	sg_task_free_all(m);
	sg_thr_free_all(m);
	sg_timeline_free_spare(m);
	sg_chain_free(m);
	sg_dict_free(m);
	sg_walk_free(m->walk);
	sg_fuse_free(m->fusion);
	sg_inside_free(m->insides);
	sg_kicks_free(m->kicks);
	free(m->inflation);
	free(m);
}

void sg_model_on_sample(struct sg_model *m, sg_sample_fn fn, void *ctx)
{
	m->on_sample = fn;
	m->sample_ctx = ctx;
}

void sg_model_on_span(struct sg_model *m, sg_span_fn fn, void *ctx)
{
	m->on_span = fn;
	m->span_ctx = ctx;
}

void sg_model_on_guest(struct sg_model *m, sg_guest_call_fn fn, void *ctx)
{
	m->on_guest = fn;
	m->guest_ctx = ctx;
}

const struct sg_machines *sg_model_machines(const struct sg_model *m)
{
	return &m->machines;
}

void sg_model_stats(const struct sg_model *m, struct sg_model_stats *ret)
{
	*ret = m->stats;
}

static int feed_slice(struct sg_model *m, struct sg_thr *th, const struct sg_slice *ev)
{
	int rc = 0;

	m->stats.slices++;
	th->seen = true;
	if ((ev->flags & SG_SF_INSCOPE) && !(th->flags & SG_TF_INSCOPE)) {
		th->flags |= SG_TF_INSCOPE;
		th->comp = 0;
	}
	if (th->sample_kern || th->sample_user)
		rc = sg_sample_flush(m, th);
	if (rc >= 0)
		rc = sg_thr_vcpu(m, th, ev);
	if (rc >= 0)
		rc = sg_inflate_slice(m, th, ev);
	if (rc >= 0)
		rc = sg_timeline_append(m, th, ev);
	if (rc >= 0 && th->waited) {
		th->waited = false;
		m->recheck = 0;
	}
	/* one other thread a time: those that sleep for long give back what nobody needs */
	if (m->head && m->nthr) {
		m->sweep = m->sweep + 1 < m->nthr ? m->sweep + 1 : 0;
		sg_timeline_drop(m, m->thr[m->sweep], sg_timeline_horizon(m));
	}
	if (m->opts.mem_cap && m->stats.mem_bytes > m->opts.mem_cap)
		sg_timeline_cap(m);
	return rc;
}

static int feed_stackref(struct sg_model *m, struct sg_thr *th, const struct sg_stackref *ev)
{
	switch (ev->type) {
	case SG_STK_WAIT_KERN:
		th->pend_kern = ev->id;
		th->pend_kern_ts = ev->h.ts;
		return 0;
	case SG_STK_WAIT_USER:
		th->pend_user = ev->id;
		th->pend_user_ts = ev->h.ts;
		return 0;
	default:
		return sg_sample_ref(m, th, ev);
	}
}

static int feed_exit(struct sg_model *m, struct sg_thr *th, const struct sg_exit *ev)
{
	th->exit_ts = ev->h.ts ? ev->h.ts : 1;
	if (th->waited)
		m->recheck = 0;
	return sg_task_thread(m, th, th->exit_ts);
}

/* Records of a thread. */
static int feed_thread(struct sg_model *m, const struct sg_hdr *ev)
{
	struct sg_thr *th;

	if (!ev->uid)
		return 0;
	th = sg_thr_get(m, ev->uid);
	if (!th)
		return -ENOMEM;
	switch (ev->kind) {
	case SG_REC_SLICE:
		return feed_slice(m, th, (const void *)ev);
	case SG_REC_SNAP:
		return sg_cut_add(m, th, (const void *)ev);
	case SG_REC_MARK:
		return sg_task_mark(m, th, (const void *)ev);
	case SG_REC_STACKREF:
		return feed_stackref(m, th, (const void *)ev);
	case SG_REC_DETAIL:
		th->pend_detail_ts = ev->ts;
		return sg_dict_detail(m, (const void *)ev, &th->pend_detail);
	case SG_REC_EXIT:
		return feed_exit(m, th, (const void *)ev);
	default:
		return sg_thr_announce(m, (const void *)ev);
	}
}

static int feed_lost(struct sg_model *m, const struct sg_lost *ev)
{
	m->stats.lost += ev->n ? ev->n : 1;
	return 0;
}

static int feed_window(struct sg_model *m, const struct sg_window *ev)
{
	if (ev->type == SG_WINDOW_BEGIN)
		m->win_begin = ev->h.ts;
	else if (ev->type == SG_WINDOW_END)
		m->win_end = ev->h.ts;
	return 0;
}

static int feed(struct sg_model *m, const struct sg_hdr *ev)
{
	switch (ev->kind) {
	case SG_REC_SLICE:
	case SG_REC_SNAP:
	case SG_REC_MARK:
	case SG_REC_STACKREF:
	case SG_REC_DETAIL:
	case SG_REC_EXIT:
	case SG_REC_THREAD:
		return feed_thread(m, ev);
	case SG_REC_GUEST:
		return sg_guest_call(m, (const void *)ev);
	case SG_REC_LOST:
		return feed_lost(m, (const void *)ev);
	case SG_REC_ROLE:
		return sg_thr_role(m, (const void *)ev);
	case SG_REC_FRAME:
	case SG_REC_STACKDEF:
	case SG_REC_NAME:
		return sg_dict_feed(m, ev);
	case SG_REC_MACHINE:
		sg_machines_add(&m->machines, (const void *)ev);
		return 0;
	case SG_REC_CLOCKMAP:
		return sg_fuse_clock(m, (const void *)ev);
	case SG_REC_INJECT:
		return sg_kicks_add(m, (const void *)ev);
	case SG_REC_FETCH:
		return sg_kicks_fetch(m, (const void *)ev);
	case SG_REC_WINDOW:
		return feed_window(m, (const void *)ev);
	default:
		return 0; /* clocks, raw stacks, swap-out: not the model's */
	}
}

static int report(int rc, struct sg_err *err)
{
	if (rc == -ENOMEM)
		return sg_err_set(err, rc,
				  "not enough memory to explain this recording; a memory cap would bound it");
	if (rc < 0)
		return sg_err_set(err, rc, "explaining the recording was stopped (error %d)", -rc);
	return 0;
}

int sg_model_feed(struct sg_model *m, const struct sg_hdr *ev, struct sg_err *err)
{
	int rc = m->stopped;

	if (rc)
		return report(rc, err);
	if (ev->ts >= TS_MAX) {
		m->stats.late++;
		return 0;
	}
	if (ev->ts > m->now) {
		m->now = ev->ts;
		if (!m->first_ts)
			m->first_ts = ev->ts;
		if (m->queue || m->stuck)
			rc = sg_task_ripen(m);
	}
	if (rc >= 0)
		rc = feed(m, ev);
	if (rc < 0)
		m->stopped = rc;
	return report(rc, err);
}

int sg_model_finish(struct sg_model *m, struct sg_err *err)
{
	int rc = m->stopped;

	m->finished = true;
	for (uint32_t i = 0; !rc && i < m->nthr; i++)
		if (m->thr[i]->sample_kern || m->thr[i]->sample_user)
			rc = sg_sample_flush(m, m->thr[i]);
	if (rc >= 0)
		rc = sg_task_finish(m);
	return report(rc, err);
}
