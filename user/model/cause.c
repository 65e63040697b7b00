/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Names of causes and segment keys. */
#include <stdio.h>
#include "base/kvmexit.h"
#include "base/sysnr.h"
#include "model/model.h"

static const char *const names[SG_C_MAX] = {
#define SG_X(id, sym, name, ...) [id] = name,
	SG_CAUSE_LIST(SG_X)
#undef SG_X
};

const char *sg_cause_name(uint16_t key, char *buf, size_t cap)
{
	if (key & SG_KEY_SYSCALL) {
		unsigned nr = key & ~SG_KEY_SYSCALL;
		const char *name = sg_syscall_name(nr);

		if (name)
			snprintf(buf, cap, "cpu.sys.%s", name);
		else
			snprintf(buf, cap, "cpu.sys.nr%u", nr);
		return buf;
	}
	if (SG_KEY_IS_KVM(key))
		return sg_kvm_cause_name(key, buf, cap);
	if (key & SG_KEY_GUEST)
		return names[SG_KEY_TYPE(key) == SG_KEY_EMULATED ? SG_C_TRAP_PTRACE : SG_C_TRAP_SECCOMP];
	if (key < SG_C_MAX && names[key])
		return names[key];
	snprintf(buf, cap, key ? "cause%u" : "none", key);
	return buf;
}

bool sg_cause_on_cpu(uint16_t key)
{
	return key & SG_KEY_SYSCALL || SG_KEY_IS_KVM(key) || key == SG_C_KVM_EXIT || key == SG_C_VMM_USER ||
	       (key >= SG_C_CPU_USER && key <= SG_C_CPU_GUEST) ||
	       (key >= SG_C_CPU_FAULT_MAJOR && key <= SG_C_CPU_SPIN);
}

const char *sg_syscall_name(unsigned nr)
{
	return sg_sysnr_name(nr);
}
