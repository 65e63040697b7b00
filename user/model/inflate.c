/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What may follow from a balloon: memory that it took is missing to whoever used it, and
 * reclaim, swapping and faults on the same pages come soon after. Coming after is
 * evidence, not cause: nothing is renamed, such time only says which inflation it follows.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/kvmexit.h"
#include "model/priv.h"

#define APART_NS 2000000000ull /* pages taken after such a pause are another inflation */
#define FOLLOW_NS \
	30000000000ull /* so long after one, its follow-up is told; of what is known to follow, without end */
#define MAX 1024       /* inflations that are remembered; the oldest are forgotten */

/*
 * Whose memory was taken: a machine's, told from inside, or by its host of the VMM that runs
 * it (their clocks are apart by far less than an inflation lasts); or that of a VMM whose
 * guest was not recorded.
 */
static uint64_t inflation_owner(const struct sg_model *m, const struct sg_thr *th)
{
	const struct sg_machine_info *mi = sg_machine_of_uid(&m->machines, th->uid);
	unsigned number = mi ? mi->number : 0;

	for (unsigned i = 1; th->vcpu && !number && i < SG_MACHINE_MAX; i++)
		if (m->machines.m[i].known && sg_fuse_vmm(m, &m->machines.m[i]) == th->tgid)
			number = i;
	if (th->vcpu && !number)
		return th->tgid;
	return (1ull + number) << 32;
}

/* Is there a vCPU on the host whose balloon is @th's, whose kernel worker did its work? Then the pages are seen there. */
static bool seen_by_host(const struct sg_model *m, const struct sg_thr *th)
{
	const struct sg_machine_info *mi = sg_machine_of_uid(&m->machines, th->uid);
	uint32_t vmm = mi && mi->number ? sg_fuse_vmm(m, mi) : 0;

	for (uint32_t i = 0; vmm && i < m->nthr; i++)
		if (m->thr[i]->vcpu && m->thr[i]->tgid == vmm)
			return true;
	return false;
}

/* How many, by which side; true: some, or work was done that may have taken some. */
static bool pages_taken(const struct sg_model *m, const struct sg_thr *th, const struct sg_slice *s,
			uint64_t ret[2])
{
	bool inside = th->flags & SG_TF_KTHREAD, worked = false;

	for (unsigned i = 0; i < s->npair; i++) {
		if (s->pair[i].key == (SG_KEY_KVM | SG_KVM_INFLATE))
			ret[SG_INFLATED_HOST] += s->pair[i].cnt;
		if (s->pair[i].key == SG_C_MEM_BALLOON && inside) {
			ret[SG_INFLATED_INSIDE] += s->pair[i].cnt;
			worked = true;
		}
	}
	if (ret[SG_INFLATED_HOST] + ret[SG_INFLATED_INSIDE])
		return true;
	return worked && s->flags & SG_SF_UNCOUNTED && !seen_by_host(m, th);
}

static uint64_t pages_of(const struct sg_inflation *x)
{
	return x->pages[0] > x->pages[1] ? x->pages[0] : x->pages[1];
}

int sg_inflate_slice(struct sg_model *m, const struct sg_thr *th, const struct sg_slice *s)
{
	struct sg_inflation *last = NULL, x = { .begin = s->in, .end = s->h.ts };

	if (!pages_taken(m, th, s, x.pages))
		return 0;
	x.owner = inflation_owner(m, th);
	for (uint32_t i = m->ninflation; i-- > 0 && !last;)
		if (m->inflation[i].owner == x.owner)
			last = &m->inflation[i];
	if (last && s->in < last->end + APART_NS) {
		if (pages_of(last) && !pages_of(&x))
			return 0; /* pages are seen: it gave some back */
		last->end = x.end > last->end ? x.end : last->end;
		last->pages[0] += x.pages[0];
		last->pages[1] += x.pages[1];
		return 0;
	}
	if (m->ninflation == MAX) {
		memmove(m->inflation, m->inflation + 1, (MAX - 1) * sizeof(*m->inflation));
		m->ninflation--;
		m->inflation_base++;
	}
	if (SG_GROW(m->inflation, m->inflation_cap, m->ninflation + 1))
		return -ENOMEM;
	m->inflation[m->ninflation++] = x;
	return 0;
}

void sg_inflate_text(const struct sg_inflation *x, uint64_t id, char *buf, size_t cap)
{
	double seconds = (double)(x->end - x->begin) / 1e9;

	if (pages_of(x))
		snprintf(buf, cap, "after balloon #%" PRIu64 ", which took %.1f MiB in %.3f s", id,
			 (double)pages_of(x) / 256, seconds);
	else
		snprintf(buf, cap,
			 "perhaps after balloon #%" PRIu64 ", which worked for %.3f s: its pages were not "
			 "counted, and it may have given some back",
			 id, seconds);
}

/* The probes saw the balloon take this very page (SG_KVM_REFAULT): however late, it follows. */
static bool is_refault(uint16_t cause)
{
	return cause == sg_kvm_cause(SG_KEY_KVM | SG_KVM_REFAULT);
}

bool sg_inflate_follows(uint16_t cause)
{
	return is_refault(cause) || cause == SG_C_MEM_SWAPIN || cause == SG_C_MEM_RECLAIM_DIRECT ||
	       cause == SG_C_MEM_RECLAIM_MEMCG || cause == SG_C_MEM_RECLAIM_SWAP ||
	       cause == SG_C_MEM_COMPACT || cause == SG_C_CPU_FAULT_MAJOR;
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
		return is_refault(s->cause) || s->lo < x->end + FOLLOW_NS ? x : NULL;
	}
	return NULL;
}
