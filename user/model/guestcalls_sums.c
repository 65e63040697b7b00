/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What was gathered by cgroup and program, added up by container. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/stats.h"
#include "base/strtab.h"
#include "model/gofer.h"
#include "model/guestcalls_priv.h"

#define P9_ONLY 100 /* types from here on are 9P's alone; every 9P conversation has some (Twalk, Tclunk) */

/* A raw row and the sum it belongs to. */
struct part_of {
	uint32_t raw, box, sum;
};

/* While adding up. */
struct adding {
	struct sg_guestcalls *g;
	struct sg_strtab names;	  /* of sandboxes: same numbers as in the result */
	struct sg_pairmap row_at; /* (sandbox, nr) -> index in its rows */
	struct sg_pairmap msg_at; /* (sandbox, word and protocol) -> index in its messages */
	struct part_of *part;	  /* of every raw row */
	bool *is_9p;		  /* of every program */
};

void sg_guest_result_free(struct sg_guest_result *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->box[i].row);
		free(r->box[i].msg);
	}
	free(r->box);
	memset(r, 0, sizeof(*r));
}

/* Number of the sandbox a cgroup is of; a new one is named. */
static int64_t box_at(struct adding *a, uint64_t cgroup)
{
	const struct sg_owner_container *c = sg_owners_container(a->g->owners, cgroup);
	struct sg_guest_result *r = &a->g->res;
	struct sg_guest_sandbox *p;
	char label[SG_OWNERS_LABEL];
	int64_t id = sg_strtab_id(&a->names, sg_owners_label(a->g->owners, cgroup, label));

	if (id < 0 || (size_t)id < r->n)
		return id;
	p = realloc(r->box, (r->n + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	r->box = p;
	memset(&p[r->n], 0, sizeof(*p));
	memcpy(p[r->n].container, label, sizeof(label));
	snprintf(p[r->n].platform, sizeof(p->platform), "%s", c ? c->platform : "");
	r->n++;
	return id;
}

/* The sum of a raw row: found or made. */
static int sum_at(struct adding *a, size_t raw)
{
	int64_t id = box_at(a, a->g->row[raw].cgroup);
	struct sg_guest_sandbox *b;
	struct sg_guest_row *p;
	uint32_t *at;
	int is_new;

	if (id < 0)
		return (int)id;
	b = &a->g->res.box[id];
	at = sg_pairmap_at(&a->row_at, (uint64_t)id, a->g->row[raw].nr, (uint32_t)b->nrow, &is_new);
	if (!at)
		return -ENOMEM;
	if (is_new) {
		p = realloc(b->row, (b->nrow + 1) * sizeof(*p));
		if (!p)
			return -ENOMEM;
		b->row = p;
		memset(&p[b->nrow++], 0, sizeof(*p));
		p[*at].nr = a->g->row[raw].nr;
	}
	a->part[raw] = (struct part_of){ (uint32_t)raw, (uint32_t)id, *at };
	return 0;
}

/* Times are of the source that comes first in the list and saw something. */
static unsigned dist_of(const struct sg_guest_raw *r)
{
	if (r->seen[SG_SEEN_STOP] || r->seen[SG_SEEN_TRAP] || r->dist[SG_DIST_DEFAULT].seen)
		return SG_DIST_DEFAULT;
	return r->dist[SG_DIST_UPROBE].seen ? SG_DIST_UPROBE : SG_DIST_TRACE;
}

/* What no segment and no trap explains of the total is "other": the parts always sum to it. */
static void parts_add(struct sg_guest_row *to, const struct sg_guest_raw *r, uint64_t total)
{
	/* the stop itself is a wait; what it takes on the CPU comes on top */
	uint64_t sum = r->stop_cpu_ns;

	total += r->stop_cpu_ns;
	for (size_t i = 0; i < SG_PART_MAX; i++) {
		to->part_ns[i] += r->part_ns[i];
		sum += r->part_ns[i];
	}
	to->part_ns[SG_PART_TRAP] += r->stop_cpu_ns;
	if (total > sum)
		to->part_ns[SG_PART_OTHER] += total - sum;
	to->total_ns += total > sum ? total : sum;
}

static int row_add(struct sg_guest_row *to, const struct sg_guest_raw *r, uint64_t **v, size_t *nv)
{
	unsigned which = dist_of(r);
	const struct sg_guest_dist *d = &r->dist[which];
	uint64_t *p;

	for (size_t i = 0; i < SG_SEEN_MAX; i++)
		to->seen[i] += r->seen[i];
	to->cnt += which == SG_DIST_DEFAULT ? r->seen[SG_SEEN_STOP] + r->seen[SG_SEEN_TRAP] : d->seen;
	to->timed = which == SG_DIST_UPROBE  ? SG_SEEN_UPROBE
		    : which == SG_DIST_TRACE ? SG_SEEN_TRACE
		    : r->seen[SG_SEEN_STOP]  ? SG_SEEN_STOP
					     : SG_SEEN_TRAP;
	to->explained += r->explained;
	to->max_ns = d->max_ns > to->max_ns ? d->max_ns : to->max_ns;
	parts_add(to, r, d->sum_ns);
	if (!d->n)
		return 0;
	p = realloc(*v, (*nv + d->n) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	*v = p;
	memcpy(p + *nv, d->v, d->n * sizeof(*p));
	*nv += d->n;
	return 0;
}

/* Of the calls that the time is of: one that was going on at the end, or never returns, has none. */
static uint64_t mean_of(const struct sg_guest_row *r)
{
	uint64_t n = r->explained ? r->explained : r->cnt;

	return n ? r->total_ns / n : 0;
}

static int part_order(const void *a, const void *b)
{
	const struct part_of *x = a, *y = b;

	if (x->box != y->box)
		return x->box < y->box ? -1 : 1;
	if (x->sum != y->sum)
		return x->sum < y->sum ? -1 : 1;
	return x->raw < y->raw ? -1 : 1;
}

static int sums_make(struct adding *a)
{
	struct sg_guestcalls *g = a->g;
	struct part_of *p = calloc(g->nrow + 1, sizeof(*p));
	struct sg_guest_row *to;
	struct sg_stats st;
	uint64_t *v = NULL;
	size_t nv = 0;
	int ret = p ? 0 : -ENOMEM;

	for (size_t i = 0; i < g->nrow && !ret; i++)
		ret = sum_at(a, i);
	if (!ret && g->nrow) {
		memcpy(p, a->part, g->nrow * sizeof(*p));
		qsort(p, g->nrow, sizeof(*p), part_order);
	}
	for (size_t i = 0; i < g->nrow && !ret; i++) {
		to = &g->res.box[p[i].box].row[p[i].sum];
		ret = row_add(to, &g->row[p[i].raw], &v, &nv);
		if (i + 1 < g->nrow && p[i + 1].box == p[i].box && p[i + 1].sum == p[i].sum)
			continue;
		sg_stats_of(&st, v, nv);
		to->p99_ns = st.p99_ns;
		to->sampled = nv;
		to->mean_ns = mean_of(to);
		nv = 0;
	}
	free(v);
	free(p);
	return ret;
}

/* ---- messages ------------------------------------------------------------ */

static int msg_order(const void *a, const void *b)
{
	const struct sg_guest_msg *x = a, *y = b;

	if (x->cnt + x->seen != y->cnt + y->seen)
		return x->cnt + x->seen < y->cnt + y->seen ? 1 : -1;
	return x->is_9p != y->is_9p ? (x->is_9p ? 1 : -1) : (x->word > y->word) - (x->word < y->word);
}

static bool is_gofer(const struct sg_guestcalls *g, uint32_t program)
{
	return !strcmp(sg_owners_proc_at(g->owners, program)->role, "gofer");
}

static struct sg_guest_msg *box_msg(struct adding *a, int64_t box, uint16_t word, bool is_9p)
{
	struct sg_guest_sandbox *b = &a->g->res.box[box];
	struct sg_guest_msg *p;
	int is_new;
	uint32_t *at = sg_pairmap_at(&a->msg_at, (uint64_t)box, (uint64_t)is_9p << 16 | word,
				     (uint32_t)b->nmsg, &is_new);

	if (!at)
		return NULL;
	if (is_new) {
		p = realloc(b->msg, (b->nmsg + 1) * sizeof(*p));
		if (!p)
			return NULL;
		b->msg = p;
		p[b->nmsg++] = (struct sg_guest_msg){ .word = word, .is_9p = is_9p };
	}
	return &b->msg[*at];
}

/* Most first; a call's are few kinds, and of the same message if several programs sent it. */
static void row_msg(struct sg_guest_row *to, uint16_t word, bool is_9p, uint64_t cnt)
{
	size_t i = 0;

	while (i < to->nmsg && (to->msg[i].word != word || to->msg[i].is_9p != is_9p))
		i++;
	if (i == SG_GUEST_MESSAGES)
		return;
	if (i == to->nmsg)
		to->msg[to->nmsg++] = (struct sg_guest_msg){ .word = word, .is_9p = is_9p };
	to->msg[i].cnt += cnt;
	qsort(to->msg, to->nmsg, sizeof(*to->msg), msg_order);
}

static int raw_msg_order(const void *a, const void *b)
{
	const struct sg_guest_raw_msg *x = a, *y = b;

	if (x->cnt != y->cnt)
		return x->cnt < y->cnt ? 1 : -1;
	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (x->program != y->program)
		return x->program < y->program ? -1 : 1;
	return (x->word > y->word) - (x->word < y->word);
}

static struct sg_guest_row *row_at(struct adding *a, uint32_t raw)
{
	return &a->g->res.box[a->part[raw].box].row[a->part[raw].sum];
}

static int messages_add(struct adding *a)
{
	struct sg_guestcalls *g = a->g;

	for (size_t i = 0; i < g->nmsg; i++) {
		uint8_t type = g->msg[i].word & 0xff;

		if (type >= P9_ONLY && sg_gofer_name(true, g->msg[i].word))
			a->is_9p[g->msg[i].program] = true;
	}
	for (size_t i = 0; i < g->nmsg; i++) {
		const struct sg_guest_raw_msg *r = &g->msg[i];
		bool is_9p = a->is_9p[r->program];
		struct sg_guest_msg *m;
		int64_t id;

		if (!is_gofer(g, r->program))
			continue;
		id = box_at(a, sg_owners_proc_at(g->owners, r->program)->cgroup);
		m = id < 0 ? NULL : box_msg(a, id, r->word, is_9p);
		if (!m)
			return -ENOMEM;
		m->cnt += r->cnt;
		if (r->row == SG_GUEST_APART)
			g->res.box[id].msg_apart += r->cnt;
		else
			row_msg(row_at(a, r->row), r->word, is_9p, r->cnt);
	}
	for (size_t i = 0; i < g->nanswer; i++) {
		const struct sg_guest_answer *w = &g->answer[i];
		int64_t id = is_gofer(g, w->program)
				     ? box_at(a, sg_owners_proc_at(g->owners, w->program)->cgroup)
				     : -ENOENT;
		struct sg_guest_msg *m = id < 0 ? NULL : box_msg(a, id, w->word, a->is_9p[w->program]);

		if (id == -ENOENT)
			continue;
		if (!m)
			return -ENOMEM;
		m->waits += w->cnt;
		m->wait_ns += w->ns;
	}
	for (size_t i = 0; i < g->nrpc; i++) {
		int64_t id = box_at(a, g->rpc[i].cgroup);
		bool is_9p = id >= 0 && g->res.box[id].nmsg && g->res.box[id].msg[0].is_9p;
		struct sg_guest_msg *m = id < 0 ? NULL : box_msg(a, id, g->rpc[i].word, is_9p);

		if (!m)
			return -ENOMEM;
		m->seen += g->rpc[i].cnt;
	}
	return 0;
}

/* ---- the list ------------------------------------------------------------ */

static int row_order(const void *a, const void *b)
{
	const struct sg_guest_row *x = a, *y = b;

	if (x->total_ns != y->total_ns)
		return x->total_ns < y->total_ns ? 1 : -1;
	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

static int box_order(const void *a, const void *b)
{
	const struct sg_guest_sandbox *x = a, *y = b;

	if (x->sum.total_ns != y->sum.total_ns)
		return x->sum.total_ns < y->sum.total_ns ? 1 : -1;
	return strcmp(x->container, y->container);
}

/* The row that is no call, but counts what gVisor's trace points dropped. */
static void take_dropped(struct sg_guest_sandbox *b)
{
	for (size_t i = 0; i < b->nrow; i++) {
		if (b->row[i].nr != SG_GUEST_DROPPED)
			continue;
		b->trace_dropped = b->row[i].seen[SG_SEEN_TRACE];
		memmove(&b->row[i], &b->row[i + 1], (--b->nrow - i) * sizeof(*b->row));
		return;
	}
}

static void box_finish(struct sg_guest_sandbox *b)
{
	take_dropped(b);
	for (size_t i = 0; i < b->nrow; i++) {
		const struct sg_guest_row *r = &b->row[i];

		b->sum.cnt += r->cnt;
		b->sum.total_ns += r->total_ns;
		b->sum.explained += r->explained;
		b->sum.max_ns = r->max_ns > b->sum.max_ns ? r->max_ns : b->sum.max_ns;
		for (size_t k = 0; k < SG_SEEN_MAX; k++)
			b->sum.seen[k] += r->seen[k];
		for (size_t k = 0; k < SG_PART_MAX; k++)
			b->sum.part_ns[k] += r->part_ns[k];
	}
	b->sum.mean_ns = mean_of(&b->sum);
	if (!*b->platform && b->sum.seen[SG_SEEN_STOP])
		snprintf(b->platform, sizeof(b->platform), "ptrace");
	else if (!*b->platform && b->sum.seen[SG_SEEN_TRAP])
		snprintf(b->platform, sizeof(b->platform), "systrap");
	if (b->nrow)
		qsort(b->row, b->nrow, sizeof(*b->row), row_order);
	if (b->nmsg)
		qsort(b->msg, b->nmsg, sizeof(*b->msg), msg_order);
}

int sg_guestcalls_list(struct sg_guestcalls *g, const struct sg_guest_sandbox **ret, size_t *ret_n)
{
	struct adding a = { .g = g };
	int r = 0;

	sg_guest_result_free(&g->res);
	for (size_t i = 0; i < SG_GUEST_FLIPS && !r; i++)
		r = sg_guest_settle(g, &g->flip[i]);
	if (g->nmsg)
		qsort(g->msg, g->nmsg, sizeof(*g->msg), raw_msg_order);
	sg_pairmap_clear(&g->msg_at); /* which told their old places */
	for (size_t i = 0; i < g->nmsg && !r; i++)
		r = sg_pairmap_at(&g->msg_at, g->msg[i].row,
				  (uint64_t)g->msg[i].program << 16 | g->msg[i].word, (uint32_t)i, NULL)
			    ? 0
			    : -ENOMEM;
	a.part = calloc(g->nrow + 1, sizeof(*a.part));
	a.is_9p = calloc(SG_OWNERS_PROCS + SG_OWNERS_CONTAINERS + 1, sizeof(*a.is_9p));
	if (!a.part || !a.is_9p)
		r = -ENOMEM;
	if (!r)
		r = sums_make(&a);
	if (!r)
		r = messages_add(&a);
	for (size_t i = 0; i < g->res.n && !r; i++)
		box_finish(&g->res.box[i]);
	if (!r && g->res.n)
		qsort(g->res.box, g->res.n, sizeof(*g->res.box), box_order);
	sg_strtab_free(&a.names);
	sg_pairmap_free(&a.row_at);
	sg_pairmap_free(&a.msg_at);
	free(a.part);
	free(a.is_9p);
	*ret = g->res.box;
	*ret_n = g->res.n;
	return r;
}
