/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/vmthreads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/pairmap.h"

/*
 * Any thread may turn out to be a machine's: its first guest may run late, and a kernel
 * thread gets its name after it has begun. So all are summed up, and a slot is free
 * again when its thread ends and no machine is known to have it.
 */
struct slot {
	uint32_t uid; /* 0: free, and `next` is the next free one's number + 1 */
	uint32_t next;
	uint64_t to;
	struct sg_vmwork w;
};

struct sg_vmthreads {
	struct sg_pairmap at; /* uid -> number of its slot + 1; 0: it has ended */
	struct slot *slot;
	size_t n, cap;
	uint32_t unused;
	uint64_t uncounted;
};

int sg_vmthreads_new(struct sg_vmthreads **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void sg_vmthreads_free(struct sg_vmthreads *v)
{
	if (!v)
		return;
	sg_pairmap_free(&v->at);
	free(v->slot);
	free(v);
}

uint64_t sg_vmthreads_uncounted(const struct sg_vmthreads *v)
{
	return v->uncounted;
}

/* ---- sums ------------------------------------------------------------------------------ */
static void wait_add(struct sg_vmwork *w, uint16_t cause, uint64_t cnt, uint64_t ns)
{
	size_t i = 0;

	while (i < w->nwait && w->wait[i].cause != cause)
		i++;
	/* the last row is kept for the others */
	if (i == w->nwait && i >= SG_VMTHREAD_CAUSES - 1) {
		cause = 0;
		for (i = 0; i < w->nwait && w->wait[i].cause;)
			i++;
	}
	if (i == w->nwait)
		w->wait[w->nwait++] = (struct sg_vmthread_wait){ .cause = cause };
	w->wait[i].cnt += cnt;
	w->wait[i].ns += ns;
}

static void work_merge(struct sg_vmwork *to, const struct sg_vmwork *from)
{
	to->threads += from->threads;
	to->seen_ns += from->seen_ns;
#define SG_X(field) to->field += from->field;
	SG_VMTHREAD_PARTS(SG_X)
#undef SG_X
	for (size_t i = 0; i < from->nwait; i++)
		wait_add(to, from->wait[i].cause, from->wait[i].cnt, from->wait[i].ns);
}

static void add_slice(struct sg_vmwork *w, const struct sg_slice *s, uint64_t len)
{
	uint64_t left = len;

	for (unsigned i = 0; i < s->npair && left; i++) {
		const struct sg_pair *p = &s->pair[i];
		uint64_t ns = p->ns < left ? p->ns : left; /* of a slice that was clipped */

		left -= ns;
		*(p->key == SG_C_SCHED_RUNQ ? &w->runq_ns
		  : p->key == SG_C_UNKNOWN  ? &w->unknown_ns
					    : &w->cpu_ns) += ns;
	}
	w->unknown_ns += left;
}

static void add_wait(struct sg_vmwork *w, uint16_t cause, uint64_t ns)
{
	switch (cause) {
	case SG_C_SCHED_RUNQ:
	case SG_C_SCHED_YIELD:
		w->runq_ns += ns;
		return;
	case SG_C_SCHED_THROTTLE:
		w->throttle_ns += ns;
		return;
	case SG_C_UNKNOWN:
	case SG_C_UNKNOWN_LOST:
		w->unknown_ns += ns;
		return;
	case SG_C_IO_BLOCK:
	case SG_C_IO_FSYNC:
		w->disk_ns += ns;
		break;
	default:
		w->wait_ns += ns;
	}
	wait_add(w, cause, 1, ns);
}

/* ---- slots ----------------------------------------------------------------------------- */
static int slot_new(struct sg_vmthreads *v, uint32_t *ret)
{
	if (v->unused) {
		*ret = v->unused;
		v->unused = v->slot[*ret - 1].next;
		return 0;
	}
	if (v->n == v->cap) {
		size_t cap = v->cap ? v->cap * 2 : 64;
		struct slot *p = reallocarray(v->slot, cap, sizeof(*p));

		if (!p)
			return -ENOMEM;
		v->slot = p;
		v->cap = cap;
	}
	*ret = (uint32_t)++v->n;
	return 0;
}

/* The slot of @s's thread. NULL in @ret: there are too many threads. */
static int slot_of(struct sg_vmthreads *v, const struct sg_span *s, struct slot **ret)
{
	uint32_t *at = sg_pairmap_at(&v->at, s->uid, 0, 0, NULL), number;
	int rc;

	*ret = NULL;
	if (!at)
		return -ENOMEM;
	if (!*at) {
		if (v->n == SG_VMTHREADS_MAX && !v->unused) {
			v->uncounted++;
			return 0;
		}
		rc = slot_new(v, &number);
		if (rc)
			return rc;
		*at = number;
		v->slot[number - 1] = (struct slot){ .uid = s->uid, .to = s->lo };
	}
	*ret = &v->slot[*at - 1];
	return 0;
}

static void slot_end(struct sg_vmthreads *v, struct slot *t)
{
	uint32_t *at = sg_pairmap_at(&v->at, t->uid, 0, 0, NULL);

	if (!at)
		return;
	t->uid = 0;
	t->next = v->unused;
	v->unused = *at;
	*at = 0;
}

int sg_vmthreads_span(struct sg_vmthreads *v, const struct sg_model *m, const struct sg_span *s)
{
	struct sg_thread_info ti;
	uint64_t lo = s->lo;
	struct slot *t;
	int rc = slot_of(v, s, &t);

	if (rc || !t || s->hi <= t->to)
		return rc;
	if (lo < t->to)
		lo = t->to;
	t->w.unknown_ns += lo - t->to; /* a record was lost */
	t->w.seen_ns += s->hi - t->to;
	t->to = s->hi;
	if (!s->slice) {
		add_wait(&t->w, s->cause, s->hi - lo);
		return 0;
	}
	add_slice(&t->w, s->slice, s->hi - lo);
	if (s->slice->out_stop == SG_STOP_DEAD && (!sg_model_thread(m, s->uid, &ti) || !ti.vmm))
		slot_end(v, t);
	return 0;
}

/* ---- the result ------------------------------------------------------------------------ */
static uint64_t busy(const struct sg_vmwork *w)
{
	return w->cpu_ns + w->runq_ns + w->disk_ns;
}

static int by_work(const void *a, const void *b)
{
	const struct sg_vmthread *x = a, *y = b;
	uint64_t p = busy(&x->w), q = busy(&y->w);
	int c = strcmp(x->part, y->part);

	if (p != q)
		return p < q ? 1 : -1;
	return c ? c : x->uid < y->uid ? -1 : x->uid > y->uid;
}

static int by_time(const void *a, const void *b)
{
	const struct sg_vmthread_wait *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? 1 : -1;
	return x->cause < y->cause ? -1 : x->cause > y->cause;
}

static void waits_sort(struct sg_vmwork *w)
{
	qsort(w->wait, w->nwait, sizeof(*w->wait), by_time);
}

static void part_add(struct sg_vmrest *r, const struct sg_vmthread *t)
{
	size_t i = 0;

	while (i < r->npart && strcmp(r->part[i].part, t->part))
		i++;
	if (i == r->npart) {
		memset(&r->part[i], 0, sizeof(r->part[i]));
		memcpy(r->part[r->npart++].part, t->part, sizeof(t->part));
	}
	work_merge(&r->part[i].w, &t->w);
}

static void thread_fill(struct sg_vmthread *t, const struct slot *s, const struct sg_thread_info *ti)
{
	memset(t, 0, sizeof(*t));
	t->uid = s->uid;
	t->tid = ti->tid;
	strncpy(t->comm, ti->comm, sizeof(t->comm) - 1);
	strncpy(t->part, ti->comp, sizeof(t->part) - 1);
	t->w = s->w;
	t->w.threads = 1;
	waits_sort(&t->w);
}

int sg_vmthreads_of(const struct sg_vmthreads *v, const struct sg_model *m, uint32_t tgid,
		    struct sg_vmrest *ret)
{
	struct sg_thread_info ti;
	size_t n = 0;

	memset(ret, 0, sizeof(*ret));
	ret->thread = calloc(v->n + 1, sizeof(*ret->thread));
	if (!ret->thread)
		return -ENOMEM;
	for (size_t i = 0; i < v->n; i++)
		if (v->slot[i].uid && sg_model_thread(m, v->slot[i].uid, &ti) && ti.vmm == tgid && !ti.vcpu)
			thread_fill(&ret->thread[n++], &v->slot[i], &ti);
	ret->part = calloc(n + 1, sizeof(*ret->part));
	if (!ret->part)
		return -ENOMEM;
	qsort(ret->thread, n, sizeof(*ret->thread), by_work);
	for (size_t i = 0; i < n; i++) {
		part_add(ret, &ret->thread[i]);
		if (i >= SG_VMTHREAD_ROWS)
			work_merge(&ret->others, &ret->thread[i].w);
	}
	ret->nthread = n < SG_VMTHREAD_ROWS ? n : SG_VMTHREAD_ROWS;
	waits_sort(&ret->others);
	for (size_t i = 0; i < ret->npart; i++)
		waits_sort(&ret->part[i].w);
	qsort(ret->part, ret->npart, sizeof(*ret->part), by_work);
	return 0;
}

void sg_vmrest_clear(struct sg_vmrest *r)
{
	free(r->thread);
	free(r->part);
	memset(r, 0, sizeof(*r));
}
