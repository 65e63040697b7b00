/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * CPU samples as evidence: kept per thread while tasks are open, and told to a
 * task when its segments are made. A sample is a fact of a thread at a time; its
 * segment says whose time that is. Never part of any sum.
 */
#include <errno.h>
#include <stdlib.h>
#include "model/box.h"
#include "model/walk.h"

static int shot_room(struct sg_model *m, struct sg_thr *th)
{
	if (th->shot0 + th->nshot < th->shot_cap)
		return 0;
	sg_shot_drop(m, th, sg_timeline_horizon(m)); /* with no task open nobody else does */
	if (th->shot0 && th->shot0 >= th->shot_cap / 2) {
		memmove(th->shot, th->shot + th->shot0, th->nshot * sizeof(*th->shot));
		th->shot0 = 0;
		return 0;
	}
	return SG_GROW(th->shot, th->shot_cap, th->shot0 + th->nshot + 1);
}

/* User and kernel stack of one sample come as two records of one time. */
int sg_shot_add(struct sg_model *m, struct sg_thr *th, const struct sg_stackref *ev)
{
	struct sg_shot *last = th->nshot ? &th->shot[th->shot0 + th->nshot - 1] : NULL;
	uint64_t ts = ev->h.ts;

	if (!last || last->ts < ts) {
		if (sg_timeline_horizon(m) >= ts || m->nshots >= SG_SHOTS_MAX)
			return 0;
		if (shot_room(m, th))
			return -ENOMEM;
		last = &th->shot[th->shot0 + th->nshot++];
		*last = (struct sg_shot){ .ts = ts };
		m->nshots++;
	}
	if (last->ts != ts) /* a damaged recording: times fall */
		return 0;
	if (ev->type == SG_STK_CPU_KERN)
		last->kern = ev->id;
	else
		last->user = ev->id;
	return 0;
}

/* Nothing at or before @horizon is asked for any more. */
void sg_shot_drop(struct sg_model *m, struct sg_thr *th, uint64_t horizon)
{
	while (th->nshot && th->shot[th->shot0].ts <= horizon) {
		th->shot0++;
		th->nshot--;
		m->nshots--;
	}
	if (th->nshot)
		return;
	free(th->shot);
	th->shot = NULL;
	th->shot0 = th->shot_cap = 0;
}

/* The first sample of @th in (lo, hi], as segments are emitted; NULL: none. */
static const struct sg_shot *first_in(const struct sg_thr *th, uint64_t lo, uint64_t hi)
{
	const struct sg_shot *s = th->shot + th->shot0;
	uint32_t a = 0, b = th->nshot;

	if (!b || s[b - 1].ts <= lo || s[0].ts > hi)
		return NULL;
	while (a < b) {
		uint32_t mid = a + (b - a) / 2;

		if (s[mid].ts <= lo)
			a = mid + 1;
		else
			b = mid;
	}
	return s[a].ts <= hi ? &s[a] : NULL;
}

static bool is_trap(uint16_t cause)
{
	return cause == SG_C_TRAP_PTRACE || cause == SG_C_TRAP_SECCOMP;
}

static bool in_slice(uint16_t cause)
{
	return sg_cause_on_cpu(cause) || is_trap(cause) || cause == SG_C_MEM_SWAPIN;
}

/* @want: what the sample's stack says it was doing, see sg_dict_key(). */
static bool fits(uint16_t cause, uint16_t want)
{
	switch (want) {
	case SG_C_CPU_USER:
		return cause == SG_C_CPU_USER || cause == SG_C_CPU_SPIN;
	case SG_C_CPU_FAULT:
		return cause == SG_C_CPU_FAULT || cause == SG_C_CPU_FAULT_MAJOR ||
		       cause == SG_C_CPU_FAULT_OPEN || cause == SG_C_MEM_SWAPIN;
	case 0: /* somewhere in the kernel */
		return cause != SG_C_CPU_USER && cause != SG_C_CPU_SPIN;
	default:
		return cause == want;
	}
}

#define NEAR 64 /* segments of a slice that are looked at on either side */

/*
 * Which of the segments of seg[at]'s slice a sample within seg[at] belongs to. The
 * causes of a slice stand one after another in a fixed order: the place tells whose
 * time it is, the stack which cause. Nothing is guessed: a sample that names no
 * cause belongs to the only one it can, or to none.
 * Return: its index, or @n.
 */
static size_t segment_of(const struct sg_seg *seg, size_t n, size_t at, uint16_t want)
{
	size_t lo = at, hi = at + 1, best = n;

	if (!in_slice(seg[at].cause))
		return n;
	while (lo > 0 && at - lo < NEAR && seg[lo - 1].uid == seg[at].uid && in_slice(seg[lo - 1].cause))
		lo--;
	while (hi < n && hi - at < NEAR && seg[hi].uid == seg[at].uid && in_slice(seg[hi].cause))
		hi++;
	for (size_t i = lo; i < hi; i++) {
		if (!fits(seg[i].cause, want))
			continue;
		if (!want && best < n && (seg[i].cause != seg[best].cause || seg[i].comp != seg[best].comp))
			return n;
		if (best == n || (i > at ? i - at : at - i) < (best > at ? best - at : at - best))
			best = i;
	}
	return best;
}

/* The stub's own code, which handles traps: the resolver names its mapping so. */
static bool in_stub(const struct sg_model *m, uint32_t stack)
{
	const char *sym, *mod;
	const uint32_t *frame;
	bool kernel;

	return sg_model_stack(m, stack, &frame) && sg_model_frame(m, frame[0], &sym, &mod, &kernel) &&
	       !strcmp(mod, "[stub]");
}

static int tell(struct sg_model *m, struct sg_walk *w, size_t at, const struct sg_thr *th,
		const struct sg_shot *s)
{
	uint16_t want = s->kern ? sg_dict_key(m, s->kern) : SG_C_CPU_USER, nr;
	const struct sg_seg *seg = w->segs.seg + w->told;
	size_t n = w->segs.n - w->told, to;

	if (want & SG_KEY_SYSCALL)
		want = sg_box_cause(th, want, &nr);
	else if (!s->kern && th->box == SG_BOX_STUB && in_stub(m, s->user))
		want = SG_C_TRAP_SECCOMP;
	to = segment_of(seg, n, at, want);
	if (to == n)
		return 0;
	if (SG_GROW(w->sample, w->sample_cap, w->nsample + 1))
		return -ENOMEM;
	w->sample[w->nsample++] = (struct sg_task_sample){
		.comp = seg[to].comp, .cause = seg[to].cause, .stack_kern = s->kern, .stack_user = s->user
	};
	return 0;
}

int sg_shot_tell(struct sg_model *m, struct sg_walk *w)
{
	const struct sg_seg *seg = w->segs.seg + w->told;
	size_t n = w->segs.n - w->told;
	int rc = 0;

	for (size_t i = 0; m->nshots && i < n && !rc; i++) {
		const struct sg_thr *th = sg_thr_find(m, seg[i].uid);
		const struct sg_shot *s = th ? first_in(th, seg[i].lo, seg[i].hi) : NULL;
		const struct sg_shot *end = s ? th->shot + th->shot0 + th->nshot : NULL;

		for (; s && s < end && s->ts <= seg[i].hi && !rc; s++)
			rc = tell(m, w, i, th, s);
	}
	w->told = w->segs.n;
	return rc;
}
