/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "base/kvmexit.h"

#include <stdio.h>
#include "base/kvmcodes.h"
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

#define SG_X(code, class, name) { code, C(class), name },
static const struct code amd[] = { SG_KVM_AMD_LIST(SG_X) };
static const struct code intel[] = { SG_KVM_INTEL_LIST(SG_X) };
static const struct code pvm[] = { SG_KVM_PVM_LIST(SG_X) };
#undef SG_X

/* What an exit turned out to be, whatever the vendor. */
static const struct code own[] = {
	{ SG_KVM_RUN, C(RUN), "run" },	       { SG_KVM_REFAULT, C(REFAULT), "refault" },
	{ SG_KVM_MMIO, C(MMIO), "mmio" },      { SG_KVM_HALT_POLL, C(HALT_POLL), "halt-poll" },
	{ SG_KVM_DIRTY, C(DIRTY), "dirty" },   { SG_KVM_ASYNC, C(ASYNC), "async-page-fault" },
	{ SG_KVM_OTHER, C(OTHER), "invalid" },
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
	{ 32, C(HALT), "ap-reset-hold" },
	{ 33, C(OTHER), "bus-lock" },
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
	if (code >= SG_KVM_RUN)
		return FIND(own, code);
	if (code >= SG_KVM_INTEL)
		return FIND(intel, code - SG_KVM_INTEL);
	return code >= SG_KVM_PVM ? FIND(pvm, code) : FIND(amd, code);
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
		snprintf(buf, cap, "PVM exit 0x%02x", code - SG_KVM_PVM);
	else if (code < 0x20)
		snprintf(buf, cap, "%s_cr%u", code < 0x10 ? "read" : "write", code & 15);
	else if (code < 0x40)
		snprintf(buf, cap, "%s_dr%u", code < 0x30 ? "read" : "write", code & 15);
	else if (code >= 0x90 && code < 0xa0)
		snprintf(buf, cap, "write_cr%u_trap", code & 15);
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
