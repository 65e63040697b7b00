/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The JSON that a recording carries: at its beginning machine, target and plan; at its end what recording cost. */
#ifndef SG_META_H
#define SG_META_H

#include "kern/perturb.h"
#include "kern/record.h"

/** sg_meta_json() - malloc'd text, NULL when out of memory */
char *sg_meta_json(const struct sg_live *l, const struct sg_record_opts *o);
/* The kernel's own counts of pages swapped, since boot. */
struct sg_vmstat {
	uint64_t pswpin, pswpout;
};
int sg_meta_vmstat(struct sg_vmstat *ret);
/** sg_meta_end_json() - @begin: the counts when recording began */
char *sg_meta_end_json(struct sg_live *l, struct sg_perturb *p, const struct sg_record_result *res,
		       uint64_t bytes, const struct sg_vmstat *begin);

#endif
