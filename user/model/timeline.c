/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Timelines: per thread, its slice records in time order, packed in chunks. A
 * record explains the wait before its slice and the slice; what lies between
 * two records was lost. Records no open task can need are never stored, or
 * dropped by whole chunks.
 */
#include <errno.h>
#include <stdlib.h>
#include "model/priv.h"

static const uint32_t chunk_sizes[4] = { 1024, 4096, 16384, 65536 };
#define SPARE_MAX 64

void sg_mem_add(struct sg_model *m, size_t bytes)
{
	m->stats.mem_bytes += bytes;
	if (m->stats.mem_bytes > m->stats.mem_peak_bytes)
		m->stats.mem_peak_bytes = m->stats.mem_bytes;
}

void sg_mem_sub(struct sg_model *m, size_t bytes)
{
	m->stats.mem_bytes -= bytes;
}

/* Nothing at or before this time is asked for any more. */
#define GUEST_KEEP_NS 2000000000ull
uint64_t sg_timeline_horizon(const struct sg_model *m)
{
	if (m->opts.no_prune || m->opts.threads)
		return 0;
	/* Guests' tasks are found a little after their begin. */
	if (m->boxes && (m->opts.guest || m->opts.guest_procs)) {
		uint64_t keep = m->now > GUEST_KEEP_NS ? m->now - GUEST_KEEP_NS : 0;

		return m->head && m->head->begin < keep ? m->head->begin : keep;
	}
	/* A guest's clock drifts from its host's: what was at its task's begin may be stamped earlier there. */
	if (m->fusion) {
		uint64_t from = m->head && m->head->begin < m->now ? m->head->begin : m->now;
		uint64_t keep = sg_fuse_keep(m);

		return from > keep ? from - keep : 0;
	}
	return m->head ? m->head->begin : SG_T_MAX;
}

/* ---- chunks -------------------------------------------------------------- */
static uint32_t *slot(const struct sg_chunk *c, uint32_t i)
{
	return (uint32_t *)((char *)c + c->size) - 1 - i;
}

static struct sg_trec *rec_in(const struct sg_chunk *c, uint32_t i)
{
	return (void *)(c->data + *slot(c, i));
}

static unsigned chunk_class(uint32_t size)
{
	unsigned i = 0;

	while (i < 3 && chunk_sizes[i] < size)
		i++;
	return i;
}

static struct sg_chunk *chunk_new(struct sg_model *m, unsigned class)
{
	struct sg_chunk *c = m->spare[class];

	if (c) {
		memcpy(&m->spare[class], c->data, sizeof(c));
		m->nspare[class]--;
	} else {
		c = malloc(chunk_sizes[class]);
		if (!c)
			return NULL;
	}
	c->size = chunk_sizes[class];
	c->used = 0;
	c->n = 0;
	sg_mem_add(m, c->size);
	return c;
}

static void chunk_free(struct sg_model *m, struct sg_chunk *c)
{
	unsigned class = chunk_class(c->size);

	for (uint32_t i = 0; i < c->n; i++) {
		struct sg_trec *r = rec_in(c, i);

		if (r->cuts)
			sg_cut_free(m, r->cuts);
		if (r->memo)
			sg_memo_free(m, r->memo);
	}
	sg_mem_sub(m, c->size);
	if (m->nspare[class] == SPARE_MAX) {
		free(c);
		return;
	}
	memcpy(c->data, &m->spare[class], sizeof(c));
	m->spare[class] = c;
	m->nspare[class]++;
}

/* Room for a record of @bytes at the end of @th. NULL: no memory. */
static struct sg_trec *rec_new(struct sg_model *m, struct sg_thr *th, uint32_t bytes)
{
	struct sg_chunk *c = th->nchunk ? th->chunk[th->chunk0 + th->nchunk - 1] : NULL;

	bytes = (bytes + 7) & ~7u;
	if (!c || sizeof(*c) + c->used + bytes + (c->n + 1) * sizeof(uint32_t) > c->size) {
		unsigned class = th->nchunk < 3 ? th->nchunk : 2;

		while (class < 3 && chunk_sizes[class] < sizeof(*c) + bytes + 64)
			class ++;
		if (th->chunk0 && th->chunk0 + th->nchunk == th->chunk_cap) {
			memmove(th->chunk, th->chunk + th->chunk0, th->nchunk * sizeof(*th->chunk));
			th->chunk0 = 0;
		}
		if (SG_GROW(th->chunk, th->chunk_cap, th->chunk0 + th->nchunk + 1))
			return NULL;
		c = chunk_new(m, class);
		if (!c)
			return NULL;
		th->chunk[th->chunk0 + th->nchunk++] = c;
	}
	*slot(c, c->n++) = c->used;
	c->used += bytes;
	return rec_in(c, c->n - 1);
}

