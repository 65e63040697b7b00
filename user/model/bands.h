/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Sums over the tasks of a group whose latency lies in a band of ranks. Private to user/model. */
#ifndef SG_BANDS_H
#define SG_BANDS_H

#include "model/sums.h"

/* Fewer complete tasks than this have no "slow ones". */
#define SG_BAND_MIN 8

/**
 * sg_group_band() - sums over the band around quantile @q, half as wide as what lies above it on each side
 * @ret_q_ns: the quantile itself
 *
 * Return: 0, -ENODATA for too few tasks, -EINVAL for @q outside (0.5, 1), -ENOMEM.
 */
int sg_group_band(struct sg_group *g, double q, struct sg_sums *ret, uint64_t *ret_q_ns);
/** sg_group_middle() - the same for the ranks from 25 to 75 % */
int sg_group_middle(struct sg_group *g, struct sg_sums *ret);

#endif
