/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Inside the task workload: what a run holds. */
#ifndef SG_TASK_PRIV_H
#define SG_TASK_PRIV_H

#include "load/args.h"
#include "load/task.h"

struct bench {
	struct sg_task_opts o;
	struct sg_guard *guard;
	struct sg_memlimit limit;
	char self[1024];
	char dir[1024]; /* absolute */
	char swap[2048];
	struct sg_child server[SG_CLIENT_MAX], hog[SG_HOG_MAX], client;
	unsigned port[SG_CLIENT_MAX];
};

void sg_task_say(const struct sg_task_opts *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Folders (b->self, b->dir), swap, and the Node.js server's source and packages; the guard knows of all but the last. */
int sg_task_setup_dirs(struct bench *b, struct sg_err *err);
int sg_task_setup_swap(struct bench *b, struct sg_err *err);
int sg_task_setup_node(struct bench *b, struct sg_err *err);

/* A sentence about a child that ended although it was needed; negative errno. */
int sg_task_dead(struct bench *b, const struct sg_child *c, struct sg_err *err);

#endif
