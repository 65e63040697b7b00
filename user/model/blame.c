/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/blame.h"
#include "model/evidence.h"
#include "model/evidence_text.h"

/* Rows by name. Numbers of rows never change, so evidence and groups refer to them. */
struct table {
	struct sg_blame_row *row;
	size_t n, cap;
	struct sg_strtab name; /* "comp\x01cause" -> row number (same order) */
	struct sg_blame_row *sorted;
	size_t sorted_cap;
	struct sg_pairmap fast; /* (comp id, cause key) -> row; of one add */
	bool alike;		/* guests' components count as one guest's */
};

struct sg_blame {
	struct table leaf, wait;
	struct sg_evid evid;
	struct sg_evid function; /* of CPU samples: counts, not times */
	struct sg_blame_sums sums;
	uint32_t *map; /* scratch of merge */
	size_t map_cap;
	uint64_t *cut; /* scratch of add: prorated time per leaf row */
	size_t cut_cap;
};

int sg_blame_new(struct sg_blame **ret)
{
	struct sg_blame *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	*ret = b;
	return 0;
}

static void table_free(struct table *t)
{
	free(t->row);
	free(t->sorted);
	sg_strtab_free(&t->name);
	sg_pairmap_free(&t->fast);
}

void sg_blame_free(struct sg_blame *b)
{
	if (!b)
		return;
	table_free(&b->leaf);
	table_free(&b->wait);
	sg_evid_free(&b->evid);
	sg_evid_free(&b->function);
	free(b->map);
	free(b->cut);
	free(b);
}

static void table_clear(struct table *t)
{
	t->n = 0;
	sg_strtab_clear(&t->name);
	sg_pairmap_clear(&t->fast);
}

void sg_blame_clear(struct sg_blame *b)
{
	table_clear(&b->leaf);
	table_clear(&b->wait);
	sg_evid_clear(&b->evid);
	sg_evid_clear(&b->function);
	memset(&b->sums, 0, sizeof(b->sums));
}

/* Row of that name, made when absent; negative errno. */
void sg_blame_alike(struct sg_blame *b)
{
	b->leaf.alike = b->wait.alike = true;
}

static int64_t table_row(struct table *t, const char *comp, const char *cause)
{
	struct sg_blame_row fresh = { 0 };
	char key[sizeof(fresh.comp) + sizeof(fresh.cause)];
	int64_t id;

	snprintf(fresh.comp, sizeof(fresh.comp), "%s", comp);
	snprintf(fresh.cause, sizeof(fresh.cause), "%s", cause);
	snprintf(key, sizeof(key), "%s\x01%s", fresh.comp, fresh.cause);
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 32;
		struct sg_blame_row *p = realloc(t->row, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		t->row = p;
		t->cap = cap;
	}
	id = sg_strtab_id(&t->name, key);
	if (id >= 0 && (size_t)id == t->n)
		t->row[t->n++] = fresh;
	return id;
}

/* The same by ids of the model, which are good for one add. */
static int64_t table_row_of(struct table *t, const struct sg_model *m, uint16_t comp, uint16_t cause)
{
	int is_new;
	uint32_t *at = sg_pairmap_at(&t->fast, comp, cause, 0, &is_new);
	char name[sizeof(((struct sg_blame_row *)0)->cause)];
	char alike[sizeof(((struct sg_blame_row *)0)->comp)];
	const char *what = sg_model_comp(m, comp), *of;
	int64_t id;

	if (!at)
		return -ENOMEM;
	if (!is_new)
		return *at;
	of = t->alike ? strchr(what, ':') : NULL;
	if (of) {
		snprintf(alike, sizeof(alike), "guest%s", of);
		what = alike;
	}
	id = table_row(t, what, sg_cause_name(cause, name, sizeof(name)));
	*at = id < 0 ? 0 : id;
	return id;
}

/* Component of the task's own thread: what the time is shown under by wait. @ret_own: it is that thread's time. */
static uint16_t own_comp(const struct sg_model *m, const struct sg_seg *s, bool *ret_own)
{
	const struct sg_chain_frame *f;
	size_t n = sg_model_chain(m, s->chain, &f);

	*ret_own = n < 2;
	return n ? f[0].comp : s->comp;
}

