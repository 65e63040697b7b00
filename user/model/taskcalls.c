/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/taskcalls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/pairmap.h"
#include "model/callfiles.h"
#include "model/evidence_text.h"

struct row {
	uint32_t crowd; /* group * 2, + 1: its incomplete tasks */
	struct sg_taskcall_row r;
};

struct crowd {
	uint64_t tasks, own_off, others_off;
};

struct sg_taskcalls {
	struct sg_pairmap row_at;
	struct row *row;
	size_t nrow, row_cap;
	struct sg_callfiles files;
	struct crowd crowd[SG_TASKCALLS_GROUPS * 2]; /* of a group its complete tasks, its others */
	uint64_t uncounted;
	struct sg_taskcall_row *res;
};

int sg_taskcalls_new(struct sg_taskcalls **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void sg_taskcalls_free(struct sg_taskcalls *c)
{
	if (!c)
		return;
	sg_pairmap_free(&c->row_at);
	sg_callfiles_free(&c->files);
	free(c->row);
	free(c->res);
	free(c);
}

uint64_t sg_taskcalls_uncounted(const struct sg_taskcalls *c)
{
	return c->uncounted;
}

/* What one segment is counted under. */
struct under {
	uint32_t crowd;
	uint16_t comp, nr; /* nr: SG_SYSCALL_COMPAT | number */
	bool own;
};

/* Number of the row; -ENOSPC: there are too many. */
static int64_t row_of(struct sg_taskcalls *c, const struct sg_model *m, const struct under *u)
{
	uint64_t a = (uint64_t)u->crowd << 32 | (uint32_t)u->comp << 1 | u->own;
	const uint32_t *known = sg_pairmap_get(&c->row_at, a, u->nr);
	struct row *p;

	if (known)
		return *known;
	if (c->nrow == SG_TASKCALLS_ROWS)
		return -ENOSPC;
	p = sg_callfiles_room(c->row, &c->row_cap, c->nrow, sizeof(*p));
	if (!p)
		return -ENOMEM;
	c->row = p;
	if (!sg_pairmap_at(&c->row_at, a, u->nr, (uint32_t)c->nrow, NULL))
		return -ENOMEM;
	p = &c->row[c->nrow];
	*p = (struct row){ .crowd = u->crowd, .r = { .own = u->own, .r = { .nr = u->nr } } };
	snprintf(p->r.comp, sizeof(p->r.comp), "%s", sg_model_comp(m, u->comp));
	return (int64_t)c->nrow++;
}

static int file_add(struct sg_taskcalls *c, uint32_t row, const struct sg_detail *d, uint64_t ns,
		    uint32_t cnt)
{
	char text[96];
	int64_t name;

	sg_detail_text(d, text, sizeof(text));
	name = sg_callfiles_name(&c->files, text);
	if (name < 0)
		return name == -ENOMEM ? -ENOMEM : 0;
	return sg_callfiles_add(&c->files, row, (uint32_t)name, ns, cnt);
}

static bool is_sched(uint16_t cause)
{
	return cause >= SG_C_SCHED_RUNQ && cause <= SG_C_SCHED_YIELD;
}

static bool is_trap(uint16_t cause)
{
	return cause == SG_C_TRAP_PTRACE || cause == SG_C_TRAP_SECCOMP;
}

static bool is_unknown(uint16_t cause)
{
	return cause == SG_C_UNKNOWN || cause == SG_C_UNKNOWN_LOST;
}

/* On a CPU in a call, the task's own thread or another. */
static int add_running(struct sg_taskcalls *c, const struct sg_model *m, const struct sg_seg *s,
		       struct under *u)
{
	struct sg_taskcall_row *r;
	int64_t row;

	u->comp = s->comp;
	u->nr = (s->cause & 0x7fff) | (s->flags & SG_SEG_COMPAT ? SG_SYSCALL_COMPAT : 0);
	row = row_of(c, m, u);
	if (row == -ENOSPC)
		c->uncounted += s->cnt;
	if (row < 0)
		return row == -ENOSPC ? 0 : (int)row;
	r = &c->row[row].r;
	r->r.on_ns += s->hi - s->lo;
	r->r.cnt += s->cnt;
	r->r.err += s->err;
	r->r.err_more |= !!(s->flags & SG_SEG_ERRMORE);
	return 0;
}

/* @queue: ready to run, on no CPU. @begins: a wait does, with this segment. */
static int add_wait(struct sg_taskcalls *c, const struct sg_model *m, const struct under *u, uint64_t ns,
		    bool queue, bool begins, uint32_t detail)
{
	const struct sg_detail *d = sg_model_detail(m, detail);
	int64_t row = row_of(c, m, u);
	struct sg_syscall_row *r;

	if (row < 0)
		return row == -ENOSPC ? 0 : (int)row;
	r = &c->row[row].r.r;
	if (queue) {
		r->runq_ns += ns;
		return 0;
	}
	r->wait_ns += ns;
	r->waits += begins;
	if (!d)
		return 0;
	r->told_ns += ns;
	return file_add(c, (uint32_t)row, d, ns, begins);
}

/* Is @s a new wait of the task's own thread, or does the one before it go on? */
static bool wait_begins(const struct sg_task *t, size_t i)
{
	const struct sg_seg *s = &t->seg[i], *was = i ? s - 1 : NULL;

	return !was || was->wait_nr != s->wait_nr || was->wait_cause != s->wait_cause ||
	       was->wait_detail != s->wait_detail;
}

static int add_seg(struct sg_taskcalls *c, uint32_t crowd, const struct sg_model *m, const struct sg_task *t,
		   size_t i)
{
	const struct sg_seg *s = &t->seg[i];
	const struct sg_chain_frame *f;
	size_t n = sg_model_chain(m, s->chain, &f);
	struct under u = { .crowd = crowd, .own = n < 2 };
	uint64_t ns = s->hi - s->lo;
	int ret = 0;

	if (s->cause & SG_KEY_SYSCALL)
		ret = add_running(c, m, s, &u);
	else if (!u.own && s->nr != 0xffff && !sg_cause_on_cpu(s->cause) && !is_sched(s->cause) &&
		 !is_trap(s->cause) && !is_unknown(s->cause)) {
		u.comp = s->comp;
		u.nr = s->nr;
		ret = add_wait(c, m, &u, ns, false, s->cnt, s->detail);
	}
	if (ret || s->wait_nr == 0xffff || is_trap(s->wait_cause))
		return ret;
	/* whatever others do meanwhile, the task's own thread is in its call */
	u = (struct under){ .crowd = crowd, .comp = n ? f[0].comp : s->comp, .nr = s->wait_nr, .own = true };
	return add_wait(c, m, &u, ns, n < 2 && is_sched(s->cause), wait_begins(t, i), s->wait_detail);
}

int sg_taskcalls_add(struct sg_taskcalls *c, uint32_t group, const struct sg_model *m,
		     const struct sg_task *t)
{
	uint32_t crowd = group * 2 + t->incomplete;
	int ret = 0;

	if (group >= SG_TASKCALLS_GROUPS)
		return -EINVAL;
	c->crowd[crowd].tasks++;
	c->crowd[crowd].own_off += t->own_calls_off;
	c->crowd[crowd].others_off += t->calls_off;
	for (size_t i = 0; i < t->nseg && !ret; i++)
		ret = add_seg(c, crowd, m, t, i);
	return ret;
}

/* ---- the sums of a group ------------------------------------------------- */

static int row_order(const void *a, const void *b)
{
	const struct sg_taskcall_row *x = a, *y = b;
	uint64_t xn = sg_syscall_row_ns(&x->r), yn = sg_syscall_row_ns(&y->r);
	int d;

	if (x->own != y->own)
		return x->own ? -1 : 1;
	if (xn != yn)
		return xn < yn ? 1 : -1;
	d = strcmp(x->comp, y->comp);
	return d ? d : x->r.nr < y->r.nr ? -1 : x->r.nr > y->r.nr;
}

int sg_taskcalls_group(struct sg_taskcalls *c, uint32_t group, struct sg_taskcall_group *ret)
{
	uint32_t crowd = group * 2;
	size_t n = 0;

	memset(ret, 0, sizeof(*ret));
	free(c->res);
	c->res = calloc(c->nrow + 1, sizeof(*c->res));
	if (!c->res)
		return -ENOMEM;
	if (group >= SG_TASKCALLS_GROUPS)
		return 0;
	crowd += !c->crowd[crowd].tasks;
	/* files first: they know their row's number, which the order takes away */
	for (size_t i = 0; i < c->nrow; i++)
		c->row[i].r.r.nfile = 0;
	for (size_t i = 0; i < c->files.n; i++) {
		const struct sg_callfile *p = &c->files.file[i];
		struct sg_syscall_file f = { sg_strtab_str(&c->files.name, p->name), p->ns, p->cnt };

		if (c->row[p->row].crowd == crowd)
			sg_syscall_row_file(&c->row[p->row].r.r, &f);
	}
	for (size_t i = 0; i < c->nrow; i++) {
		const struct sg_taskcall_row *r = &c->row[i].r;

		if (c->row[i].crowd != crowd)
			continue;
		c->res[n++] = *r;
		sg_syscall_row_add(r->own ? &ret->own : &ret->others, &r->r);
	}
	qsort(c->res, n, sizeof(*c->res), row_order);
	ret->tasks = c->crowd[crowd].tasks;
	ret->own_off = c->crowd[crowd].own_off;
	ret->others_off = c->crowd[crowd].others_off;
	ret->nrow = n;
	ret->row = c->res;
	return 0;
}
