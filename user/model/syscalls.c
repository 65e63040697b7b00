/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/syscalls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/pairmap.h"
#include "base/strtab.h"
#include "model/callfiles.h"
#include "model/evidence_text.h"

#define PENDING \
	1024 /* details that may wait for their slices at one time; a lost one leaves its wait unnamed */

struct row {
	uint32_t program;
	struct sg_syscall_row r;
};

/* The detail of a wait comes before the slice after it, which ends later. */
struct pending {
	uint64_t in;
	uint32_t uid, name; /* name: id + 1, 0 = none */
};

struct result {
	struct sg_syscall_group *group;
	struct sg_syscall_row *row; /* of all groups, one group after the other */
	uint32_t *group_of;	    /* of every program: index + 1 */
	size_t ngroup;
};

struct sg_syscalls {
	struct sg_owners *owners;
	struct sg_pairmap row_at;
	struct row *row;
	size_t nrow, row_cap;
	struct sg_callfiles files;
	struct pending pending[PENDING];
	uint64_t uncounted;
	struct result res;
};

int sg_syscalls_new(struct sg_syscalls **ret, struct sg_owners *o)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->owners = o;
	return 0;
}

static void result_free(struct result *r)
{
	free(r->group);
	free(r->row);
	free(r->group_of);
	memset(r, 0, sizeof(*r));
}

void sg_syscalls_free(struct sg_syscalls *s)
{
	if (!s)
		return;
	result_free(&s->res);
	sg_pairmap_free(&s->row_at);
	sg_callfiles_free(&s->files);
	free(s->row);
	free(s);
}

uint64_t sg_syscalls_uncounted(const struct sg_syscalls *s)
{
	return s->uncounted;
}

/* The row of a call of a program. NULL in *ret: there are too many. */
static int row_of(struct sg_syscalls *s, uint32_t program, uint32_t nr, struct row **ret)
{
	const uint32_t *known = sg_pairmap_get(&s->row_at, program, nr);
	struct row *p;

	*ret = known ? &s->row[*known] : NULL;
	if (known || s->nrow == SG_SYSCALL_ROWS)
		return 0;
	p = sg_callfiles_room(s->row, &s->row_cap, s->nrow, sizeof(*p));
	if (!p)
		return -ENOMEM;
	s->row = p;
	if (!sg_pairmap_at(&s->row_at, program, nr, (uint32_t)s->nrow, NULL))
		return -ENOMEM;
	*ret = &s->row[s->nrow++];
	**ret = (struct row){ .program = program, .r = { .nr = nr } };
	return 0;
}

static int feed_detail(struct sg_syscalls *s, const struct sg_detail *d)
{
	struct pending *p = &s->pending[d->h.uid % PENDING];
	char text[96];
	int64_t id = 0;

	sg_detail_text(d, text, sizeof(text));
	id = sg_callfiles_name(&s->files, text);
	if (id == -ENOMEM)
		return -ENOMEM;
	*p = (struct pending){ .in = d->h.ts, .uid = d->h.uid, .name = id < 0 ? 0 : (uint32_t)id + 1 };
	return 0;
}

/* A wait of the call itself: not stopped by somebody, nor a time that nobody can explain. */
#define WAIT_STOPS                                                                                 \
	(1u << SG_STOP_SLEEP | 1u << SG_STOP_DISK | 1u << SG_STOP_RUNNABLE | 1u << SG_STOP_YIELD | \
	 1u << SG_STOP_THROTTLED | 1u << SG_STOP_IDLE | 1u << SG_STOP_BLOCKED)

/* Of the wait before a slice: how much of it was blocked; the rest was in the run queue. */
static uint64_t blocked_ns(const struct sg_slice *sl)
{
	switch (sl->stop) {
	case SG_STOP_RUNNABLE:
	case SG_STOP_YIELD:
	case SG_STOP_THROTTLED:
		return 0;
	}
	return sl->wake >= sl->prev_out && sl->wake <= sl->in ? sl->wake - sl->prev_out
							      : sl->in - sl->prev_out;
}

static int feed_wait(struct sg_syscalls *s, const struct sg_slice *sl, uint32_t program, uint32_t compat)
{
	const struct pending *p = &s->pending[sl->h.uid % PENDING];
	uint64_t blocked;
	struct row *row;
	int ret;

	if ((sl->wkind != SG_K_SYSCALL && sl->wkind != SG_K_KFAULT) || !sl->prev_out ||
	    sl->in <= sl->prev_out || !(WAIT_STOPS >> (sl->stop % 32) & 1))
		return 0;
	ret = row_of(s, program, (sl->nr & 0x7fff) | compat, &row);
	if (ret || !row)
		return ret;
	blocked = blocked_ns(sl);
	row->r.wait_ns += blocked;
	row->r.runq_ns += sl->in - sl->prev_out - blocked;
	row->r.waits++;
	if (sl->wkind != SG_K_SYSCALL || !p->name || p->uid != sl->h.uid || p->in != sl->in)
		return 0;
	row->r.told_ns += blocked;
	return sg_callfiles_add(&s->files, (uint32_t)(row - s->row), p->name - 1, sl->in - sl->prev_out, 1);
}

