/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/strtab.h"
#include "model/bands.h"
#include "model/blame.h"

struct part {
	uint32_t row; /* name in group.name */
	uint64_t ns;
};

/* One task: its latency and its own blame. */
struct member {
	uint64_t latency, serial;
	struct part *part;
	size_t n;
};

/* Complete tasks and incomplete ones never mix: two of these. */
struct crowd {
	struct sg_blame *blame;
	struct member *m;
	size_t n, cap;
	size_t limit; /* members kept at most */
	size_t parts; /* of all members */
	size_t parts_limit;
	uint64_t seen, max;
	bool sorted;
};

struct sg_group {
	char *name;
	struct crowd whole, partial;
	struct sg_strtab rows; /* "comp\x01cause" */
	struct sg_blame *scratch;
	uint64_t rng;
	struct sg_diff why;
	struct sg_why_row *why_row;
};

int sg_group_new(struct sg_group **ret, const char *name)
{
	struct sg_group *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->name = strdup(name);
	g->whole.limit = g->partial.limit = SG_GROUP_EXACT;
	g->whole.parts_limit = g->partial.parts_limit = SG_GROUP_PAIRS;
	g->rng = 0x9e3779b97f4a7c15ull; /* fixed: the same recording gives the same report */
	if (!g->name || sg_blame_new(&g->whole.blame) || sg_blame_new(&g->partial.blame) ||
	    sg_blame_new(&g->scratch)) {
		sg_group_free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

static void crowd_free(struct crowd *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->m[i].part);
	free(c->m);
	sg_blame_free(c->blame);
}

void sg_group_free(struct sg_group *g)
{
	if (!g)
		return;
	crowd_free(&g->whole);
	crowd_free(&g->partial);
	sg_strtab_free(&g->rows);
	sg_blame_free(g->scratch);
	sg_diff_free(&g->why);
	free(g->why_row);
	free(g->name);
	free(g);
}

static uint64_t rng_below(struct sg_group *g, uint64_t n)
{
	g->rng ^= g->rng >> 12;
	g->rng ^= g->rng << 25;
	g->rng ^= g->rng >> 27;
	return (uint64_t)(((unsigned __int128)(g->rng * 0x2545f4914f6cdd1dull) * n) >> 64);
}

/* The task's rows as numbers; a row's name is kept once per group. */
static int member_make(struct sg_group *g, struct member *ret, uint64_t latency, const struct sg_blame *tb)
{
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows((struct sg_blame *)tb, &row); /* sorts a copy only */
	char key[sizeof(row->comp) + sizeof(row->cause)];

	ret->latency = latency;
	ret->n = n;
	ret->part = malloc((n ? n : 1) * sizeof(*ret->part));
	if (!ret->part)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int64_t id;

		snprintf(key, sizeof(key), "%s\x01%s", row[i].comp, row[i].cause);
		id = sg_strtab_id(&g->rows, key);
		if (id < 0) {
			free(ret->part);
			return -ENOMEM;
		}
		ret->part[i] = (struct part){ .row = id, .ns = row[i].ns };
	}
	return 0;
}

static int crowd_grow(struct crowd *c)
{
	size_t cap = c->cap ? c->cap * 2 : 16;
	struct member *p = realloc(c->m, cap * sizeof(*p));

	if (!p)
		return -ENOMEM;
	c->m = p;
	c->cap = cap;
	return 0;
}

/* A random part of a uniform sample is a uniform sample. */
static void crowd_shrink(struct sg_group *g, struct crowd *c, size_t keep)
{
	while (c->n > keep) {
		size_t i = rng_below(g, c->n);

		c->parts -= c->m[i].n;
		free(c->m[i].part);
		c->m[i] = c->m[--c->n];
	}
	c->limit = keep;
	c->sorted = false;
}

static void crowd_fit(struct sg_group *g, struct crowd *c)
{
	while (c->parts > c->parts_limit && c->n > 2 * SG_BAND_MIN)
		crowd_shrink(g, c, c->n / 2);
}

void sg_group_limit(struct sg_group *g, size_t tasks, size_t pairs)
{
	struct crowd *both[] = { &g->whole, &g->partial };

	for (size_t i = 0; i < 2; i++) {
		struct crowd *c = both[i];

		if (pairs < c->parts_limit)
			c->parts_limit = pairs;
		if (c->n > tasks)
			crowd_shrink(g, c, tasks);
		else if (tasks < c->limit)
			c->limit = tasks;
		crowd_fit(g, c);
	}
}

/* Reservoir sampling: every task seen is kept with the same probability. */
static int crowd_keep(struct sg_group *g, struct crowd *c, uint64_t latency, const struct sg_blame *tb)
{
	struct member m = { .serial = c->seen };
	size_t at = c->n;

	if (c->n == c->limit) {
		at = rng_below(g, c->seen + 1);
		if (at >= c->limit)
			return 0;
	} else if (c->n == c->cap && crowd_grow(c)) {
		return -ENOMEM;
	}
	if (member_make(g, &m, latency, tb))
		return -ENOMEM;
	if (at == c->n) {
		c->n++;
	} else {
		c->parts -= c->m[at].n;
		free(c->m[at].part);
	}
	c->m[at] = m;
	c->parts += m.n;
	c->sorted = false;
	crowd_fit(g, c);
	return 0;
}

int sg_group_add_blame(struct sg_group *g, const struct sg_task *t, const struct sg_blame *tb)
{
	struct crowd *c = t->incomplete ? &g->partial : &g->whole;
	uint64_t latency = t->end - t->begin;
	int ret = sg_blame_merge(c->blame, tb);

	if (!ret)
		ret = crowd_keep(g, c, latency, tb);
	c->seen++;
	if (latency > c->max)
		c->max = latency;
	return ret;
}

