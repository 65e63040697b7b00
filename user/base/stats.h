/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Statistics of a handful of times: exact, nearest-rank, no interpolation. */
#ifndef SG_STATS_H
#define SG_STATS_H

#include <stddef.h>
#include <stdint.h>

struct sg_stats {
	size_t n;
	uint64_t mean_ns; /* rounded to nearest */
	uint64_t min_ns, p50_ns, p90_ns, p99_ns, max_ns;
};

/** sg_stats_of() - statistics of @v, which is sorted in place; all zero when @n is 0 */
void sg_stats_of(struct sg_stats *ret, uint64_t *v, size_t n);

/**
 * sg_stats_rank() - nearest-rank quantile of sorted values
 * @permille: 1..1000; the smallest value that at least this share of them does not exceed
 */
uint64_t sg_stats_rank(const uint64_t *sorted, size_t n, unsigned permille);

/**
 * sg_stats_spread() - how far apart several means are: (largest - smallest) / their mean
 *
 * Return: 0 for fewer than two values or a mean of 0.
 */
double sg_stats_spread(const uint64_t *mean, size_t n);

/** sg_stats_ratio() - a / b; 0 when b is 0 */
double sg_stats_ratio(uint64_t a_ns, uint64_t b_ns);

/** sg_stats_median() - of @v, which is sorted in place; the mean of the middle two when @n is even; 0 for none */
double sg_stats_median(double *v, size_t n);

/**
 * sg_stats_half() - mean of independent measurements, and how far it can be trusted
 *
 * Return: half the width of the mean's interval of 95 % confidence (Student's t); infinite for fewer than two.
 */
double sg_stats_half(const double *v, size_t n, double *ret_mean);

#endif
