/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Exits of a vCPU: names of the codes in SG_KEY_KVM keys, and the classes that
 * make AMD, Intel and PVM comparable. Codes: kvmcodes.h; KVM_EXIT_* of linux/kvm.h. Pure.
 */
#ifndef SG_KVMEXIT_H
#define SG_KVMEXIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(id, SYMBOL, name): ids are never in recordings. */
#define SG_KVM_CLASS_LIST(X)                                                                            \
	X(1, IO, "io")		       /* port I/O */                                                   \
	X(2, MMIO, "mmio")	       /* a device's register in memory */                              \
	X(3, PAGE_FAULT, "page-fault") /* guest memory that is not mapped (nested page fault) */        \
	X(4, HALT, "halt")	       /* HLT, and polling that ended in a sleep */                     \
	X(5, HALT_POLL, "halt-poll")   /* polling that a wake ended */                                  \
	X(6, MSR, "msr")                                                                                \
	X(7, CPUID, "cpuid")                                                                            \
	X(8, INTERRUPT, "interrupt") /* of the host, or a window for one of the guest */                \
	X(9, HYPERCALL, "hypercall")                                                                    \
	X(10, REFAULT, "refault") /* page fault on a page that the balloon had taken */                 \
	X(11, SIGNAL, "signal")	  /* VMM only: KVM_RUN was interrupted */                               \
	X(12, OTHER, "other")                                                                           \
	X(13, RUN, "run")     /* inside KVM_RUN, guest mode and exits not told apart */                 \
	X(14, DIRTY, "dirty") /* page fault on a page whose writes are logged (migration, a display) */ \
	X(15, ASYNC, "async-page-fault") /* page fault that a worker of the kernel's serves meanwhile */
enum sg_kvm_class {
	SG_KVMC_NONE = 0,
#define SG_X(id, sym, name) SG_KVMC_##sym = id,
	SG_KVM_CLASS_LIST(SG_X)
#undef SG_X
		SG_KVMC_MAX = 16,
};

/** sg_kvm_class() - of @key, a SG_KEY_KVM key as recorded; SG_KVMC_NONE for the balloon's */
enum sg_kvm_class sg_kvm_class(uint16_t key);
/** sg_kvm_class_name() - "io", "page-fault" ...; "?" */
const char *sg_kvm_class_name(enum sg_kvm_class c);
/** sg_kvm_name() - the code's own name: "npf", "EPT_VIOLATION", "exit 0x123"; for the VMM's part "io", "mmio". Never NULL. */
const char *sg_kvm_name(uint16_t key, char *buf, size_t cap);

/*
 * The key under which a segment books @key: one per class, the kernel's part or the
 * VMM's; SG_C_MEM_BALLOON for the balloon's bursts; others as they are.
 */
uint16_t sg_kvm_cause(uint16_t key);
/** sg_kvm_cause_name() - "kvm.exit.io", "vmm.user.mmio" of what sg_kvm_cause() gives, or of a key as recorded */
const char *sg_kvm_cause_name(uint16_t key, char *buf, size_t cap);

#endif
