/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * One machine's records on their way into a recording of several: its clock is
 * shifted by a constant, so that every duration stays exact, and its numbers are
 * moved where no other machine's are. trace/machine.h is the way back. Pure.
 */
#ifndef SG_REMAP_H
#define SG_REMAP_H

#include "trace/event.h"

struct sg_remap {
	uint64_t shift; /* ns, modulo 2^64 */
	uint32_t number;
	uint32_t uid_base, frame_base, stack_base;
	uint16_t cpu_base;
};

/**
 * sg_remap_event() - move one valid event, in place
 *
 * Which fields are moved and how is in the field table (trace/field.h): space. 0
 * stays 0. An instant from before the shifted clock's beginning becomes 1. A device
 * or an id that has no room is 0 afterwards: unknown, never another machine's.
 */
void sg_remap_event(const struct sg_remap *r, struct sg_hdr *h);

/** sg_remap_time() - one instant of the machine's clock on the recording's */
uint64_t sg_remap_time(const struct sg_remap *r, uint64_t ts);

#endif
