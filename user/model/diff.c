/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "model/bands.h"
#include "model/sums.h"

static int sums_of(struct sg_sums *s, struct sg_blame *b)
{
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows(b, &row);
	int ret = 0;

	s->n = sg_blame_tasks(b);
	for (size_t i = 0; i < n && !ret; i++)
		ret = sg_sums_add(s, row[i].comp, row[i].cause, row[i].ns);
	sg_sums_sort(s);
	return ret;
}

int sg_diff_make(struct sg_diff *ret, struct sg_blame *a, struct sg_blame *b)
{
	struct sg_sums sa = { 0 }, sb = { 0 };
	int r = sums_of(&sa, a);

	if (!r)
		r = sums_of(&sb, b);
	if (!r)
		r = sg_sums_diff(ret, &sa, &sb);
	sg_sums_free(&sa);
	sg_sums_free(&sb);
	return r;
}

int sg_diff_bands(struct sg_diff *ret, struct sg_group *a, struct sg_group *b, double q)
{
	struct sg_sums sa = { 0 }, sb = { 0 };
	uint64_t qa, qb;
	int r = sg_group_band(a, q, &sa, &qa);

	if (!r)
		r = sg_group_band(b, q, &sb, &qb);
	if (!r)
		r = sg_sums_diff(ret, &sa, &sb);
	/* What the bands leave open between themselves and the quantiles: with it, the sum is exact. */
	if (!r)
		ret->residual_ns = (int64_t)(qb - qa) - ret->diff_ns;
	sg_sums_free(&sa);
	sg_sums_free(&sb);
	return r;
}

void sg_diff_free(struct sg_diff *d)
{
	free(d->row);
	memset(d, 0, sizeof(*d));
}

double sg_diff_explained(const struct sg_diff *d)
{
	double unknown = 0, all = (double)(d->diff_ns < 0 ? -d->diff_ns : d->diff_ns);

	for (size_t i = 0; i < d->nrow; i++) {
		const char *cause = d->row[i].cause;

		if (!strcmp(cause, "unknown") || !strncmp(cause, "unknown.", 8))
			unknown += (double)(d->row[i].ns < 0 ? -d->row[i].ns : d->row[i].ns);
	}
	if (unknown <= 0)
		return 1;
	return unknown >= all ? 0 : 1 - unknown / all;
}
