/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Writes a tar archive (POSIX.1-1988, "ustar"): folders, files, links. Every entry belongs to root. */
#ifndef SG_TAR_H
#define SG_TAR_H

#include <stdint.h>
#include <stdio.h>
#include "base/strtab.h"

struct sg_tar {
	FILE *out;
	struct sg_strtab have; /* paths that are in it */
};

/*
 * Paths are absolute; folders above are made as needed, and what is there already
 * is not added again (then: 1). Else 0 or negative errno: -ENAMETOOLONG, -EINVAL ("..", not
 * absolute), -EIO ...
 */
int sg_tar_dir(struct sg_tar *t, const char *path, unsigned mode);
int sg_tar_link(struct sg_tar *t, const char *path, const char *to);
int sg_tar_text(struct sg_tar *t, const char *path, const char *text);
/** sg_tar_file() - contents and mode of the file @host (links are followed) */
int sg_tar_file(struct sg_tar *t, const char *path, const char *host);
/** sg_tar_end() - the end mark; frees what is in @t, not @t->out. 0 or negative errno */
int sg_tar_end(struct sg_tar *t);

#endif
