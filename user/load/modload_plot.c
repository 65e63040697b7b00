/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Charts of the module-load workload: times, ratios, and per module what a load is made of. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "load/modload_sums.h"
#include "out/svg.h"

#define CAUSES_SHOWN 9 /* the rest is "other" */
#define MS	     1e6

struct cause {
	char name[96];
	double *ms; /* mean per load, of each place */
	double top;
};

struct causes {
	struct cause *v;
	size_t n, nx;
};

static int write_chart(const struct sg_modload_result *r, const char *file, const struct sg_chart *c,
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

/* Combinations come by count, module, runtime: place x of a chart is (count, module), its series the runtimes. */
static int bars(const struct sg_modload_result *r, bool ratio, struct sg_err *err)
{
	size_t n = r->opts.nruntime, nx = r->ncombo / n;
	double *v = calloc(r->ncombo, sizeof(*v));
	char(*label)[SG_MODULE_MAX + 8] = calloc(nx, sizeof(*label));
	const char **x = calloc(nx, sizeof(*x)), *series[SG_MODLOAD_RUNTIMES];
	struct sg_chart c = { .kind = SG_CHART_BARS,
			      .title = ratio ? "Module load: mean time beside the first runtime's"
					     : "Module load: mean time",
			      .x_title = "module, containers at once",
			      .y_title = ratio ? "times" : "ms",
			      .nx = nx,
			      .x = x,
			      .nseries = n,
			      .series = series,
			      .value = v };
	int rc = v && label && x ? 0 : -ENOMEM;

	for (size_t i = 0; i < r->ncombo && !rc; i++) {
		const struct sg_modload_combo *k = &r->combo[i];
		struct sg_modload_sum s, b;
		size_t at = i / n;

		snprintf(label[at], sizeof(label[at]), "%s %u", r->opts.module[k->module].name,
			 r->opts.count[k->count]);
		x[at] = label[at];
		series[k->runtime] = r->opts.runtime[k->runtime]->name;
		rc = sg_modload_sum(&s, k, r->opts.record);
		if (!rc)
			rc = sg_modload_sum(&b, sg_modload_base(r, k), r->opts.record);
		v[k->runtime * nx + at] = ratio ? sg_modload_ratio(s.latency.mean_ns, b.latency.mean_ns)
						: (double)s.latency.mean_ns / MS;
	}
	rc = rc ? sg_err_set(err, rc, "out of memory")
		: write_chart(r, ratio ? "ratios.svg" : "times.svg", &c, err);
	free(v);
	free(label);
	free(x);
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
	v += all->n;
	memset(v, 0, sizeof(*v));
	v->ms = calloc(all->nx, sizeof(*v->ms));
	if (!v->ms)
		return NULL;
	snprintf(v->name, sizeof(v->name), "%s", name);
	all->n++;
	return v;
}

static int gather(struct causes *all, struct sg_blame *b, size_t at)
{
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows(b, &row);
	double tasks = (double)sg_blame_tasks(b);
	char name[96];

	for (size_t k = 0; k < n && tasks > 0; k++) {
		struct cause *c;

		snprintf(name, sizeof(name), "%s %s", row[k].comp, row[k].cause);
		c = find_cause(all, name);
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

static int stacked(const struct sg_modload_result *r, unsigned module, struct causes *all,
		   const char *const *x, struct sg_err *err)
{
	double *v = calloc((CAUSES_SHOWN + 1) * all->nx, sizeof(*v));
	const char *series[CAUSES_SHOWN + 1];
	char title[96], file[64];
	struct sg_chart c = { .kind = SG_CHART_STACKED,
			      .title = title,
			      .x_title = "runtime, containers at once",
			      .y_title = "mean per load, ms",
			      .nx = all->nx,
			      .x = x,
			      .nseries = all->n < CAUSES_SHOWN ? all->n : CAUSES_SHOWN,
			      .series = series,
			      .value = v };
	int rc;

	if (!v)
		return sg_err_set(err, -ENOMEM, "out of memory");
	qsort(all->v, all->n, sizeof(*all->v), by_top);
	for (size_t k = 0; k < all->n; k++) {
		size_t at = k < CAUSES_SHOWN ? k : CAUSES_SHOWN;

		if (k >= CAUSES_SHOWN)
			c.nseries = CAUSES_SHOWN + 1;
		series[at] = k < CAUSES_SHOWN ? all->v[k].name : "other";
		for (size_t i = 0; i < all->nx; i++)
			v[at * all->nx + i] += all->v[k].ms[i];
	}
	snprintf(title, sizeof(title), "Where the time of loading %s went", r->opts.module[module].name);
	snprintf(file, sizeof(file), "causes.%s.svg", r->opts.module[module].name);
	for (char *p = file; (p = strchr(p, '/'));)
		*p = '.';
	rc = write_chart(r, file, &c, err);
	free(v);
	return rc;
}

static int plot_causes(const struct sg_modload_result *r, unsigned module, struct sg_err *err)
{
	struct causes all = { .nx = (size_t)r->opts.nruntime * r->opts.ncount };
	char(*label)[32] = calloc(all.nx, sizeof(*label));
	const char **x = calloc(all.nx, sizeof(*x));
	size_t at = 0;
	int rc = label && x ? 0 : -ENOMEM;

	for (size_t i = 0; i < r->ncombo && !rc; i++) {
		const struct sg_modload_combo *c = &r->combo[i];

		if (c->module != module || !c->blame)
			continue;
		snprintf(label[at], sizeof(label[at]), "%s %u", r->opts.runtime[c->runtime]->name,
			 r->opts.count[c->count]);
		x[at] = label[at];
		rc = gather(&all, c->blame, at++);
	}
	if (rc)
		sg_err_set(err, rc, "out of memory");
	else if (at == all.nx && all.n)
		rc = stacked(r, module, &all, x, err);
	for (size_t i = 0; i < all.n; i++)
		free(all.v[i].ms);
	free(all.v);
	free(label);
	free(x);
	return rc;
}

int sg_modload_plot(const struct sg_modload_result *r, struct sg_err *err)
{
	int rc = bars(r, false, err);

	if (!rc)
		rc = bars(r, true, err);
	for (unsigned m = 0; m < r->opts.nmodule && !rc && r->opts.record; m++)
		rc = plot_causes(r, m, err);
	return rc;
}
