/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Several environments of the task workload beside each other, for people. */
#include <errno.h>
#include <string.h>
#include "load/because.h"
#include "load/task_sums.h"
#include "out/text.h"

#define ROWS 12

static const char *env_name(const struct sg_task_result *r)
{
	return r->opts.env->name;
}

static int mean_of(const struct sg_task_level *l, uint64_t *ret)
{
	struct sg_task_sum s;
	int rc = sg_task_sum(&s, l, SG_ALL_SERVERS);

	*ret = s.latency.mean_ns;
	return rc;
}

unsigned sg_task_envs_base(const struct sg_task_result *r, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		if (!strcmp(env_name(&r[k]), "host"))
			return k;
	return 0;
}

/* The answer in a sentence: the environment and level that take longest beside the base, and why. */
static int headline(FILE *out, const struct sg_task_envs *e)
{
	const struct sg_task_level *worst = NULL, *beside = NULL;
	const struct sg_task_result *env = NULL;
	uint64_t a, b, worst_a = 0, worst_b = 0;
	char t0[32], t1[32];
	int rc = 0;

	for (unsigned k = 0; k < e->n; k++)
		for (unsigned i = 0; k != e->base && i < e->r[0].nlevel && !rc; i++) {
			rc = mean_of(&e->r[e->base].level[i], &a);
			if (!rc)
				rc = mean_of(&e->r[k].level[i], &b);
			if (rc || (worst && sg_stats_ratio(b, a) <= sg_stats_ratio(worst_b, worst_a)))
				continue;
			env = &e->r[k];
			worst = &env->level[i];
			beside = &e->r[e->base].level[i];
			worst_a = a;
			worst_b = b;
		}
	if (rc || !worst)
		return rc;
	fprintf(out,
		"On %s at pressure %u a request took %s on average, %.2f times the %s on %s: ", env_name(env),
		worst->pressure, sg_text_ns(t0, sizeof(t0), worst_b), sg_stats_ratio(worst_b, worst_a),
		sg_text_ns(t1, sizeof(t1), worst_a), env_name(&e->r[e->base]));
	return sg_because(out, beside->blame, worst->blame);
}

static int one_row(FILE *out, const struct sg_task_envs *e, unsigned k, unsigned i)
{
	const struct sg_task_result *r = &e->r[k];
	struct sg_task_sum s, base;
	uint64_t least = 0;
	char t[3][32];
	int rc = sg_task_sum(&s, &r->level[i], SG_ALL_SERVERS);

	if (!rc)
		rc = sg_task_sum(&base, &e->r[e->base].level[i], SG_ALL_SERVERS);
	if (!rc)
		rc = mean_of(&r->level[r->base], &least);
	if (rc)
		return rc;
	fprintf(out, "%8u  %-14s %8zu %10s %10s %10s %16.2f", r->level[i].pressure, env_name(r), s.latency.n,
		sg_text_ns(t[0], sizeof(t[0]), s.latency.mean_ns),
		sg_text_ns(t[1], sizeof(t[1]), s.latency.p50_ns),
		sg_text_ns(t[2], sizeof(t[2]), s.latency.p99_ns),
		sg_stats_ratio(s.latency.mean_ns, base.latency.mean_ns));
	if (r->nlevel > 1)
		fprintf(out, " %12.2f", sg_stats_ratio(s.latency.mean_ns, least));
	fprintf(out, "\n");
	return 0;
}

static int times_table(FILE *out, const struct sg_task_envs *e)
{
	const struct sg_task_result *b = &e->r[e->base];
	char text[32];
	int rc = 0;

	snprintf(text, sizeof(text), "x %s", env_name(b));
	fprintf(out, "\n%8s  %-14s %8s %10s %10s %10s %16s", "pressure", "environment", "requests", "mean",
		"p50", "p99", text);
	snprintf(text, sizeof(text), "x pressure %u", b->level[b->base].pressure);
	fprintf(out, b->nlevel > 1 ? " %12s\n" : "\n", text);
	for (unsigned i = 0; i < b->nlevel; i++)
		for (unsigned k = 0; k < e->n && !rc; k++)
			rc = one_row(out, e, k, i);
	return rc;
}

/* What pressure does in each environment, a line for each level. */
static int pressures(FILE *out, const struct sg_task_result *r)
{
	const struct sg_task_level *base = &r->level[r->base];
	char t0[32], t1[32];
	uint64_t a, b;
	int rc = mean_of(base, &a);

	for (unsigned i = 0; i < r->nlevel && !rc; i++) {
		const struct sg_task_level *l = &r->level[i];

		if (l == base || (rc = mean_of(l, &b)))
			continue;
		fprintf(out, "%s: pressure %u beside %u: %s -> %s: ", env_name(r), l->pressure,
			base->pressure, sg_text_ns(t0, sizeof(t0), a), sg_text_ns(t1, sizeof(t1), b));
		rc = sg_because(out, base->blame, l->blame);
	}
	return rc;
}

static int one_difference(FILE *out, const struct sg_task_envs *e, unsigned k, unsigned i)
{
	const struct sg_task_result *base = &e->r[e->base], *r = &e->r[k];
	struct sg_blame *a = base->level[i].blame, *b = r->level[i].blame;
	struct sg_text_opts o = { .rows = ROWS };
	char an[64], bn[64];
	struct sg_diff d;
	int rc;

	if (!a || !b)
		return 0;
	rc = sg_diff_make(&d, a, b);
	if (rc)
		return rc;
	snprintf(an, sizeof(an), "%s, pressure %u", env_name(base), base->level[i].pressure);
	snprintf(bn, sizeof(bn), "%s, pressure %u", env_name(r), r->level[i].pressure);
	fprintf(out, "\n");
	rc = sg_text_diff(out, &d, an, bn, &o);
	sg_diff_free(&d);
	return rc;
}

int sg_task_envs_text(FILE *out, const struct sg_task_envs *e)
{
	int rc = headline(out, e);

	if (!rc)
		rc = times_table(out, e);
	if (!rc && e->r[0].nlevel > 1)
		fprintf(out, "\n");
	for (unsigned k = 0; k < e->n && !rc; k++)
		rc = pressures(out, &e->r[k]);
	for (unsigned k = 0; k < e->n; k++)
		for (unsigned i = 0; k != e->base && i < e->r[0].nlevel && !rc; i++)
			rc = one_difference(out, e, k, i);
	if (!rc)
		fprintf(out, "\n");
	for (unsigned k = 0; k < e->n && !rc; k++)
		sg_task_caveats(out, &e->r[k]);
	return rc ? rc : ferror(out) ? -EIO : 0;
}
