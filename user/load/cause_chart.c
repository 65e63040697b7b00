/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "load/cause_chart.h"
#include "load/common.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 9 /* the rest is "other" */
#define MS    1e6

struct cause {
	char name[96];
	double *ms; /* mean per task, of each bar */
	double top;
};

struct sg_cause_chart {
	struct cause *v;
	size_t n, nx;
};

static int write_chart(FILE *f, const void *chart)
{
	return sg_svg_write(f, chart);
}

int sg_chart_file(const struct sg_chart *c, const char *dir, const char *file, struct sg_err *err)
{
	return sg_result_file(dir, file, write_chart, c, err);
}

int sg_cause_chart_new(struct sg_cause_chart **ret, size_t nx)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->nx = nx;
	return 0;
}

void sg_cause_chart_free(struct sg_cause_chart *cc)
{
	if (!cc)
		return;
	for (size_t i = 0; i < cc->n; i++)
		free(cc->v[i].ms);
	free(cc->v);
	free(cc);
}

static struct cause *find(struct sg_cause_chart *cc, const char *name)
{
	struct cause *v;

	for (size_t i = 0; i < cc->n; i++)
		if (!strcmp(cc->v[i].name, name))
			return &cc->v[i];
	v = realloc(cc->v, (cc->n + 1) * sizeof(*v));
	if (!v)
		return NULL;
	cc->v = v;
	v += cc->n;
	memset(v, 0, sizeof(*v));
	v->ms = calloc(cc->nx, sizeof(*v->ms));
	if (!v->ms)
		return NULL;
	snprintf(v->name, sizeof(v->name), "%s", name);
	cc->n++;
	return v;
}

int sg_cause_chart_add(struct sg_cause_chart *cc, struct sg_blame *b, size_t at)
{
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows(b, &row);
	double tasks = (double)sg_blame_tasks(b);
	char name[96];

	for (size_t k = 0; k < n && tasks > 0; k++) {
		struct cause *c;

		snprintf(name, sizeof(name), "%s %s", row[k].comp, row[k].cause);
		c = find(cc, name);
		if (!c)
			return -ENOMEM;
		c->ms[at] += (double)row[k].ns / MS / tasks;
		c->top = fmax(c->top, c->ms[at]);
	}
	return 0;
}

static int by_top(const void *a, const void *b)
{
	const struct cause *x = a, *y = b;

	return x->top != y->top ? (x->top < y->top) - (x->top > y->top) : strcmp(x->name, y->name);
}

int sg_cause_chart_write(struct sg_cause_chart *cc, const struct sg_chart *c, const char *dir,
			 const char *file, struct sg_err *err)
{
	double *v = calloc((SHOWN + 1) * cc->nx, sizeof(*v));
	const char *series[SHOWN + 1];
	struct sg_chart full = *c;
	int rc;

	if (!v)
		return sg_err_set(err, -ENOMEM, "out of memory");
	if (cc->n)
		qsort(cc->v, cc->n, sizeof(*cc->v), by_top);
	for (size_t k = 0; k < cc->n; k++) {
		size_t at = k < SHOWN ? k : SHOWN;

		series[at] = k < SHOWN ? cc->v[k].name : "other";
		for (size_t i = 0; i < cc->nx; i++)
			v[at * cc->nx + i] += cc->v[k].ms[i];
	}
	full.kind = SG_CHART_STACKED;
	full.nx = cc->nx;
	full.nseries = cc->n < SHOWN + 1 ? cc->n : SHOWN + 1;
	full.series = series;
	full.value = v;
	rc = cc->n ? sg_chart_file(&full, dir, file, err) : 0;
	free(v);
	return rc;
}
