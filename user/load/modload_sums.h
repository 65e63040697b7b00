/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What the outputs of the module-load workload have in common: statistics, ratios, the price of recording. Pure. */
#ifndef SG_MODLOAD_SUMS_H
#define SG_MODLOAD_SUMS_H

#include "base/stats.h"
#include "load/modload.h"

struct sg_modload_sum {
	struct sg_stats latency; /* as the client saw it */
	struct sg_stats require; /* as the loader's own clock told */
};

/** sg_modload_sum() - statistics of a combination's loads, those recorded by default or those not recorded; -ENOMEM */
int sg_modload_sum(struct sg_modload_sum *ret, const struct sg_modload_combo *c, bool recorded);

/** sg_modload_base() - the same number of containers and module under the runtime that all are compared with */
const struct sg_modload_combo *sg_modload_base(const struct sg_modload_result *r,
					       const struct sg_modload_combo *c);

/**
 * sg_modload_pairs() - for every round that was run both ways: mean time by @source / mean time by @than
 * @ret: @cap places; what does not fit is left out
 *
 * Return: how many.
 */
size_t sg_modload_pairs(const struct sg_modload_combo *c, enum sg_modload_source source,
			enum sg_modload_source than, double *ret, size_t cap);

/* What recording by one source costs: medians over the rounds, as parts of the time without it (0.05 is 5 %). */
struct sg_modload_price {
	size_t pairs; /* 0: not measured */
	double cost;  /* against not recording */
	double added; /* against recording by the default source */
};
/** sg_modload_price() - of @source; 0 or -ENOMEM */
int sg_modload_price(struct sg_modload_price *ret, const struct sg_modload_combo *c,
		     enum sg_modload_source source, size_t rounds);

#endif
