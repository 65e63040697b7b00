/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The sums of one vCPU, or of several together: exits by reason, page fault exits by what they were. */
#include <stdlib.h>
#include "base/kvmexit.h"
#include "model/vcpus.h"

#define KEY_OTHERS 0 /* the exits that found no row */

void sg_vcpu_exit_add(struct sg_vcpu *c, uint16_t key, uint64_t cnt, uint64_t ns)
{
	struct sg_vcpu_exit *e = c->exit;
	size_t i = 0;

	while (i < c->nexit && e[i].key != key)
		i++;
	/* the last row is kept for the others */
	if (i == c->nexit && i >= SG_VCPU_EXITS - 1) {
		key = KEY_OTHERS;
		for (i = 0; i < c->nexit && e[i].key != key;)
			i++;
	}
	if (i == c->nexit)
		e[c->nexit++] = (struct sg_vcpu_exit){ .key = key };
	e[i].cnt += cnt;
	e[i].ns += ns;
}

static int by_time(const void *a, const void *b)
{
	const struct sg_vcpu_exit *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? 1 : -1;
	return x->key < y->key ? -1 : x->key > y->key;
}

void sg_vcpu_exits_sort(struct sg_vcpu *c)
{
	qsort(c->exit, c->nexit, sizeof(*c->exit), by_time);
}

/* ---- page fault exits ---------------------------------------------------------------- */
unsigned sg_vcpu_fault_of(uint16_t key)
{
	if (key == SG_C_MEM_SWAPIN)
		return SG_VCPU_FAULT_SWAPIN;
	if (!SG_KEY_IS_KVM(key) || key & SG_KVM_USER)
		return SG_VCPU_FAULTS;
	switch (sg_kvm_class(key)) {
	case SG_KVMC_PAGE_FAULT:
		return SG_VCPU_FAULT_PLAIN;
	case SG_KVMC_REFAULT:
		return SG_VCPU_FAULT_REFAULT;
	case SG_KVMC_DIRTY:
		return SG_VCPU_FAULT_DIRTY;
	case SG_KVMC_ASYNC:
		return SG_VCPU_FAULT_ASYNC;
	default:
		return SG_VCPU_FAULTS;
	}
}

struct sg_vcpu_fault sg_vcpu_faults(const struct sg_vcpu *c)
{
	struct sg_vcpu_fault all = { 0 };

	for (unsigned i = 0; i < SG_VCPU_FAULTS; i++) {
		all.cnt += c->fault[i].cnt;
		all.cpu_ns += c->fault[i].cpu_ns;
		all.wait_ns += c->fault[i].wait_ns;
	}
	return all;
}

/* ---- several vCPUs ------------------------------------------------------------------- */
void sg_vcpu_merge(struct sg_vcpu *to, const struct sg_vcpu *from)
{
	to->tgid = from->tgid;
	to->to += from->to - from->from;
#define SG_X(field) to->field += from->field;
	SG_VCPU_PARTS(SG_X)
	SG_VCPU_COUNTS(SG_X)
#undef SG_X
	for (size_t i = 0; i < from->nexit; i++)
		sg_vcpu_exit_add(to, from->exit[i].key, from->exit[i].cnt, from->exit[i].ns);
	for (unsigned i = 0; i < SG_VCPU_FAULTS; i++) {
		to->fault[i].cnt += from->fault[i].cnt;
		to->fault[i].cpu_ns += from->fault[i].cpu_ns;
		to->fault[i].wait_ns += from->fault[i].wait_ns;
	}
}

/* ---- what the VMM did for an exit ---------------------------------------------------- */
static int by_cost(const void *a, const void *b)
{
	const struct sg_vcpu_reason *x = a, *y = b;
	uint64_t p = x->kernel_ns + x->vmm_ns, q = y->kernel_ns + y->vmm_ns;

	if (p != q)
		return p < q ? 1 : -1;
	return x->key < y->key ? -1 : x->key > y->key;
}

size_t sg_vcpu_reasons(const struct sg_vcpu *c, struct sg_vcpu_reason *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nexit; i++)
		if (!(c->exit[i].key & SG_KVM_USER))
			ret[n++] = (struct sg_vcpu_reason){ .key = c->exit[i].key,
							    .cnt = c->exit[i].cnt,
							    .kernel_ns = c->exit[i].ns };
	for (size_t i = 0; i < c->nexit; i++) {
		const struct sg_vcpu_exit *e = &c->exit[i];
		struct sg_vcpu_reason *to = NULL;

		if (!(e->key & SG_KVM_USER))
			continue;
		for (size_t k = 0; k < n; k++)
			if (ret[k].key && sg_kvm_class(ret[k].key) == sg_kvm_class(e->key) &&
			    (!to || ret[k].cnt > to->cnt))
				to = &ret[k];
		if (!to) {
			to = &ret[n++];
			*to = (struct sg_vcpu_reason){ .key = e->key };
		}
		to->returns += e->cnt;
		to->vmm_ns += e->ns;
	}
	qsort(ret, n, sizeof(*ret), by_cost);
	return n;
}
