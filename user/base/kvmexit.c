/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "base/kvmexit.h"

#include <stdio.h>
#include "sg_abi.h"

/* Keys of classes: codes that no vendor has (AMD's end at 0x403, PVM's begin at 0x500). */
#define CLASS_KERNEL (SG_KEY_KVM | 0x480)
#define CLASS_VMM    (SG_KEY_KVM | SG_KVM_USER | 0x100)

struct code {
	uint16_t code;
	uint8_t class;
	const char *name;
};
#define C(x) SG_KVMC_##x

static const struct code amd[] = {
	{ 0x04e, C(PAGE_FAULT), "PF excp" },
	{ 0x046, C(OTHER), "UD excp" },
	{ 0x04d, C(OTHER), "GP excp" },
	{ 0x047, C(OTHER), "NM excp" },
	{ 0x041, C(OTHER), "DB excp" },
	{ 0x043, C(OTHER), "BP excp" },
	{ 0x051, C(OTHER), "AC excp" },
	{ 0x052, C(OTHER), "MC excp" },
	{ 0x060, C(INTERRUPT), "interrupt" },
	{ 0x061, C(INTERRUPT), "nmi" },
	{ 0x062, C(INTERRUPT), "smi" },
	{ 0x063, C(INTERRUPT), "init" },
	{ 0x064, C(INTERRUPT), "vintr" },
	{ 0x065, C(OTHER), "cr0_sel_write" },
	{ 0x06e, C(OTHER), "rdtsc" },
	{ 0x06f, C(OTHER), "rdpmc" },
	{ 0x072, C(CPUID), "cpuid" },
	{ 0x073, C(OTHER), "rsm" },
	{ 0x074, C(INTERRUPT), "iret" },
	{ 0x076, C(OTHER), "invd" },
	{ 0x077, C(OTHER), "pause" },
	{ 0x078, C(HALT), "hlt" },
	{ 0x079, C(OTHER), "invlpg" },
	{ 0x07a, C(OTHER), "invlpga" },
	{ 0x07b, C(IO), "io" },
	{ 0x07c, C(MSR), "msr" },
	{ 0x07d, C(OTHER), "task_switch" },
	{ 0x07f, C(OTHER), "shutdown" },
	{ 0x080, C(OTHER), "vmrun" },
	{ 0x081, C(HYPERCALL), "hypercall" },
	{ 0x082, C(OTHER), "vmload" },
	{ 0x083, C(OTHER), "vmsave" },
	{ 0x084, C(OTHER), "stgi" },
	{ 0x085, C(OTHER), "clgi" },
	{ 0x087, C(OTHER), "rdtscp" },
	{ 0x089, C(OTHER), "wbinvd" },
	{ 0x08a, C(OTHER), "monitor" },
	{ 0x08b, C(HALT), "mwait" },
	{ 0x08d, C(OTHER), "xsetbv" },
	{ 0x0a2, C(OTHER), "invpcid" },
	{ 0x0a5, C(OTHER), "buslock" },
	{ 0x0a6, C(HALT), "idle-halt" },
	{ 0x400, C(PAGE_FAULT), "npf" },
	{ 0x401, C(INTERRUPT), "avic_incomplete_ipi" },
	{ 0x402, C(INTERRUPT), "avic_unaccelerated_access" },
	{ 0x403, C(OTHER), "vmgexit" },
	{ SG_KVM_RUN, C(RUN), "run" },
	{ SG_KVM_REFAULT, C(REFAULT), "refault" },
	{ SG_KVM_MMIO, C(MMIO), "mmio" },
	{ SG_KVM_HALT_POLL, C(HALT_POLL), "halt-poll" },
	{ SG_KVM_DIRTY, C(DIRTY), "dirty" },
	{ SG_KVM_ASYNC, C(ASYNC), "async-page-fault" },
	{ SG_KVM_OTHER, C(OTHER), "invalid" },
};

