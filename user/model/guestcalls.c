/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Records to sums. Who is a Gofer and whose a cgroup is may be told late, so
 * everything is kept by cgroup and by program, and named at the end.
 */
#include "model/guestcalls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/sysnr.h"
#include "model/guestcalls_priv.h"

#define NR_EXIT	      60
#define NR_EXIT_GROUP 231

int sg_guestcalls_new(struct sg_guestcalls **ret, struct sg_owners *o)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->owners = o;
	(*ret)->rng = 0x9e3779b97f4a7c15ull; /* fixed: the same recording gives the same report */
	return 0;
}

void sg_guestcalls_free(struct sg_guestcalls *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->nrow; i++)
		for (size_t k = 0; k < SG_DIST_MAX; k++)
			free(g->row[i].dist[k].v);
	sg_guest_result_free(&g->res);
	sg_pairmap_free(&g->row_at);
	sg_pairmap_free(&g->msg_at);
	sg_pairmap_free(&g->rpc_at);
	sg_pairmap_free(&g->answer_at);
	free(g->answer);
	free(g->row);
	free(g->msg);
	free(g->rpc);
	free(g);
}

void *sg_guest_grown(void *p, size_t *cap, size_t n, size_t each)
{
	size_t want = *cap ? *cap * 2 : 32;
	void *q = p;

	if (n < *cap)
		return p;
	q = realloc(p, want * each);
	*cap = q ? want : *cap;
	return q;
}

const char *sg_guest_call_name(char *buf, size_t cap, uint16_t nr)
{
	const char *name = sg_sysnr_name(nr);

	if (name)
		snprintf(buf, cap, "%s", name);
	else if (nr == SG_GUEST_FAULT)
		snprintf(buf, cap, "(fault)");
	else
		snprintf(buf, cap, "nr%u", nr);
	return buf;
}

/* ---- rows ---------------------------------------------------------------- */

static int row_of(struct sg_guestcalls *g, uint64_t cgroup, uint16_t nr, struct sg_guest_raw **ret)
{
	const uint32_t *known = sg_pairmap_get(&g->row_at, cgroup, nr);
	struct sg_guest_raw *p;

	*ret = known ? &g->row[*known] : NULL;
	if (known || g->nrow == SG_GUEST_ROWS)
		return 0;
	p = sg_guest_grown(g->row, &g->row_cap, g->nrow, sizeof(*p));
	if (!p)
		return -ENOMEM;
	g->row = p;
	if (!sg_pairmap_at(&g->row_at, cgroup, nr, (uint32_t)g->nrow, NULL))
		return -ENOMEM;
	*ret = &g->row[g->nrow++];
	**ret = (struct sg_guest_raw){ .cgroup = cgroup, .nr = nr };
	return 0;
}

static uint64_t rng_below(struct sg_guestcalls *g, uint64_t n)
{
	g->rng ^= g->rng >> 12;
	g->rng ^= g->rng << 25;
	g->rng ^= g->rng >> 27;
	return (uint64_t)(((unsigned __int128)(g->rng * 0x2545f4914f6cdd1dull) * n) >> 64);
}

/* Sum and maximum are exact, single durations kept up to a limit, then sampled evenly. */
static int dist_add(struct sg_guestcalls *g, struct sg_guest_dist *d, uint64_t ns)
{
	uint64_t at;

	d->seen++;
	d->sum_ns += ns;
	d->max_ns = ns > d->max_ns ? ns : d->max_ns;
	if (d->n == d->seen - 1 && d->n < SG_GUEST_SAMPLES && g->kept < SG_GUEST_BUDGET) {
		if (d->n == d->cap) {
			uint32_t cap = d->cap ? d->cap * 2 : 8;
			uint64_t *v = realloc(d->v, cap * sizeof(*v));

			if (!v)
				return -ENOMEM;
			d->v = v;
			d->cap = cap;
		}
		d->v[d->n++] = ns;
		g->kept++;
		return 0;
	}
	at = rng_below(g, d->seen);
	if (at < d->n)
		d->v[at] = ns;
	return 0;
}

static uint64_t cgroup_of(const struct sg_guestcalls *g, uint32_t uid)
{
	return sg_owners_proc_at(g->owners, sg_owners_proc(g->owners, uid))->cgroup;
}

/* ---- which messages a call caused ---------------------------------------- */

