/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Which virtual machines a recording tells of, and how their memory went: from VM and BALLOON records.
 * Pure; memory is bounded by the limits below.
 */
#ifndef SG_VMSUM_H
#define SG_VMSUM_H

#include <stdbool.h>
#include <stdio.h>
#include "trace/event.h"

#define SG_VMSUM_VMS   1024  /* those after them are not kept */
#define SG_VMSUM_SCOPE 65536 /* processes whose being in scope is known */

/* One value of SG_BALLOON_LIST. */
struct sg_vmsum_value {
	bool known;
	uint64_t first, last, low, high;
	uint64_t n; /* times it was told */
};

/* One virtual machine: its last VM record. Texts are hostile, never NULL. */
struct sg_vmsum_row {
	uint32_t tgid, vcpus; /* vcpus 0: not known */
	uint64_t cgroup, memory_bytes;
	bool in_scope; /* the recording follows a thread of its monitor */
	const char *name, *uuid, *vmm, *source, *accel;
	char *text; /* holds them */
	struct sg_vmsum_value balloon[SG_BALLOON_MAX];
};

struct sg_vmsum;

int sg_vmsum_new(struct sg_vmsum **ret);
void sg_vmsum_free(struct sg_vmsum *s);
/** sg_vmsum_feed() - next event; kinds it does not need are ignored. 0 or -ENOMEM. */
int sg_vmsum_feed(struct sg_vmsum *s, const struct sg_hdr *ev);
/** sg_vmsum_rows() - those in scope first, then by name. Valid until the next feed. */
size_t sg_vmsum_rows(struct sg_vmsum *s, const struct sg_vmsum_row *const **ret);
/** sg_vmsum_of() - the virtual machine whose monitor is process @tgid; NULL: none. Valid until the next feed. */
const struct sg_vmsum_row *sg_vmsum_of(const struct sg_vmsum *s, uint32_t tgid);
/** sg_balloon_name() - "actual" ..., "?" */
const char *sg_balloon_name(unsigned what);

/** sg_vmsum_text() - a line each of those in scope, nothing when there are none (user/out/vmsum_text.c) */
int sg_vmsum_text(struct sg_vmsum *s, FILE *f);
/** sg_vmsum_json() - a list of all; caller owns; NULL: no memory */
struct json_object *sg_vmsum_json(struct sg_vmsum *s);

#endif
