/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The task workload: HTTP servers under memory pressure, recorded level by level. See docs/bench-task.md. */
#ifndef SG_TASK_H
#define SG_TASK_H

#include <stdbool.h>
#include <stdio.h>
#include "load/client.h"
#include "load/pressure.h"
#include "load/sandbox.h"
#include "load/server.h"
#include "load/told.h"
#include "load/vms.h"
#include "model/blame.h"

#define SG_LEVELS_MAX 32

/* Is each server in a virtual machine of its own, and there in a container? */
enum sg_task_vm { SG_TASK_VM_NONE, SG_TASK_VM_PLAIN, SG_TASK_VM_DOCKER };

/* X(name, runtime of its containers on this machine; NULL: none, virtual machine) */
#define SG_TASK_ENV_LIST(X)                                   \
	X("host", NULL, SG_TASK_VM_NONE)                      \
	X("docker", "runc", SG_TASK_VM_NONE)                  \
	X("gvisor", "runsc-systrap", SG_TASK_VM_NONE)         \
	X("gvisor-systrap", "runsc-systrap", SG_TASK_VM_NONE) \
	X("gvisor-ptrace", "runsc-ptrace", SG_TASK_VM_NONE)   \
	X("gvisor-lisafs", "runsc-lisafs", SG_TASK_VM_NONE)   \
	X("kvm", NULL, SG_TASK_VM_PLAIN)                      \
	X("docker-in-kvm", NULL, SG_TASK_VM_DOCKER)
#define SG_TASK_ENVS_MAX 8

/* Where the servers run. */
struct sg_task_env {
	const char *name, *runtime;
	enum sg_task_vm vm;
};
/** sg_task_env() - the environment called @name, NULL when there is none */
const struct sg_task_env *sg_task_env(const char *name);

struct sg_task_opts {
	const struct sg_task_env *env;
	/*
	 * Of all environments that are compared: where memory_bytes is 0 it has room for a sandbox around each
	 * server; memory_bytes and vm_memory_bytes for a virtual machine that can do the most that is asked of one.
	 */
	bool gvisor;
	enum sg_task_vm vm;
	uint64_t vm_memory_bytes; /* of each guest; 0: see sg_task_defaults() */
	unsigned vcpus;
	enum sg_accel accel;  /* as asked for; the result has what it was */
	const char *vm_cache; /* see struct sg_vms_opts */
	bool inside;	      /* virtual machines are recorded from inside, too */
	unsigned servers, rounds;
	uint64_t writes;
	bool node;
	enum sg_write_mode mode;
	unsigned nlevel, level[SG_LEVELS_MAX]; /* hogs of each level */
	uint64_t memory_bytes;		       /* limit of the cgroup; 0: see sg_task_defaults() */
	const char *swap;		       /* NULL: a file in dir; path; "zram"; "none" */
	uint64_t swap_bytes;
	enum sg_hog_kind hog;
	uint64_t hog_bytes;
	unsigned port; /* of the first server; 0: any */
	const char *dir;
	const char *cache; /* folder that holds what was downloaded; NULL: dir */
	bool record;
	int sigfd; /* signals that mean "stop" */
	void (*progress)(void *ctx, const char *text);
	void *ctx;
};

/* One pressure level, measured. Blames are NULL without a recording. */
struct sg_task_level {
	unsigned pressure;
	struct sg_client_time *time;
	size_t ntime;
	struct sg_memlimit_stat mem;	      /* at the end of the level */
	uint64_t swapin_pages, swapout_pages; /* machine-wide, during the measured rounds */
	char file[32];			      /* recording, in dir; empty: none */
	uint64_t lost;			      /* records */
	uint64_t missing;		      /* requests that the recording has no whole task of */
	struct sg_told told;
	struct sg_blame *blame; /* all servers */
	struct sg_blame *server_blame[SG_CLIENT_MAX];
};

struct sg_task_result {
	struct sg_task_opts opts; /* with the defaults filled in */
	unsigned nlevel;
	unsigned base; /* index of the level the others are compared with */
	struct sg_task_level level[SG_LEVELS_MAX];
};

/** sg_task_defaults() - fill in vm_memory_bytes, memory_bytes and swap_bytes where they are 0 */
void sg_task_defaults(struct sg_task_opts *opts);

/** sg_task_vms() - as many servers, of opts->servers, as fit into memory in virtual machines of their own; at least 1 */
unsigned sg_task_vms(const struct sg_task_opts *opts);

/**
 * sg_task_run() - run the whole workload; everything it made is gone when it returns
 * @ret: filled as far as it got, also on failure; free with sg_task_free()
 */
int sg_task_run(struct sg_task_result *ret, const struct sg_task_opts *opts, struct sg_err *err);
void sg_task_free(struct sg_task_result *r);

/** sg_task_explain() - read the level's recording in @dir into its blames */
int sg_task_explain(struct sg_task_level *l, const char *dir, unsigned servers, struct sg_err *err);

/** sg_task_export() - folded files of a level's recording, by `sandglass export` */
int sg_task_export(const struct sg_task_level *l, const char *dir, const char *self, int sigfd,
		   struct sg_err *err);

/* Results of several environments with the same options. */
struct sg_task_envs {
	unsigned n, base; /* index of what the others are compared with */
	const struct sg_task_result *r;
};
/** sg_task_envs_base() - the host, if it is one of the @n; else the first */
unsigned sg_task_envs_base(const struct sg_task_result *r, unsigned n);
int sg_task_envs_text(FILE *out, const struct sg_task_envs *e);
int sg_task_envs_json(FILE *out, const struct sg_task_envs *e);
int sg_task_envs_plot(const struct sg_task_envs *e, const char *dir, struct sg_err *err);

/** sg_task_text() - for people; sg_task_json() - for programs; sg_task_plot() - two charts into @dir */
int sg_task_text(FILE *out, const struct sg_task_result *r);
int sg_task_json(FILE *out, const struct sg_task_result *r);
/** sg_task_json_object() - the same as an object; NULL with *ret_rc when it could not be made */
struct json_object *sg_task_json_object(const struct sg_task_result *r, int *ret_rc);
int sg_task_plot(const struct sg_task_result *r, struct sg_err *err);

#endif
