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

#endif