static int msg_add(struct sg_guestcalls *g, uint32_t row, const struct sg_guest_flip *f)
{
	uint64_t b = (uint64_t)f->program << 16 | f->word;
	const uint32_t *known = sg_pairmap_get(&g->msg_at, row, b);
	struct sg_guest_raw_msg *p;

	if (!known && g->nmsg == SG_GUEST_ROWS)
		return 0;
	if (!known) {
		p = sg_guest_grown(g->msg, &g->msg_cap, g->nmsg, sizeof(*p));
		if (!p)
			return -ENOMEM;
		g->msg = p;
		if (!sg_pairmap_at(&g->msg_at, row, b, (uint32_t)g->nmsg, NULL))
			return -ENOMEM;
		g->msg[g->nmsg++] = (struct sg_guest_raw_msg){ row, f->program, f->word, 0 };
	}
	g->msg[known ? *known : g->nmsg - 1].cnt += f->cnt;
	return 0;
}

int sg_guest_settle(struct sg_guestcalls *g, struct sg_guest_flip *f)
{
	uint32_t row = f->row ? f->row - 1 : SG_GUEST_APART;
	int ret = 0;

	/* several messages in one slice, and several calls: which is of which, nobody knows */
	if ((!f->sure && f->several) || (f->of > 1 && f->mixed))
		row = SG_GUEST_APART;
	if (f->cnt)
		ret = msg_add(g, row, f);
	f->cnt = 0;
	return ret;
}

/*
 * A Gofer's slice that began inside a call of the guest is that call's when the
 * thread that woke the Gofer also let the guest go on (the Sentry's that served
 * the call), or else when no other thread's call was open then.
 */
static void meet(struct sg_guest_flip *f, const struct sg_guest_span *c)
{
	bool inside = f->lo >= c->lo && f->lo < c->hi;

	if (f->cgroup != c->cgroup || c->lo >= f->hi || c->hi <= f->lo)
		return;
	if (!f->met)
		f->met = c->row + 1;
	f->mixed |= f->met != c->row + 1;
	if (!inside || f->sure)
		return;
	if (c->waker && c->waker == f->waker) {
		f->sure = true;
		f->row = c->row + 1;
	} else if (!f->row) {
		f->row = c->row + 1;
		f->uid = c->uid;
	} else if (f->uid != c->uid) {
		f->several = true;
	}
}

static int flip_add(struct sg_guestcalls *g, const struct sg_guest_flip *new)
{
	struct sg_guest_flip *f = &g->flip[g->nflip % SG_GUEST_FLIPS];
	int ret = sg_guest_settle(g, f);
	uint64_t from = g->nspan > SG_GUEST_NEAR ? g->nspan - SG_GUEST_NEAR : 0;

	*f = *new;
	g->nflip++;
	for (uint64_t i = from; i < g->nspan; i++)
		meet(f, &g->span[i % SG_GUEST_SPANS]);
	return ret;
}

static void span_add(struct sg_guestcalls *g, const struct sg_guest_span *c)
{
	uint64_t from = g->nflip > SG_GUEST_NEAR ? g->nflip - SG_GUEST_NEAR : 0;

	g->span[g->nspan++ % SG_GUEST_SPANS] = *c;
	for (uint64_t i = from; i < g->nflip; i++)
		meet(&g->flip[i % SG_GUEST_FLIPS], c);
}

/* A guest that has asked to end does not go on: its stub is put aside for another, and that is no time of a call. */
static bool returns(uint16_t nr)
{
	return nr != NR_EXIT && nr != NR_EXIT_GROUP;
}

/* ---- records ------------------------------------------------------------- */

/* A guest's call: counted at its stop; how long it took is told by sg_guestcalls_ended(). */
static int feed_stop(struct sg_guestcalls *g, const struct sg_slice *s, uint64_t cgroup)
{
	struct sg_guest_raw *row;
	int ret;

	if (!(s->flags & SG_SF_INSCOPE) || s->wkind != SG_K_GUESTCALL || s->stop != SG_STOP_TRACED)
		return 0;
	ret = row_of(g, cgroup, s->nr, &row);
	if (!ret && row)
		row->seen[SG_SEEN_STOP]++;
	return ret;
}

int sg_guestcalls_ended(struct sg_guestcalls *g, const struct sg_guest_call *c)
{
	struct sg_guest_span span = {
		.lo = c->lo, .hi = c->hi, .uid = c->uid, .waker = c->waker, .cgroup = cgroup_of(g, c->uid)
	};
	struct sg_guest_raw *row;
	int ret = row_of(g, span.cgroup, c->nr, &row);

	if (ret || !row || !returns(c->nr))
		return ret;
	span.row = (uint32_t)(row - g->row);
	span_add(g, &span);
	return dist_add(g, &row->dist[SG_DIST_DEFAULT], c->hi - c->lo);
}

