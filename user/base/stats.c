/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "base/stats.h"

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t sg_stats_rank(const uint64_t *sorted, size_t n, unsigned permille)
{
	size_t rank;

	if (!n)
		return 0;
	/* ceil(n * permille / 1000), in parts so that no n overflows */
	rank = n / 1000 * permille + (n % 1000 * permille + 999) / 1000;
	if (rank < 1)
		rank = 1;
	if (rank > n)
		rank = n;
	return sorted[rank - 1];
}

void sg_stats_of(struct sg_stats *ret, uint64_t *v, size_t n)
{
	unsigned __int128 sum = 0;

	memset(ret, 0, sizeof(*ret));
	if (!n)
		return;
	qsort(v, n, sizeof(*v), by_value);
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	ret->n = n;
	ret->mean_ns = (uint64_t)((sum + n / 2) / n);
	ret->min_ns = v[0];
	ret->p50_ns = sg_stats_rank(v, n, 500);
	ret->p90_ns = sg_stats_rank(v, n, 900);
	ret->p99_ns = sg_stats_rank(v, n, 990);
	ret->max_ns = v[n - 1];
}

double sg_stats_spread(const uint64_t *mean, size_t n)
{
	uint64_t lo = UINT64_MAX, hi = 0;
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		lo = mean[i] < lo ? mean[i] : lo;
		hi = mean[i] > hi ? mean[i] : hi;
		sum += (double)mean[i];
	}
	if (n < 2 || sum <= 0)
		return 0;
	return (double)(hi - lo) / (sum / (double)n);
}
