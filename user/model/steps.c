/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <stdio.h>
#include <string.h>
#include "model/analysis.h"
#include "model/evidence_text.h"

/* Neighbouring segments of one thread and one kind of cause, while they are collected. */
struct run {
	uint64_t lo, hi, longest_ns;
	size_t first, longest; /* segments */
	uint32_t merged;
	bool mixed;	/* several causes, all of cpu.* */
	bool mixed_sys; /* several system calls, all cpu.sys.* */
};

static bool is_cpu(uint16_t cause)
{
	return cause & SG_KEY_SYSCALL || (cause >= SG_C_CPU_USER && cause <= SG_C_CPU_GUEST) ||
	       (cause >= SG_C_CPU_FAULT_MAJOR && cause <= SG_C_CPU_SPIN);
}

static bool same_step(const struct sg_seg *a, const struct sg_seg *b)
{
	return a->chain == b->chain && a->uid == b->uid && a->comp == b->comp &&
	       (a->cause == b->cause || (is_cpu(a->cause) && is_cpu(b->cause)));
}

/* What the segment hung on, most telling first, as one line. */
static void hint_text(char *buf, size_t cap, const struct sg_model *m, const struct sg_seg *s)
{
	static const struct {
		uint8_t kind;
		const char *before;
	} facts[] = { { SG_EV_WHY, "" },
		      { SG_EV_SYSCALL, "" },
		      { SG_EV_FILE, "" },
		      { SG_EV_SOCKET, "" },
		      { SG_EV_PIPE, "" },
		      { SG_EV_DEVICE, "" },
		      { SG_EV_TAKEN, "CPU taken by " },
		      { SG_EV_WAKER, "woken by " },
		      { SG_EV_STACK, "in " },
		      { SG_EV_USTACK, "in " } };
	char text[160];
	uint64_t id;
	size_t len = 0;

	*buf = 0;
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts) && len + 1 < cap; i++) {
		unsigned k = facts[i].kind;
		int n;

		if (!sg_evid_has(m, s, k, &id) || !sg_evid_text(m, s, k, text, sizeof(text)))
			continue;
		n = snprintf(buf + len, cap - len, "%s%s%s", len ? ", " : "", facts[i].before, text);
		len += n > 0 ? (size_t)n : 0;
	}
}

static void step_fill(struct sg_step *st, const struct run *r, const struct sg_model *m,
		      const struct sg_task *t)
{
	const struct sg_seg *s = &t->seg[r->longest];
	const struct sg_chain_frame *f;
	char cause[48];

	memset(st, 0, sizeof(*st));
	st->at_ns = r->lo - t->begin;
	st->ns = r->hi - r->lo;
	st->merged = r->merged;
	snprintf(st->comp, sizeof(st->comp), "%s", sg_model_comp(m, s->comp));
	if (r->mixed)
		snprintf(st->cause, sizeof(st->cause), "cpu");
	else if (r->mixed_sys)
		snprintf(st->cause, sizeof(st->cause), "cpu.sys");
	else
		snprintf(st->cause, sizeof(st->cause), "%s", sg_cause_name(s->cause, cause, sizeof(cause)));
	if (sg_model_chain(m, s->chain, &f) > 1)
		sg_chain_text(m, s->chain, st->chain, sizeof(st->chain));
	hint_text(st->hint, sizeof(st->hint), m, s);
}

/* Keep @r if it is among the longest so far. @best holds SG_STEPS_MAX runs, unordered. */
static void keep(struct run *best, size_t *n, const struct run *r, struct sg_kept_task *kept)
{
	const struct run *out = r;
	size_t least = 0;

	if (*n < SG_STEPS_MAX) {
		best[(*n)++] = *r;
		return;
	}
	for (size_t i = 1; i < *n; i++)
		if (best[i].hi - best[i].lo < best[least].hi - best[least].lo)
			least = i;
	if (best[least].hi - best[least].lo < r->hi - r->lo)
		out = &best[least];
	kept->rest_ns += out->hi - out->lo;
	kept->rest_n++;
	if (out != r)
		best[least] = *r;
}

void sg_steps_make(struct sg_kept_task *kept, const struct sg_model *m, const struct sg_task *t)
{
	struct run best[SG_STEPS_MAX], r = { 0 };
	size_t n = 0;

	kept->nstep = 0;
	kept->rest_ns = kept->rest_n = 0;
	for (size_t i = 0; i < t->nseg; i++) {
		const struct sg_seg *s = &t->seg[i];

		if (i && same_step(&t->seg[r.first], s)) {
			bool both_sys = t->seg[r.first].cause & s->cause & SG_KEY_SYSCALL;

			r.mixed_sys |= both_sys && t->seg[r.first].cause != s->cause;
			r.mixed |= !both_sys && t->seg[r.first].cause != s->cause;
			r.hi = s->hi;
			r.merged++;
		} else {
			if (i)
				keep(best, &n, &r, kept);
			r = (struct run){ .lo = s->lo, .hi = s->hi, .first = i, .merged = 1 };
		}
		if (s->hi - s->lo > r.longest_ns) {
			r.longest_ns = s->hi - s->lo;
			r.longest = i;
		}
	}
	if (t->nseg)
		keep(best, &n, &r, kept);
	for (size_t i = 1; i < n; i++) /* into time order */
		for (size_t k = i; k && best[k].lo < best[k - 1].lo; k--) {
			struct run swap = best[k];

			best[k] = best[k - 1];
			best[k - 1] = swap;
		}
	for (size_t i = 0; i < n; i++)
		step_fill(&kept->step[kept->nstep++], &best[i], m, t);
}
