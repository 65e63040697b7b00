/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A stacked chart of what tasks are made of: one bar per place, its largest causes and the rest. And charts as files. */
#ifndef SG_CAUSE_CHART_H
#define SG_CAUSE_CHART_H

#include "base/err.h"
#include "model/blame.h"
#include "out/svg.h"

struct sg_cause_chart;

/** sg_cause_chart_new() - for @nx bars. 0 or -ENOMEM. */
int sg_cause_chart_new(struct sg_cause_chart **ret, size_t nx);
/** sg_cause_chart_add() - the mean task of @b is bar @at. 0 or -ENOMEM. */
int sg_cause_chart_add(struct sg_cause_chart *cc, struct sg_blame *b, size_t at);
/** sg_cause_chart_write() - DIR/FILE; @c gives titles and the bars' names. Nothing is written when no bar has any time. */
int sg_cause_chart_write(struct sg_cause_chart *cc, const struct sg_chart *c, const char *dir,
			 const char *file, struct sg_err *err);
void sg_cause_chart_free(struct sg_cause_chart *cc);

/** sg_chart_file() - write @c as DIR/FILE. 0 or negative errno with @err. */
int sg_chart_file(const struct sg_chart *c, const char *dir, const char *file, struct sg_err *err);

#endif