/* A wait that ended with a word in a window: whether it was a Gofer's is told by who woke it, perhaps later. */
static int feed_answer(struct sg_guestcalls *g, const struct sg_slice *s)
{
	uint16_t word = (uint16_t)(s->note & 0xffff);
	uint32_t program;
	const uint32_t *known;
	struct sg_guest_answer *p;

	if (!(s->note & SG_NOTE_FLIPCALL) || s->wctx != SG_WCTX_TASK || !s->prev_out ||
	    s->wake <= s->prev_out || s->wake > s->in)
		return 0;
	program = sg_owners_proc(g->owners, s->waker);
	known = sg_pairmap_get(&g->answer_at, program, word);
	if (!known && g->nanswer == SG_GUEST_ROWS)
		return 0;
	if (!known) {
		p = sg_guest_grown(g->answer, &g->answer_cap, g->nanswer, sizeof(*p));
		if (!p)
			return -ENOMEM;
		g->answer = p;
		if (!sg_pairmap_at(&g->answer_at, program, word, (uint32_t)g->nanswer, NULL))
			return -ENOMEM;
		g->answer[g->nanswer++] = (struct sg_guest_answer){ .program = program, .word = word };
	}
	p = &g->answer[known ? *known : g->nanswer - 1];
	p->cnt++;
	p->ns += s->wake - s->prev_out;
	return 0;
}

static int feed_slice(struct sg_guestcalls *g, const struct sg_slice *s)
{
	uint32_t program = sg_owners_proc(g->owners, s->h.uid), of = 0;
	const struct sg_owner_proc *p = sg_owners_proc_at(g->owners, program);
	bool gofer = !*p->role || !strcmp(p->role, "gofer"); /* or not told yet */
	uint64_t cgroup = p->cgroup;
	int ret = feed_stop(g, s, cgroup);

	if (!ret)
		ret = feed_answer(g, s);
	for (unsigned i = 0; i < s->npair; i++)
		of += SG_KEY_TYPE(s->pair[i].key) == SG_KEY_FLIPCALL ? s->pair[i].cnt : 0;
	for (unsigned i = 0; i < s->npair && !ret; i++) {
		const struct sg_pair *q = &s->pair[i];
		unsigned type = SG_KEY_TYPE(q->key);
		struct sg_guest_raw *row;

		if (s->flags & SG_SF_INSCOPE && (type == SG_KEY_GUEST || type == SG_KEY_EMULATED)) {
			ret = row_of(g, cgroup, SG_KEY_LOW(q->key), &row);
			if (ret || !row)
				continue;
			row->seen[SG_SEEN_TRAP] += type == SG_KEY_GUEST ? q->cnt : 0;
			row->stop_cpu_ns += type == SG_KEY_GUEST ? 0 : q->ns;
		} else if (type == SG_KEY_FLIPCALL && gofer) {
			ret = flip_add(g, &(struct sg_guest_flip){
						  .lo = s->in,
						  .hi = s->h.ts,
						  .cgroup = cgroup,
						  .program = program,
						  .waker = s->wctx == SG_WCTX_TASK ? s->waker : 0,
						  .cnt = q->cnt,
						  .of = of,
						  .word = SG_KEY_LOW(q->key),
					  });
		}
	}
	return ret;
}

static int feed_rpc(struct sg_guestcalls *g, uint64_t cgroup, uint16_t word)
{
	const uint32_t *known = sg_pairmap_get(&g->rpc_at, cgroup, word);
	struct sg_guest_rpc *p;

	if (!known && g->nrpc == SG_GUEST_ROWS)
		return 0;
	if (!known) {
		p = sg_guest_grown(g->rpc, &g->rpc_cap, g->nrpc, sizeof(*p));
		if (!p)
			return -ENOMEM;
		g->rpc = p;
		if (!sg_pairmap_at(&g->rpc_at, cgroup, word, (uint32_t)g->nrpc, NULL))
			return -ENOMEM;
		g->rpc[g->nrpc++] = (struct sg_guest_rpc){ .cgroup = cgroup, .word = word };
	}
	g->rpc[known ? *known : g->nrpc - 1].cnt++;
	return 0;
}

