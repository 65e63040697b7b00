/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Breakdown vectors: (key, count, ns), sorted by key; and their exact division. Pure arithmetic. */
#ifndef SG_VEC_H
#define SG_VEC_H

#include <stdbool.h>
#include <stdint.h>
#include "sg_abi.h"

#define SG_VEC_MAX 64

struct sg_vec {
	uint32_t n;
	struct sg_pair p[SG_VEC_MAX];
};

/**
 * sg_vec_load() - sort by key, merge equal keys, drop empty ones, map foreign keys to unknown
 * @ret_sum: sum of ns; SG_VEC_MAX bounds the distinct keys
 *
 * Return: false when it cannot be a breakdown (too many keys, sum overflows).
 */
bool sg_vec_load(struct sg_vec *ret, const struct sg_pair *p, uint32_t n, uint64_t *ret_sum);

/** sg_vec_sub() - ret = a - b; false when b has more of some key than a. */
bool sg_vec_sub(struct sg_vec *ret, const struct sg_pair *a, uint32_t na, const struct sg_pair *b,
		uint32_t nb);

/**
 * sg_apportion() - first @u ns of a breakdown @w of @total ns, by Webster's method
 * @ret: ns per entry of @w; sums to @u; ret(total) == w
 *
 * House-monotone: growing @u never takes a nanosecond from a cause, so the
 * difference of two cuts is a valid breakdown and pieces add up to the whole.
 * Ties go to the smaller index.
 */
void sg_apportion(const uint64_t *w, uint32_t n, uint64_t total, uint64_t u, uint64_t *ret);

#endif
