/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The folder of a Docker daemon of our own: its parts, and taking it away. */
#ifndef SG_DOCKERD_PRIV_H
#define SG_DOCKERD_PRIV_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include "env/dockerd.h"
#include "env/owndaemon.h"

#define SG_DOCKERD_FOLDER "dockerd"
/* In the folder: it is ours; the text says whether the folder around it is, too. */
#define SG_DOCKERD_MARK "made-by-sandglass"
/* In the folder: the daemon's key outside of it was not there before. */
#define SG_DOCKERD_NEWKEY "key-is-new"
#define SG_DOCKERD_KEY	  "/etc/docker/key.json"
/* Where containerd keeps bundles of containers, below the exec-root */
#define SG_DOCKERD_BUNDLES "exec/containerd/daemon/io.containerd.runtime.v2.task/moby"

/* containerd's socket, in the folder; for its shims it makes one with 6 bytes more */
#define SG_DOCKERD_CONTAINERD "exec/containerd/containerd.sock"

struct sg_dockerd {
	char top[PATH_MAX], socket[PATH_MAX], state[PATH_MAX];
	int lock; /* on the folder, held while we live */
	bool dir_is_ours;
	struct sg_owndaemon containerd, dockerd;
};

/** sg_dockerd_place() - where the folder is to be: @dir (made when missing) and what is too long or wrong about it */
int sg_dockerd_place(struct sg_dockerd *d, const char *dir, struct sg_err *err);
/** sg_dockerd_prepare() - the folder, empty but for its mark, and held by d->lock; an earlier run's goes first */
int sg_dockerd_prepare(struct sg_dockerd *d, struct sg_err *err);

/**
 * sg_dockerd_sweep() - end, unmount and remove all that belongs to the daemon of folder @top, and @top
 *
 * Needs no daemon: processes are found by the folder's path in their arguments, and by their containers' cgroups.
 * Touches nothing of other daemons. Return: 0, -EBUSY or another negative errno when something stayed.
 */
int sg_dockerd_sweep(const char *top);

/**
 * sg_dockerd_cgroup() - name of the cgroup that holds those of its containers, unless a container asks for another
 *
 * Docker would put them into "docker", which all daemons of a machine share, and which none removes.
 * Return: 0, or -errno when there is no folder @top.
 */
int sg_dockerd_cgroup(const char *top, char *ret, size_t size);

/* Its processes, its containerd's, and those of the runtimes */
extern const struct sg_owndaemon_kin sg_dockerd_kin;

#endif
