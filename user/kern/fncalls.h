/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Calls of one function of one process's program, in its main thread: the first argument of each, by a uprobe of perf's. */
#ifndef SG_FNCALLS_H
#define SG_FNCALLS_H

#include <stdint.h>
#include <sys/types.h>

struct sg_fncalls;

/**
 * sg_fncalls_open() - watch calls of @name in the program of process @pid
 *
 * The program is somebody else's file, any content is survived. At most some hundred calls wait to be read; those beyond are lost.
 * Return: 0, -ENOENT when the program has no such function or the process is gone, -EOPNOTSUPP on a kernel without uprobes of
 * perf or a processor whose calls are not known here, or another negative errno.
 */
int sg_fncalls_open(struct sg_fncalls **ret, pid_t pid, const char *name);
/** sg_fncalls_fd() - can be polled; it is the object's */
int sg_fncalls_fd(const struct sg_fncalls *c);
/** sg_fncalls_next() - 1 and the argument of the next call, 0: none now */
int sg_fncalls_next(struct sg_fncalls *c, uint64_t *ret_arg);
void sg_fncalls_close(struct sg_fncalls *c);

#endif
