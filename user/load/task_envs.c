/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Several environments of the task workload beside each other, for people. */
#include <errno.h>
#include <string.h>
#include "load/task_sums.h"
#include "out/text.h"

#define ROWS 12

static int one_row(FILE *out, const struct sg_task_envs *e, unsigned k, unsigned i)
{
	const struct sg_task_level *l = &e->r[k].level[i];
	struct sg_task_sum s, base;
	char t[3][32];
	int rc = sg_task_sum(&s, l, SG_ALL_SERVERS);

	if (!rc)
		rc = sg_task_sum(&base, &e->r[0].level[i], SG_ALL_SERVERS);
	if (rc)
		return rc;
	fprintf(out, "%8u  %-14s %8zu %10s %10s %10s %7.2f\n", l->pressure, e->r[k].opts.env->name,
		s.latency.n, sg_text_ns(t[0], sizeof(t[0]), s.latency.mean_ns),
		sg_text_ns(t[1], sizeof(t[1]), s.latency.p50_ns),
		sg_text_ns(t[2], sizeof(t[2]), s.latency.p99_ns),
		base.latency.mean_ns ? (double)s.latency.mean_ns / (double)base.latency.mean_ns : 0);
	return 0;
}

static int one_difference(FILE *out, const struct sg_task_envs *e, unsigned k, unsigned i)
{
	struct sg_blame *a = e->r[0].level[i].blame, *b = e->r[k].level[i].blame;
	struct sg_text_opts o = { .rows = ROWS };
	char an[64], bn[64];
	struct sg_diff d;
	int rc;

	if (!a || !b)
		return 0;
	rc = sg_diff_make(&d, a, b);
	if (rc)
		return rc;
	snprintf(an, sizeof(an), "%s, pressure %u", e->r[0].opts.env->name, e->r[0].level[i].pressure);
	snprintf(bn, sizeof(bn), "%s, pressure %u", e->r[k].opts.env->name, e->r[k].level[i].pressure);
	fprintf(out, "\n");
	rc = sg_text_diff(out, &d, an, bn, &o);
	sg_diff_free(&d);
	return rc;
}

int sg_task_envs_text(FILE *out, const struct sg_task_envs *e)
{
	int rc = 0;

	fprintf(out, "%8s  %-14s %8s %10s %10s %10s %7s\n", "pressure", "environment", "requests", "mean",
		"p50", "p99", "x first");
	for (unsigned i = 0; i < e->r[0].nlevel; i++)
		for (unsigned k = 0; k < e->n && !rc; k++)
			rc = one_row(out, e, k, i);
	for (unsigned k = 1; k < e->n; k++)
		for (unsigned i = 0; i < e->r[0].nlevel && !rc; i++)
			rc = one_difference(out, e, k, i);
	if (!rc)
		fprintf(out, "\n");
	for (unsigned k = 0; k < e->n && !rc; k++)
		sg_task_caveats(out, &e->r[k]);
	return rc ? rc : ferror(out) ? -EIO : 0;
}