static int feed_guest(struct sg_guestcalls *g, const struct sg_guest *e)
{
	bool timed = e->begin && e->h.ts > e->begin && returns(e->nr);
	struct sg_guest_raw *row;
	uint32_t program = sg_owners_proc(g->owners, e->h.uid);
	uint64_t cgroup;
	int ret;

	if (!program && e->sandbox)
		program = sg_owners_tgid(g->owners, e->sandbox);
	cgroup = sg_owners_proc_at(g->owners, program)->cgroup;
	if (e->what == SG_GUEST_RPC)
		return feed_rpc(g, cgroup, e->nr);
	if (e->what != SG_GUEST_CALL || e->src < SG_GSRC_TRAP || e->src > SG_GSRC_UPROBE)
		return 0; /* a newer recorder's */
	ret = row_of(g, cgroup, e->nr, &row);
	if (ret || !row)
		return ret;
	if (e->src == SG_GSRC_TRAP)
		return 0; /* counted in its slice, timed by the model */
	if (e->src == SG_GSRC_TRACE && e->nr == SG_GUEST_DROPPED) { /* so far: the last one says it all */
		row->seen[SG_SEEN_TRACE] = e->ret > 0 ? (uint64_t)e->ret : 0;
		return 0;
	}
	row->seen[e->src == SG_GSRC_UPROBE ? SG_SEEN_UPROBE : SG_SEEN_TRACE]++;
	if (timed)
		ret = dist_add(g, &row->dist[e->src == SG_GSRC_UPROBE ? SG_DIST_UPROBE : SG_DIST_TRACE],
			       e->h.ts - e->begin);
	return ret;
}

int sg_guestcalls_feed(struct sg_guestcalls *g, const struct sg_hdr *ev)
{
	switch (ev->kind) {
	case SG_REC_SLICE:
		return feed_slice(g, (const void *)ev);
	case SG_REC_GUEST:
		return feed_guest(g, (const void *)ev);
	}
	return 0;
}

/* ---- where the time went ------------------------------------------------- */

/* CPU time of the kernel, and what it waits for on a device's or on memory's account. */
static bool is_host(uint16_t cause)
{
	static const uint8_t host[SG_C_MAX] = {
		[SG_C_CPU_SYS] = 1,	     [SG_C_CPU_EXIT] = 1,	   [SG_C_CPU_FAULT] = 1,
		[SG_C_CPU_FAULT_MAJOR] = 1,  [SG_C_CPU_FAULT_OPEN] = 1,	   [SG_C_CPU_IRQ] = 1,
		[SG_C_MEM_RECLAIM_SWAP] = 1, [SG_C_MEM_RECLAIM_MEMCG] = 1, [SG_C_MEM_RECLAIM_DIRECT] = 1,
		[SG_C_MEM_COMPACT] = 1,	     [SG_C_MEM_SWAPIN] = 1,	   [SG_C_MEM_BALLOON] = 1,
		[SG_C_MEM_FAULT] = 1,	     [SG_C_MEM_THROTTLE] = 1,	   [SG_C_IO_BLOCK] = 1,
		[SG_C_IO_FSYNC] = 1,	     [SG_C_IO_WRITEBACK] = 1,	   [SG_C_MEM_HOST] = 1,
	};

	return cause & SG_KEY_SYSCALL || (cause < SG_C_MAX && host[cause]);
}

enum sg_guest_part sg_guest_part(const char *comp, uint16_t cause)
{
	bool kernel = !strcmp(comp, "kernel"), sentry = !strcmp(comp, "sentry");

	if (!strcmp(comp, "gofer") || cause == SG_C_IO_GOFER)
		return SG_PART_GOFER;
	if (cause == SG_C_TRAP_PTRACE || cause == SG_C_TRAP_SECCOMP || cause == SG_C_TRAP_STOP ||
	    cause == SG_C_TRAP_FREEZE)
		return SG_PART_TRAP;
	if (is_host(cause) && (kernel || sentry || !strcmp(comp, "stub")))
		return SG_PART_HOST;
	return sentry ? SG_PART_SENTRY : SG_PART_OTHER;
}

int sg_guestcalls_task(struct sg_guestcalls *g, const struct sg_model *m, const struct sg_task *t)
{
	struct sg_guest_raw *row;
	int ret;

	if (t->src != SG_MSRC_GUEST || t->id > UINT16_MAX || !returns((uint16_t)t->id))
		return 0;
	ret = row_of(g, cgroup_of(g, t->uid), (uint16_t)t->id, &row);
	if (ret || !row)
		return ret;
	row->explained++;
	for (size_t i = 0; i < t->nseg; i++)
		row->part_ns[sg_guest_part(sg_model_comp(m, t->seg[i].comp), t->seg[i].cause)] +=
			t->seg[i].hi - t->seg[i].lo;
	return 0;
}