static const struct code intel[] = {
	{ 0, C(OTHER), "EXCEPTION_NMI" },
	{ 1, C(INTERRUPT), "EXTERNAL_INTERRUPT" },
	{ 2, C(OTHER), "TRIPLE_FAULT" },
	{ 7, C(INTERRUPT), "INTERRUPT_WINDOW" },
	{ 8, C(INTERRUPT), "NMI_WINDOW" },
	{ 9, C(OTHER), "TASK_SWITCH" },
	{ 10, C(CPUID), "CPUID" },
	{ 12, C(HALT), "HLT" },
	{ 13, C(OTHER), "INVD" },
	{ 14, C(OTHER), "INVLPG" },
	{ 15, C(OTHER), "RDPMC" },
	{ 16, C(OTHER), "RDTSC" },
	{ 18, C(HYPERCALL), "VMCALL" },
	{ 28, C(OTHER), "CR_ACCESS" },
	{ 29, C(OTHER), "DR_ACCESS" },
	{ 30, C(IO), "IO_INSTRUCTION" },
	{ 31, C(MSR), "MSR_READ" },
	{ 32, C(MSR), "MSR_WRITE" },
	{ 33, C(OTHER), "INVALID_STATE" },
	{ 36, C(HALT), "MWAIT_INSTRUCTION" },
	{ 37, C(OTHER), "MONITOR_TRAP_FLAG" },
	{ 39, C(OTHER), "MONITOR_INSTRUCTION" },
	{ 40, C(OTHER), "PAUSE_INSTRUCTION" },
	{ 43, C(OTHER), "TPR_BELOW_THRESHOLD" },
	{ 44, C(MMIO), "APIC_ACCESS" },
	{ 45, C(INTERRUPT), "EOI_INDUCED" },
	{ 46, C(OTHER), "GDTR_IDTR" },
	{ 47, C(OTHER), "LDTR_TR" },
	{ 48, C(PAGE_FAULT), "EPT_VIOLATION" },
	{ 49, C(MMIO), "EPT_MISCONFIG" },
	{ 51, C(OTHER), "RDTSCP" },
	{ 52, C(INTERRUPT), "PREEMPTION_TIMER" },
	{ 54, C(OTHER), "WBINVD" },
	{ 55, C(OTHER), "XSETBV" },
	{ 56, C(MMIO), "APIC_WRITE" },
	{ 58, C(OTHER), "INVPCID" },
	{ 62, C(OTHER), "PML_FULL" },
	{ 67, C(HALT), "UMWAIT" },
	{ 68, C(HALT), "TPAUSE" },
	{ 74, C(OTHER), "BUS_LOCK" },
	{ 75, C(INTERRUPT), "NOTIFY" },
	{ 84, C(MSR), "MSR_READ_IMM" },
	{ 85, C(MSR), "MSR_WRITE_IMM" },
};

/* KVM_EXIT_*, linux/kvm.h */
static const struct code vmm[] = {
	{ 0, C(OTHER), "unknown" },
	{ 1, C(OTHER), "exception" },
	{ 2, C(IO), "io" },
	{ 3, C(HYPERCALL), "hypercall" },
	{ 4, C(OTHER), "debug" },
	{ 5, C(HALT), "hlt" },
	{ 6, C(MMIO), "mmio" },
	{ 7, C(INTERRUPT), "irq-window" },
	{ 8, C(OTHER), "shutdown" },
	{ 9, C(OTHER), "fail-entry" },
	{ 10, C(SIGNAL), "signal" },
	{ 11, C(OTHER), "set-tpr" },
	{ 12, C(OTHER), "tpr-access" },
	{ 16, C(INTERRUPT), "nmi" },
	{ 17, C(OTHER), "internal-error" },
	{ 24, C(OTHER), "system-event" },
	{ 26, C(INTERRUPT), "ioapic-eoi" },
	{ 27, C(HYPERCALL), "hyperv" },
	{ 29, C(MSR), "rdmsr" },
	{ 30, C(MSR), "wrmsr" },
	{ 31, C(OTHER), "dirty-ring-full" },
	{ 34, C(HYPERCALL), "xen" },
	{ 37, C(OTHER), "notify" },
	{ 39, C(PAGE_FAULT), "memory-fault" },
};