void sg_timeline_free_spare(struct sg_model *m)
{
	for (unsigned i = 0; i < 4; i++)
		while (m->spare[i]) {
			struct sg_chunk *c = m->spare[i];

			memcpy(&m->spare[i], c->data, sizeof(c));
			free(c);
		}
}

/* Drop whole chunks that end at or before @horizon. */
void sg_timeline_drop(struct sg_model *m, struct sg_thr *th, uint64_t horizon)
{
	while (th->nchunk) {
		struct sg_chunk *c = th->chunk[th->chunk0];
		uint64_t out = rec_in(c, c->n - 1)->out;

		if (out > horizon)
			break;
		th->dropped_to = out;
		chunk_free(m, c);
		th->chunk0++;
		th->nchunk--;
	}
	if (!th->nchunk)
		th->chunk0 = 0;
	if (th->nshot)
		sg_shot_drop(m, th, horizon);
}

/* Over the cap: give up the oldest part of all timelines, a quarter of the time that is kept at once. */
void sg_timeline_cap(struct sg_model *m)
{
	while (m->stats.mem_bytes > m->opts.mem_cap) {
		uint64_t oldest = SG_T_MAX, first_end = SG_T_MAX, to;

		for (uint32_t i = 0; i < m->nthr; i++) {
			const struct sg_thr *th = m->thr[i];
			const struct sg_chunk *c = th->nchunk ? th->chunk[th->chunk0] : NULL;

			if (c && rec_in(c, 0)->out < oldest)
				oldest = rec_in(c, 0)->out;
			if (c && rec_in(c, c->n - 1)->out < first_end)
				first_end = rec_in(c, c->n - 1)->out;
		}
		if (oldest == SG_T_MAX)
			return;
		to = m->now > oldest ? oldest + (m->now - oldest) / 4 : oldest;
		to = to > first_end ? to : first_end; /* at least one chunk goes */
		for (uint32_t i = 0; i < m->nthr; i++) {
			struct sg_thr *th = m->thr[i];
			uint32_t was = th->nchunk;

			sg_timeline_drop(m, th, to);
			th->capped |= th->nchunk != was;
		}
	}
}

/* ---- finding ------------------------------------------------------------- */
struct sg_trec *sg_timeline_at(const struct sg_thr *th, struct sg_pos pos)
{
	return rec_in(th->chunk[th->chunk0 + pos.chunk], pos.slot);
}

/* The first record that ends at or after @cur. */
bool sg_timeline_find(const struct sg_thr *th, uint64_t cur, struct sg_pos *ret)
{
	uint32_t lo = 0, hi = th->nchunk;
	const struct sg_chunk *c;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		c = th->chunk[th->chunk0 + mid];
		if (rec_in(c, c->n - 1)->out < cur)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == th->nchunk)
		return false;
	ret->chunk = lo;
	c = th->chunk[th->chunk0 + lo];
	lo = 0;
	hi = c->n - 1;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (rec_in(c, mid)->out < cur)
			lo = mid + 1;
		else
			hi = mid;
	}
	ret->slot = lo;
	return true;
}

bool sg_timeline_prev(const struct sg_thr *th, struct sg_pos *pos)
{
	if (pos->slot) {
		pos->slot--;
		return true;
	}
	if (!pos->chunk)
		return false;
	pos->chunk--;
	pos->slot = th->chunk[th->chunk0 + pos->chunk]->n - 1;
	return true;
}

bool sg_timeline_next(const struct sg_thr *th, struct sg_pos *pos)
{
	if (pos->slot + 1 < th->chunk[th->chunk0 + pos->chunk]->n) {
		pos->slot++;
		return true;
	}
	if (pos->chunk + 1 == th->nchunk)
		return false;
	pos->chunk++;
	pos->slot = 0;
	return true;
}

/* ---- appending ----------------------------------------------------------- */
/* Give the time of key @from to key @to, in place: both sorted, no key twice. */
static uint32_t rekey(struct sg_pair *p, uint32_t n, uint16_t from, uint16_t to)
{
	struct sg_pair moved = { 0 };
	uint32_t at = 0, i;

	for (i = 0; i < n && p[i].key != from; i++)
		;
	if (i == n)
		return n;
	moved = p[i];
	moved.key = to;
	memmove(p + i, p + i + 1, (n - i - 1) * sizeof(*p));
	n--;
	while (at < n && p[at].key < to)
		at++;
	if (at < n && p[at].key == to) {
		p[at].ns += moved.ns;
		p[at].cnt += moved.cnt;
		return n;
	}
	memmove(p + at + 1, p + at, (n - at) * sizeof(*p));
	p[at] = moved;
	return n + 1;
}

