/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <math.h>
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

double sg_stats_ratio(uint64_t a_ns, uint64_t b_ns)
{
	return b_ns ? (double)a_ns / (double)b_ns : 0;
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double sg_stats_median(double *v, size_t n)
{
	if (!n)
		return 0;
	qsort(v, n, sizeof(*v), by_double);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Two-sided 95 % quantile of Student's t. Beyond 30 degrees of freedom its expansion, right to 0.001. */
static double t_95(size_t df)
{
	static const double t[] = { 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
				    2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
				    2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042 };

	return df <= sizeof(t) / sizeof(*t)
		       ? t[df - 1]
		       : 1.95996 + 2.37227 / (double)df + 2.8225 / ((double)df * (double)df);
}

double sg_stats_half(const double *v, size_t n, double *ret_mean)
{
	double sum = 0, square = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i];
	*ret_mean = n ? sum / (double)n : 0;
	for (size_t i = 0; i < n; i++)
		square += (v[i] - *ret_mean) * (v[i] - *ret_mean);
	return n < 2 ? INFINITY : t_95(n - 1) * sqrt(square / (double)(n - 1) / (double)n);
}
