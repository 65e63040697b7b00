/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Which containers there are, and whose a cgroup is. With an Engine API that
 * answers: from it. Without: /proc, cgroups, shims and runtimes' state files.
 */
#ifndef SG_CONTAINER_H
#define SG_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

#define SG_CONTAINER_ID 65

struct sg_container_info {
	char id[SG_CONTAINER_ID]; /* 64 hexadecimal digits as a rule */
	char name[256];		  /* without the leading slash; empty: not known */
	char image[256];
	char runtime[64];  /* as its manager calls it: "runc", "runsc-ptrace" */
	char platform[32]; /* "runc", or gVisor's "ptrace", "systrap", "kvm"; "kata"; empty: not known */
	char manager[32];  /* "docker", "podman", "containerd", "cri-o", "kubernetes" ... */
	char cgroup
		[1024]; /* path of its cgroup below the hierarchy's mount ("/docker/ID"), empty: not known */
	uint64_t
		cgroup_id; /* kernfs id (inode) of that folder in the memory controller's (v1) or only (v2) hierarchy; 0 unknown */
	uint32_t pid; /* first process on the host, 0 = not running; gVisor: the Sentry */
	bool running;
};

struct sg_container_list {
	struct sg_container_info *c;
	size_t n, cap;
};

/* What to ask. All may be NULL: then what this machine has by default is looked at. */
struct sg_container_opts {
	const char *engine; /* socket of the Engine API; "" = do not ask any */
	const char *proc;   /* "/proc", for tests */
	const char *cgroup; /* "/sys/fs/cgroup", for tests */
};

/**
 * sg_container_of_cgroup() - container id and manager from a cgroup's path. Pure.
 *
 * v1, hybrid and v2; cgroupfs and systemd naming; Docker, podman (libpod), containerd, CRI-O, Kubernetes pods; the innermost
 * container wins when several are nested. Return: false when the path is of no container.
 */
bool sg_container_of_cgroup(const char *path, char ret_id[SG_CONTAINER_ID], char ret_manager[32]);

/** sg_containers() - all running ones; @all: stopped ones too (Engine only). 0 or negative errno with @err. */
int sg_containers(struct sg_container_list *ret, const struct sg_container_opts *o, bool all,
		  struct sg_err *err);
void sg_containers_free(struct sg_container_list *l);

/**
 * sg_container_find() - the one that @what names: a name, an id, or the beginning of an id
 * Return: 0; -ENOENT; -ENOTUNIQ when it fits several (@err lists them); -ESRCH when it is not running.
 */
int sg_container_find(const char *what, const struct sg_container_opts *o, struct sg_container_info *ret,
		      struct sg_err *err);

/** sg_container_of_pid() - the container that process @pid is in (-ENOENT: none) */
int sg_container_of_pid(uint32_t pid, const struct sg_container_opts *o, struct sg_container_info *ret,
			struct sg_err *err);

/** sg_container_cgroup_dir() - the folder that cgroup_id is of; false when it is not known */
bool sg_container_cgroup_dir(const struct sg_container_info *c, const struct sg_container_opts *o, char *ret,
			     size_t cap);

#endif
