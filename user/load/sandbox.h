/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Containers for a workload: a Docker daemon of our own with the runtimes that are wanted and one small image.
 * The guard removes all of it, however the workload ends.
 */
#ifndef SG_SANDBOX_H
#define SG_SANDBOX_H

#include "env/image.h"
#include "load/args.h"
#include "load/child.h"
#include "load/guard.h"

/* X(name, Debian release that the runsc is of (NULL: the machine's runc), its arguments, what it is) */
#define SG_SANDBOX_RUNTIME_LIST(X)                                                                          \
	X("runc", NULL, ARGS(NULL), "plain containers")                                                     \
	X("runsc-ptrace", "bookworm", ARGS("--platform=ptrace", "--network=none", NULL),                    \
	  "gVisor 2022-12, ptrace platform, files through the Gofer")                                       \
	X("runsc-systrap", "trixie", ARGS("--platform=systrap", "--network=none", NULL),                    \
	  "gVisor 2024-07, systrap platform, the Sentry opens files itself (directfs)")                     \
	X("runsc-lisafs", "trixie", ARGS("--platform=systrap", "--network=none", "--directfs=false", NULL), \
	  "gVisor 2024-07, systrap platform, files through the Gofer")                                      \
	X("runsc24-ptrace", "trixie", ARGS("--platform=ptrace", "--network=none", NULL),                    \
	  "gVisor 2024-07, ptrace platform, the Sentry opens files itself (directfs)")

struct sg_sandbox_runtime {
	const char *name;
	const char *suite;
	const char *const *args; /* global flags, end with NULL */
	const char *summary;
};
extern const struct sg_sandbox_runtime sg_sandbox_runtimes[]; /* ends with a NULL name */
#define SG_SANDBOX_RUNTIMES_MAX 8

/** sg_sandbox_runtime() - row of the runtime called @name, NULL when there is none */
const struct sg_sandbox_runtime *sg_sandbox_runtime(const char *name);

struct sg_sandbox_opts {
	struct sg_guard *guard;
	const char *cache; /* folder for what was downloaded; made when missing, kept */
	const struct sg_sandbox_runtime *const *runtime;
	unsigned nruntime;
	const struct sg_image_file *files; /* more for the image, ends with a NULL host; or NULL */
	bool node;			   /* Node.js in it */
	bool host_network; /* the containers share the machine's network; else they have none */
	void (*progress)(void *ctx, const char *text);
	void *ctx;
};

struct sg_sandbox; /* the daemon and what it needs */

/**
 * sg_sandbox_open() - fetch the runtimes, start the daemon, make the image
 *
 * Takes some seconds; the caller looks for signals afterwards. 0 or negative errno with @err: what is missing and
 * how to get it.
 */
int sg_sandbox_open(struct sg_sandbox **ret, const struct sg_sandbox_opts *o, struct sg_err *err);
/** sg_sandbox_close() - remove all of it, wait for that. NULL is fine. 0 or negative errno with @err. */
int sg_sandbox_close(struct sg_sandbox *s, struct sg_err *err);

struct sg_sandbox_container {
	char id[65]; /* empty: not started */
	uint32_t pid;
	const struct sg_sandbox_runtime *runtime;
};

struct sg_sandbox_run {
	const char *name;
	const struct sg_sandbox_runtime *runtime;
	const char *const *argv;   /* NULL: sleep */
	const char *const *binds;  /* "HOST:GUEST", end with NULL; or NULL */
	const char *cgroup_parent; /* see struct sg_engine_run; or NULL */
};
int sg_sandbox_start(struct sg_sandbox *s, const struct sg_sandbox_run *run, struct sg_sandbox_container *ret,
		     struct sg_err *err);
/** sg_sandbox_remove() - kill and remove; nothing when it was not started */
int sg_sandbox_remove(struct sg_sandbox *s, struct sg_sandbox_container *c, struct sg_err *err);

/**
 * sg_sandbox_exec() - arguments that start a program in @c by its runtime, without the daemon: the program gets the
 * descriptors of the process that we start; the caller appends the program and its arguments
 */
void sg_sandbox_exec(const struct sg_sandbox *s, const struct sg_sandbox_container *c, const char *cwd,
		     struct sg_args *a);

#endif
