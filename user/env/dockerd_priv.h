/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The folder of a Docker daemon of our own: its parts, and taking it away. */
#ifndef SG_DOCKERD_PRIV_H
#define SG_DOCKERD_PRIV_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include "env/dockerd.h"

#define SG_DOCKERD_FOLDER "dockerd"
/* In the folder: it is ours; the text says whether the folder around it is, too. */
#define SG_DOCKERD_MARK "made-by-sandglass"
/* In the folder: the daemon's key outside of it was not there before. */
#define SG_DOCKERD_NEWKEY "key-is-new"
#define SG_DOCKERD_KEY	  "/etc/docker/key.json"
/* Where containerd keeps bundles of containers, below the exec-root */
#define SG_DOCKERD_BUNDLES "exec/containerd/daemon/io.containerd.runtime.v2.task/moby"

/**
 * sg_dockerd_sweep() - end, unmount and remove all that belongs to the daemon of folder @top, and @top
 *
 * Needs no daemon: processes are found by the folder's path in their arguments, and by their containers' cgroups.
 * Touches nothing of other daemons. Return: 0, -EBUSY or another negative errno when something stayed.
 */
int sg_dockerd_sweep(const char *top);

/** sg_dockerd_is_ours() - do these arguments (as in /proc/PID/cmdline, @len bytes) belong to the daemon of @top? Pure. */
bool sg_dockerd_is_ours(const char *args, size_t len, const char *top);

#endif