static int add_cut(struct sg_blame *b, size_t row, uint64_t ns)
{
	if (row >= b->cut_cap) {
		size_t cap = b->leaf.cap;
		uint64_t *p = realloc(b->cut, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		memset(p + b->cut_cap, 0, (cap - b->cut_cap) * sizeof(*p));
		b->cut = p;
		b->cut_cap = cap;
	}
	b->cut[row] += ns;
	return 0;
}

/*
 * @goes_on: the segment before belongs to the same wait of the task's own thread.
 * By wait, a wait counts once, however much happened inside it.
 */
static int add_seg(struct sg_blame *b, const struct sg_model *m, const struct sg_seg *s, bool goes_on)
{
	uint64_t ns = s->hi - s->lo;
	bool own;
	uint16_t comp = own_comp(m, s, &own);
	int64_t leaf = table_row_of(&b->leaf, m, s->comp, s->cause);
	int64_t wait = table_row_of(&b->wait, m, comp, s->wait_cause);

	if (leaf < 0 || wait < 0)
		return -ENOMEM;
	b->leaf.row[leaf].ns += ns;
	b->leaf.row[leaf].cnt += s->cnt;
	b->wait.row[wait].ns += ns;
	b->wait.row[wait].cnt += own ? s->cnt : !goes_on;
	if (s->forwhom == SG_FOR_OTHER)
		b->sums.other_ns += ns;
	if (s->cause == SG_C_UNKNOWN || s->cause == SG_C_UNKNOWN_LOST)
		b->sums.unknown_ns += ns;
	if (s->flags & SG_SEG_OPEN)
		b->sums.open_ns += ns;
	if (s->flags & SG_SEG_CUT && add_cut(b, leaf, ns))
		return -ENOMEM;
	if (own)
		wait = SG_EVID_NONE; /* its own time: nothing inside to tell */
	return sg_evid_seg(&b->evid, m, s, leaf, wait);
}

/* Samples belong to rows that the task's segments have made: no row is without time. */
static int add_sample(struct sg_blame *b, const struct sg_model *m, const struct sg_task_sample *s)
{
	char text[sizeof(((struct sg_evidence *)0)->text)];
	int64_t row = table_row_of(&b->leaf, m, s->comp, s->cause);

	if (row < 0)
		return -ENOMEM;
	b->leaf.row[row].samples++;
	if (!sg_function_text(m, s, text, sizeof(text)))
		return 0;
	return sg_evid_count(&b->function, (uint32_t)row, SG_EV_FUNCTION, text);
}

/*
 * Return: 0; -EINVAL when the segments do not tile [begin, end], with nothing
 * added; -ENOMEM, after which the table may hold a part of the task.
 */
int sg_blame_add(struct sg_blame *b, const struct sg_model *m, const struct sg_task *t)
{
	uint64_t at = t->begin;
	int ret = 0;

	for (size_t i = 0; i < t->nseg; i++) {
		if (t->seg[i].lo != at || t->seg[i].hi <= at)
			return -EINVAL;
		at = t->seg[i].hi;
	}
	if (at != t->end)
		return -EINVAL;
	sg_pairmap_clear(&b->leaf.fast);
	sg_pairmap_clear(&b->wait.fast);
	sg_evid_begin_task(&b->evid, t);
	for (size_t i = 0; i < t->nseg && !ret; i++) {
		const struct sg_seg *s = &t->seg[i];
		bool goes_on = i && s[-1].wait_cause == s->wait_cause;

		ret = add_seg(b, m, s, goes_on);
	}
	for (size_t i = 0; i < t->nsample && !ret; i++)
		ret = add_sample(b, m, &t->sample[i]);
	/* What cutting can have misplaced in a row is at most its cut time, and at most the task's bound. */
	for (size_t i = 0; i < b->cut_cap && i < b->leaf.n; i++) {
		b->leaf.row[i].uncertain_ns += b->cut[i] < t->uncertain_ns ? b->cut[i] : t->uncertain_ns;
		b->cut[i] = 0;
	}
	b->sums.total_ns += t->end - t->begin;
	b->sums.prorated_ns += t->prorated_ns;
	b->sums.uncertain_ns += t->uncertain_ns;
	b->sums.inside_ns += t->inside_ns;
	b->sums.fused_ns += t->fused_ns;
	b->sums.ambiguous_ns += t->ambiguous_ns;
	b->sums.tasks++;
	return ret;
}

static int merge_table(struct table *dst, const struct table *src, uint32_t *map)
{
	for (size_t i = 0; i < src->n; i++) {
		const struct sg_blame_row *r = &src->row[i];
		int64_t id = table_row(dst, r->comp, r->cause);

		if (id < 0)
			return -ENOMEM;
		map[i] = id;
		dst->row[id].ns += r->ns;
		dst->row[id].cnt += r->cnt;
		dst->row[id].uncertain_ns += r->uncertain_ns;
		dst->row[id].samples += r->samples;
	}
	return 0;
}

int sg_blame_merge(struct sg_blame *dst, const struct sg_blame *src)
{
	size_t need = src->leaf.n + src->wait.n;

	if (need > dst->map_cap) {
		uint32_t *p = realloc(dst->map, need * sizeof(*p));

		if (!p)
			return -ENOMEM;
		dst->map = p;
		dst->map_cap = need;
	}
	if (merge_table(&dst->leaf, &src->leaf, dst->map) ||
	    merge_table(&dst->wait, &src->wait, dst->map + src->leaf.n) ||
	    sg_evid_merge(&dst->evid, &src->evid, dst->map, dst->map + src->leaf.n) ||
	    sg_evid_merge(&dst->function, &src->function, dst->map, dst->map + src->leaf.n))
		return -ENOMEM;
	dst->sums.total_ns += src->sums.total_ns;
	dst->sums.tasks += src->sums.tasks;
	dst->sums.prorated_ns += src->sums.prorated_ns;
	dst->sums.uncertain_ns += src->sums.uncertain_ns;
	dst->sums.inside_ns += src->sums.inside_ns;
	dst->sums.fused_ns += src->sums.fused_ns;
	dst->sums.ambiguous_ns += src->sums.ambiguous_ns;
	dst->sums.other_ns += src->sums.other_ns;
	dst->sums.unknown_ns += src->sums.unknown_ns;
	dst->sums.open_ns += src->sums.open_ns;
	return 0;
}

uint64_t sg_blame_total(const struct sg_blame *b)
{
	return b->sums.total_ns;
}

uint64_t sg_blame_tasks(const struct sg_blame *b)
{
	return b->sums.tasks;
}

void sg_blame_sums(const struct sg_blame *b, struct sg_blame_sums *ret)
{
	*ret = b->sums;
}

static int row_order(const void *a, const void *b)
{
	const struct sg_blame_row *x = a, *y = b;
	int c;

	if (x->ns != y->ns)
		return x->ns < y->ns ? 1 : -1;
	c = strcmp(x->comp, y->comp);
	return c ? c : strcmp(x->cause, y->cause);
}

static size_t table_sorted(struct table *t, const struct sg_blame_row **ret)
{
	if (t->sorted_cap < t->n) {
		struct sg_blame_row *p = realloc(t->sorted, t->cap * sizeof(*p));

		if (!p) { /* still true, only not in order */
			*ret = t->row;
			return t->n;
		}
		t->sorted = p;
		t->sorted_cap = t->cap;
	}
	if (t->n) {
		memcpy(t->sorted, t->row, t->n * sizeof(*t->sorted));
		qsort(t->sorted, t->n, sizeof(*t->sorted), row_order);
	}
	*ret = t->sorted;
	return t->n;
}

size_t sg_blame_rows(struct sg_blame *b, const struct sg_blame_row **ret)
{
	return table_sorted(&b->leaf, ret);
}

size_t sg_blame_wait_rows(struct sg_blame *b, const struct sg_blame_row **ret)
{
	return table_sorted(&b->wait, ret);
}

static bool within(const struct table *t, const struct sg_blame_row *row)
{
	return (t->sorted && row >= t->sorted && row < t->sorted + t->n) ||
	       (row >= t->row && row < t->row + t->n);
}

/* The functions that were sampled most: after the facts, most samples first. */
static size_t add_functions(const struct sg_blame *b, uint32_t row, struct sg_evidence *ret)
{
	const struct sg_blame_row *r = &b->leaf.row[row];
	struct sg_evidence top[SG_EVID_TOP];
	size_t n = r->samples ? sg_evid_top(&b->function, row, top) : 0;

	for (size_t i = 0; i < n; i++) {
		ret[i] = top[i];
		ret[i].samples = top[i].ns;
		ret[i].of = r->samples;
		ret[i].ns = (uint64_t)((unsigned __int128)r->ns * top[i].ns / r->samples);
	}
	return n;
}

size_t sg_blame_evidence(const struct sg_blame *b, const struct sg_blame_row *row,
			 struct sg_evidence ret[SG_EVIDENCE_MAX])
{
	bool wait = within(&b->wait, row);
	const struct table *t = wait ? &b->wait : &b->leaf;

	for (size_t i = 0; i < t->n; i++) {
		size_t n;

		if (strcmp(t->row[i].comp, row->comp) || strcmp(t->row[i].cause, row->cause))
			continue;
		n = sg_evid_top(&b->evid, i | (wait ? SG_EVID_WAIT : 0), ret);
		return wait ? n : n + add_functions(b, i, ret + n);
	}
	return 0;
}

static const struct cause_row {
	const char *name, *meaning, *advice;
} causes[] = {
#define SG_X(id, sym, name, on, probes, oracle, meaning, advice) { name, meaning, advice },
	SG_CAUSE_LIST(SG_X)
#undef SG_X
};

static const struct cause_row *find_cause(const char *cause)
{
	static const struct cause_row none = { "", "a cause this version does not know", "none known" };
	const struct cause_row *best = &none;

	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		size_t len = strlen(causes[i].name);

		if (strncmp(cause, causes[i].name, len) || (cause[len] && cause[len] != '.'))
			continue;
		if (len > strlen(best->name))
			best = &causes[i];
	}
	return best;
}

const char *sg_blame_advice(const char *cause)
{
	return find_cause(cause)->advice;
}

const char *sg_blame_meaning(const char *cause)
{
	return find_cause(cause)->meaning;
}
