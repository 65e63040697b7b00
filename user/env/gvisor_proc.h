/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What gvisor.c and gvisor_sandbox.c read of /proc, or of a folder made like it. */
#ifndef SG_GVISOR_PROC_H
#define SG_GVISOR_PROC_H

#include "env/gvisor.h"

#define SG_GV_ARGS 512

/* A command line: at most SG_GV_ARGS arguments; n 0: it has none (stubs, kernel threads, zombies). */
struct sg_gv_args {
	char *text;
	size_t n;
	const char *v[SG_GV_ARGS];
};
/** sg_gv_args_read() - 0, -ESRCH when it is gone; sg_gv_args_free() in any case */
int sg_gv_args_read(const char *proc, uint32_t pid, struct sg_gv_args *ret);
void sg_gv_args_free(struct sg_gv_args *a);
/** sg_gv_args_flag() - value of a Go flag (-x=v, --x=v, --x v); @bare: what "--x" alone means, NULL: it takes the next argument. NULL: not given */
const char *sg_gv_args_flag(const struct sg_gv_args *a, const char *name, const char *bare);
/** sg_gv_args_role() - Sentry or Gofer, by command line alone; @id: the container's */
enum sg_gv_role sg_gv_args_role(const struct sg_gv_args *a, char id[65]);

struct sg_gv_status {
	uint32_t tgid, ppid, tracer; /* tracer: a thread's id */
	char state;
};
/** sg_gv_status() - of a process or thread; -ESRCH when it is gone */
int sg_gv_status(const char *proc, uint32_t pid, struct sg_gv_status *ret);
/** sg_gv_same_exe() - do both run the same file? False when either cannot be told. */
bool sg_gv_same_exe(const char *proc, uint32_t a, uint32_t b);

/* Every process, until @fn returns false. */
typedef bool (*sg_gv_each_fn)(void *ctx, uint32_t pid);
int sg_gv_each(const char *proc, sg_gv_each_fn fn, void *ctx);

/** sg_gv_scan_release() - release date from the runsc binary behind @fd, without running it; 0 = none found */
uint32_t sg_gv_scan_release(int fd);

#endif
