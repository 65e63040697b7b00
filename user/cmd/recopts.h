/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The options that run and record share: a child parser (argp) and what it fills. */
#ifndef SG_RECOPTS_H
#define SG_RECOPTS_H

#include <argp.h>
#include "cmd/company.h"
#include "env/container.h"
#include "env/vm.h"
#include "kern/cgroup.h"
#include "kern/record.h"
#include "trace/event.h"

#define SG_PID_MAX  1024
#define SG_ROLE_MAX 64

struct sg_recopts {
	struct sg_record_opts o;
	uint32_t pid[SG_PID_MAX];
	struct sg_role_arg role[SG_ROLE_MAX];
	char role_name[SG_ROLE_MAX][SG_ROLE_NAME];
	const char *container, *engine; /* as given, NULL = not */
	int first_fd;			/* its first process, after sg_recopts_container() */
	struct sg_container_info found; /* the container, after sg_recopts_container() */
	const char *vm, *connect;	/* as given, NULL = not */
	int vm_fd;			/* its monitor, after sg_recopts_vm() */
	size_t others;			/* so many of the processes are not the virtual machine's */
	struct sg_vm_info vm_found;	/* after sg_recopts_vm() */
	char vm_text[256];		/* "VM NAME (qemu, kvm)", for the report's head */
	bool gvisor_trace;
	const struct sg_companion *more; /* companions of the command's own */
	size_t nmore;
	char container_text[256]; /* "container NAME (IMAGE)", for the report's head */
};

extern const struct argp sg_recopts_argp; /* input: struct sg_recopts, after sg_recopts_init() */
void sg_recopts_init(struct sg_recopts *r);
/** sg_recopts_pids() - replace every given process by its whole tree. -ESRCH with @err when one is gone. */
int sg_recopts_pids(struct sg_recopts *r, struct sg_err *err);
/** sg_recopts_cgroup() - fill the scope from what -G named */
int sg_recopts_cgroup(struct sg_recopts *r, const char *arg, struct sg_err *err);

/** sg_recopts_container() - find r->container and fill the scope with its cgroup. -ENOENT, -ENOTUNIQ, -ESRCH with @err. */
int sg_recopts_container(struct sg_recopts *r, struct sg_err *err);

/** sg_recopts_vm() - find r->vm and add its processes and kernel threads to the scope. -ENOENT, -ENOTUNIQ, -ESRCH with @err. */
int sg_recopts_vm(struct sg_recopts *r, struct sg_err *err);

/**
 * sg_recopts_record() - sg_record() with the company that the options ask for
 *
 * What the probes in gVisor, its trace points or the containers' daemon could not give is said on standard error.
 */
int sg_recopts_record(struct sg_recopts *r, const char *name, struct sg_record_result *ret,
		      struct sg_err *err);

/** sg_recopts_exit() - the command's own exit code, as a shell would give it: 128+N when signal N killed it */
int sg_recopts_exit(const struct sg_record_result *res);

#endif
