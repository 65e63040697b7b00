/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The system calls of tasks, from their segments: of the task's own thread, what it
 * spent in each call whoever worked meanwhile; of the threads that it waited for, what
 * they did in their calls in its time. Time on a CPU and counts are those of the
 * blame's cpu.sys.* rows, to the nanosecond and to the call. Pure; memory is bounded.
 */
#ifndef SG_TASKCALLS_H
#define SG_TASKCALLS_H

#include "model/model.h"
#include "model/syscalls.h"

#define SG_TASKCALLS_GROUPS 1024
#define SG_TASKCALLS_ROWS   32768 /* of all groups; calls beyond are only counted as such */

struct sg_taskcall_row {
	char comp[40];
	bool own; /* of the task's own thread */
	uint64_t
		cnt_off; /* by how many count and errors may be off: slices that had to be divided without a cut */
	struct sg_syscall_row r; /* waiting of others: in the end for something, not for a third thread */
};

struct sg_taskcall_group {
	uint64_t tasks;
	size_t nrow;
	struct sg_taskcall_row *row;	   /* own first, most time first */
	struct sg_syscall_row own, others; /* sums */
	/* by how many counts and errors may be off: slices divided where they have no cut */
	uint64_t own_off, others_off;
};

struct sg_taskcalls;

/** sg_taskcalls_new() - 0 or -ENOMEM */
int sg_taskcalls_new(struct sg_taskcalls **ret);
void sg_taskcalls_free(struct sg_taskcalls *c);
/**
 * sg_taskcalls_add() - the calls of one task, to those of group number @group
 *
 * Complete and incomplete tasks are kept apart, as in sg_group_blame().
 * Return: 0, -ENOMEM, or -EINVAL when @group is too large.
 */
int sg_taskcalls_add(struct sg_taskcalls *c, uint32_t group, const struct sg_model *m,
		     const struct sg_task *t);
/** sg_taskcalls_group() - sums of a group; valid until the next call or add. 0 or -ENOMEM. */
int sg_taskcalls_group(struct sg_taskcalls *c, uint32_t group, struct sg_taskcall_group *ret);
/** sg_taskcalls_uncounted() - calls left out because there were too many rows */
uint64_t sg_taskcalls_uncounted(const struct sg_taskcalls *c);

/** sg_taskcalls_text() - the table of one group, called @name (user/out/taskcalls_text.c) */
int sg_taskcalls_text(const struct sg_taskcall_group *g, const char *name, FILE *f,
		      const struct sg_text_opts *o);
/** sg_taskcalls_json() - {"tasks":..,"own":{..},"others":{..},"calls":[..]}, see docs/json.md; NULL: no memory */
struct json_object *sg_taskcalls_json(const struct sg_taskcall_group *g);

#endif
