// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * Sums of a thread's records beside the kernel's own figures at its exit. Only
 * threads whose whole life is in the recording, with no hole in it, can be
 * compared: the kernel counts from birth.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "model/oracle.h"
#include "model/oracle_sums.h"

#define TICK_NS_DEFAULT 10000000ull
#define THREADS_DEFAULT 32
/* The kernel reads its clock at its own points of a wake or a switch, not at the tracepoint. */
#define EDGE_NS 2000ull
/* What the command's thread can have done between its fork and the recording's begin: a few faults, no more. */
#define LATE_NS 5000000ull

/* A finished thread, or the total of all: ours as an interval, and the kernel's. */
struct cmp {
	uint32_t uid, tid, tgid;
	char comm[16];
	bool nouser;
	uint32_t absurd; /* 1 << quantity: the kernel's figure is longer than the thread's life */
	uint64_t ours[SG_ORACLE_MAX], lo[SG_ORACLE_MAX], hi[SG_ORACLE_MAX], kernel[SG_ORACLE_MAX];
};

struct sg_oracle {
	struct sg_oracle_opts opts;
	struct sg_oracle_sums *slot; /* open addressing by uid, power of two */
	size_t nslot, used;
	struct cmp total;
	struct cmp *top; /* min-heap by run time: the busiest threads */
	size_t ntop;
	struct sg_oracle_row *row;
	size_t row_cap;
	struct sg_oracle_stats st;
};

static const struct {
	const char *name, *unit, *field, *leaves_out;
} texts[SG_ORACLE_MAX] = {
#define SG_X(id, sym, name, unit, field, out) [id] = { name, unit, field, out },
	SG_ORACLE_LIST(SG_X)
#undef SG_X
};

const char *sg_oracle_name(unsigned q)
{
	return q < SG_ORACLE_MAX ? texts[q].name : "?";
}

const char *sg_oracle_unit(unsigned q)
{
	return q < SG_ORACLE_MAX ? texts[q].unit : "?";
}

const char *sg_oracle_field(unsigned q)
{
	return q < SG_ORACLE_MAX ? texts[q].field : "?";
}

const char *sg_oracle_leaves_out(unsigned q)
{
	return q < SG_ORACLE_MAX ? texts[q].leaves_out : "?";
}

int sg_oracle_new(struct sg_oracle **ret, const struct sg_oracle_opts *opts)
{
	struct sg_oracle *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	if (opts)
		o->opts = *opts;
	if (!o->opts.tick_ns)
		o->opts.tick_ns = TICK_NS_DEFAULT;
	if (!o->opts.threads_max)
		o->opts.threads_max = THREADS_DEFAULT;
	o->nslot = 64;
	o->slot = calloc(o->nslot, sizeof(*o->slot));
	o->top = calloc(o->opts.threads_max, sizeof(*o->top));
	if (!o->slot || !o->top) {
		sg_oracle_free(o);
		return -ENOMEM;
	}
	*ret = o;
	return 0;
}

void sg_oracle_free(struct sg_oracle *o)
{
	if (!o)
		return;
	free(o->slot);
	free(o->top);
	free(o->row);
	free(o);
}

/* ---- live threads, by uid ------------------------------------------------ */

static size_t slot_of(const struct sg_oracle_sums *slot, size_t n, uint32_t uid)
{
	size_t i = (uid * 2654435761u) & (n - 1);

	while (slot[i].uid && slot[i].uid != uid)
		i = (i + 1) & (n - 1);
	return i;
}

static struct sg_oracle_sums *sums_get(struct sg_oracle *o, uint32_t uid)
{
	size_t i;

