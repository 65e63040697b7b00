/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/gocode.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* The stack check is among the first instructions: at most "mov, sub, jb, cmp, jbe". */
#define CHECK_INSNS 8
/* g.stackguard0 and stackguard1, from the goroutine's structure in r14. */
#define GUARD0 0x10
#define GUARD1 0x18

struct walk {
	struct sg_gopoints *out;
	uint64_t off, size;
	size_t insn;
	bool compared; /* the instruction before compared the stack with its limit */
};

static bool compares_stack(const cs_insn *in)
{
	const cs_x86 *x = &in->detail->x86;

	for (int i = 0; in->id == X86_INS_CMP && i < x->op_count; i++)
		if (x->operands[i].type == X86_OP_MEM && x->operands[i].mem.base == X86_REG_R14 &&
		    (x->operands[i].mem.disp == GUARD0 || x->operands[i].mem.disp == GUARD1))
			return true;
	return false;
}

/* A jump to a fixed place that is not in the function. */
static bool leaves(const struct walk *w, const cs_insn *in)
{
	const cs_x86_op *to = &in->detail->x86.operands[0];

	return in->id == X86_INS_JMP && to->type == X86_OP_IMM &&
	       ((uint64_t)to->imm < w->off || (uint64_t)to->imm >= w->off + w->size);
}

static int look_at(struct walk *w, const cs_insn *in, struct sg_err *err)
{
	struct sg_gopoints *o = w->out;

	if (w->compared && (in->id == X86_INS_JBE || in->id == X86_INS_JB))
		o->entry = in->address;
	w->compared = w->insn++ < CHECK_INSNS && compares_stack(in);
	if (leaves(w, in))
		return sg_err_set(err, -ENOTSUP, "the function is left by a jump into another");
	if (in->id != X86_INS_RET)
		return 0;
	if (o->nret == SG_GOCODE_RET_MAX)
		return sg_err_set(err, -ENOTSUP, "the function has more than %d returns", SG_GOCODE_RET_MAX);
	o->ret[o->nret++] = in->address;
	return 0;
}

int sg_gocode_points(struct sg_gopoints *ret, const void *code, size_t size, uint64_t off, struct sg_err *err)
{
	struct sg_gopoints out = { .entry = off };
	struct walk w = { .out = &out, .off = off, .size = size };
	const uint8_t *at = code;
	uint64_t addr = off;
	size_t left = size;
	cs_insn *in;
	csh cs;
	int e = 0;

	if (size > SG_GOCODE_BYTES_MAX)
		return sg_err_set(err, -ENOTSUP, "the function is larger than 1 MiB");
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs))
		return -ENOMEM;
	cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
	in = cs_malloc(cs);
	while (in && !e && left && cs_disasm_iter(cs, &at, &left, &addr, in))
		e = look_at(&w, in, err);
	if (in)
		cs_free(in, 1);
	cs_close(&cs);
	if (!in)
		return -ENOMEM;
	if (e)
		return e;
	if (left)
		return sg_err_set(err, -EBADMSG, "the function's code at 0x%llx is no instruction",
				  (unsigned long long)addr);
	if (!out.nret)
		return sg_err_set(err, -ENOTSUP, "the function has no return");
	*ret = out;
	return 0;
}
