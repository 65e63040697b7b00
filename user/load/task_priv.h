/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Inside the task workload: what a run holds. */
#ifndef SG_TASK_PRIV_H
#define SG_TASK_PRIV_H

#include "load/args.h"
#include "load/task.h"

#define SG_TASK_GUEST_SELF "/usr/bin/sandglass" /* this program, in a container */

struct bench {
	struct sg_task_opts o;
	struct sg_guard *guard;
	struct sg_memlimit limit;
	char self[1024];
	char dir[1024]; /* absolute */
	char swap[2048];
	struct sg_child server[SG_CLIENT_MAX], hog[SG_HOG_MAX], client;
	struct sg_sandbox *box; /* NULL: the servers run on the host */
	struct sg_sandbox_container container[SG_CLIENT_MAX];
	struct sg_vms *vms; /* NULL: no virtual machines */
	struct sg_domain *domain[SG_CLIENT_MAX];
	int vm_end;    /* readable when a virtual machine has ended; valid with vms */
	char tree[64]; /* cgroup of servers and hogs, from the hierarchies' roots; empty: none */
	unsigned port[SG_CLIENT_MAX];
	unsigned agent_port[SG_CLIENT_MAX]; /* of 127.0.0.1, with --inside */
};

void sg_task_say(const struct sg_task_opts *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Folders (b->self, b->dir), swap, and the Node.js server's source and packages; the guard knows of all but the last. */
int sg_task_setup_dirs(struct bench *b, struct sg_err *err);
int sg_task_setup_swap(struct bench *b, struct sg_err *err);
int sg_task_setup_node(struct bench *b, struct sg_err *err);

/*
 * Servers in containers: the daemon for the whole run; a level's containers, all below the level's cgroup,
 * each with a sleeping first process. Everything is nothing when the environment is the host.
 */
int sg_task_env_open(struct bench *b, struct sg_err *err);
int sg_task_env_close(struct bench *b, struct sg_err *err);
int sg_task_env_level(struct bench *b, struct sg_err *err);
int sg_task_env_end_level(struct bench *b, struct sg_err *err);
/** sg_task_env_hogs() - the group that hogs start in: beside the containers, below the same limit */
int sg_task_env_hogs(const struct bench *b, struct sg_memlimit *ret, struct sg_err *err);
/** sg_task_env_pid() - process of server @i to give a role; 0: none, its parts are found by the recorder */
pid_t sg_task_env_pid(const struct bench *b, unsigned i);

/*
 * Servers in virtual machines: image and libvirtd for the whole run; a level's machines, their VMMs in the level's
 * cgroup, with a server in each, reached by b->port.
 */
int sg_task_vm_open(struct bench *b, struct sg_err *err);
int sg_task_vm_close(struct bench *b, struct sg_err *err);
int sg_task_vm_level(struct bench *b, struct sg_err *err);
void sg_task_vm_end_level(struct bench *b);
/** sg_task_vm_dead() - a sentence about the machine that ended; negative errno */
int sg_task_vm_dead(struct bench *b, struct sg_err *err);

/*
 * --inside: an agent in each virtual machine. The token's file is new, in a folder of its own (@ret_dir: PATH_MAX bytes)
 * that the machine's disk is a copy of; the agents listen when start returns; args are for `sandglass record`.
 */
int sg_task_inside_token(struct bench *b, char *ret_dir, struct sg_err *err);
int sg_task_inside_start(struct bench *b, struct sg_err *err);
void sg_task_inside_args(const struct bench *b, struct sg_args *a);

static inline bool sg_task_inside(const struct bench *b)
{
	return b->vms && b->o.inside && b->o.record;
}

/* A sentence about a child that ended although it was needed; negative errno. */
int sg_task_dead(struct bench *b, const struct sg_child *c, struct sg_err *err);

#endif