/* A page fault that spanned slices has ended in the newest record: tell those before it. */
static void patch_fault(struct sg_thr *th, uint32_t seq, uint8_t res)
{
	uint16_t key = res == SG_FLT_SWAPIN  ? SG_C_MEM_SWAPIN
		       : res == SG_FLT_MAJOR ? SG_C_CPU_FAULT_MAJOR
					     : SG_C_CPU_FAULT;
	struct sg_pos pos;

	if (!seq || res == SG_FLT_OPEN || !th->nchunk)
		return;
	pos.chunk = th->nchunk - 1;
	pos.slot = th->chunk[th->chunk0 + pos.chunk]->n - 1;
	while (sg_timeline_prev(th, &pos)) {
		struct sg_trec *r = sg_timeline_at(th, pos);

		if (r->out_fltseq != seq)
			break;
		r->npair = rekey(r->pair, r->npair, SG_C_CPU_FAULT_OPEN, key);
		for (uint32_t i = 0; r->cuts && i < r->cuts->n; i++) {
			struct sg_cut *c = &r->cuts->cut[i];

			c->npair = rekey(r->cuts->pair + c->off, c->npair, SG_C_CPU_FAULT_OPEN, key);
		}
		if (r->fltseq != seq)
			break;
		r->fltres = res;
		r->rule = 0;
	}
}

/* The breakdown of a slice; what does not add up is unknown (torn), never stretched. */
static void vec_of(struct sg_model *m, const struct sg_slice *s, uint64_t in, uint64_t out,
		   struct sg_vec *ret)
{
	uint64_t len = out - in, sum = 0;
	bool ok = in == s->in && sg_vec_load(ret, s->pair, s->npair, &sum) && sum <= len;

	if (ok && sum == len) {
		m->stats.torn += !!(s->flags & SG_SF_TORN);
		return;
	}
	m->stats.torn++;
	if (ok) {
		struct sg_pair rest = { .key = SG_C_UNKNOWN, .ns = len - sum };
		struct sg_pair all[SG_VEC_MAX + 1];

		memcpy(all, ret->p, ret->n * sizeof(*all));
		all[ret->n] = rest;
		if (sg_vec_load(ret, all, ret->n + 1, &sum))
			return;
	}
	ret->n = len ? 1 : 0;
	ret->p[0] = (struct sg_pair){ .key = SG_C_UNKNOWN, .ns = len };
}

static void rec_fill(struct sg_trec *r, const struct sg_slice *s)
{
	r->waker = s->waker;
	r->raiser = s->raiser;
	r->sysseq = s->sysseq;
	r->note = s->note & ((1u << SG_NOTE_WOKE_SHIFT) - 1);
	r->woke = (uint16_t)(s->note >> SG_NOTE_WOKE_SHIFT);
	r->arg = s->arg;
	r->fltseq = s->fltseq;
	r->out_fltseq = s->out_fltseq;
	r->flags = s->flags;
	r->dev = s->dev;
	r->who = s->who;
	r->nr = s->nr;
	r->stop = s->stop < SG_STOP_MAX ? s->stop : SG_STOP_HOLE;
	r->wkind = s->wkind < SG_K_MAX ? s->wkind : SG_K_UNSEEN;
	r->fdtype = s->fdtype;
	r->cpu = s->h.cpu;
	r->wctx = s->wctx;
	r->wsrc = s->wsrc;
	r->fltres = s->fltres;
	r->out_stop = s->out_stop;
	r->out_kind = s->out_kind;
}

/* Stacks and details that came ahead of their slice. */
static void rec_attach(struct sg_thr *th, struct sg_trec *r, const struct sg_slice *s)
{
	if (th->pend_kern && s->wake && th->pend_kern_ts == s->wake)
		r->stack_kern = th->pend_kern;
	if (th->pend_user && th->pend_user_ts >= r->in && th->pend_user_ts <= r->out)
		r->stack_user = th->pend_user;
	if (th->pend_detail && th->pend_detail_ts == s->in)
		r->detail = th->pend_detail;
}

/* Does anybody need [.., out] of a thread? */
static bool wanted(const struct sg_model *m, uint64_t out)
{
	return sg_timeline_horizon(m) < out;
}

static int rec_store(struct sg_model *m, struct sg_thr *th, const struct sg_trec *head,
		     const struct sg_vec *v, const struct sg_ext *ext)
{
	uint32_t bytes = sizeof(*head) + v->n * sizeof(*v->p) + (ext ? sizeof(*ext) : 0);
	struct sg_trec *r = rec_new(m, th, bytes);

	if (!r)
		return -ENOMEM;
	*r = *head;
	r->npair = v->n;
	r->ext_at = v->n;
	r->has_ext = ext != NULL;
	memcpy(r->pair, v->p, v->n * sizeof(*v->p));
	if (ext)
		memcpy(r->pair + v->n, ext, sizeof(*ext));
	return 0;
}

