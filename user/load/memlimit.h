/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A cgroup with a memory limit, by the v1 memory controller or v2, whichever the machine has. */
#ifndef SG_MEMLIMIT_H
#define SG_MEMLIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include "load/guard.h"

struct sg_memlimit {
	int version; /* 1 or 2; 0: none made */
	char path[512];
};

struct sg_memlimit_stat {
	uint64_t anon_bytes, file_bytes, swap_bytes;
	bool swap_known;	     /* the kernel counts what a group has in swap */
	uint64_t majfault, oom_kill; /* since it was made */
};

/** sg_memlimit_make() - make a group called @name below the root of the hierarchy that we see */
int sg_memlimit_make(struct sg_memlimit *ret, struct sg_guard *g, const char *name, uint64_t bytes,
		     struct sg_err *err);

/** sg_memlimit_remove() - kill what is left in it and remove it; nothing when none was made */
int sg_memlimit_remove(struct sg_memlimit *m, struct sg_guard *g, struct sg_err *err);

/** sg_memlimit_stat() - its figures now; fields the kernel does not give stay 0 */
void sg_memlimit_stat(const struct sg_memlimit *m, struct sg_memlimit_stat *ret);

#endif
