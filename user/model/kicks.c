/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Kicks: which thread of the host did what ends waits of a guest, and when: gave it an
 * interrupt, on which vCPU; brought memory that it had touched; told it of that. They come
 * in order of time and are looked up from the last one before an instant; those that no
 * open task can ask for go, as timelines do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "model/priv.h"

#define DROP_MIN  4096 /* kicks: fewer are not worth moving the rest */
#define LOOK_BACK 4096 /* kicks of others than those asked for */

#define LATE_NS \
	1000000 /* a worker says that it has brought a page after it handed it over: so much later at most */

struct kick {
	uint64_t ts;
	uint64_t gpa; /* of memory */
	uint32_t uid;
	uint32_t by, token;    /* of memory */
	uint16_t vcpu, vector; /* of an interrupt */
	uint8_t step;	       /* enum sg_fetch_step; 0: an interrupt */
	bool swapin;
};

struct sg_kicks {
	struct kick *kick;
	size_t n, cap;
	bool gaps[SG_MACHINE_MAX]; /* its vCPUs' numbers are not those of its CPUs */
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

/* KVM numbers vCPUs by their APIC's id, which skips some when cores or sockets are no power of two. */
static void gaps_look(struct sg_model *m, struct sg_kicks *k, const struct sg_inject *ev)
{
	for (unsigned i = 1; i < SG_MACHINE_MAX; i++) {
		const struct sg_machine_info *mi = &m->machines.m[i];
		const struct sg_thr *th;
		unsigned vmm;

		if (!mi->known || ev->vcpu < mi->ncpu || k->gaps[i])
			continue;
		th = sg_thr_find(m, ev->h.uid);
		if (th && (!(th->flags & SG_TF_KTHREAD) || sscanf(th->comm, "vhost-%u", &vmm) != 1))
			vmm = th->tgid;
		k->gaps[i] = th && (!mi->vmm || vmm == mi->vmm);
	}
}

static int add(struct sg_model *m, const struct kick *one)
{
	struct sg_kicks *k = m->kicks;
	size_t cap;

	if (!m->fusion || !one->uid)
		return 0;
	if (!k) {
		k = m->kicks = calloc(1, sizeof(*k));
		if (!k)
			return -ENOMEM;
	}
	if (k->n && one->ts < k->kick[k->n - 1].ts)
		return 0; /* a damaged recording: the order is what lookups rest on */
	if (k->n == k->cap)
		drop(m, k);
	cap = k->cap;
	if (SG_GROW(k->kick, k->cap, k->n + 1))
		return -ENOMEM;
	sg_mem_add(m, (k->cap - cap) * sizeof(*k->kick));
	k->kick[k->n++] = *one;
	return 0;
}

int sg_kicks_add(struct sg_model *m, const struct sg_inject *ev)
{
	int rc = add(m, &(struct kick){
				.ts = ev->h.ts,
				.uid = ev->h.uid,
				.vcpu = (uint16_t)(ev->vcpu < UINT16_MAX ? ev->vcpu : UINT16_MAX),
				.vector = (uint16_t)(ev->vector & 0xff),
			});

	if (!rc && m->kicks)
		gaps_look(m, m->kicks, ev);
	return rc;
}

int sg_kicks_fetch(struct sg_model *m, const struct sg_fetch *ev)
{
	return add(m, &(struct kick){ .ts = ev->h.ts,
				      .gpa = ev->gpa,
				      .uid = ev->h.uid,
				      .by = ev->by,
				      .token = ev->token,
				      .step = ev->step,
				      .swapin = ev->swapin });
}

/* The last one on @vcpu (SG_KICK_ANY: on whichever). */
static bool last_on(struct sg_model *m, const struct sg_kick_ask *ask, unsigned vcpu, struct sg_kick *ret)
{
	const struct sg_kicks *k = m->kicks;
	size_t i = after(k, ask->to), end = i > LOOK_BACK ? i - LOOK_BACK : 0;
	uint32_t not = 0;

	*ret = (struct sg_kick){ 0 };
	while (i-- > end && k->kick[i].ts > ask->from) {
		const struct kick *x = &k->kick[i];
		struct sg_thr *th;

		if (x->step || (vcpu != SG_KICK_ANY && x->vcpu != vcpu) || x->uid == not ||
		    (ret->th && x->uid == ret->th->uid))
			continue;
		th = sg_thr_find(m, x->uid);
		if (!th || !ask->of(th, ask->ctx)) {
			not = x->uid;
			continue;
		}
		if (ret->th) {
			ret->others = true;
			break;
		}
		*ret = (struct sg_kick){ .th = th, .ts = x->ts, .vector = x->vector };
	}
	return ret->th;
}

bool sg_kicks_last(struct sg_model *m, const struct sg_kick_ask *ask, struct sg_kick *ret)
{
	bool numbered =
		ask->woke && ask->machine < SG_MACHINE_MAX && m->kicks && !m->kicks->gaps[ask->machine];

	if (!m->kicks)
		return false;
	/* none there: another CPU of the guest passed it on */
	return (numbered && last_on(m, ask, ask->woke - 1u, ret)) || last_on(m, ask, SG_KICK_ANY, ret);
}

/* Who brought the page that the guest was told of by @told. */
static const struct kick *bringer(const struct sg_kicks *k, const struct kick *told, uint64_t from)
{
	size_t i = after(k, told->ts + LATE_NS), end = i > LOOK_BACK ? i - LOOK_BACK : 0;

	while (i-- > end && k->kick[i].ts > from) {
		const struct kick *b = &k->kick[i];

		if (b->step == SG_FETCH_BROUGHT && b->gpa == told->gpa && (!b->by || b->by == told->uid))
			return b;
	}
	return NULL;
}

bool sg_kicks_fetched(struct sg_model *m, const struct sg_thr *vcpu, uint16_t number, uint64_t from,
		      uint64_t to, struct sg_fetched *ret)
{
	const struct sg_kicks *k = m->kicks;
	const struct kick *told = NULL, *brought;
	size_t i = k ? after(k, to) : 0, end = i > LOOK_BACK ? i - LOOK_BACK : 0;

	*ret = (struct sg_fetched){ 0 };
	while (i-- > end && k->kick[i].ts > from) {
		const struct kick *t = &k->kick[i];

		if (t->step != SG_FETCH_TOLD || t->uid != vcpu->uid ||
		    (number && SG_TOKEN_NUMBER(t->token) != number))
			continue;
		ret->several = told != NULL;
		if (!told)
			told = t;
		if (number || ret->several)
			break;
	}
	brought = told ? bringer(k, told, from) : NULL;
	ret->worker = brought ? sg_thr_find(m, brought->uid) : NULL;
	if (!ret->worker)
		return false;
	ret->at = brought->ts < told->ts ? brought->ts : told->ts;
	ret->swapin = brought->swapin;
	return true;
}
