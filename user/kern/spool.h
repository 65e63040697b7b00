/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Between the drain and the disk: a large pipe and a thread that empties it into
 * the file. A disk that stalls (a journal commit, swapping) must not keep the
 * rings from being drained. Bounded: SPOOL_BYTES, then the drain waits after all. The file is left alone until the
 * recording has begun; what comes before (its head, what companions know at once) waits in memory.
 */
#ifndef SG_SPOOL_H
#define SG_SPOOL_H

#include "base/err.h"

struct sg_spool;

/** sg_spool_open() - *ret_fd: write the recording there; @out_fd stays the caller's */
int sg_spool_open(struct sg_spool **ret, int out_fd, int *ret_fd, struct sg_err *err);
/** sg_spool_begin() - from now on the file is written to; without it nothing ever is */
void sg_spool_begin(struct sg_spool *s);
/** sg_spool_error() - negative errno of the first write that failed, 0 = none so far */
int sg_spool_error(const struct sg_spool *s);
/** sg_spool_close() - wait until all is written; frees. NULL is fine. Returns as sg_spool_error(). */
int sg_spool_close(struct sg_spool *s);

#endif
