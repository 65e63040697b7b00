/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A task's segments as nested frames that open and close in time order. Private to user/out. */
#ifndef SG_NEST_H
#define SG_NEST_H

#include <stdbool.h>
#include "base/strtab.h"
#include "model/model.h"

#define SG_NEST_DEPTH 4096 /* deeper frames are left out */

struct sg_nest {
	struct sg_strtab *frame; /* texts of all frames, the writer's */
	void (*fn)(void *ctx, bool opens, uint32_t frame, uint64_t at);
	void *ctx;
	int err;
	size_t n, nwant;
	uint32_t open[SG_NEST_DEPTH], want[SG_NEST_DEPTH];
};

/** sg_nest_task() - every frame of @t: opens and closes balance, times never fall. 0 or -ENOMEM. */
int sg_nest_task(struct sg_nest *n, const struct sg_model *m, const struct sg_task *t);

#endif
