// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* What the guest runs: one loop for each kind of exit, in 64-bit mode with paging, no stack but for interrupts. The VMM
 * starts each by its registers: rcx how often, rdi address, rdx port, r8 a third word. Each ends with one write to
 * MG_PORT_DONE, which is an exit of its own.
 */
#include "miniguest.h"

// clang-format off
asm(".pushsection .rodata\n"
    ".balign 16\n"
    "mg_code:\n"
    "mg_out:\n"
    "1:	out	%al, %dx\n"
    "	dec	%rcx\n"
    "	jnz	1b\n"
    "	jmp	mg_done\n"
    "mg_in:\n"
    "1:	in	%dx, %al\n"
    "	dec	%rcx\n"
    "	jnz	1b\n"
    "	jmp	mg_done\n"
    "mg_mmio_write:\n"
    "1:	mov	%ecx, (%rdi)\n"
    "	dec	%rcx\n"
    "	jnz	1b\n"
    "	jmp	mg_done\n"
    "mg_mmio_read:\n"
    "1:	mov	(%rdi), %eax\n"
    "	dec	%rcx\n"
    "	jnz	1b\n"
    "	jmp	mg_done\n"
    /* The VMM is told first, so that it can arrange for the interrupt. */
    "mg_halt:\n"
    "1:	out	%al, %dx\n"
    "	sti\n"
    "	hlt\n"
    "	cli\n"
    "	dec	%rcx\n"
    "	jnz	1b\n"
    "	jmp	mg_done\n"
    /* 1 is KVM_HC_VAPIC_POLL_IRQ, which does nothing. */
    "mg_vmmcall:\n"
    "1:	mov	$1, %eax\n"
    "	vmmcall\n"
    "	dec	%rcx\n"
    "	jnz	1b\n"
    "	jmp	mg_done\n"
    "mg_vmcall:\n"
    "1:	mov	$1, %eax\n"
    "	vmcall\n"
    "	dec	%rcx\n"
    "	jnz	1b\n"
    "	jmp	mg_done\n"
    "mg_cpuid:\n"
    "	mov	%rcx, %r8\n"
    "1:	xor	%eax, %eax\n"
    "	xor	%ecx, %ecx\n"
    "	cpuid\n"
    "	dec	%r8\n"
    "	jnz	1b\n"
    "	jmp	mg_done\n"
    /* IA32_APIC_BASE is read through the VMM's kernel always. */
    "mg_msr:\n"
    "	mov	%rcx, %r8\n"
    "	mov	$0x1b, %ecx\n"
    "1:	rdmsr\n"
    "	dec	%r8\n"
    "	jnz	1b\n"
    "	jmp	mg_done\n"
    /* rcx pages from rdi on get a word that is not zero, so that no kernel takes them for empty ones. */
    "mg_touch:\n"
    "1:	mov	%rdi, (%rdi)\n"
    "	add	$4096, %rdi\n"
    "	dec	%rcx\n"
    "	jnz	1b\n"
    "	jmp	mg_done\n"
    /* r8 cycles of the guest's own clock; r9 and r10: what it said at the begin and the end, r11: turns. */
    "mg_burn:\n"
    "	xor	%r11d, %r11d\n"
    "	rdtsc\n"
    "	shl	$32, %rdx\n"
    "	or	%rdx, %rax\n"
    "	mov	%rax, %r9\n"
    "	add	%rax, %r8\n"
    "1:	inc	%r11\n"
    "	rdtsc\n"
    "	shl	$32, %rdx\n"
    "	or	%rdx, %rax\n"
    "	cmp	%r8, %rax\n"
    "	jb	1b\n"
    "	mov	%rax, %r10\n"
    "	jmp	mg_done\n"
    "mg_irq:\n"
    "	iretq\n"
    "mg_done:\n"
    "	out	%al, $" MG_STR(MG_PORT_DONE) "\n"
    "	hlt\n"
    "mg_code_end:\n"
    ".popsection\n");
// clang-format on

#define MG_CODE_AT(label) ((uint64_t)((label) - (mg_code)) + MG_CODE)

extern const char mg_code[], mg_code_end[], mg_irq[];
#define X(name, op, why) extern const char mg_##op[];
MG_PARTS(X)
#undef X
extern const char mg_vmmcall[], mg_vmcall[];

size_t mg_code_copy(void *to)
{
	size_t len = (size_t)(mg_code_end - mg_code);

	memcpy(to, mg_code, len);
	return len;
}

uint64_t mg_code_irq(void)
{
	return MG_CODE_AT(mg_irq);
}

uint64_t mg_code_entry(enum mg_part part, bool intel)
{
	static const char *const at[] = {
#define X(name, op, why) [MG_##name] = mg_##op,
		MG_PARTS(X)
#undef X
	};

	if (part == MG_HYPERCALL && intel)
		return MG_CODE_AT(mg_vmcall);
	return MG_CODE_AT(at[part]);
}
