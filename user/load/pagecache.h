/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The files of a folder in the page cache, or out of it. */
#ifndef SG_PAGECACHE_H
#define SG_PAGECACHE_H

#include <stdint.h>
#include "base/err.h"

/** sg_pagecache_fill() - read every regular file below @dir once; symbolic links are not followed */
int sg_pagecache_fill(const char *dir, struct sg_err *err);

/**
 * sg_pagecache_drop() - write out what is dirty, then ask the kernel to forget every file below @dir
 *
 * Pages that somebody has mapped stay; names and inodes stay cached.
 */
int sg_pagecache_drop(const char *dir, struct sg_err *err);

/** sg_pagecache_count() - pages of those files that are in the page cache now, and all of them */
int sg_pagecache_count(const char *dir, uint64_t *ret_resident, uint64_t *ret_pages, struct sg_err *err);

#endif
