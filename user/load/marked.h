/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The marked tasks of a workload's recording. */
#ifndef SG_MARKED_H
#define SG_MARKED_H

#include "model/analysis.h"

struct sg_marked {
	sg_analysis_task_fn on_task;
	sg_span_fn on_span;				     /* or NULL */
	void (*before)(void *ctx, const struct sg_model *m); /* called once, before all; or NULL */
	void (*after)(void *ctx, const struct sg_model *m);  /* called once, when all went well; or NULL */
	void *ctx;
};

/**
 * sg_marked_read() - read the recording @path: its marked tasks, and its spans
 * @ret_lost: grows by the records that were lost
 *
 * A recording that is damaged is an error. 0 or negative errno with @err.
 */
int sg_marked_read(const char *path, const struct sg_marked *mk, uint64_t *ret_lost, struct sg_err *err);

#endif
