/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The parts of a merged recording, as files: their descriptions become one, then their events. */
#ifndef SG_JOINING_H
#define SG_JOINING_H

#include <stdio.h>
#include "trace/join.h"

struct json_object;

struct sg_joining {
	struct sg_join_part part[SG_MACHINE_MAX];
	struct sg_clocks own[SG_MACHINE_MAX];				/* clocks made here, by number */
	struct json_object *meta[SG_MACHINE_MAX], *end[SG_MACHINE_MAX]; /* as the parts tell it, by number */
	char kernel[SG_MACHINE_MAX][96];
	const char *from[SG_MACHINE_MAX]; /* by number: a file, an agent's address */
	size_t n;
};

/** sg_joining_add() - the recording @fd is machine @number, got from @from (NULL: not told); reads its description. Texts outlive it. */
int sg_joining_add(struct sg_joining *j, int fd, uint32_t number, const char *name, const char *from,
		   struct sg_err *err);
/** sg_joining_boot() - what tells one boot of a machine from another, "" unknown */
const char *sg_joining_boot(const struct sg_joining *j, uint32_t number);

/** sg_joining_run() - all parts into @path, which is made anew; after an error what was there is there still */
int sg_joining_run(struct sg_joining *j, const char *path, int level, struct sg_writer_stats *ret,
		   struct sg_err *err);

/**
 * sg_joining_tell() - what is not as it should be, and unless @quiet a line for each guest: how good its clock is, what was lost
 * Return: false when a clock was set: not all events have a place.
 */
bool sg_joining_tell(const struct sg_joining *j, const char *name, bool quiet, FILE *f);
void sg_joining_free(struct sg_joining *j);

/** sg_joining_name() - a machine's name: 1 to 23 of letters, digits and ._- */
bool sg_joining_name_ok(const char *s, size_t len);

#endif
