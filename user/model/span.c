/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Spans and samples: what the exporters draw, handed out as records come. */
#include "model/priv.h"

/* A pending CPU sample is handed out when the next one comes or its slice closes. */
int sg_sample_flush(struct sg_model *m, struct sg_thr *th)
{
	struct sg_sample s = { th->sample_ts, th->uid, th->sample_kern, th->sample_user };

	th->sample_kern = th->sample_user = 0;
	if (!m->on_sample || !(th->flags & SG_TF_INSCOPE) || (!s.stack_kern && !s.stack_user))
		return 0;
	return m->on_sample(m->sample_ctx, &s);
}

int sg_sample_ref(struct sg_model *m, struct sg_thr *th, const struct sg_stackref *ev)
{
	uint32_t *slot = ev->type == SG_STK_CPU_KERN ? &th->sample_kern : &th->sample_user;
	int rc = 0;

	if (*slot || th->sample_ts != ev->h.ts)
		rc = sg_sample_flush(m, th);
	th->sample_ts = ev->h.ts;
	*slot = ev->id;
	return rc < 0 ? rc : sg_shot_add(m, th, ev);
}

static int span(struct sg_model *m, struct sg_span *s, uint64_t lo, uint64_t hi, uint16_t cause)
{
	if (hi <= lo)
		return 0;
	s->lo = lo;
	s->hi = hi;
	s->cause = cause;
	return m->on_span(m->span_ctx, s);
}

static int wait_spans(struct sg_model *m, const struct sg_thr *th, const struct sg_trec *r, uint64_t held,
		      struct sg_span *s)
{
	uint64_t from = r->lo, edge;
	bool yield = r->stop == SG_STOP_YIELD;
	uint32_t uid;
	int rc = 0;

	switch (r->stop) {
	case SG_STOP_RUNNABLE:
	case SG_STOP_YIELD:
	case SG_STOP_NEW:
		break;
	case SG_STOP_THROTTLED:
		held = held ? held : r->in - r->lo;
		break;
	case SG_STOP_NONE:
	case SG_STOP_HOLE:
	case SG_STOP_UNSEEN:
	case SG_STOP_DEAD:
		return span(m, s, r->lo, r->in, SG_C_UNKNOWN);
	default: {
		const struct sg_rule *rule;
		struct sg_wait w;
		uint16_t cause;

		sg_wait_of(m, th, r, &w);
		rule = sg_classify(&w);
		cause = rule->cause;
		from = r->wake ? r->wake : r->in;
		if (!(rule->attr & SG_RA_TRAP) && !(r->flags & SG_SF_OPEN) &&
		    (!r->wake || sg_wait_origin(&w, &uid) == SG_ORG_NONE))
			cause = SG_C_UNKNOWN;
		rc = span(m, s, r->lo, from, cause);
	}
	}
	edge = held < r->in - from ? from + held : r->in;
	if (rc >= 0)
		rc = span(m, s, from, edge, SG_C_SCHED_THROTTLE);
	if (rc >= 0)
		rc = span(m, s, edge, r->in, yield ? SG_C_SCHED_YIELD : SG_C_SCHED_RUNQ);
	return rc;
}

/* @r: the record of @ev after clipping; known once, at the end of the slice. */
int sg_span_slice(struct sg_model *m, const struct sg_thr *th, const struct sg_trec *r,
		  const struct sg_slice *ev)
{
	struct sg_span s = { .uid = th->uid,
			     .cpu = ev->h.cpu,
			     .stack_kern = r->stack_kern,
			     .stack_user = r->stack_user,
			     .waker = r->wctx == SG_WCTX_TASK ? r->waker : r->raiser };
	int rc = 0;

	/* a wait whose beginning is not known is drawn from where the recording begins */
	if (r->lo || !m->first_ts) {
		rc = wait_spans(m, th, r, ev->throttle_ns, &s);
	} else if (r->in > m->first_ts) {
		s.lo = m->first_ts;
		rc = span(m, &s, m->first_ts, r->in, SG_C_UNKNOWN);
	}
	if (rc < 0)
		return rc;
	s.slice = ev;
	s.stack_kern = s.stack_user = s.waker = 0;
	return span(m, &s, r->in, r->out, 0);
}
