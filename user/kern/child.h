/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The command: forked early, held until the recording has begun, then executed. */
#ifndef SG_CHILD_H
#define SG_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

struct sg_child {
	pid_t pid;    /* 0 = none */
	int go_fd;    /* write end: a byte lets it run */
	int errno_fd; /* read end: errno when exec failed */
	bool reaped;
};

/** sg_child_fork() - fork; the child waits for sg_child_release(). @mask: signals it starts with. */
int sg_child_fork(struct sg_child *c, char *const *argv, const sigset_t *mask, struct sg_err *err);
void sg_child_release(struct sg_child *c);
/** sg_child_reap() - true when it has ended; *ret_status as of waitpid(). Does not block. */
bool sg_child_reap(struct sg_child *c, int *ret_status);
/** sg_child_wait() - block until it has ended */
void sg_child_wait(struct sg_child *c, int *ret_status);
/** sg_child_cancel() - end a child that was never released */
void sg_child_cancel(struct sg_child *c);
/** sg_child_exec_errno() - why the command could not be executed, 0 = it was (or is not known yet) */
int sg_child_exec_errno(struct sg_child *c);

#endif