static int feed_slice(struct sg_syscalls *s, const struct sg_slice *sl)
{
	uint32_t compat = sl->flags & SG_SF_COMPAT ? SG_SYSCALL_COMPAT : 0;
	uint32_t program = sg_owners_proc(s->owners, sl->h.uid);
	int ret;

	if (!(sl->flags & SG_SF_INSCOPE))
		return 0; /* of others only what the scope waited for is known */
	ret = feed_wait(s, sl, program, compat);

	for (unsigned i = 0; i < sl->npair && !ret; i++) {
		const struct sg_pair *p = &sl->pair[i];
		struct row *row;

		if (!(p->key & SG_KEY_SYSCALL))
			continue;
		ret = row_of(s, program, (p->key & ~(uint32_t)SG_KEY_SYSCALL) | compat, &row);
		if (ret)
			break;
		if (!row) {
			s->uncounted += p->cnt;
			continue;
		}
		row->r.cnt += p->cnt;
		row->r.err += p->err;
		row->r.err_more |= p->err == UINT16_MAX;
		row->r.on_ns += p->ns;
	}
	return ret;
}

int sg_syscalls_feed(struct sg_syscalls *s, const struct sg_hdr *ev)
{
	switch (ev->kind) {
	case SG_REC_SLICE:
		return feed_slice(s, (const void *)ev);
	case SG_REC_DETAIL:
		return feed_detail(s, (const void *)ev);
	}
	return 0;
}

/* ---- the sums, by name --------------------------------------------------- */

void sg_syscall_row_add(struct sg_syscall_row *to, const struct sg_syscall_row *r)
{
	to->cnt += r->cnt;
	to->err += r->err;
	to->err_more |= r->err_more;
	to->on_ns += r->on_ns;
	to->wait_ns += r->wait_ns;
	to->runq_ns += r->runq_ns;
	to->waits += r->waits;
	to->told_ns += r->told_ns;
}

/* Most ns first, the last place given up when they are too many. */
void sg_syscall_row_file(struct sg_syscall_row *to, const struct sg_syscall_file *f)
{
	size_t i = 0;

	while (i < to->nfile && to->file[i].ns >= f->ns)
		i++;
	if (i == SG_SYSCALL_FILES)
		return;
	to->nfile += to->nfile < SG_SYSCALL_FILES;
	memmove(&to->file[i + 1], &to->file[i], (to->nfile - i - 1) * sizeof(*f));
	to->file[i] = *f;
}

/* Index of the group that a program belongs to; names of groups are made once in @names. */
static int64_t group_at(struct sg_syscalls *s, struct sg_strtab *names, uint32_t program)
{
	const struct sg_owner_proc *p = sg_owners_proc_at(s->owners, program);
	char label[SG_OWNERS_LABEL], key[SG_OWNERS_LABEL + SG_ROLE_NAME];
	const char *name = *p->role ? p->role : p->comm;
	struct sg_syscall_group *g;
	int64_t id;

	snprintf(key, sizeof(key), "%s\x01%s", sg_owners_label(s->owners, p->cgroup, label), name);
	id = sg_strtab_id(names, key);
	if (id < 0 || (size_t)id < s->res.ngroup)
		return id;
	g = &s->res.group[s->res.ngroup++];
	memcpy(g->container, label, sizeof(label));
	snprintf(g->process, sizeof(g->process), "%.*s", (int)sizeof(g->process) - 1, name);
	return id;
}

/* Which group each row is of, in row_group; how many rows a group has at most, in its nrow. */
static int groups_find(struct sg_syscalls *s, uint32_t *row_group)
{
	struct sg_strtab names = { 0 };
	uint32_t *of, program;
	int64_t id;
	int ret = 0;

	for (size_t i = 0; i < s->nrow && !ret; i++) {
		program = s->row[i].program;
		of = &s->res.group_of[program];
		if (!*of) {
			id = group_at(s, &names, program);
			if (id < 0) {
				ret = -ENOMEM;
				break;
			}
			*of = (uint32_t)id + 1;
			s->res.group[id].programs++;
		}
		row_group[i] = *of - 1;
		s->res.group[*of - 1].nrow++;
	}
	sg_strtab_free(&names);
	return ret;
}