/* First and last instants, for every record whether stored or not. */
static void advance(struct sg_thr *th, const struct sg_trec *r)
{
	if (!th->first_set) {
		th->first_set = true;
		th->first_lo = r->lo;
	}
	th->last_in = r->in;
	th->last_out = r->out;
}

static void count(struct sg_model *m, const struct sg_thr *th, const struct sg_trec *r)
{
	const uint32_t silent = 1u << SG_STOP_SLEEP | 1u << SG_STOP_DISK | 1u << SG_STOP_BLOCKED;

	m->stats.holes += r->stop == SG_STOP_HOLE || (th->first_set && r->lo > th->last_out);
	m->stats.no_waker += !r->wake && (silent & (1u << r->stop)) && !(r->flags & SG_SF_OPEN);
}

/*
 * The slice that th's cuts belong to never closed. What its newest cut says is
 * known; the wait before it went with the record.
 */
int sg_timeline_lost_slice(struct sg_model *m, struct sg_thr *th)
{
	struct sg_trec r = { .nr = 0xffff, .stop = SG_STOP_NONE };
	struct sg_view view;
	struct sg_vec v;
	int rc = 0;

	if (!sg_view_open(th, &view))
		return 0;
	r.in = r.lo = view.in;
	r.out = view.out;
	r.out_kind = SG_K_SYSCALL; /* unknown: a wait inside one call may go on */
	count(m, th, &r);
	v.n = view.npair;
	memcpy(v.p, view.pair, v.n * sizeof(*v.p));
	if (wanted(m, r.out)) {
		r.cuts = sg_cut_take(m, th, view.in, view.out, v.p, v.n, th->cuts.cut[th->cuts.n - 1].flt);
		rc = rec_store(m, th, &r, &v, NULL);
	}
	th->cuts.n = th->cuts.npair = 0;
	advance(th, &r);
	return rc;
}

static void rec_times(struct sg_thr *th, struct sg_trec *r, const struct sg_slice *s)
{
	uint64_t floor = th->first_set ? th->last_out : th->birth;
	bool none = s->stop == SG_STOP_NONE;

	r->out = s->h.ts;
	r->in = s->in > r->out ? r->out : s->in;
	if (r->in < floor)
		r->in = floor;
	r->lo = none ? r->in : s->prev_out;
	if (r->lo < floor || !r->lo)
		r->lo = floor; /* before the first record: back to birth, or as far as anybody asks */
	if (r->lo > r->in)
		r->lo = r->in;
	if (s->wake) {
		r->wake = s->wake > r->lo ? s->wake : r->lo;
		if (r->wake > r->in)
			r->wake = r->in;
	}
}

int sg_timeline_append(struct sg_model *m, struct sg_thr *th, const struct sg_slice *s)
{
	struct sg_ext ext = { s->throttle_ns, s->svc_ns, s->work_queued, s->work_by, 0 };
	bool has_ext = s->throttle_ns || s->svc_ns || (s->flags & SG_SF_WORK);
	struct sg_trec r = { 0 };
	struct sg_vec v;
	int rc = 0;

	if ((th->first_set && s->h.ts < th->last_out) || s->h.ts < th->birth) {
		m->stats.late++;
		return 0;
	}
	if (th->cuts.n && th->open_in != s->in)
		rc = sg_timeline_lost_slice(m, th);
	if (rc)
		return rc;
	rec_times(th, &r, s);
	rec_fill(&r, s);
	rec_attach(th, &r, s);
	count(m, th, &r);
	if (wanted(m, r.out)) {
		vec_of(m, s, r.in, r.out, &v);
		if (th->cuts.n)
			r.cuts = sg_cut_take(m, th, r.in, r.out, v.p, v.n, s->out_fltseq);
		if (sg_timeline_horizon(m) > th->last_out)
			sg_timeline_drop(m, th, sg_timeline_horizon(m));
		rc = rec_store(m, th, &r, &v, has_ext ? &ext : NULL);
		if (!rc && s->fltseq && s->fltres != SG_FLT_OPEN)
			patch_fault(th, s->fltseq, s->fltres);
	} else {
		m->stats.torn += !!(s->flags & SG_SF_TORN);
		th->cuts.n = th->cuts.npair = 0;
		if (th->nchunk)
			sg_timeline_drop(m, th, SG_T_MAX);
	}
	if (!rc && th->box == SG_BOX_STUB && (th->flags & SG_TF_INSCOPE))
		rc = sg_guest_slice(m, th, &r, s);
	if (!rc && m->on_span && (th->flags & SG_TF_INSCOPE))
		rc = sg_span_slice(m, th, &r, s);
	advance(th, &r);
	th->pend_kern = th->pend_user = th->pend_detail = 0;
	return rc;
}
