/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The machines of a merged recording: the host is number 0, its guests follow.
 * All that could collide was moved by the machine's number when the recordings
 * were merged (trace/remap.h); here is the way back, for printing. Threads, CPUs,
 * frames and stacks were moved by a base that MACHINE tells; the rest by rules:
 * thread and process ids by number << 24 (Linux gives none above 2^22), devices by
 * 512 majors a machine, cgroups and marks in their highest byte. Pure.
 */
#ifndef SG_MACHINE_H
#define SG_MACHINE_H

#include <stdbool.h>
#include "trace/event.h"

#define SG_MACHINE_MAX	     8 /* the host and seven guests: what devices have room for */
#define SG_MACHINE_NAME	     24
#define SG_MACHINE_TID_SHIFT 24
#define SG_MACHINE_DEV_SHIFT 29 /* a dev_t is major << 20 | minor */
#define SG_MACHINE_TOP_SHIFT 56 /* cgroups, marks */

struct sg_machine_info {
	uint64_t begin, end, shift;
	uint32_t number, uid_base, uid_end, frame_base, stack_base, meta, vmm, cid;
	uint16_t cpu_base, ncpu;
	char name[SG_MACHINE_NAME]; /* NUL-terminated; hostile bytes possible */
	char kernel[96];
	bool known;
};

struct sg_machines {
	struct sg_machine_info m[SG_MACHINE_MAX]; /* [number] */
	unsigned n;				  /* that are known */
};

/** sg_machines_add() - from a MACHINE record; a zeroed @ms knows none. False: its number is out of range. */
bool sg_machines_add(struct sg_machines *ms, const struct sg_machine *ev);

/** sg_machine_of_cpu() / sg_machine_of_uid() - whose; NULL when no machine has it (a recording of one machine knows none) */
const struct sg_machine_info *sg_machine_of_cpu(const struct sg_machines *ms, unsigned cpu);
const struct sg_machine_info *sg_machine_of_uid(const struct sg_machines *ms, uint32_t uid);

/* What a machine itself calls it. */
static inline unsigned sg_machine_of_tid(uint32_t tid)
{
	return tid >> SG_MACHINE_TID_SHIFT;
}

static inline uint32_t sg_machine_tid(uint32_t tid)
{
	return tid & ((1u << SG_MACHINE_TID_SHIFT) - 1);
}

static inline uint32_t sg_machine_dev(uint32_t dev)
{
	return dev & ((1u << SG_MACHINE_DEV_SHIFT) - 1);
}

static inline uint64_t sg_machine_cgroup(uint64_t id)
{
	return id & ((1ull << SG_MACHINE_TOP_SHIFT) - 1);
}

static inline uint64_t sg_machine_mark(const struct sg_machine_info *m, uint64_t id)
{
	return id ^ (uint64_t)m->number << SG_MACHINE_TOP_SHIFT;
}

static inline unsigned sg_machine_cpu(const struct sg_machine_info *m, unsigned cpu)
{
	return cpu - m->cpu_base;
}

#endif
