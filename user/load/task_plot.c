/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Two charts: times per level and server, and what they are made of; the same of several environments. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "load/cause_chart.h"
#include "load/task_sums.h"

#define MS 1e6

static int plot_times(const struct sg_task_result *r, const char *const *x, struct sg_err *err)
{
	size_t n = r->opts.servers;
	double *v = calloc(n * r->nlevel, sizeof(*v));
	char(*name)[24] = calloc(n, sizeof(*name));
	const char **series = calloc(n, sizeof(*series));
	char title[96];
	struct sg_chart c = { .kind = SG_CHART_BARS,
			      .title = title,
			      .x_title = "memory hogs",
			      .y_title = "mean, ms",
			      .nx = r->nlevel,
			      .x = x,
			      .nseries = n,
			      .series = series,
			      .value = v };
	int rc = v && name && series ? 0 : -ENOMEM;

	snprintf(title, sizeof(title), "Request time by memory pressure (%s)", r->opts.env->name);

	for (size_t s = 0; s < n && !rc; s++) {
		snprintf(name[s], sizeof(name[s]), "server%u", (unsigned)s);
		series[s] = name[s];
		for (unsigned i = 0; i < r->nlevel && !rc; i++) {
			struct sg_task_sum sum;

			rc = sg_task_sum(&sum, &r->level[i], (int)s);
			v[s * r->nlevel + i] = (double)sum.latency.mean_ns / MS;
		}
	}
	rc = rc ? sg_err_set(err, rc, "out of memory") : sg_chart_file(&c, r->opts.dir, "times.svg", err);
	free(v);
	free(name);
	free(series);
	return rc;
}

static int plot_causes(const struct sg_task_result *r, const char *const *x, struct sg_err *err)
{
	char title[96];
	struct sg_chart c = {
		.title = title, .x_title = "memory hogs", .y_title = "mean per request, ms", .x = x
	};
	struct sg_cause_chart *cc = NULL;
	int rc = sg_cause_chart_new(&cc, r->nlevel);

	snprintf(title, sizeof(title), "Where a request's time went, by memory pressure (%s)",
		 r->opts.env->name);

	for (unsigned i = 0; i < r->nlevel && !rc; i++)
		rc = sg_cause_chart_add(cc, r->level[i].blame, i);
	rc = rc ? sg_err_set(err, rc, "out of memory")
		: sg_cause_chart_write(cc, &c, r->opts.dir, "causes.svg", err);
	sg_cause_chart_free(cc);
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

/* Places of the axis are levels, series are environments. */
static int plot_envs_times(const struct sg_task_envs *e, const char *dir, struct sg_err *err)
{
	unsigned nx = e->r[0].nlevel;
	double *v = calloc((size_t)nx * e->n, sizeof(*v));
	const char *x[SG_LEVELS_MAX], *series[SG_TASK_ENVS_MAX];
	char label[SG_LEVELS_MAX][16];
	struct sg_chart c = { .kind = SG_CHART_BARS,
			      .title = "Request time by memory pressure and environment",
			      .x_title = "memory hogs",
			      .y_title = "mean, ms",
			      .nx = nx,
			      .x = x,
			      .nseries = e->n,
			      .series = series,
			      .value = v };
	struct sg_task_sum sum;
	int rc = v ? 0 : -ENOMEM;

	for (unsigned i = 0; i < nx; i++) {
		snprintf(label[i], sizeof(label[i]), "%u", e->r[0].level[i].pressure);
		x[i] = label[i];
	}
	for (unsigned k = 0; k < e->n; k++) {
		series[k] = e->r[k].opts.env->name;
		for (unsigned i = 0; i < nx && !rc; i++) {
			rc = sg_task_sum(&sum, &e->r[k].level[i], SG_ALL_SERVERS);
			v[k * nx + i] = (double)sum.latency.mean_ns / MS;
		}
	}
	rc = rc ? sg_err_set(err, rc, "out of memory") : sg_chart_file(&c, dir, "times.svg", err);
	free(v);
	return rc;
}

static int plot_envs_causes(const struct sg_task_envs *e, const char *dir, struct sg_err *err)
{
	size_t nx = (size_t)e->r[0].nlevel * e->n, at = 0;
	char(*label)[40] = calloc(nx, sizeof(*label));
	const char **x = calloc(nx, sizeof(*x));
	struct sg_chart c = { .title = "Where a request's time went, by environment and memory pressure",
			      .x_title = "environment, memory hogs",
			      .y_title = "mean per request, ms",
			      .x = x };
	struct sg_cause_chart *cc = NULL;
	int rc = label && x ? sg_cause_chart_new(&cc, nx) : -ENOMEM;

	for (unsigned i = 0; i < e->r[0].nlevel; i++)
		for (unsigned k = 0; k < e->n && !rc; k++) {
			const struct sg_task_level *l = &e->r[k].level[i];

			snprintf(label[at], sizeof(label[at]), "%.24s %u", e->r[k].opts.env->name,
				 l->pressure);
			x[at] = label[at];
			rc = sg_cause_chart_add(cc, l->blame, at++);
		}
	rc = rc ? sg_err_set(err, rc, "out of memory") : sg_cause_chart_write(cc, &c, dir, "causes.svg", err);
	sg_cause_chart_free(cc);
	free(label);
	free(x);
	return rc;
}

int sg_task_envs_plot(const struct sg_task_envs *e, const char *dir, struct sg_err *err)
{
	int rc = plot_envs_times(e, dir, err);

	return rc || !e->r[0].opts.record ? rc : plot_envs_causes(e, dir, err);
}
