/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "load/modload_sums.h"

int sg_modload_sum(struct sg_modload_sum *ret, const struct sg_modload_combo *c, bool recorded)
{
	uint64_t *a = calloc(c->ntime ? c->ntime : 1, 2 * sizeof(*a)), *b = a + c->ntime;
	enum sg_modload_source source = recorded ? SG_SOURCE_DEFAULT : SG_SOURCE_NONE;
	size_t n = 0;

	memset(ret, 0, sizeof(*ret));
	if (!a)
		return -ENOMEM;
	for (size_t i = 0; i < c->ntime; i++) {
		if (c->time[i].source != source)
			continue;
		a[n] = c->time[i].t.latency_ns;
		b[n++] = c->time[i].t.require_ns;
	}
	sg_stats_of(&ret->latency, a, n);
	sg_stats_of(&ret->require, b, n);
	free(a);
	return 0;
}

const struct sg_modload_combo *sg_modload_base(const struct sg_modload_result *r,
					       const struct sg_modload_combo *c)
{
	for (size_t i = 0; i < r->ncombo; i++) {
		const struct sg_modload_combo *b = &r->combo[i];

		if (b->runtime == r->base && b->count == c->count && b->module == c->module)
			return b;
	}
	return NULL;
}

/* Mean latency of one round by a source; 0 when it was not run so. */
static double round_mean(const struct sg_modload_combo *c, uint32_t round, enum sg_modload_source source)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->ntime; i++)
		if (c->time[i].round == round && c->time[i].source == source) {
			sum += (double)c->time[i].t.latency_ns;
			n++;
		}
	return n ? sum / (double)n : 0;
}

size_t sg_modload_pairs(const struct sg_modload_combo *c, enum sg_modload_source source,
			enum sg_modload_source than, double *ret, size_t cap)
{
	uint32_t rounds = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->ntime; i++)
		if (c->time[i].round >= rounds)
			rounds = c->time[i].round + 1;
	for (uint32_t round = 0; round < rounds && n < cap; round++) {
		double with = round_mean(c, round, source), without = round_mean(c, round, than);

		if (with > 0 && without > 0)
			ret[n++] = with / without;
	}
	return n;
}

int sg_modload_price(struct sg_modload_price *ret, const struct sg_modload_combo *c,
		     enum sg_modload_source source, size_t rounds)
{
	double *v = calloc(rounds ? rounds : 1, sizeof(*v));

	*ret = (struct sg_modload_price){ 0 };
	if (!v)
		return -ENOMEM;
	ret->pairs = sg_modload_pairs(c, source, SG_SOURCE_NONE, v, rounds);
	if (ret->pairs) {
		ret->cost = sg_stats_median(v, ret->pairs) - 1;
		ret->added =
			sg_stats_median(v, sg_modload_pairs(c, source, SG_SOURCE_DEFAULT, v, rounds)) - 1;
	}
	free(v);
	return 0;
}
