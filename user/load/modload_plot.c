/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Charts of the module-load workload: times, ratios, and per module what a load is made of. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "load/cause_chart.h"
#include "load/modload_sums.h"

#define MS 1e6

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
		v[k->runtime * nx + at] = ratio ? sg_stats_ratio(s.latency.mean_ns, b.latency.mean_ns)
						: (double)s.latency.mean_ns / MS;
	}
	rc = rc ? sg_err_set(err, rc, "out of memory")
		: sg_chart_file(&c, r->opts.dir, ratio ? "ratios.svg" : "times.svg", err);
	free(v);
	free(label);
	free(x);
	return rc;
}

static int write_causes(const struct sg_modload_result *r, unsigned module, struct sg_cause_chart *cc,
			const char *const *x, struct sg_err *err)
{
	char title[96], file[64];
	struct sg_chart c = { .title = title,
			      .x_title = "runtime, containers at once",
			      .y_title = "mean per load, ms",
			      .x = x };

	snprintf(title, sizeof(title), "Where the time of loading %s went", r->opts.module[module].name);
	snprintf(file, sizeof(file), "causes.%s.svg", r->opts.module[module].name);
	for (char *p = file; (p = strchr(p, '/'));)
		*p = '.';
	return sg_cause_chart_write(cc, &c, r->opts.dir, file, err);
}

static int plot_causes(const struct sg_modload_result *r, unsigned module, struct sg_err *err)
{
	size_t at = 0, nx = (size_t)r->opts.nruntime * r->opts.ncount;
	char(*label)[32] = calloc(nx, sizeof(*label));
	const char **x = calloc(nx, sizeof(*x));
	struct sg_cause_chart *cc = NULL;
	int rc = label && x ? sg_cause_chart_new(&cc, nx) : -ENOMEM;

	for (size_t i = 0; i < r->ncombo && !rc; i++) {
		const struct sg_modload_combo *c = &r->combo[i];

		if (c->module != module || !c->blame)
			continue;
		snprintf(label[at], sizeof(label[at]), "%s %u", r->opts.runtime[c->runtime]->name,
			 r->opts.count[c->count]);
		x[at] = label[at];
		rc = sg_cause_chart_add(cc, c->blame, at++);
	}
	if (rc)
		sg_err_set(err, rc, "out of memory");
	else if (at == nx)
		rc = write_causes(r, module, cc, x, err);
	sg_cause_chart_free(cc);
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