	if (!uid)
		return NULL;
	i = slot_of(o->slot, o->nslot, uid);
	if (o->slot[i].uid)
		return &o->slot[i];
	if ((o->used + 1) * 4 > o->nslot * 3) {
		struct sg_oracle_sums *big = calloc(o->nslot * 2, sizeof(*big));

		if (!big)
			return NULL;
		for (size_t k = 0; k < o->nslot; k++)
			if (o->slot[k].uid)
				big[slot_of(big, o->nslot * 2, o->slot[k].uid)] = o->slot[k];
		free(o->slot);
		o->slot = big;
		o->nslot *= 2;
		i = slot_of(o->slot, o->nslot, uid);
	}
	o->slot[i].uid = uid;
	o->used++;
	return &o->slot[i];
}

/* Removing from open addressing: move back what the hole would hide. */
static void sums_drop(struct sg_oracle *o, struct sg_oracle_sums *s)
{
	size_t hole = (size_t)(s - o->slot), i = hole;

	o->used--;
	for (;;) {
		size_t home;

		i = (i + 1) & (o->nslot - 1);
		if (!o->slot[i].uid)
			break;
		home = (o->slot[i].uid * 2654435761u) & (o->nslot - 1);
		if (((i - home) & (o->nslot - 1)) >= ((i - hole) & (o->nslot - 1))) {
			o->slot[hole] = o->slot[i];
			hole = i;
		}
	}
	memset(&o->slot[hole], 0, sizeof(o->slot[hole]));
}

/* ---- comparing ----------------------------------------------------------- */

static uint64_t isqrt(uint64_t v)
{
	uint64_t r = 0, bit = 1ull << 62;

	while (bit > v)
		bit >>= 2;
	for (; bit; bit >>= 2) {
		if (v >= r + bit) {
			v -= r + bit;
			r = (r >> 1) + bit;
		} else {
			r >>= 1;
		}
	}
	return r;
}

static void put(struct cmp *c, unsigned q, uint64_t ours, uint64_t less, uint64_t more, uint64_t kernel)
{
	c->ours[q] = ours;
	c->lo[q] = ours > less ? ours - less : 0;
	c->hi[q] = more > UINT64_MAX - ours ? UINT64_MAX : ours + more;
	c->kernel[q] = kernel;
}

/*
 * The intervals. Ticks: n of them sample a share p of the time with a standard
 * deviation of at most sqrt(n)/2 ticks; four of these and two whole ticks for
 * the ends. 0.1 % of a sum is for clocks read at other points.
 */
static void compare(const struct sg_oracle *o, const struct sg_oracle_sums *s, const struct sg_exit *e,
		    struct cmp *c)
{
	uint64_t tick = o->opts.tick_ns, edge = (uint64_t)(s->waits + s->slices) * EDGE_NS;
	uint64_t sampled = 2 * tick + 2 * tick * isqrt(s->run / tick);

	c->uid = s->uid;
	c->tid = s->tid;
	c->tgid = s->tgid;
	edge += s->late ? LATE_NS : 0;
	memcpy(c->comm, s->comm, sizeof(c->comm));
	c->comm[sizeof(c->comm) - 1] = 0;
	c->nouser = s->nouser;
	put(c, SG_ORACLE_RUN, s->run, s->irq + edge + s->run / 1000, edge + s->run / 1000, e->run_ns);
	/* How long the command waited for its first CPU, before the recording, nobody saw. */
	put(c, SG_ORACLE_RUNQ, s->runq, edge + s->runq / 1000,
	    s->late ? UINT64_MAX : s->runq_open + edge + s->runq / 1000, e->runq_ns);
	put(c, SG_ORACLE_UTIME, s->user, sampled, sampled + s->irq, e->utime);
	put(c, SG_ORACLE_STIME, s->sys, sampled, sampled + s->irq, e->stime);
	put(c, SG_ORACLE_MINFLT, s->minflt, 0, UINT64_MAX, e->minflt);
	put(c, SG_ORACLE_MAJFLT, s->majflt, 0, UINT64_MAX, e->majflt);
	put(c, SG_ORACLE_SWAPIN, s->swapin_wait + s->swapin_cpu, UINT64_MAX, edge + s->irq, e->swapin_ns);
	put(c, SG_ORACLE_BLKIO, s->blkio, edge + s->blkio / 1000, s->runq_open + edge + s->blkio / 1000,
	    e->blkio_ns);
	put(c, SG_ORACLE_FREEPAGES, s->reclaim_wait + s->reclaim_cpu, edge, edge + s->irq, e->freepages_ns);
	put(c, SG_ORACLE_THRASH, s->memstall, UINT64_MAX, edge + s->irq, e->thrash_ns);
}

