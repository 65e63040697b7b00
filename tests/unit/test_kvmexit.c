/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Names of a vCPU's exits, held against the kernel's own lists; PVM's by both of its numberings. */
#include <asm/svm.h>
#include <asm/vmx.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include "../../bpf/pvm.h"
#include "base/kvmexit.h"

/* arch/x86/include/asm/trapnr.h */
enum vector {
	DE_VECTOR = 0,
	DB_VECTOR = 1,
	BP_VECTOR = 3,
	OF_VECTOR = 4,
	BR_VECTOR = 5,
	UD_VECTOR = 6,
	NM_VECTOR = 7,
	DF_VECTOR = 8,
	TS_VECTOR = 10,
	NP_VECTOR = 11,
	SS_VECTOR = 12,
	GP_VECTOR = 13,
	PF_VECTOR = 14,
	MF_VECTOR = 16,
	AC_VECTOR = 17,
	MC_VECTOR = 18,
	XM_VECTOR = 19
};

struct kernels {
	unsigned long code;
	const char *name;
};

static void same(uint16_t base, const struct kernels *k, size_t n, unsigned long max)
{
	char buf[32];

	for (size_t i = 0; i < n; i++) {
		const char *name = k[i].name;

		if (k[i].code > max) /* what an SEV-ES guest asks for, and no exit at all */
			continue;
		/* it means the task register */
		name = !strcmp(name, "read_rt") ? "read_tr" : !strcmp(name, "write_rt") ? "write_tr" : name;
		cr_expect_str_eq(sg_kvm_name((uint16_t)(SG_KEY_KVM | (base + k[i].code)), buf, sizeof(buf)),
				 name, "code %#lx is %s", k[i].code, name);
	}
}

Test(kvmexit, every_code_that_the_kernel_names)
{
	static const struct kernels vmx[] = { VMX_EXIT_REASONS }, svm[] = { SVM_EXIT_REASONS };

	cr_assert_gt(sizeof(vmx) / sizeof(*vmx), 40);
	cr_assert_gt(sizeof(svm) / sizeof(*svm), 70);
	same(SG_KVM_INTEL, vmx, sizeof(vmx) / sizeof(*vmx), 0xff);
	same(0, svm, sizeof(svm) / sizeof(*svm), 0x403);
}

Test(kvmexit, codes_without_a_name_in_the_kernel)
{
	static const struct kernels more[] = { { SVM_EXIT_MWAIT_COND, "mwait_cond" },
					       { SVM_EXIT_RDPRU, "rdpru" },
					       { SVM_EXIT_CR3_WRITE_TRAP, "write_cr3_trap" },
					       { SVM_EXIT_CR15_WRITE_TRAP, "write_cr15_trap" },
					       { SVM_EXIT_EXCP_BASE + 29, "VC excp" } };

	same(0, more, sizeof(more) / sizeof(*more), 0x403);
}

static void pvm(uint32_t reason, uint64_t vector, const char *name, const char *class)
{
	uint16_t key = SG_KEY_KVM | pvm_exit_code(reason, vector);
	char buf[32];

	cr_expect_str_eq(sg_kvm_name(key, buf, sizeof(buf)), name, "%#x, %lu: %s, not %s", reason,
			 (unsigned long)vector, buf, name);
	cr_expect_str_eq(sg_kvm_class_name(sg_kvm_class(key)), class, "%s", name);
}

Test(kvmexit, pvm_exceptions)
{
	static const char *const names[] = { "DE", "DB", "NMI", "BP", "OF", "BR", "UD",
					     "NM", "DF", NULL,	"TS", "NP", "SS", "GP",
					     "PF", NULL, "MF",	"AC", "MC", "XM", "VE" };
	char want[16];

	for (uint32_t v = 0; v < sizeof(names) / sizeof(*names); v++) {
		if (!names[v])
			continue;
		snprintf(want, sizeof(want), "%s excp", names[v]);
		pvm(v, v, want, v == 14 ? "page-fault" : v == 2 ? "interrupt" : "other");
	}
	pvm(9, 9, "PVM exit 0x09", "other");
}

#define SYNTHETIC(n) ((uint32_t)(n) << 16)

Test(kvmexit, pvm_of_both_numberings)
{
	static const struct {
		const char *name, *class;
	} calls[] = { { "HYPERCALL", "hypercall" },
		      { "HC_IRQ_WIN", "interrupt" },
		      { "HC_IRQ_HALT", "halt" },
		      { "HC_LOAD_PGTBL", "hypercall" },
		      { "HC_TLB_FLUSH", "hypercall" },
		      { "HC_TLB_FLUSH_CURRENT", "hypercall" },
		      { "HC_TLB_INVLPG", "hypercall" },
		      { "HC_LOAD_GS", "hypercall" },
		      { "HC_RDMSR", "msr" },
		      { "HC_WRMSR", "msr" },
		      { "HC_LOAD_TLS", "hypercall" } };

	pvm(1025, 1025, "FAILED_VMENTRY", "other");
	pvm(SYNTHETIC(1), 1024, "SYSCALL", "other");
	for (uint32_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		pvm(SYNTHETIC(2) + i, 1024, calls[i].name, calls[i].class);
	pvm(SYNTHETIC(2) + 300, 1024, "HYPERCALL", "hypercall");
	pvm(SYNTHETIC(3), 1024, "ERETU", "hypercall");
	/* the first series */
	pvm(SYNTHETIC(4), 1024, "ERETS", "hypercall");
	pvm(SYNTHETIC(5), 236, "INTERRUPT", "interrupt");
	pvm(SYNTHETIC(6), 128, "INT80", "other");
	/* later */
	pvm(SYNTHETIC(4), 32, "INTERRUPT", "interrupt");
	pvm(SYNTHETIC(5), 128, "INT80", "other");
	/* none of either */
	pvm(SYNTHETIC(5), 1024, "invalid", "other");
	pvm(SYNTHETIC(7), 1024, "invalid", "other");
	pvm(1024, 1024, "invalid", "other");
}
