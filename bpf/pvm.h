/* SPDX-License-Identifier: GPL-2.0 */
/* What PVM's reason of an exit is in a SG_KEY_KVM key. A function of its arguments, for tests too. */
#ifndef SG_PVM_H
#define SG_PVM_H

#include "sg_abi.h"

#define PVM_FAILED_VMENTRY_ 1025
#define PVM_INT80_VECTOR_   0x80

/*
 * @vector: its first information, the vector that led out (1024 for a SYSCALL instruction). Without it the high
 * half of @reason is not enough: 4 and 5 are ERETS and INTERRUPT in the first series (RFC, February 2024) and
 * INTERRUPT and INT80 later, which has no ERETS.
 */
static inline __attribute__((always_inline)) __u16 pvm_exit_code(__u32 reason, __u64 vector)
{
	__u32 low = reason & 0xffff;

	if (reason == PVM_FAILED_VMENTRY_)
		return SG_KVM_PVM_FAILED;
	if (reason < 32)
		return SG_KVM_PVM + reason;
	switch (reason >> 16) {
	case 1:
		return SG_KVM_PVM_SYSCALL;
	case 2: /* its number where the kernel tells it */
		return SG_KVM_PVM_HYPERCALL + (low < 16 ? low : 0);
	case 3:
		return SG_KVM_PVM_ERETU;
	case 4:
	case 5:
	case 6:
		if (vector == PVM_INT80_VECTOR_)
			return SG_KVM_PVM_INT80;
		if (vector >= 32 && vector < 256)
			return SG_KVM_PVM_INTERRUPT;
		return reason >> 16 == 4 ? SG_KVM_PVM_ERETS : SG_KVM_OTHER;
	}
	return SG_KVM_OTHER;
}

#endif
