/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * speedscope's file format: evented profiles in nanoseconds. Tasks are written
 * in time order while they are explained, a tree of stacks as one more profile;
 * the frames' names come last. Pure.
 */
#ifndef SG_SPEEDSCOPE_H
#define SG_SPEEDSCOPE_H

#include "model/containers.h"
#include "model/model.h"
#include "out/sink.h"
#include "out/stacks.h"

/* Further tasks are only in the profile of all. */
#define SG_SPEEDSCOPE_TASKS 64

struct sg_speedscope {
	struct sg_sink out;
	struct sg_strtab frame;
	size_t profiles;
	uint64_t left_out;		/* tasks beyond the limit */
	const struct sg_owners *owners; /* names the tasks' containers; set after _begin(), NULL: not told */
};

void sg_speedscope_begin(struct sg_speedscope *w, FILE *f);
/** sg_speedscope_task() - one task's path in time order as a profile of its own */
int sg_speedscope_task(struct sg_speedscope *w, const struct sg_model *m, const struct sg_task *t);
/** sg_speedscope_stacks() - all of @s as one profile; becomes the one shown first */
int sg_speedscope_stacks(struct sg_speedscope *w, struct sg_stacks *s, const char *name, bool counts);
/** sg_speedscope_end() - frames and the end; frees; the first error */
int sg_speedscope_end(struct sg_speedscope *w, const char *name);

#endif