/* Rows of equal (group, call) become one; @sum_of tells which. */
static int rows_merge(struct sg_syscalls *s, const uint32_t *row_group, uint32_t *sum_of)
{
	struct sg_pairmap at = { 0 };
	struct sg_syscall_row *next = s->res.row;
	int ret = 0;

	for (size_t i = 0; i < s->res.ngroup; i++) {
		s->res.group[i].row = next;
		next += s->res.group[i].nrow;
		s->res.group[i].nrow = 0;
	}
	for (size_t i = 0; i < s->nrow && !ret; i++) {
		struct sg_syscall_group *g = &s->res.group[row_group[i]];
		uint32_t *idx;
		int is_new;

		idx = sg_pairmap_at(&at, row_group[i], s->row[i].r.nr,
				    (uint32_t)(g->row + g->nrow - s->res.row), &is_new);
		if (!idx) {
			ret = -ENOMEM;
			break;
		}
		if (is_new) {
			g->row[g->nrow++] = (struct sg_syscall_row){ .nr = s->row[i].r.nr };
		}
		sg_syscall_row_add(&s->res.row[*idx], &s->row[i].r);
		sg_syscall_row_add(&g->sum, &s->row[i].r);
		sum_of[i] = *idx;
	}
	sg_pairmap_free(&at);
	return ret;
}

/* Files of merged rows: the same name may have been met by several programs. */
static int files_merge(struct sg_syscalls *s, const uint32_t *sum_of)
{
	struct sg_syscall_file *sum = calloc(s->files.n + 1, sizeof(*sum));
	uint32_t *row = calloc(s->files.n + 1, sizeof(*row)), *at;
	struct sg_pairmap map = { 0 };
	int ret = sum && row ? 0 : -ENOMEM, is_new;
	size_t n = 0;

	for (size_t i = 0; i < s->files.n && !ret; i++) {
		const struct sg_callfile *f = &s->files.file[i];

		at = sg_pairmap_at(&map, sum_of[f->row], f->name, (uint32_t)n, &is_new);
		if (!at) {
			ret = -ENOMEM;
			break;
		}
		n += is_new ? 1 : 0;
		row[*at] = sum_of[f->row];
		sum[*at].name = sg_strtab_str(&s->files.name, f->name);
		sum[*at].ns += f->ns;
		sum[*at].cnt += f->cnt;
	}
	for (size_t i = 0; i < n && !ret; i++)
		sg_syscall_row_file(&s->res.row[row[i]], &sum[i]);
	sg_pairmap_free(&map);
	free(sum);
	free(row);
	return ret;
}

uint64_t sg_syscall_row_ns(const struct sg_syscall_row *r)
{
	return r->on_ns + r->wait_ns + r->runq_ns;
}

static int row_order(const void *a, const void *b)
{
	const struct sg_syscall_row *x = a, *y = b;

	if (sg_syscall_row_ns(x) != sg_syscall_row_ns(y))
		return sg_syscall_row_ns(x) < sg_syscall_row_ns(y) ? 1 : -1;
	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

static int group_order(const void *a, const void *b)
{
	const struct sg_syscall_group *x = a, *y = b;
	int d;

	if (sg_syscall_row_ns(&x->sum) != sg_syscall_row_ns(&y->sum))
		return sg_syscall_row_ns(&x->sum) < sg_syscall_row_ns(&y->sum) ? 1 : -1;
	d = strcmp(x->container, y->container);
	return d ? d : strcmp(x->process, y->process);
}

int sg_syscalls_groups(struct sg_syscalls *s, const struct sg_syscall_group **ret, size_t *ret_n)
{
	size_t most = s->nrow < SG_OWNERS_PROCS + SG_OWNERS_CONTAINERS + 1
			      ? s->nrow
			      : SG_OWNERS_PROCS + SG_OWNERS_CONTAINERS + 1;
	uint32_t *row_group = calloc(s->nrow + 1, sizeof(*row_group));
	uint32_t *sum_of = calloc(s->nrow + 1, sizeof(*sum_of));
	int r;

	result_free(&s->res);
	s->res.group = calloc(most + 1, sizeof(*s->res.group));
	s->res.row = calloc(s->nrow + 1, sizeof(*s->res.row));
	s->res.group_of = calloc(SG_OWNERS_PROCS + SG_OWNERS_CONTAINERS + 1, sizeof(*s->res.group_of));
	r = row_group && sum_of && s->res.group && s->res.row && s->res.group_of ? 0 : -ENOMEM;
	if (!r)
		r = groups_find(s, row_group);
	if (!r)
		r = rows_merge(s, row_group, sum_of);
	if (!r)
		r = files_merge(s, sum_of);
	free(row_group);
	free(sum_of);
	if (r)
		return r;
	for (size_t i = 0; i < s->res.ngroup; i++)
		qsort(s->res.group[i].row, s->res.group[i].nrow, sizeof(*s->res.row), row_order);
	qsort(s->res.group, s->res.ngroup, sizeof(*s->res.group), group_order);
	*ret = s->res.group;
	*ret_n = s->res.ngroup;
	return 0;
}