static const struct code *find(const struct code *t, size_t n, unsigned code)
{
	for (size_t i = 0; i < n; i++)
		if (t[i].code == code)
			return &t[i];
	return NULL;
}
#define FIND(t, code) find(t, sizeof(t) / sizeof((t)[0]), code)

static const struct code *code_of(uint16_t key)
{
	unsigned code = key & 0x7ff;

	if (key & SG_KVM_USER)
		return FIND(vmm, key & 0xff);
	if (code >= SG_KVM_INTEL && code < SG_KVM_INTEL + 0x100)
		return FIND(intel, code - SG_KVM_INTEL);
	return FIND(amd, code);
}

static bool is_balloon(uint16_t key)
{
	unsigned code = key & 0xfff;

	return code >= SG_KVM_BALLOON && code <= SG_KVM_DEFLATE;
}

enum sg_kvm_class sg_kvm_class(uint16_t key)
{
	const struct code *c = code_of(key);

	if (is_balloon(key))
		return SG_KVMC_NONE;
	return c ? c->class : SG_KVMC_OTHER;
}

const char *sg_kvm_class_name(enum sg_kvm_class c)
{
	static const char *const names[SG_KVMC_MAX] = {
#define SG_X(id, sym, name) [id] = name,
		SG_KVM_CLASS_LIST(SG_X)
#undef SG_X
	};

	return (unsigned)c < SG_KVMC_MAX && names[c] ? names[c] : "?";
}

const char *sg_kvm_name(uint16_t key, char *buf, size_t cap)
{
	const struct code *c = code_of(key);
	unsigned code = key & 0x7ff;

	if (c)
		return c->name;
	if (key & SG_KVM_USER)
		snprintf(buf, cap, "KVM_EXIT %u", key & 0xff);
	else if (code >= SG_KVM_INTEL)
		snprintf(buf, cap, "VMX exit %u", code - SG_KVM_INTEL);
	else if (code >= SG_KVM_PVM)
		snprintf(buf, cap, "PVM exit %u", code - SG_KVM_PVM);
	else if (code < 0x20)
		snprintf(buf, cap, "%s_cr%u", code < 0x10 ? "read" : "write", code & 15);
	else if (code < 0x40)
		snprintf(buf, cap, "%s_dr%u", code < 0x30 ? "read" : "write", code & 15);
	else
		snprintf(buf, cap, "exit 0x%03x", code);
	return buf;
}

/* The class of a key, as recorded or already one of a class. */
static unsigned class_in(uint16_t key)
{
	unsigned at = key & 0xfff, kernel = CLASS_KERNEL & 0xfff, user = CLASS_VMM & 0xfff;

	if (at >= kernel && at < kernel + SG_KVMC_MAX)
		return at - kernel;
	if (at >= user && at < user + SG_KVMC_MAX)
		return at - user;
	return sg_kvm_class(key);
}

uint16_t sg_kvm_cause(uint16_t key)
{
	if (!SG_KEY_IS_KVM(key))
		return key;
	if (is_balloon(key))
		return SG_C_MEM_BALLOON;
	return (key & SG_KVM_USER ? CLASS_VMM : CLASS_KERNEL) + class_in(key);
}

const char *sg_kvm_cause_name(uint16_t key, char *buf, size_t cap)
{
	if (is_balloon(key))
		return "mem.balloon";
	snprintf(buf, cap, "%s.%s", key & SG_KVM_USER ? "vmm.user" : "kvm.exit",
		 sg_kvm_class_name(class_in(key)));
	return buf;
}
