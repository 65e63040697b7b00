/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Charts and folded stacks of the CPU workload. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "load/cause_chart.h"
#include "load/cpu_sums.h"

#define MS 1e6

/* Places of the axis are (job, jobs at once), series are (environment, pinned). */
static int plot_times(const struct sg_cpu_result *r, struct sg_err *err)
{
	const struct sg_cpu_opts *o = &r->opts;
	size_t nx = (size_t)o->njob * o->ncount, ns = 0;
	double *v = calloc(nx * 2 * o->nenv, sizeof(*v));
	char(*label)[32] = calloc(nx, sizeof(*label)), (*name)[32] = calloc(2 * o->nenv, sizeof(*name));
	const char **x = calloc(nx, sizeof(*x)), **series = calloc(2 * o->nenv, sizeof(*series));
	struct sg_chart c = { .kind = SG_CHART_BARS,
			      .title = "CPU jobs: mean time",
			      .x_title = "job, at the same time",
			      .y_title = "ms",
			      .nx = nx,
			      .x = x,
			      .series = series,
			      .value = v };
	int rc = v && label && name && x && series ? 0 : -ENOMEM;

	for (size_t i = 0; i < r->ncombo && !rc; i++) {
		const struct sg_cpu_combo *k = &r->combo[i];
		size_t at = (size_t)k->job * o->ncount + k->count, s;
		struct sg_cpu_sum sum;
		char text[32];

		snprintf(text, sizeof(text), "%.20s %s", o->env[k->env]->name,
			 k->pinned ? "pinned" : "not pinned");
		for (s = 0; s < ns && strcmp(name[s], text); s++)
			;
		ns = s == ns ? ns + 1 : ns;
		strcpy(name[s], text);
		series[s] = name[s];
		snprintf(label[at], sizeof(label[at]), "%.16s %u", sg_cpu_programs[o->job[k->job]].job,
			 o->count[k->count]);
		x[at] = label[at];
		rc = sg_cpu_sum(&sum, k);
		v[s * nx + at] = (double)sum.wall.mean_ns / MS;
	}
	c.nseries = ns;
	rc = rc ? sg_err_set(err, rc, "out of memory") : sg_chart_file(&c, o->dir, "times.svg", err);
	free(v);
	free(label);
	free(name);
	free(x);
	free(series);
	return rc;
}

/* One chart per job: what a mean job is made of, in each of its combinations. */
static int plot_causes(const struct sg_cpu_result *r, unsigned job, struct sg_err *err)
{
	const char *word = sg_cpu_programs[r->opts.job[job]].job;
	char title[64], file[64], (*label)[40] = calloc(r->ncombo, sizeof(*label));
	const char **x = calloc(r->ncombo, sizeof(*x));
	struct sg_chart c = { .title = title,
			      .x_title = "environment, jobs at the same time",
			      .y_title = "mean per job, ms",
			      .x = x };
	struct sg_cause_chart *cc = NULL;
	size_t at = 0, nx = 0;
	int rc;

	for (size_t i = 0; i < r->ncombo; i++)
		nx += r->combo[i].job == job;
	rc = label && x ? sg_cause_chart_new(&cc, nx) : -ENOMEM;
	for (size_t i = 0; i < r->ncombo && !rc; i++) {
		const struct sg_cpu_combo *k = &r->combo[i];

		if (k->job != job)
			continue;
		snprintf(label[at], sizeof(label[at]), "%.16s %u%s", r->opts.env[k->env]->name,
			 r->opts.count[k->count], k->pinned ? " pinned" : "");
		x[at] = label[at];
		rc = sg_cause_chart_add(cc, k->blame, at++);
	}
	snprintf(title, sizeof(title), "Where the time of %s went", word);
	snprintf(file, sizeof(file), "causes.%s.svg", word);
	rc = rc ? sg_err_set(err, rc, "out of memory") : sg_cause_chart_write(cc, &c, r->opts.dir, file, err);
	sg_cause_chart_free(cc);
	free(label);
	free(x);
	return rc;
}

int sg_cpu_plot(const struct sg_cpu_result *r, struct sg_err *err)
{
	int rc = plot_times(r, err);

	for (unsigned j = 0; j < r->opts.njob && !rc && r->opts.record; j++)
		rc = plot_causes(r, j, err);
	return rc;
}

static int write_view(const struct sg_cpu_result *r, const struct sg_cpu_combo *c, struct sg_view *v,
		      const char *kind, struct sg_err *err)
{
	char path[PATH_MAX], name[64];
	FILE *f;
	int rc;

	snprintf(path, sizeof(path), "%s/%s.%s.folded", r->opts.dir,
		 sg_cpu_task(name, sizeof(name), &r->opts, c, '.'), kind);
	f = fopen(path, "we");
	rc = f ? sg_folded_write(f, &v->stacks) : -errno;
	if (f && fclose(f) && !rc)
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

int sg_cpu_folded(const struct sg_cpu_result *r, struct sg_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < r->ncombo && !rc && r->opts.record; i++) {
		struct sg_cpu_combo *c = &r->combo[i];

		rc = write_view(r, c, &c->path, "path", err);
		if (!rc)
			rc = write_view(r, c, &c->cause, "cause", err);
	}
	return rc;
}
