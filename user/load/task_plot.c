/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Two charts: times per level and server, and what they are made of. */
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
	rc = rc ? sg_err_set(err, rc, "out of memory") : sg_chart_file(&c, r->opts.dir, "times.svg", err);
	free(v);
	free(name);
	free(series);
	return rc;
}

static int plot_causes(const struct sg_task_result *r, const char *const *x, struct sg_err *err)
{
	struct sg_chart c = { .title = "Where a request's time went, by memory pressure",
			      .x_title = "memory hogs",
			      .y_title = "mean per request, ms",
			      .x = x };
	struct sg_cause_chart *cc = NULL;
	int rc = sg_cause_chart_new(&cc, r->nlevel);

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
