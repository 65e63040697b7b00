/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What guests told of a workload's tasks (--inside), and how well. */
#ifndef SG_TOLD_H
#define SG_TOLD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include "model/analysis.h"

struct sg_told {
	bool asked;
	uint64_t tasks;			     /* of which a guest told its part */
	uint64_t ns, fused_ns, ambiguous_ns; /* of those tasks, as in struct sg_task */
	uint64_t error_ns, violations;	     /* of the worst clock; of all */
	bool exchange;			     /* not every clock by its TSC: some by two-way exchange */
};

/** sg_told_task() - add a task; false: it is none of the host's but what a guest did by itself, and was not added */
bool sg_told_task(struct sg_told *t, const struct sg_model *m, const struct sg_task *task);

/** sg_told_clocks() - add the clocks of all guests; when the whole recording is read */
void sg_told_clocks(struct sg_told *t, const struct sg_model *m);

/**
 * sg_told_text() - one or two sentences, each a line
 * @where: what they begin with: "kvm, pressure 0"
 * @noun:  what a task is: "request"
 * @all:   tasks that there were
 */
void sg_told_text(FILE *out, const struct sg_told *t, const char *where, const char *noun, uint64_t all);

/** sg_told_json() - as an object; @noun: plural, the member that counts tasks */
struct json_object *sg_told_json(const struct sg_told *t, const char *noun);

#endif
