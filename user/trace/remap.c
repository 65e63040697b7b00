/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/remap.h"

#include "trace/field.h"
#include "trace/format.h"
#include "trace/machine.h"

uint64_t sg_remap_time(const struct sg_remap *r, uint64_t ts)
{
	int64_t d = (int64_t)r->shift;
	uint64_t v = ts + r->shift;

	if (d < 0 && v > ts)
		return 1;
	return d > 0 && v < ts ? UINT64_MAX : v;
}

/* @v of @bits bits gets the machine's number above them; 0 when they are taken. */
static uint64_t move(const struct sg_remap *r, uint64_t v, unsigned bits)
{
	return v >> bits ? 0 : v | (uint64_t)r->number << bits;
}

static uint64_t value(const struct sg_remap *r, unsigned space, uint64_t v)
{
	if (!v && space != SG_SPACE_TID)
		return 0;
	switch (space) {
	case SG_SPACE_TIME:
		return sg_remap_time(r, v);
	case SG_SPACE_UID:
		return v + r->uid_base;
	case SG_SPACE_TID:
	case SG_SPACE_PID:
		return move(r, v, SG_MACHINE_TID_SHIFT);
	case SG_SPACE_DEV:
		return move(r, v, SG_MACHINE_DEV_SHIFT);
	case SG_SPACE_CGROUP:
		return move(r, v, SG_MACHINE_TOP_SHIFT);
	case SG_SPACE_FRAME:
		return v + r->frame_base;
	case SG_SPACE_STACK:
		return v + r->stack_base;
	case SG_SPACE_MARK:
		return v ^ (uint64_t)r->number << SG_MACHINE_TOP_SHIFT;
	default:
		return v;
	}
}

static void lists(const struct sg_remap *r, struct sg_hdr *h)
{
	struct sg_stackdef *sd = (void *)h;
	struct sg_name *nm = (void *)h;

	if (h->kind == SG_REC_STACKDEF)
		for (uint32_t i = 0; i < sd->n; i++)
			sd->frame[i] = (uint32_t)value(r, SG_SPACE_FRAME, sd->frame[i]);
	/* what its id is of depends on its type */
	if (h->kind == SG_REC_NAME)
		nm->id = value(r, nm->type == SG_NAME_DEV ? SG_SPACE_DEV : SG_SPACE_CGROUP, nm->id);
}

void sg_remap_event(const struct sg_remap *r, struct sg_hdr *h)
{
	size_t n;
	const struct sg_field *f = sg_fields(h->kind, &n);

	h->ts = sg_remap_time(r, h->ts);
	if (!r->number && !r->shift) /* the host's numbers stay what they are */
		return;
	for (size_t i = 0; i < n; i++)
		if (f[i].space)
			sg_field_set(&f[i], h, value(r, f[i].space, sg_field_get(&f[i], h)));
	lists(r, h);
	h->uid = (uint32_t)value(r, SG_SPACE_UID, h->uid);
	if (sg_class_of(h->kind) != SG_CLASS_DEF)
		h->cpu += r->cpu_base;
}
