/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Kicks: which thread of the host gave a guest an interrupt, when, and on which vCPU.
 * They come in order of time and are looked up from the last one before an instant; those
 * that no open task can ask for go, as timelines do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "model/priv.h"

#define DROP_MIN  4096 /* kicks: fewer are not worth moving the rest */
#define LOOK_BACK 4096 /* kicks of others than those asked for */

struct kick {
	uint64_t ts;
	uint32_t uid;
	uint16_t vcpu, vector;
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
	gaps_look(m, k, ev);
	k->kick[k->n++] = (struct kick){
		.ts = ev->h.ts,
		.uid = ev->h.uid,
		.vcpu = (uint16_t)(ev->vcpu < UINT16_MAX ? ev->vcpu : UINT16_MAX),
		.vector = (uint16_t)(ev->vector & 0xff),
	};
	return 0;
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

		if ((vcpu != SG_KICK_ANY && x->vcpu != vcpu) || x->uid == not ||
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
