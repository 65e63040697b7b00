/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Small things that all workloads do. */
#ifndef SG_LOAD_COMMON_H
#define SG_LOAD_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "load/child.h"

typedef void (*sg_progress_fn)(void *ctx, const char *text);

/** sg_say() - one line about what goes on to @fn (may be NULL), at most 255 bytes */
void sg_say(sg_progress_fn fn, void *ctx, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** sg_stopped() - -EINTR and a sentence when a signal waits in @sigfd, else 0 */
int sg_stopped(int sigfd, struct sg_err *err);

/** sg_now_ns() - CLOCK_MONOTONIC */
uint64_t sg_now_ns(void);

/**
 * sg_task_ids() - a random number above 2^32, after which a run's tasks are numbered: both sides of a virtual machine know
 * a task by such a number, and below 2^53 it is exact in every reader of JSON
 */
uint64_t sg_task_ids(void);

/** sg_self_path() - absolute path of this program's file into @buf; 0 or negative errno with @err */
int sg_self_path(char *buf, size_t cap, struct sg_err *err);

/** sg_make_dir() - make the folder @path unless it is there; 0 or negative errno with @err */
int sg_make_dir(const char *path, struct sg_err *err);

/**
 * sg_result_dir() - make the folder @dir for results, and find its absolute path
 * @cap: the path has to leave 100 bytes of it for names of files
 */
int sg_result_dir(const char *dir, char *ret_path, size_t cap, struct sg_err *err);

/** sg_result_file() - write DIR/FILE by @write(f, ctx), which returns 0 or negative errno; 0 or negative errno with @err */
int sg_result_file(const char *dir, const char *file, int (*write)(FILE *f, const void *ctx), const void *ctx,
		   struct sg_err *err);

/** sg_child_dead() - a sentence about a child that ended although it was needed; -ECHILD */
int sg_child_dead(struct sg_child *c, struct sg_err *err);

#endif
