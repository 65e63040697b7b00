/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/vcpus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/kvmexit.h"
#include "base/pairmap.h"

#define THREADS_MAX (1u << 20) /* whose names are kept */
#define TAKERS_MAX  65536      /* (vCPU, thread that had its CPU) pairs */

struct thread {
	uint32_t tid, tgid;
	char comm[16];
};

struct taker {
	uint32_t vcpu, uid;
	uint64_t ns;
};

struct sg_vcpus {
	struct sg_pairmap thread_at, vcpu_at, taker_at;
	struct sg_pairmap leader_at; /* process -> its newest first thread: numbers come again */
	struct thread *thread;
	size_t nthread, thread_cap;
	struct sg_vcpu *vcpu;
	size_t nvcpu, vcpu_cap;
	struct taker *taker;
	size_t ntaker, taker_cap;
	uint64_t uncounted;
	struct sg_vcpu *sorted;
	struct sg_vmm *vm;
};

int sg_vcpus_new(struct sg_vcpus **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void sg_vcpus_free(struct sg_vcpus *v)
{
	if (!v)
		return;
	sg_pairmap_free(&v->thread_at);
	sg_pairmap_free(&v->vcpu_at);
	sg_pairmap_free(&v->taker_at);
	sg_pairmap_free(&v->leader_at);
	free(v->thread);
	free(v->vcpu);
	free(v->taker);
	free(v->sorted);
	free(v->vm);
	free(v);
}

uint64_t sg_vcpus_uncounted(const struct sg_vcpus *v)
{
	return v->uncounted;
}

static void *grown(void *p, size_t *cap, size_t n, size_t each)
{
	size_t want = *cap ? *cap * 2 : 16;
	void *q = p;

	if (n < *cap)
		return p;
	q = reallocarray(p, want, each);
	*cap = q ? want : *cap;
	return q;
}

static struct thread *thread_of(const struct sg_vcpus *v, uint32_t uid)
{
	const uint32_t *at = sg_pairmap_get(&v->thread_at, uid, 0);

	return at ? &v->thread[*at] : NULL;
}

static int feed_thread(struct sg_vcpus *v, const struct sg_thread *ev)
{
	struct thread *t = thread_of(v, ev->h.uid);
	const uint32_t *at;

	if (!t) {
		if (v->nthread == THREADS_MAX)
			return 0;
		t = grown(v->thread, &v->thread_cap, v->nthread, sizeof(*t));
		if (!t)
			return -ENOMEM;
		v->thread = t;
		if (!sg_pairmap_at(&v->thread_at, ev->h.uid, 0, (uint32_t)v->nthread, NULL))
			return -ENOMEM;
		t = &v->thread[v->nthread++];
		memset(t, 0, sizeof(*t));
	}
	t->tid = ev->tid;
	t->tgid = ev->tgid;
	memcpy(t->comm, ev->comm, sizeof(t->comm));
	t->comm[sizeof(t->comm) - 1] = 0;
	if (t->tid == t->tgid) {
		uint32_t *leader = sg_pairmap_at(&v->leader_at, t->tgid, 0, 0, NULL);

		if (!leader)
			return -ENOMEM;
		*leader = (uint32_t)(t - v->thread);
	}
	at = sg_pairmap_get(&v->vcpu_at, ev->h.uid, 0);
	if (at) { /* it was renamed */
		v->vcpu[*at].tid = t->tid;
		v->vcpu[*at].tgid = t->tgid;
		memcpy(v->vcpu[*at].comm, t->comm, sizeof(t->comm));
	}
	return 0;
}

static bool runs_guest(const struct sg_slice *s)
{
	for (unsigned i = 0; i < s->npair; i++)
		if (s->pair[i].key == SG_C_CPU_GUEST || SG_KEY_IS_KVM(s->pair[i].key))
			return true;
	return false;
}

/* The vCPU of a slice's thread, made at its first slice that runs a guest. NULL in @ret: it is none. */
static int vcpu_of(struct sg_vcpus *v, const struct sg_slice *s, struct sg_vcpu **ret)
{
	const uint32_t *at = sg_pairmap_get(&v->vcpu_at, s->h.uid, 0);
	const struct thread *t;
	struct sg_vcpu *p;

	*ret = at ? &v->vcpu[*at] : NULL;
	if (at || !runs_guest(s))
		return 0;
	if (v->nvcpu == SG_VCPUS_MAX) {
		v->uncounted++;
		return 0;
	}
	p = grown(v->vcpu, &v->vcpu_cap, v->nvcpu, sizeof(*p));
	if (!p)
		return -ENOMEM;
	v->vcpu = p;
	if (!sg_pairmap_at(&v->vcpu_at, s->h.uid, 0, (uint32_t)v->nvcpu, NULL))
		return -ENOMEM;
	p = &v->vcpu[v->nvcpu++];
	memset(p, 0, sizeof(*p));
	p->uid = s->h.uid;
	/* the wait before its first slice was the VMM's, before there was a guest */
	p->from = p->to = s->in;
	t = thread_of(v, s->h.uid);
	if (t) {
		p->tid = t->tid;
		p->tgid = t->tgid;
		memcpy(p->comm, t->comm, sizeof(p->comm));
	}
	*ret = p;
	return 0;
}

static void kvm_add(struct sg_vcpu *c, const struct sg_pair *q)
{
	unsigned fault;

	switch (q->key & 0xfff) {
	case SG_KVM_RUN:
		c->run_ns += q->ns;
		c->runs += q->cnt;
		return;
	case SG_KVM_BALLOON:
		c->balloon_kicks += q->cnt;
		c->balloon_ns += q->ns; /* none, but in a hostile recording */
		return;
	case SG_KVM_INFLATE:
		c->inflate_pages += q->cnt;
		c->balloon_ns += q->ns;
		return;
	case SG_KVM_DEFLATE:
		c->deflate_pages += q->cnt;
		c->balloon_ns += q->ns;
		return;
	}
	*(q->key & SG_KVM_USER ? &c->vmm_ns : &c->exit_ns) += q->ns;
	fault = sg_vcpu_fault_of(q->key);
	if (fault < SG_VCPU_FAULTS) {
		c->fault[fault].cnt += q->cnt;
		c->fault[fault].cpu_ns += q->ns;
	}
	sg_vcpu_exit_add(c, q->key, q->cnt, q->ns);
}

/* One (cause, time) of a slice. */
static void pair_add(struct sg_vcpu *c, const struct sg_pair *q)
{
	if (SG_KEY_IS_KVM(q->key)) {
		kvm_add(c, q);
		return;
	}
	switch (q->key) {
	case SG_C_CPU_GUEST:
		c->guest_ns += q->ns;
		c->entries += q->cnt;
		return;
	case SG_C_MEM_SWAPIN:
		c->swapin_ns += q->ns;
		c->swapins += q->cnt;
		c->fault[SG_VCPU_FAULT_SWAPIN].cpu_ns += q->ns;
		c->fault[SG_VCPU_FAULT_SWAPIN].cnt += q->cnt;
		return;
	case SG_C_CPU_USER:
		c->vmm_ns += q->ns;
		return;
	case SG_C_CPU_IRQ:
		c->irq_ns += q->ns;
		return;
	case SG_C_MEM_RECLAIM_DIRECT:
	case SG_C_MEM_RECLAIM_MEMCG:
	case SG_C_MEM_RECLAIM_SWAP:
	case SG_C_MEM_COMPACT:
		c->reclaim_ns += q->ns;
		return;
	case SG_C_SCHED_RUNQ: /* wait that the kernel's switch events did not show */
		c->runq_ns += q->ns;
		return;
	case SG_C_UNKNOWN:
		c->unknown_ns += q->ns;
		return;
	}
	c->vmm_kernel_ns += q->ns;
}

static int taker_add(struct sg_vcpus *v, uint32_t vcpu, uint32_t uid, uint64_t ns)
{
	const uint32_t *at = sg_pairmap_get(&v->taker_at, vcpu, uid);
	struct taker *t;

	if (at) {
		v->taker[*at].ns += ns;
		return 0;
	}
	if (v->ntaker == TAKERS_MAX)
		return 0;
	t = grown(v->taker, &v->taker_cap, v->ntaker, sizeof(*t));
	if (!t)
		return -ENOMEM;
	v->taker = t;
	if (!sg_pairmap_at(&v->taker_at, vcpu, uid, (uint32_t)v->ntaker, NULL))
		return -ENOMEM;
	v->taker[v->ntaker++] = (struct taker){ .vcpu = vcpu, .uid = uid, .ns = ns };
	return 0;
}

#define RUNNABLE_STOPS \
	(1u << SG_STOP_RUNNABLE | 1u << SG_STOP_YIELD | 1u << SG_STOP_THROTTLED | 1u << SG_STOP_NEW)
#define BLIND_STOPS (1u << SG_STOP_HOLE | 1u << SG_STOP_UNSEEN | 1u << SG_STOP_NONE | 1u << SG_STOP_DEAD)
#define NR_IOCTL    16
#define KVM_RUN	    0xae80

/* What blocked it: where the time goes. As classify.c says it of single waits. */
static uint64_t *blocked_in(struct sg_vcpu *c, const struct sg_slice *s)
{
	uint16_t key = s->note & 0xffff;
	enum sg_kvm_class class = SG_KEY_IS_KVM(key) ? sg_kvm_class(key) : SG_KVMC_OTHER;

	if (s->wkind == SG_K_RMEMCG || s->wkind == SG_K_RDIRECT || s->wkind == SG_K_COMPACT)
		return &c->reclaim_ns;
	if (s->wkind != SG_K_SYSCALL || s->nr != NR_IOCTL || s->arg != KVM_RUN)
		return &c->wait_ns;
	if (s->note & SG_NOTE_KVM && key == SG_C_MEM_SWAPIN)
		return &c->swapin_wait_ns;
	if (s->note & SG_NOTE_KVM)
		return class == SG_KVMC_HALT || class == SG_KVMC_HALT_POLL ? &c->halt_ns : &c->wait_ns;
	/* in no exit: it was not started yet, or its KVM tells of none; else on its way in */
	return c->entries ? &c->wait_ns : &c->halt_ns;
}

/* The page fault exit that a wait was in, SG_VCPU_FAULTS: none. */
static unsigned fault_in(const struct sg_slice *s)
{
	bool run = s->wkind == SG_K_SYSCALL && s->nr == NR_IOCTL && s->arg == KVM_RUN;

	return run && s->note & SG_NOTE_KVM ? sg_vcpu_fault_of(s->note & 0xffff) : SG_VCPU_FAULTS;
}

/* The wait before a slice: [c->to, s->in]. */
static int wait_add(struct sg_vcpus *v, struct sg_vcpu *c, const struct sg_slice *s)
{
	uint64_t lo = c->to, mid = s->in, held, *to;
	unsigned fault;
	uint32_t stop = 1u << (s->stop % 32);

	if (lo >= s->in)
		return 0;
	if (stop & BLIND_STOPS || s->prev_out != lo) {
		c->unknown_ns += s->in - lo;
		return 0;
	}
	if (stop & RUNNABLE_STOPS)
		mid = lo;
	else if (s->wake)
		mid = s->wake < lo ? lo : s->wake > s->in ? s->in : s->wake;
	if (mid > lo) {
		to = blocked_in(c, s);
		*to += mid - lo;
		fault = to == &c->swapin_wait_ns || to == &c->wait_ns ? fault_in(s) : SG_VCPU_FAULTS;
		if (fault < SG_VCPU_FAULTS)
			c->fault[fault].wait_ns += mid - lo;
		if (to == &c->swapin_wait_ns)
			c->swapin_ns += mid - lo;
		c->halts += to == &c->halt_ns;
	}
	held = s->throttle_ns < s->in - mid ? s->throttle_ns : s->in - mid;
	if (s->stop == SG_STOP_THROTTLED && !held)
		held = s->in - mid; /* not separable on this kernel: the quota stopped it */
	c->throttle_ns += held;
	mid += held;
	if (s->in == mid)
		return 0;
	c->runq_ns += s->in - mid;
	c->runqs++;
	return s->who ? taker_add(v, (uint32_t)(c - v->vcpu), s->who, s->in - mid) : 0;
}

static int feed_slice(struct sg_vcpus *v, const struct sg_slice *s)
{
	struct sg_vcpu *c;
	uint64_t sum = 0;
	int ret = vcpu_of(v, s, &c);

	if (ret || !c || s->h.ts < s->in || s->in < c->to)
		return ret;
	ret = wait_add(v, c, s);
	for (unsigned i = 0; i < s->npair; i++) {
		if (s->pair[i].ns > s->h.ts - s->in - sum)
			break; /* a hostile recording: not more than there was */
		sum += s->pair[i].ns;
		pair_add(c, &s->pair[i]);
	}
	c->unknown_ns += s->h.ts - s->in - sum;
	c->to = s->h.ts;
	return ret;
}

int sg_vcpus_feed(struct sg_vcpus *v, const struct sg_hdr *ev)
{
	switch (ev->kind) {
	case SG_REC_THREAD:
		return feed_thread(v, (const struct sg_thread *)ev);
	case SG_REC_SLICE:
		return feed_slice(v, (const struct sg_slice *)ev);
	}
	return 0;
}

/* ---- the result ------------------------------------------------------------------ */
static int by_process(const void *a, const void *b)
{
	const struct sg_vcpu *x = a, *y = b;

	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/*
 * Who had the CPU of vCPU number @vcpu, or of all vCPUs of process @tgid (@vcpu is NO_VCPU).
 * Threads of one name are one taker: it is programs that people know.
 */
#define NO_VCPU UINT32_MAX
static void takers_of(const struct sg_vcpus *v, uint32_t vcpu, uint32_t tgid, struct sg_vcpu *c)
{
	struct sg_vcpu_taker all[64];
	size_t n = 0;

	for (size_t i = 0; i < v->ntaker; i++) {
		const struct thread *t;
		const char *name;
		size_t k = 0;

		if (vcpu == NO_VCPU ? v->vcpu[v->taker[i].vcpu].tgid != tgid : v->taker[i].vcpu != vcpu)
			continue;
		t = thread_of(v, v->taker[i].uid);
		name = t ? t->comm : "?";
		while (k < n && strcmp(all[k].comm, name))
			k++;
		if (k == sizeof(all) / sizeof(*all))
			continue;
		if (k == n) {
			memset(&all[n], 0, sizeof(all[n]));
			strcpy(all[n++].comm, name);
		}
		all[k].ns += v->taker[i].ns;
	}
	for (c->ntaker = 0; c->ntaker < SG_VCPU_TAKERS && c->ntaker < n; c->ntaker++) {
		size_t best = c->ntaker;
		struct sg_vcpu_taker swap;

		for (size_t k = best + 1; k < n; k++)
			if (all[k].ns > all[best].ns)
				best = k;
		swap = all[c->ntaker];
		all[c->ntaker] = all[best];
		all[best] = swap;
		c->taker[c->ntaker] = all[c->ntaker];
	}
}

/* The name of a process is its first thread's. */
static void vm_name(const struct sg_vcpus *v, struct sg_vmm *vm)
{
	const uint32_t *at = sg_pairmap_get(&v->leader_at, vm->tgid, 0);

	memcpy(vm->comm, at ? v->thread[*at].comm : vm->vcpu->comm, sizeof(vm->comm));
}

int sg_vcpus_list(struct sg_vcpus *v, const struct sg_vmm **ret, size_t *ret_n)
{
	size_t n = 0;

	free(v->sorted);
	free(v->vm);
	v->sorted = calloc(v->nvcpu + 1, sizeof(*v->sorted));
	v->vm = calloc(v->nvcpu + 1, sizeof(*v->vm));
	if (!v->sorted || !v->vm)
		return -ENOMEM;
	for (size_t i = 0; i < v->nvcpu; i++) {
		struct sg_vcpu *c = &v->sorted[i];

		*c = v->vcpu[i];
		sg_vcpu_exits_sort(c);
		takers_of(v, (uint32_t)i, 0, c);
	}
	qsort(v->sorted, v->nvcpu, sizeof(*v->sorted), by_process);
	for (size_t i = 0; i < v->nvcpu; i++) {
		if (!n || v->vm[n - 1].tgid != v->sorted[i].tgid)
			v->vm[n++] = (struct sg_vmm){ .tgid = v->sorted[i].tgid, .vcpu = &v->sorted[i] };
		v->vm[n - 1].nvcpu++;
		sg_vcpu_merge(&v->vm[n - 1].all, &v->sorted[i]);
	}
	for (size_t i = 0; i < n; i++) {
		vm_name(v, &v->vm[i]);
		sg_vcpu_exits_sort(&v->vm[i].all);
		takers_of(v, NO_VCPU, v->vm[i].tgid, &v->vm[i].all);
	}
	*ret = v->vm;
	*ret_n = n;
	return 0;
}
