/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Company of the recorder that knows virtual machines: VM for each that runs at the start and that
 * begins while it records; BALLOON for what libvirt or QMP tells of their memory.
 */
#ifndef SG_VMWATCH_H
#define SG_VMWATCH_H

#include "env/vm.h"
#include "kern/companion.h"

struct sg_vmwatch_opts {
	struct sg_vm_opts from;
	/* The one that is recorded: its balloon alone is asked for, and its QMP socket may be used. NULL: libvirt's balloons, no QMP. */
	const struct sg_vm_info *only;
};

/**
 * sg_vmwatch_new() - make one; starts nothing. Free it with sg_vmwatch_free() after finish().
 *
 * Threads: one looks at processes; one speaks with libvirt as soon as a virtual machine runs and somebody
 * listens; one with QMP. Memory, at most: 64 KiB for processes not yet looked at, 1 KiB for each of up to 1024
 * virtual machines. The texts of @o must outlive it. Return: 0 or -ENOMEM with @err.
 */
int sg_vmwatch_new(struct sg_companion *ret, const struct sg_vmwatch_opts *o, struct sg_err *err);
void sg_vmwatch_free(struct sg_companion *c);

struct sg_vmwatch_stats {
	uint64_t vms, balloons; /* events put */
	uint64_t dropped;	/* processes not looked at: too many at once */
	char note
		[384]; /* why libvirt or QMP could not be asked, one sentence; empty: they were, or need not be */
	char fate
		[384]; /* what happened to virtual machines: "VM web was paused ..."; empty: nothing that was told */
};
/** sg_vmwatch_stats() - what it did so far; after finish() the whole */
void sg_vmwatch_stats(const struct sg_companion *c, struct sg_vmwatch_stats *ret);

#endif