/*
 * Delay accounting that is switched on while a thread waits books the time since
 * the machine's boot (the wait's begin is 0 there): seen as 3949 s for one dd.
 */
static void find_absurd(struct cmp *c, uint64_t life_ns)
{
	c->absurd = 0;
	for (unsigned q = SG_ORACLE_SWAPIN; q < SG_ORACLE_MAX; q++)
		if (c->kernel[q] > life_ns + LATE_NS)
			c->absurd |= 1u << q;
}

static uint64_t add_sat(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

static void total_add(struct cmp *t, const struct cmp *c)
{
	t->nouser |= c->nouser;
	for (int q = 0; q < SG_ORACLE_MAX; q++) {
		if (c->absurd & 1u << q)
			continue;
		t->ours[q] = add_sat(t->ours[q], c->ours[q]);
		t->lo[q] = add_sat(t->lo[q], c->lo[q]);
		t->hi[q] = add_sat(t->hi[q], c->hi[q]);
		t->kernel[q] = add_sat(t->kernel[q], c->kernel[q]);
	}
}

/* Busier: more kernel run time; ties by uid, so that the choice does not depend on order. */
static bool busier(const struct cmp *a, const struct cmp *b)
{
	if (a->kernel[SG_ORACLE_RUN] != b->kernel[SG_ORACLE_RUN])
		return a->kernel[SG_ORACLE_RUN] > b->kernel[SG_ORACLE_RUN];
	return a->uid < b->uid;
}

static void heap_down(struct cmp *h, size_t n, size_t i)
{
	for (;;) {
		size_t k = 2 * i + 1;
		struct cmp tmp;

		if (k >= n)
			return;
		if (k + 1 < n && busier(&h[k], &h[k + 1]))
			k++;
		if (!busier(&h[i], &h[k]))
			return;
		tmp = h[i];
		h[i] = h[k];
		h[k] = tmp;
		i = k;
	}
}

static void top_add(struct sg_oracle *o, const struct cmp *c)
{
	if (o->ntop < o->opts.threads_max) {
		o->top[o->ntop++] = *c;
		if (o->ntop == o->opts.threads_max)
			for (size_t i = o->ntop / 2; i--;)
				heap_down(o->top, o->ntop, i);
	} else if (busier(c, &o->top[0])) {
		o->top[0] = *c;
		heap_down(o->top, o->ntop, 0);
	}
}

static void on_exit_rec(struct sg_oracle *o, struct sg_oracle_sums *s, const struct sg_exit *e)
{
	struct cmp c;

	if (!s->born) {
		o->st.before++;
	} else if (s->broken) {
		o->st.lost++;
	} else {
		compare(o, s, e, &c);
		find_absurd(&c, e->h.ts - s->birth);
		o->st.absurd += c.absurd != 0;
		total_add(&o->total, &c);
		top_add(o, &c);
		o->st.compared++;
		o->st.late += s->late;
	}
	sums_drop(o, s);
}

static void on_thread(struct sg_oracle_sums *s, const struct sg_thread *t)
{
	s->tid = t->tid;
	s->tgid = t->tgid;
	memcpy(s->comm, t->comm, sizeof(s->comm));
	s->comm[sizeof(s->comm) - 1] = 0;
	if (s->born) /* said again, at an exec */
		return;
	s->late = !t->birth && t->flags & SG_TF_ROOT;
	s->born = s->late || (t->birth && !(t->flags & SG_TF_BEFORE));
	s->birth = s->late ? t->h.ts : t->birth;
}

int sg_oracle_feed(struct sg_oracle *o, const struct sg_hdr *ev)
{
	struct sg_oracle_sums *s;

	switch (ev->kind) {
	case SG_REC_LOST:
		/* Which thread's records they were cannot be known. */
		for (size_t i = 0; i < o->nslot; i++)
			o->slot[i].broken |= o->slot[i].uid != 0;
		return 0;
	case SG_REC_THREAD:
	case SG_REC_SLICE:
	case SG_REC_EXIT:
		break;
	default:
		return 0;
	}
	if (!ev->uid)
		return 0;
	s = sums_get(o, ev->uid);
	if (!s)
		return -ENOMEM;
	if (ev->kind == SG_REC_THREAD)
		on_thread(s, (const struct sg_thread *)ev);
	else if (ev->kind == SG_REC_SLICE)
		sg_oracle_sums_slice(s, (const struct sg_slice *)ev);
	else
		on_exit_rec(o, s, (const struct sg_exit *)ev);
	return 0;
}

/* ---- results ------------------------------------------------------------- */

static bool delays_off(const struct sg_oracle *o)
{
	const uint64_t *k = o->total.kernel;

	return !k[SG_ORACLE_SWAPIN] && !k[SG_ORACLE_BLKIO] && !k[SG_ORACLE_FREEPAGES] && !k[SG_ORACLE_THRASH];
}

void sg_oracle_stats(const struct sg_oracle *o, struct sg_oracle_stats *ret)
{
	*ret = o->st;
	ret->unfinished = o->used;
	ret->delays_off = delays_off(o);
}

static size_t rows_of(const struct sg_oracle *o, const struct cmp *c, struct sg_oracle_row *row)
{
	bool off = delays_off(o);
	size_t n = 0;

	for (unsigned q = 0; q < SG_ORACLE_MAX; q++) {
		struct sg_oracle_row *r = &row[n];

		if (off && q >= SG_ORACLE_SWAPIN)
			continue;
		if (c->absurd & 1u << q)
			continue;
		if (c->nouser && (q == SG_ORACLE_UTIME || q == SG_ORACLE_STIME))
			continue;
		memset(r, 0, sizeof(*r));
		r->uid = c->uid;
		r->tid = c->tid;
		r->tgid = c->tgid;
		memcpy(r->comm, c->comm, sizeof(r->comm));
		r->quantity = (uint8_t)q;
		r->ours = c->ours[q];
		r->kernel = c->kernel[q];
		r->diff = (int64_t)(r->ours - r->kernel);
		r->lo = c->lo[q];
		r->hi = c->hi[q];
		if (r->kernel < r->lo)
			r->off = r->lo - r->kernel;
		else if (r->kernel > r->hi)
			r->off = r->kernel - r->hi;
		n++;
	}
	return n;
}

static int by_run(const void *a, const void *b)
{
	return busier(a, b) ? -1 : busier(b, a);
}

size_t sg_oracle_rows(struct sg_oracle *o, const struct sg_oracle_row **ret)
{
	size_t need = (o->ntop + 1) * SG_ORACLE_MAX, n;

	*ret = NULL;
	if (!o->st.compared)
		return 0;
	if (need > o->row_cap) {
		struct sg_oracle_row *r = realloc(o->row, need * sizeof(*r));

		if (!r)
			return 0;
		o->row = r;
		o->row_cap = need;
	}
	n = rows_of(o, &o->total, o->row);
	/* Sorted from the busiest down; reversed it is a heap again for later feeds. */
	qsort(o->top, o->ntop, sizeof(*o->top), by_run);
	for (size_t i = 0; i < o->ntop; i++)
		n += rows_of(o, &o->top[i], &o->row[n]);
	for (size_t i = 0; i < o->ntop / 2; i++) {
		struct cmp tmp = o->top[i];

		o->top[i] = o->top[o->ntop - 1 - i];
		o->top[o->ntop - 1 - i] = tmp;
	}
	*ret = o->row;
	return n;
}
