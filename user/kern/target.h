/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The command: forked early, held until the recording has begun, then executed. */
#ifndef SG_TARGET_H
#define SG_TARGET_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

struct sg_target {
	pid_t pid;    /* 0 = none */
	int go_fd;    /* write end: a byte lets it run */
	int errno_fd; /* read end: errno when exec failed, nothing when it did not */
	int exec_errno;
	bool exec_known;
	bool reaped;
};

/** sg_target_fork() - fork; the child waits for sg_target_release(). @mask: signals it starts with. */
int sg_target_fork(struct sg_target *c, char *const *argv, const sigset_t *mask, struct sg_err *err);
void sg_target_release(struct sg_target *c);
/** sg_target_reap() - true when it has ended; *ret_status as of waitpid(). Does not block. */
bool sg_target_reap(struct sg_target *c, int *ret_status);
/** sg_target_wait() - block until it has ended */
void sg_target_wait(struct sg_target *c, int *ret_status);
/** sg_target_cancel() - end a child that was never released */
void sg_target_cancel(struct sg_target *c);
/** sg_target_exec_known() - has it been executed, or failed to be? Does not block. */
bool sg_target_exec_known(struct sg_target *c);
/** sg_target_exec_errno() - why the command could not be executed, 0 = it was (or is not known yet) */
int sg_target_exec_errno(struct sg_target *c);

#endif
