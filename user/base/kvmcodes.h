/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Codes of a vCPU's exits: X(code, CLASS, name). Names are those that the kernel's tracepoint kvm_exit prints
 * (arch/x86/include/uapi/asm/svm.h and vmx.h; PVM: arch/x86/include/uapi/asm/pvm_trace.h and arch/x86/kvm/pvm/pvm.h
 * of github.com/virt-pvm/linux, "KVM: x86/PVM: Support for kvm_exit() tracepoint", February 2024), for codes that it has
 * no name for those of AMD APM vol. 2 appendix C. test_kvmexit.c holds them against the installed headers.
 */
#ifndef SG_KVMCODES_H
#define SG_KVMCODES_H

/* An exception of the guest's is its vector, AMD's and PVM's from a base on. Two call #XM by other names. */
#define SG_KVM_VECTOR_LIST(X, base, xm)       \
	X((base) + 0, OTHER, "DE excp")       \
	X((base) + 1, OTHER, "DB excp")       \
	X((base) + 2, INTERRUPT, "NMI excp")  \
	X((base) + 3, OTHER, "BP excp")       \
	X((base) + 4, OTHER, "OF excp")       \
	X((base) + 5, OTHER, "BR excp")       \
	X((base) + 6, OTHER, "UD excp")       \
	X((base) + 7, OTHER, "NM excp")       \
	X((base) + 8, OTHER, "DF excp")       \
	X((base) + 10, OTHER, "TS excp")      \
	X((base) + 11, OTHER, "NP excp")      \
	X((base) + 12, OTHER, "SS excp")      \
	X((base) + 13, OTHER, "GP excp")      \
	X((base) + 14, PAGE_FAULT, "PF excp") \
	X((base) + 16, OTHER, "MF excp")      \
	X((base) + 17, OTHER, "AC excp")      \
	X((base) + 18, OTHER, "MC excp")      \
	X((base) + 19, OTHER, xm)             \
	X((base) + 20, OTHER, "VE excp")      \
	X((base) + 21, OTHER, "CP excp")      \
	X((base) + 28, OTHER, "HV excp")      \
	X((base) + 29, OTHER, "VC excp")      \
	X((base) + 30, OTHER, "SX excp")

