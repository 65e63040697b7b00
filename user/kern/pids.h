/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Sets of processes and threads, as /proc shows them at one moment. */
#ifndef SG_PIDS_H
#define SG_PIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A set of process or thread ids, sorted, without doubles. */
struct sg_pids {
	size_t n, cap;
	pid_t *pid;
};
void sg_pids_free(struct sg_pids *p);
bool sg_pids_has(const struct sg_pids *p, pid_t pid);

/**
 * sg_proc_tree() - @root and all its descendants at this moment
 * @threads: ids of threads instead of processes
 *
 * Read from every process's parent, so a child born during the reading can be
 * missed: whoever needs all of them looks twice or follows forks.
 * Return: 0, -ESRCH when @root does not exist, -ENOMEM.
 */
int sg_proc_tree(pid_t root, bool threads, struct sg_pids *ret);
/** sg_proc_threads() - threads of one process */
int sg_proc_threads(pid_t pid, struct sg_pids *ret);

#endif
