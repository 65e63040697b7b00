/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Where to probe a function of Go (x86-64): at the jump of its stack check, and at each
 * of its returns. The jump, because the kernel emulates it, while most first instructions
 * are single-stepped (7 us for both ends of a call against 3.4); it is passed again when
 * the stack was too small and the function is begun anew, so count returns and take the
 * last begin. The returns, because a return probe changes the return address, which
 * Go's runtime finds when it moves or walks the stack (and its system call, which the
 * kernel uses since 6.11, kills a program whose seccomp filter does not know it). Pure.
 */
#ifndef SG_GOCODE_H
#define SG_GOCODE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define SG_GOCODE_RET_MAX   64
#define SG_GOCODE_BYTES_MAX (1u << 20)

struct sg_gopoints {
	uint64_t
		entry; /* offset of the stack check's jump, else of the start; all arguments are in their registers */
	uint64_t ret[SG_GOCODE_RET_MAX]; /* offsets of the returns, ascending */
	size_t nret;
};

/**
 * sg_gocode_points() - the probe points of a function, by disassembling it (capstone)
 * @code: its @size bytes; @off: offset of the first, added to all results
 *
 * Return: 0; -EBADMSG it cannot be disassembled to its end, -ENOTSUP it has no return, more than
 * SG_GOCODE_RET_MAX, or leaves by a jump into another function, with @err.
 */
int sg_gocode_points(struct sg_gopoints *ret, const void *code, size_t size, uint64_t off,
		     struct sg_err *err);

#endif
