/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Sums of blame over a set of tasks, and the exact difference of two means.
 * Means are rationals; integers appear only at the end, and then add up. Private
 * to user/model.
 */
#ifndef SG_SUMS_H
#define SG_SUMS_H

#include "model/blame.h"

struct sg_sum_row {
	char comp[40];
	char cause[48];
	uint64_t ns;
};

/* Rows by rising name, each name once. */
struct sg_sums {
	uint64_t n; /* tasks */
	size_t nrow, cap;
	struct sg_sum_row *row;
};

int sg_sums_add(struct sg_sums *s, const char *comp, const char *cause, uint64_t ns);
/** sg_sums_sort() - after the last add: order by name, equal names into one row */
void sg_sums_sort(struct sg_sums *s);
void sg_sums_free(struct sg_sums *s);

/** sg_sums_diff() - mean of @b minus mean of @a, row by row. -ENODATA when a side is empty. */
int sg_sums_diff(struct sg_diff *ret, const struct sg_sums *a, const struct sg_sums *b);

/**
 * sg_round_sums() - integers near num[i] / den that sum to the rounded total
 *
 * Each is the floor or the ceiling of its quotient (largest remainder, ties to
 * the earlier row). Rounding is symmetric: negated input gives negated output.
 * Return: the total, sum(num) / den rounded half away from zero.
 */
int64_t sg_round_sums(const __int128 *num, __int128 den, size_t n, int64_t *ret);

#endif
