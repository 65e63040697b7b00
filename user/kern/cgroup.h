/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Cgroups: from what a user types to what the kernel side compares. */
#ifndef SG_CGROUP_H
#define SG_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

struct sg_cgroup {
	bool v2;	     /* the default hierarchy: task->cgroups->dfl_cgrp */
	char controller[32]; /* v1: "memory", "cpu" ...; empty for v2 */
	int subsys;	     /* v1: index in task->cgroups->subsys[]; -1 for v2 */
	uint64_t id;	     /* kernfs id: the directory's inode number */
	int level;	     /* depth below the hierarchy's root, which is 0 */
	char path[PATH_MAX]; /* its directory */
};

/**
 * sg_cgroup_find() - the cgroup that @arg names
 * @arg: a directory ("/sys/fs/cgroup/memory/x"), a path inside a hierarchy
 *       ("/docker/ID", "x/y"), a controller and a path ("memory:x", "memory/x"),
 *       or the bare name of a cgroup that exists once
 *
 * The default hierarchy is tried before those of version 1.
 * Return: 0, -ENOENT none, -EEXIST several, -ENOTDIR ...; @err has the sentence.
 */
int sg_cgroup_find(const char *arg, struct sg_cgroup *ret, struct sg_err *err);

/** sg_cgroup_path() - path inside the default hierarchy of the cgroup with kernfs id @id; -ENOENT when it is gone */
int sg_cgroup_path(uint64_t id, char *ret, size_t cap);

/** sg_cgroup_subsys() - index of a version 1 controller in task->cgroups->subsys[], or -ENOENT */
int sg_cgroup_subsys(const char *controller);

/**
 * sg_cgroup_ident() - the hierarchy whose cgroups tell containers apart
 *
 * The memory controller's where it is a version 1 hierarchy: sandboxes of gVisor stay in the root of the default one there.
 * Return: its index in task->cgroups->subsys[], -1 = the default hierarchy.
 */
int sg_cgroup_ident(void);

enum sg_cgroup_mode { SG_CGROUP_NONE = 0, SG_CGROUP_V1 = 1, SG_CGROUP_V2 = 2, SG_CGROUP_HYBRID = 3 };
enum sg_cgroup_mode sg_cgroup_mode(void);
/** sg_cgroup_mode_name() - "v1", "v2", "v1 and v2", "none" */
const char *sg_cgroup_mode_name(enum sg_cgroup_mode m);

#endif