int sg_group_add(struct sg_group *g, const struct sg_model *m, const struct sg_task *t)
{
	int ret;

	sg_blame_clear(g->scratch);
	ret = sg_blame_add(g->scratch, m, t);
	return ret ? ret : sg_group_add_blame(g, t, g->scratch);
}

static struct crowd *shown(struct sg_group *g)
{
	return g->whole.seen || !g->partial.seen ? &g->whole : &g->partial;
}

struct sg_blame *sg_group_blame(struct sg_group *g)
{
	return shown(g)->blame;
}

static int by_latency(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->latency != y->latency)
		return x->latency < y->latency ? -1 : 1;
	return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static void crowd_sort(struct crowd *c)
{
	if (!c->sorted && c->n)
		qsort(c->m, c->n, sizeof(*c->m), by_latency);
	c->sorted = true;
}

/* Nearest rank, counted from 0. The small step back undoes the rounding of q * n. */
static size_t rank_of(size_t n, double q)
{
	double r = ceil(q * (double)n - 1e-9);

	return r < 1 ? 0 : r > (double)n ? n - 1 : (size_t)r - 1;
}

void sg_group_stats(struct sg_group *g, struct sg_group_stats *ret)
{
	struct crowd *c = shown(g);
	uint64_t n = sg_blame_tasks(c->blame);

	crowd_sort(c);
	*ret = (struct sg_group_stats){ .name = g->name, .n = g->whole.seen, .incomplete = g->partial.seen };
	ret->kept = c->n;
	if (!c->n)
		return;
	ret->mean_ns = sg_blame_total(c->blame) / n;
	ret->p50_ns = c->m[rank_of(c->n, 0.5)].latency;
	ret->p90_ns = c->m[rank_of(c->n, 0.9)].latency;
	ret->p99_ns = c->m[rank_of(c->n, 0.99)].latency;
	ret->max_ns = c->max;
}

static int sum_ranks(struct sg_group *g, size_t lo, size_t hi, struct sg_sums *ret)
{
	const struct crowd *c = &g->whole;
	uint64_t *ns = calloc(g->rows.n ? g->rows.n : 1, sizeof(*ns));
	int r = 0;

	if (!ns)
		return -ENOMEM;
	for (size_t i = lo; i < hi; i++)
		for (size_t k = 0; k < c->m[i].n; k++)
			ns[c->m[i].part[k].row] += c->m[i].part[k].ns;
	for (size_t i = 0; i < g->rows.n && !r; i++) {
		const char *name = sg_strtab_str(&g->rows, i), *cause = strrchr(name, '\x01');
		char comp[sizeof(((struct sg_blame_row *)0)->comp)];

		if (!ns[i])
			continue;
		snprintf(comp, sizeof(comp), "%.*s", (int)(cause - name), name);
		r = sg_sums_add(ret, comp, cause + 1, ns[i]);
	}
	free(ns);
	sg_sums_sort(ret);
	ret->n = hi - lo;
	return r;
}

int sg_group_band(struct sg_group *g, double q, struct sg_sums *ret, uint64_t *ret_q_ns)
{
	struct crowd *c = &g->whole;
	double half = (1 - q) / 2;
	size_t at, lo, hi;

	if (!(q > 0.5 && q < 1))
		return -EINVAL;
	if (c->n < SG_BAND_MIN)
		return -ENODATA;
	crowd_sort(c);
	at = rank_of(c->n, q);
	lo = (size_t)floor((q - half) * (double)c->n + 1e-9);
	hi = (size_t)ceil((q + half) * (double)c->n - 1e-9);
	lo = lo > at ? at : lo;
	hi = hi <= at ? at + 1 : hi > c->n ? c->n : hi;
	*ret_q_ns = c->m[at].latency;
	return sum_ranks(g, lo, hi, ret);
}

int sg_group_middle(struct sg_group *g, struct sg_sums *ret)
{
	struct crowd *c = &g->whole;

	if (c->n < SG_BAND_MIN)
		return -ENODATA;
	crowd_sort(c);
	return sum_ranks(g, c->n / 4, c->n - c->n / 4, ret);
}

int sg_group_why_slow(struct sg_group *g, double q, struct sg_why_slow *ret)
{
	struct sg_sums band = { 0 }, middle = { 0 };
	uint64_t q_ns;
	int r = sg_group_band(g, q, &band, &q_ns);

	sg_diff_free(&g->why);
	free(g->why_row);
	g->why_row = NULL;
	if (!r)
		r = sg_group_middle(g, &middle);
	if (!r)
		r = sg_sums_diff(&g->why, &middle, &band);
	if (!r) {
		g->why_row = calloc(g->why.nrow + 1, sizeof(*g->why_row));
		r = g->why_row ? 0 : -ENOMEM;
	}
	if (!r) {
		for (size_t i = 0; i < g->why.nrow; i++) {
			memcpy(g->why_row[i].comp, g->why.row[i].comp, sizeof(g->why_row[i].comp));
			memcpy(g->why_row[i].cause, g->why.row[i].cause, sizeof(g->why_row[i].cause));
			g->why_row[i].ns = g->why.row[i].ns;
		}
		*ret = (struct sg_why_slow){
			.diff_ns = g->why.diff_ns,
			.residual_ns = (int64_t)(q_ns - g->why.b_mean_ns),
			.band_n = band.n,
			.middle_n = middle.n,
			.nrow = g->why.nrow,
			.row = g->why_row,
		};
	}
	sg_sums_free(&band);
	sg_sums_free(&middle);
	return r;
}
