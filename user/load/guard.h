/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The guard: a process that removes what a workload made (cgroups, swap, files),
 * whatever becomes of the workload. It is told of each thing before the thing is
 * made, and cleans in reverse order when its maker ends: by return, by signal, by
 * SIGKILL. What it could not clean itself (killed too) is in a state file, which
 * the next start cleans.
 */
#ifndef SG_GUARD_H
#define SG_GUARD_H

#include "base/err.h"

enum sg_guard_kind {
	SG_GUARD_CGROUP = 'C',	/* kill what is in it, remove it */
	SG_GUARD_SWAP = 'S',	/* swapoff */
	SG_GUARD_FILE = 'F',	/* unlink */
	SG_GUARD_DIR = 'D',	/* remove if empty */
	SG_GUARD_ZRAM = 'Z',	/* reset the device: path is its /sys/block folder */
	SG_GUARD_HOTZRAM = 'H', /* remove the device: path is its /sys/block folder */
	SG_GUARD_CGTREE =
		'T', /* kill what is in a cgroup and below it, remove both, in every hierarchy; path from their roots */
	SG_GUARD_DOCKERD =
		'K', /* end a Docker daemon and all its containers, unmount and remove its folder */
	SG_GUARD_LIBVIRTD = 'V', /* end a libvirtd and all its virtual machines, remove its folder */
};

struct sg_guard;

/** sg_guard_start() - clean what earlier runs left behind, then fork the guard. */
int sg_guard_start(struct sg_guard **ret, struct sg_err *err);

/** sg_guard_add() - @path is about to be made. It need not exist when it is cleaned. */
int sg_guard_add(struct sg_guard *g, enum sg_guard_kind kind, const char *path, struct sg_err *err);

/** sg_guard_clean() - clean the one thing added as (@kind, @path) now, and wait for it. */
int sg_guard_clean(struct sg_guard *g, enum sg_guard_kind kind, const char *path, struct sg_err *err);

/** sg_guard_end() - clean all that is left and free; the first failure is reported. @g may be NULL. */
int sg_guard_end(struct sg_guard *g, struct sg_err *err);

/**
 * sg_guard_ending() - the end of a workload, however it went: @close what it has open, then the guard
 * @rc: of the workload; it and its sentence in @err go before those of the ending
 *
 * Return: @rc, or the first failure of the ending.
 */
int sg_guard_ending(struct sg_guard *g, int rc, int (*close)(void *ctx, struct sg_err *err), void *ctx,
		    struct sg_err *err);

#endif
