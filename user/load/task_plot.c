/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Two charts: times per level and server, and what they are made of. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "load/task_sums.h"
#include "out/svg.h"

#define CAUSES_SHOWN 9 /* the rest is "other" */
#define MS	     1e6

struct cause {
	char name[96];
	double ms[SG_LEVELS_MAX]; /* mean per request */
	double top;
};

struct causes {
	struct cause *v;
	size_t n;
};

static int write_chart(const struct sg_task_result *r, const char *file, const struct sg_chart *c,
		       struct sg_err *err)
{
	char path[PATH_MAX];
	FILE *f;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", r->opts.dir, file);
	f = fopen(path, "we");
	if (!f)
		return sg_err_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
	rc = sg_svg_write(f, c);
	if (fclose(f) && !rc)
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

static int plot_times(const struct sg_task_result *r, const char *const *x, struct sg_err *err)
{
	size_t n = r->opts.servers;
	double *v = calloc(n * r->nlevel, sizeof(*v));
	char(*name)[24] = calloc(n, sizeof(*name));
	const char **series = calloc(n, sizeof(*series));
	struct sg_chart c = { .kind = SG_CHART_BARS,
			      .title = "Request time by memory pressure",
			      .x_title = "memory hogs",
			      .y_title = "mean, ms",
			      .nx = r->nlevel,
			      .x = x,
			      .nseries = n,
			      .series = series,
			      .value = v };
	int rc = v && name && series ? 0 : -ENOMEM;

	for (size_t s = 0; s < n && !rc; s++) {
		snprintf(name[s], sizeof(name[s]), "server%u", (unsigned)s);
		series[s] = name[s];
		for (unsigned i = 0; i < r->nlevel && !rc; i++) {
			struct sg_task_sum sum;

			rc = sg_task_sum(&sum, &r->level[i], (int)s);
			v[s * r->nlevel + i] = (double)sum.latency.mean_ns / MS;
		}
	}
	rc = rc ? sg_err_set(err, rc, "out of memory") : write_chart(r, "times.svg", &c, err);
	free(v);
	free(name);
	free(series);
	return rc;
}

static struct cause *find_cause(struct causes *all, const char *name)
{
	struct cause *v;

	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->v[i].name, name))
			return &all->v[i];
	v = realloc(all->v, (all->n + 1) * sizeof(*v));
	if (!v)
		return NULL;
	all->v = v;
	memset(&v[all->n], 0, sizeof(*v));
	snprintf(v[all->n].name, sizeof(v[all->n].name), "%s", name);
	return &v[all->n++];
}

static int gather(const struct sg_task_result *r, struct causes *all)
{
	char name[96];

	for (unsigned i = 0; i < r->nlevel; i++) {
		const struct sg_blame_row *row;
		size_t n = sg_blame_rows(r->level[i].blame, &row);
		double tasks = (double)sg_blame_tasks(r->level[i].blame);

		for (size_t k = 0; k < n && tasks > 0; k++) {
			struct cause *c;

			snprintf(name, sizeof(name), "%s %s", row[k].comp, row[k].cause);
			c = find_cause(all, name);
			if (!c)
				return -ENOMEM;
			c->ms[i] += (double)row[k].ns / MS / tasks;
			c->top = fmax(c->top, c->ms[i]);
		}
	}
	return 0;
}

static int by_top(const void *a, const void *b)
{
	const struct cause *x = a, *y = b;

	return x->top != y->top ? (x->top < y->top) - (x->top > y->top) : strcmp(x->name, y->name);
}

static int plot_causes(const struct sg_task_result *r, const char *const *x, struct sg_err *err)
{
	struct causes all = { 0 };
	const char *series[CAUSES_SHOWN + 1];
	double *v = calloc((CAUSES_SHOWN + 1) * r->nlevel, sizeof(*v));
	struct sg_chart c = { .kind = SG_CHART_STACKED,
			      .title = "Where a request's time went, by memory pressure",
			      .x_title = "memory hogs",
			      .y_title = "mean per request, ms",
			      .nx = r->nlevel,
			      .x = x,
			      .series = series,
			      .value = v };
	int rc = v ? gather(r, &all) : -ENOMEM;

	if (!rc && all.n) {
		qsort(all.v, all.n, sizeof(*all.v), by_top);
		c.nseries = all.n < CAUSES_SHOWN ? all.n : CAUSES_SHOWN;
		for (size_t k = 0; k < all.n; k++) {
			size_t at = k < CAUSES_SHOWN ? k : CAUSES_SHOWN;

			if (k >= CAUSES_SHOWN)
				c.nseries = CAUSES_SHOWN + 1;
			series[at] = k < CAUSES_SHOWN ? all.v[k].name : "other";
			for (unsigned i = 0; i < r->nlevel; i++)
				v[at * r->nlevel + i] += all.v[k].ms[i];
		}
		rc = write_chart(r, "causes.svg", &c, err);
	} else if (rc) {
		sg_err_set(err, rc, "out of memory");
	}
	free(all.v);
	free(v);
	return rc;
}

int sg_task_plot(const struct sg_task_result *r, struct sg_err *err)
{
	const char *x[SG_LEVELS_MAX];
	char label[SG_LEVELS_MAX][16];
	int rc;

	for (unsigned i = 0; i < r->nlevel; i++) {
		snprintf(label[i], sizeof(label[i]), "%u", r->level[i].pressure);
		x[i] = label[i];
	}
	rc = plot_times(r, x, err);
	for (unsigned i = 0; i < r->nlevel && !rc; i++)
		if (!r->level[i].blame)
			return 0; /* without recordings there is nothing to take apart */
	return rc ? rc : plot_causes(r, x, err);
}
