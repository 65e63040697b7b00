/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Where the CPU workload's jobs run: the seam between the workload and its environments. An environment has places;
 * a place runs one program at a time. One file per environment, and a row of the list below.
 */
#ifndef SG_CPU_ENV_H
#define SG_CPU_ENV_H

#include <sched.h>
#include "load/args.h"
#include "load/common.h"
#include "load/guard.h"
#include "load/vms.h"

/* X(symbol suffix, name) */
#define SG_CPU_ENV_LIST(X) X(host, "host") X(kvm, "kvm")

/* A program that jobs need: its bare name (found on PATH or in /usr/games), and the Debian package that has it. */
struct sg_cpu_program {
	const char *name, *package, *job;
};

struct sg_cpu_env_opts {
	struct sg_guard *guard;
	unsigned places;  /* to make; they are numbered from 0 */
	const char *self; /* this program's file */
	const char *dir;  /* for results; what is downloaded or built may stay in DIR/cache */
	/* the jobs' input, complete by now: each place is to have this folder under the environment's .data */
	const char *data;
	const struct sg_cpu_program *program; /* each place is to have these; ends with a NULL name */
	struct sg_vms_ask *vm; /* of virtual machines; one that makes them fills in how they run */
	int sigfd;	       /* signals that mean "stop": look at it where something takes long */
	sg_progress_fn progress;
	void *ctx;
};

/* What a place is to run next. */
struct sg_cpu_order {
	/* ends with NULL; argv[0] is a bare name, paths begin with the place's data folder */
	const char *const *argv;
	const cpu_set_t *cpus; /* the only CPUs of this machine that the place may use from now on */
	const char
		*task; /* the run's task, of number @id: with --inside the place marks it, too; NULL: none */
	uint64_t id;
	bool quiet; /* throw away at the place what it writes to standard output */
};

/* How this machine starts it. */
struct sg_cpu_start {
	struct sg_args args; /* a command whose life is the job's, and whose exit status and output are */
	bool affinity;	     /* start it on order.cpus; else the environment has seen to that */
};

/* CPU time as the place itself has it. */
struct sg_cpu_used {
	uint64_t user_ns, sys_ns;
};

struct sg_cpu_env {
	const char *data; /* where a place has the data folder; NULL: under its own path */
	/* components of a virtual machine's monitor, as reports name them: their CPU time gets a table; ends with NULL, or NULL */
	const char *const *parts;
	/*
	 * Make the places, ready to run. All that must not stay is told to the guard. 0 or negative errno with @err: one
	 * sentence that says what is missing and how to get it. @ret is set on success only.
	 */
	int (*open)(void **ret, const struct sg_cpu_env_opts *o, struct sg_err *err);
	/* Remove them, and wait for that; called once after open has succeeded, also after failures. */
	int (*close)(void *env, struct sg_err *err);
	/* How to run @order in @place; may move the place to other CPUs. The caller frees @ret->args. */
	int (*start)(void *env, unsigned place, const struct sg_cpu_order *order, struct sg_cpu_start *ret,
		     struct sg_err *err);
	/* Options for `sandglass record -a`: roles, virtual machines. NULL: none. */
	int (*follow)(void *env, struct sg_args *record, struct sg_err *err);
	/* CPU time of what @place ran last, inside of it. NULL: it is what the command used on this machine. */
	int (*used)(void *env, unsigned place, struct sg_cpu_used *ret, struct sg_err *err);
};

#define SG_X(sym, name) extern const struct sg_cpu_env sg_cpu_env_##sym;
SG_CPU_ENV_LIST(SG_X)
#undef SG_X

struct sg_cpu_env_name {
	const char *name;
	const struct sg_cpu_env *env;
};

/** sg_cpu_env_find() - the environment called @name, or NULL: the list has none */
const struct sg_cpu_env_name *sg_cpu_env_find(const char *name);

/** sg_cpu_env_names() - names of the environments, into @buf: "host, kvm" */
const char *sg_cpu_env_names(char *buf, size_t cap);

/**
 * sg_cpu_program_path() - where this machine has a program: on PATH, or in /usr/games, which is not root's
 * @cap: of @ret
 *
 * 0, or -ENOENT with @err: which package to install.
 */
int sg_cpu_program_path(const struct sg_cpu_program *p, char *ret, size_t cap, struct sg_err *err);

#endif
