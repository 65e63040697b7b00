/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A file that a command makes: it takes its place when it is whole, and is never one that the command reads. */
#ifndef SG_OUTFILE_H
#define SG_OUTFILE_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include "base/err.h"

struct sg_outfile {
	int fd; /* to write to */
	char path[PATH_MAX], tmp[PATH_MAX];
	bool in_place; /* a device or a pipe: there is nothing to replace */
	bool lasting;  /* signals are not held up */
	bool blocked;
	sigset_t before;
};

/** sg_outfile_apart() - 0, or -EINVAL with @err when @path is the file @in, which is read */
int sg_outfile_apart(const char *path, const struct stat *in, struct sg_err *err);

/**
 * sg_outfile_begin() - @o->fd, of mode 0600, for what shall be @path; what is there stays until sg_outfile_end()
 *
 * A signal that kills leaves nothing behind. Where the file system knows no files without a name such signals wait
 * for sg_outfile_end(). Return: 0 or negative errno with @err.
 */
int sg_outfile_begin(struct sg_outfile *o, const char *path, struct sg_err *err);
/**
 * sg_outfile_begin_lasting() - the same for one that takes long: it can be read, too, and no signal waits
 *
 * Where the file system knows no files without a name, one that is killed leaves PATH.XXXXXX behind.
 */
int sg_outfile_begin_lasting(struct sg_outfile *o, const char *path, struct sg_err *err);
/** sg_outfile_place() - it takes its place now, and is written to further: @o->fd stays. 0 or negative errno with @err. */
int sg_outfile_place(struct sg_outfile *o, struct sg_err *err);
/** sg_outfile_end() - @ret 0: it takes its place; else it is thrown away. Return: @ret, or the error of that with @err. */
int sg_outfile_end(struct sg_outfile *o, int ret, struct sg_err *err);

#endif
