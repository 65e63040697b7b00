/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A stock Debian kernel for virtual machines: found or fetched, never installed. */
#ifndef SG_VMKERNEL_H
#define SG_VMKERNEL_H

#include <limits.h>
#include "base/err.h"

#define SG_VMKERNEL_PREFIX "kernel-"

/* Beginning of the names of folders that are being made in the cache. */
#define SG_VMIMAGE_UNFINISHED "vm-unfinished."

struct sg_vmkernel {
	char release[128];
	char dir[PATH_MAX]; /* has vmlinuz, the modules that our virtual machines need, and their names in "order" */
};

/**
 * sg_vmkernel_get() - the kernel kept in @cache; else one of /boot; else Debian's cloud kernel by apt-get download
 * @cache: folder that exists; the kernel's own folder is made in it, whole or not at all
 * @progress: told before something that takes long; may be NULL
 *
 * Return: 0; -ENOENT with @err: what could not be had and why; another negative errno.
 */
int sg_vmkernel_get(struct sg_vmkernel *ret, const char *cache, void (*progress)(void *ctx, const char *text),
		    void *ctx, struct sg_err *err);

/** sg_vmkernel_newer() - is release @a newer than @b ("6.1.0-56-amd64"), numbers by value? Pure. */
int sg_vmkernel_newer(const char *a, const char *b);

#endif
