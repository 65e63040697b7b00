/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Random valid records for property tests. The seed is printed by a failing assertion. */
#ifndef SG_TEST_GEN_EVENT_H
#define SG_TEST_GEN_EVENT_H

#include <string.h>
#include "trace/event.h"
#include "trace/field.h"

union gen_event {
	struct sg_hdr h;
	struct sg_slice slice;
	struct sg_snap snap;
	struct sg_stack stack;
	struct sg_frame frame;
	struct sg_stackdef stackdef;
	struct sg_name name;
	struct sg_container container;
	struct sg_machine machine;
	struct sg_guest guest;
	struct sg_vm vm;
	struct sg_thread thread;
	struct sg_mark mark;
	char bytes[SG_EVENT_MAX];
};

static inline uint64_t gen_u64(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Zero, small, near a border of an encoding, or anything. */
static inline uint64_t gen_value(uint64_t *s, unsigned bytes)
{
	uint64_t v = gen_u64(s), max = bytes >= 8 ? UINT64_MAX : (1ull << (8 * bytes)) - 1;

	switch (gen_u64(s) % 5) {
	case 0:
		return 0;
	case 1:
		return v % 20 & max;
	case 2:
		return (1ull << v % 64) & max;
	case 3:
		return ((1ull << v % 64) - 1) & max;
	default:
		return v & max;
	}
}

static const unsigned char gen_kinds[] = {
#define SG_X(id, sym, name) id,
	SG_REC_LIST(SG_X) SG_UREC_LIST(SG_X)
#undef SG_X
};

static inline void gen_pairs(uint64_t *s, struct sg_pair *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		p[i].key = (uint16_t)gen_value(s, 2);
		p[i].cnt = (uint32_t)gen_value(s, 4);
		p[i].ns = gen_value(s, 8);
		p[i].err = !(gen_u64(s) % 4) ? (uint16_t)gen_value(s, 2) : 0;
	}
}

/* A record of @kind: all fields random, reserved ones zero. Returns its size. */
static inline size_t gen_event(uint64_t *s, unsigned kind, union gen_event *e)
{
	const struct sg_field *f;
	size_t n;

	memset(e, 0, sizeof(*e));
	e->h.kind = (uint8_t)kind;
	e->h.ts = gen_value(s, 8);
	e->h.lost = gen_value(s, 8);
	e->h.uid = (uint32_t)gen_value(s, 4);
	e->h.cpu = (uint16_t)gen_value(s, 2);
	f = sg_fields(kind, &n);
	for (size_t i = 0; i < n; i++) {
		if (f[i].fmt != SG_FF_BYTES) {
			sg_field_set(&f[i], &e->h, gen_value(s, f[i].size));
			continue;
		}
		for (size_t k = gen_u64(s) % (f[i].size + 1u); k-- > 0;)
			((char *)e)[f[i].off + k] =
				(char)(gen_u64(s) % 3 ? 'a' + gen_u64(s) % 26 : gen_u64(s));
	}
	switch (kind) {
	case SG_REC_SLICE:
		e->slice.npair = (uint8_t)(gen_u64(s) % (SG_PAIR_MAX + 1));
		gen_pairs(s, e->slice.pair, e->slice.npair);
		break;
	case SG_REC_SNAP:
		e->snap.npair = (uint32_t)(gen_u64(s) % (SG_PAIR_MAX + 1));
		gen_pairs(s, e->snap.pair, e->snap.npair);
		break;
	case SG_REC_STACK:
		e->stack.n = (uint16_t)(gen_u64(s) % (SG_STACK_MAX + 1));
		for (unsigned i = 0; i < e->stack.n; i++)
			e->stack.ip[i] = gen_value(s, 8);
		break;
	case SG_REC_FRAME:
		e->frame.len = (uint16_t)(gen_u64(s) % (SG_FRAME_TEXT_MAX + 1));
		for (unsigned i = 0; i < e->frame.len; i++)
			e->frame.text[i] = (char)gen_u64(s);
		break;
	case SG_REC_STACKDEF:
		e->stackdef.n = (uint32_t)(gen_u64(s) % (SG_STACKDEF_MAX + 1));
		for (unsigned i = 0; i < e->stackdef.n; i++)
			e->stackdef.frame[i] = (uint32_t)gen_value(s, 4);
		break;
	case SG_REC_NAME:
		e->name.len = (uint16_t)(gen_u64(s) % (SG_NAME_TEXT_MAX + 1));
		for (unsigned i = 0; i < e->name.len; i++)
			e->name.text[i] = (char)gen_u64(s);
		break;
	case SG_REC_CONTAINER:
		e->container.len = (uint16_t)(gen_u64(s) % (SG_CONTAINER_TEXT_MAX + 1));
		for (unsigned i = 0; i < e->container.len; i++)
			e->container.text[i] = (char)gen_u64(s);
		break;
	case SG_REC_MACHINE:
		e->machine.len = (uint16_t)(gen_u64(s) % (SG_MACHINE_TEXT_MAX + 1));
		for (unsigned i = 0; i < e->machine.len; i++)
			e->machine.text[i] = (char)gen_u64(s);
		break;
	case SG_REC_VM:
		e->vm.len = (uint16_t)(gen_u64(s) % (SG_VM_TEXT_MAX + 1));
		for (unsigned i = 0; i < e->vm.len; i++)
			e->vm.text[i] = (char)gen_u64(s);
		break;
	case SG_REC_GUEST:
		e->guest.len = (uint16_t)(gen_u64(s) % (SG_GUEST_TEXT_MAX + 1));
		for (unsigned i = 0; i < e->guest.len; i++)
			e->guest.text[i] = (char)gen_u64(s);
		break;
	}
	return sg_event_size(&e->h, sizeof(*e));
}

#endif
