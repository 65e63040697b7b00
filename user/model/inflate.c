/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What may follow from a balloon: memory that it took is missing to whoever used it, and
 * reclaim, swapping and faults on the same pages come soon after. Coming after is
 * evidence, not cause: nothing is renamed, such time only says which inflation it follows.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/kvmexit.h"
#include "model/priv.h"

#define APART_NS  2000000000ull	 /* pages taken after such a pause are another inflation */
#define FOLLOW_NS 30000000000ull /* so long after one, its follow-up is told */
#define MAX	  1024		 /* inflations that are remembered; the oldest are forgotten */

/* Whose memory was taken: a guest's, told from inside (machine << 32), or one VMM's, told from its host. */
static uint64_t inflation_owner(const struct sg_model *m, const struct sg_thr *th)
{
	const struct sg_machine_info *mi = sg_machine_of_uid(&m->machines, th->uid);

	if (th->vcpu)
		return th->tgid;
	return (1ull + (mi ? mi->number : 0)) << 32;
}

static uint64_t pages_taken(const struct sg_thr *th, const struct sg_slice *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->npair; i++)
		if (s->pair[i].key == (SG_KEY_KVM | SG_KVM_INFLATE) ||
		    (s->pair[i].key == SG_C_MEM_BALLOON && th->flags & SG_TF_KTHREAD))
			n += s->pair[i].cnt;
	return n;
}

int sg_inflate_slice(struct sg_model *m, const struct sg_thr *th, const struct sg_slice *s)
{
	uint64_t pages = pages_taken(th, s), owner;
	struct sg_inflation *last = NULL;

	if (!pages)
		return 0;
	owner = inflation_owner(m, th);
	for (uint32_t i = m->ninflation; i-- > 0 && !last;)
		if (m->inflation[i].owner == owner)
			last = &m->inflation[i];
	if (last && s->in < last->end + APART_NS) {
		last->end = s->h.ts;
		last->pages += pages;
		return 0;
	}
	if (m->ninflation == MAX) {
		memmove(m->inflation, m->inflation + 1, (MAX - 1) * sizeof(*m->inflation));
		m->ninflation--;
		m->inflation_base++;
	}
	if (SG_GROW(m->inflation, m->inflation_cap, m->ninflation + 1))
		return -ENOMEM;
	m->inflation[m->ninflation++] =
		(struct sg_inflation){ .owner = owner, .begin = s->in, .end = s->h.ts, .pages = pages };
	return 0;
}

bool sg_inflate_follows(uint16_t cause)
{
	return cause == sg_kvm_cause(SG_KEY_KVM | SG_KVM_REFAULT) || cause == SG_C_MEM_SWAPIN ||
	       cause == SG_C_MEM_RECLAIM_DIRECT || cause == SG_C_MEM_RECLAIM_MEMCG ||
	       cause == SG_C_MEM_RECLAIM_SWAP || cause == SG_C_MEM_COMPACT || cause == SG_C_CPU_FAULT_MAJOR;
}

const struct sg_inflation *sg_inflate_before(const struct sg_model *m, const struct sg_seg *s,
					     uint64_t *ret_id)
{
	const struct sg_thr *th = m->ninflation ? sg_thr_find(m, s->uid) : NULL;
	uint64_t owner;

	if (!th || !sg_inflate_follows(s->cause))
		return NULL;
	owner = inflation_owner(m, th);
	for (uint32_t i = m->ninflation; i-- > 0;) {
		const struct sg_inflation *x = &m->inflation[i];

		if (x->owner != owner || x->begin >= s->hi)
			continue;
		*ret_id = m->inflation_base + i + 1;
		return s->lo < x->end + FOLLOW_NS ? x : NULL;
	}
	return NULL;
}
