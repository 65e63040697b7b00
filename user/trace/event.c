/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/event.h"

size_t sg_event_fixed(unsigned kind)
{
	switch (kind) {
#define SG_X(id, sym, name) \
	case id:            \
		return sizeof(struct sg_##name);
		SG_REC_LIST(SG_X)
		SG_UREC_LIST(SG_X)
#undef SG_X
	default:
		return 0;
	}
}

/* Bytes of the variable part, or SIZE_MAX when the count is more than a record may hold. */
static size_t tail_size(const struct sg_hdr *h)
{
	size_t n, each, max;

	switch (h->kind) {
	case SG_REC_SLICE:
		n = ((const struct sg_slice *)h)->npair, each = sizeof(struct sg_pair), max = SG_PAIR_MAX;
		break;
	case SG_REC_SNAP:
		n = ((const struct sg_snap *)h)->npair, each = sizeof(struct sg_pair), max = SG_PAIR_MAX;
		break;
	case SG_REC_STACK:
		n = ((const struct sg_stack *)h)->n, each = sizeof(uint64_t), max = SG_STACK_MAX;
		break;
	case SG_REC_FRAME:
		n = ((const struct sg_frame *)h)->len, each = 1, max = SG_FRAME_TEXT_MAX;
		break;
	case SG_REC_STACKDEF:
		n = ((const struct sg_stackdef *)h)->n, each = sizeof(uint32_t), max = SG_STACKDEF_MAX;
		break;
	case SG_REC_NAME:
		n = ((const struct sg_name *)h)->len, each = 1, max = SG_NAME_TEXT_MAX;
		break;
	case SG_REC_CONTAINER:
		n = ((const struct sg_container *)h)->len, each = 1, max = SG_CONTAINER_TEXT_MAX;
		break;
	case SG_REC_MACHINE:
		n = ((const struct sg_machine *)h)->len, each = 1, max = SG_MACHINE_TEXT_MAX;
		break;
	case SG_REC_VM:
		n = ((const struct sg_vm *)h)->len, each = 1, max = SG_VM_TEXT_MAX;
		break;
	case SG_REC_GUEST:
		n = ((const struct sg_guest *)h)->len, each = 1, max = SG_GUEST_TEXT_MAX;
		break;
	default:
		return 0;
	}
	return n > max ? SIZE_MAX : n * each;
}

size_t sg_event_size(const struct sg_hdr *h, size_t avail)
{
	size_t fixed, tail;

	if (avail < sizeof(*h))
		return 0;
	fixed = sg_event_fixed(h->kind);
	if (!fixed || avail < fixed)
		return 0;
	tail = tail_size(h);
	if (tail > avail - fixed)
		return 0;
	return fixed + tail;
}

const char *sg_rec_name(unsigned kind)
{
	switch (kind) {
#define SG_X(id, sym, name) \
	case id:            \
		return #name;
		SG_REC_LIST(SG_X)
		SG_UREC_LIST(SG_X)
#undef SG_X
	default:
		return "?";
	}
}