/* Control and debug registers, 0x000 to 0x03f and 0x090 to 0x09f, have their number in their code. */
#define SG_KVM_AMD_LIST(X)                               \
	SG_KVM_VECTOR_LIST(X, 0x040, "XF excp")          \
	X(0x060, INTERRUPT, "interrupt")                 \
	X(0x061, INTERRUPT, "nmi")                       \
	X(0x062, INTERRUPT, "smi")                       \
	X(0x063, INTERRUPT, "init")                      \
	X(0x064, INTERRUPT, "vintr")                     \
	X(0x065, OTHER, "cr0_sel_write")                 \
	X(0x066, OTHER, "read_idtr")                     \
	X(0x067, OTHER, "read_gdtr")                     \
	X(0x068, OTHER, "read_ldtr")                     \
	X(0x069, OTHER, "read_tr")                       \
	X(0x06a, OTHER, "write_idtr")                    \
	X(0x06b, OTHER, "write_gdtr")                    \
	X(0x06c, OTHER, "write_ldtr")                    \
	X(0x06d, OTHER, "write_tr")                      \
	X(0x06e, OTHER, "rdtsc")                         \
	X(0x06f, OTHER, "rdpmc")                         \
	X(0x070, OTHER, "pushf")                         \
	X(0x071, OTHER, "popf")                          \
	X(0x072, CPUID, "cpuid")                         \
	X(0x073, OTHER, "rsm")                           \
	X(0x074, INTERRUPT, "iret")                      \
	X(0x075, OTHER, "swint")                         \
	X(0x076, OTHER, "invd")                          \
	X(0x077, OTHER, "pause")                         \
	X(0x078, HALT, "hlt")                            \
	X(0x079, OTHER, "invlpg")                        \
	X(0x07a, OTHER, "invlpga")                       \
	X(0x07b, IO, "io")                               \
	X(0x07c, MSR, "msr")                             \
	X(0x07d, OTHER, "task_switch")                   \
	X(0x07e, OTHER, "ferr_freeze")                   \
	X(0x07f, OTHER, "shutdown")                      \
	X(0x080, OTHER, "vmrun")                         \
	X(0x081, HYPERCALL, "hypercall")                 \
	X(0x082, OTHER, "vmload")                        \
	X(0x083, OTHER, "vmsave")                        \
	X(0x084, OTHER, "stgi")                          \
	X(0x085, OTHER, "clgi")                          \
	X(0x086, OTHER, "skinit")                        \
	X(0x087, OTHER, "rdtscp")                        \
	X(0x088, OTHER, "icebp")                         \
	X(0x089, OTHER, "wbinvd")                        \
	X(0x08a, OTHER, "monitor")                       \
	X(0x08b, HALT, "mwait")                          \
	X(0x08c, HALT, "mwait_cond")                     \
	X(0x08d, OTHER, "xsetbv")                        \
	X(0x08e, OTHER, "rdpru")                         \
	X(0x08f, OTHER, "write_efer_trap")               \
	X(0x0a0, OTHER, "invlpgb")                       \
	X(0x0a1, OTHER, "invlpgb_illegal")               \
	X(0x0a2, OTHER, "invpcid")                       \
	X(0x0a3, OTHER, "mcommit")                       \
	X(0x0a4, OTHER, "tlbsync")                       \
	X(0x0a5, OTHER, "buslock")                       \
	X(0x0a6, HALT, "idle-halt")                      \
	X(0x400, PAGE_FAULT, "npf")                      \
	X(0x401, INTERRUPT, "avic_incomplete_ipi")       \
	X(0x402, INTERRUPT, "avic_unaccelerated_access") \
	X(0x403, OTHER, "vmgexit")

#define SG_KVM_INTEL_LIST(X)                  \
	X(0, OTHER, "EXCEPTION_NMI")          \
	X(1, INTERRUPT, "EXTERNAL_INTERRUPT") \
	X(2, OTHER, "TRIPLE_FAULT")           \
	X(3, INTERRUPT, "INIT_SIGNAL")        \
	X(4, INTERRUPT, "SIPI_SIGNAL")        \
	X(7, INTERRUPT, "INTERRUPT_WINDOW")   \
	X(8, INTERRUPT, "NMI_WINDOW")         \
	X(9, OTHER, "TASK_SWITCH")            \
	X(10, CPUID, "CPUID")                 \
	X(12, HALT, "HLT")                    \
	X(13, OTHER, "INVD")                  \
	X(14, OTHER, "INVLPG")                \
	X(15, OTHER, "RDPMC")                 \
	X(16, OTHER, "RDTSC")                 \
	X(18, HYPERCALL, "VMCALL")            \
	X(19, OTHER, "VMCLEAR")               \
	X(20, OTHER, "VMLAUNCH")              \
	X(21, OTHER, "VMPTRLD")               \
	X(22, OTHER, "VMPTRST")               \
	X(23, OTHER, "VMREAD")                \
	X(24, OTHER, "VMRESUME")              \
	X(25, OTHER, "VMWRITE")               \
	X(26, OTHER, "VMOFF")                 \
	X(27, OTHER, "VMON")                  \
	X(28, OTHER, "CR_ACCESS")             \
	X(29, OTHER, "DR_ACCESS")             \
	X(30, IO, "IO_INSTRUCTION")           \
	X(31, MSR, "MSR_READ")                \
	X(32, MSR, "MSR_WRITE")               \
	X(33, OTHER, "INVALID_STATE")         \
	X(34, OTHER, "MSR_LOAD_FAIL")         \
	X(36, HALT, "MWAIT_INSTRUCTION")      \
	X(37, OTHER, "MONITOR_TRAP_FLAG")     \
	X(39, OTHER, "MONITOR_INSTRUCTION")   \
	X(40, OTHER, "PAUSE_INSTRUCTION")     \
	X(41, OTHER, "MCE_DURING_VMENTRY")    \
	X(43, OTHER, "TPR_BELOW_THRESHOLD")   \
	X(44, MMIO, "APIC_ACCESS")            \
	X(45, INTERRUPT, "EOI_INDUCED")       \
	X(46, OTHER, "GDTR_IDTR")             \
	X(47, OTHER, "LDTR_TR")               \
	X(48, PAGE_FAULT, "EPT_VIOLATION")    \
	X(49, MMIO, "EPT_MISCONFIG")          \
	X(50, OTHER, "INVEPT")                \
	X(51, OTHER, "RDTSCP")                \
	X(52, INTERRUPT, "PREEMPTION_TIMER")  \
	X(53, OTHER, "INVVPID")               \
	X(54, OTHER, "WBINVD")                \
	X(55, OTHER, "XSETBV")                \
	X(56, MMIO, "APIC_WRITE")             \
	X(57, OTHER, "RDRAND")                \
	X(58, OTHER, "INVPCID")               \
	X(59, OTHER, "VMFUNC")                \
	X(60, OTHER, "ENCLS")                 \
	X(61, OTHER, "RDSEED")                \
	X(62, OTHER, "PML_FULL")              \
	X(63, OTHER, "XSAVES")                \
	X(64, OTHER, "XRSTORS")               \
	X(67, HALT, "UMWAIT")                 \
	X(68, HALT, "TPAUSE")                 \
	X(74, OTHER, "BUS_LOCK")              \
	X(75, INTERRUPT, "NOTIFY")            \
	X(76, OTHER, "SEAMCALL")              \
	X(77, HYPERCALL, "TDCALL")            \
	X(84, MSR, "MSR_READ_IMM")            \
	X(85, MSR, "MSR_WRITE_IMM")

