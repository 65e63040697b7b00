/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What is mounted where, as this process sees it (/proc/self/mountinfo). */
#ifndef SG_MOUNTS_H
#define SG_MOUNTS_H

#include <stdbool.h>
#include <stdio.h>

struct sg_mount {
	const char *root;  /* the folder of the file system that is mounted */
	const char *point; /* where */
	const char *type;  /* "cgroup2" */
	const char *super; /* options of the file system: of a version 1 hierarchy its controllers */
};

struct sg_mounts {
	FILE *f;
	char *line;
	size_t cap;
};

/** sg_mounts_open() - 0 or negative errno; sg_mounts_close() is fine either way */
int sg_mounts_open(struct sg_mounts *m);
/** sg_mounts_next() - the next mount, in the order in which they were made; @ret's texts live until the next call */
bool sg_mounts_next(struct sg_mounts *m, struct sg_mount *ret);
void sg_mounts_close(struct sg_mounts *m);

/** sg_mount_line() - parse a line of mountinfo in place; false when it is none. Pure. */
bool sg_mount_line(char *line, struct sg_mount *ret);

#endif
