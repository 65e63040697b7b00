/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The file that a recording is written to as it is made. What was there stays until the recording has begun: one that
 * comes to nothing (a guest that refuses, a kernel that can't, a command that is not there) takes no older one away.
 * Written in place, so that a link, a pipe, a device, a file in a folder that can't be written to are what they were.
 */
#ifndef SG_RECFILE_H
#define SG_RECFILE_H

#include <stdbool.h>
#include "base/err.h"

struct sg_recfile {
	int fd; /* -1: none */
	const char *path;
	bool made;    /* it was not there before */
	bool regular; /* no device and no pipe: what is in it goes when the recording begins */
	bool begun;
};

/** sg_recfile_open() - @flags: O_WRONLY or O_RDWR; @path outlives it. 0 or negative errno with @err. */
int sg_recfile_open(struct sg_recfile *f, const char *path, int flags, struct sg_err *err);
/** sg_recfile_begin() - from here on it is the new recording's; as sg_record_opts.begun takes it */
int sg_recfile_begin(void *f, struct sg_err *err);
/** sg_recfile_close() - one that has not begun and was not there before is removed */
void sg_recfile_close(struct sg_recfile *f);

#endif
