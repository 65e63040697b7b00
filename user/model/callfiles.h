/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Files and sockets that rows of system calls waited on, by number of the row. Bounded. Private to user/model. */
#ifndef SG_CALLFILES_H
#define SG_CALLFILES_H

#include "base/pairmap.h"
#include "base/strtab.h"

#define SG_CALLFILES_MAX 65536 /* (row, file) pairs, and names of files */

struct sg_callfile {
	uint32_t row, name;
	uint64_t ns, cnt;
};

/* All zero is an empty one. */
struct sg_callfiles {
	struct sg_pairmap at;
	struct sg_strtab name;
	struct sg_callfile *file;
	size_t n, cap;
};

/** sg_callfiles_name() - number of @text; -ENOSPC: there are too many; -ENOMEM */
int64_t sg_callfiles_name(struct sg_callfiles *f, const char *text);
/** sg_callfiles_add() - @ns and @cnt more of file @name for @row; left out when there are too many. 0 or -ENOMEM. */
int sg_callfiles_add(struct sg_callfiles *f, uint32_t row, uint32_t name, uint64_t ns, uint64_t cnt);
void sg_callfiles_free(struct sg_callfiles *f);
/** sg_callfiles_room() - @p with room for one more of @each bytes; NULL: no memory, and @p is as it was */
void *sg_callfiles_room(void *p, size_t *cap, size_t n, size_t each);

#endif