/* SYSCALL, INT80: the guest's user space calls its kernel. ERETU, ERETS: its kernel goes back, by a call of the hypervisor. */
#define SG_KVM_PVM_LIST(X)                                             \
	SG_KVM_VECTOR_LIST(X, SG_KVM_PVM, "XM excp")                   \
	X(SG_KVM_PVM_INTERRUPT, INTERRUPT, "INTERRUPT")                \
	X(SG_KVM_PVM_FAILED, OTHER, "FAILED_VMENTRY")                  \
	X(SG_KVM_PVM_SYSCALL, OTHER, "SYSCALL")                        \
	X(SG_KVM_PVM_ERETU, HYPERCALL, "ERETU")                        \
	X(SG_KVM_PVM_ERETS, HYPERCALL, "ERETS")                        \
	X(SG_KVM_PVM_INT80, OTHER, "INT80")                            \
	X(SG_KVM_PVM_HYPERCALL, HYPERCALL, "HYPERCALL")                \
	X(SG_KVM_PVM_HYPERCALL + 1, INTERRUPT, "HC_IRQ_WIN")           \
	X(SG_KVM_PVM_HYPERCALL + 2, HALT, "HC_IRQ_HALT")               \
	X(SG_KVM_PVM_HYPERCALL + 3, HYPERCALL, "HC_LOAD_PGTBL")        \
	X(SG_KVM_PVM_HYPERCALL + 4, HYPERCALL, "HC_TLB_FLUSH")         \
	X(SG_KVM_PVM_HYPERCALL + 5, HYPERCALL, "HC_TLB_FLUSH_CURRENT") \
	X(SG_KVM_PVM_HYPERCALL + 6, HYPERCALL, "HC_TLB_INVLPG")        \
	X(SG_KVM_PVM_HYPERCALL + 7, HYPERCALL, "HC_LOAD_GS")           \
	X(SG_KVM_PVM_HYPERCALL + 8, MSR, "HC_RDMSR")                   \
	X(SG_KVM_PVM_HYPERCALL + 9, MSR, "HC_WRMSR")                   \
	X(SG_KVM_PVM_HYPERCALL + 10, HYPERCALL, "HC_LOAD_TLS")

#endif
