/* SPDX-License-Identifier: GPL-2.0 */
/*
 * System calls that a sandbox takes from its guest, as the host sees them:
 * seccomp traps (SIGSYS to rt_sigreturn: gVisor's systrap), and the words that two
 * processes leave for each other in a shared window (flipcall: Sentry and Gofer).
 * PTRACE_SYSEMU stops are told in wait_begin(). Nothing here knows gVisor: who the
 * threads are is said by user space, later.
 */
#ifndef SG_GUEST_BPF_H
#define SG_GUEST_BPF_H

#include "core.bpf.h"
#include "fault.bpf.h"
#include "mark.bpf.h"
#include "sched.bpf.h"

#define NR_RT_SIGRETURN	  15
#define NR_FUTEX	  202
#define FUTEX_WAKE_SHARED 1 /* FUTEX_WAKE without FUTEX_PRIVATE_FLAG */
#define FLIPCALL_HEADER	  16
#define SIG_BUS		  7
#define SIG_FPE		  8
#define SIG_ILL		  4
#define SIG_SEGV	  11
#define SIG_SYS		  31
#define SYS_SECCOMP_	  1	 /* si_code of a seccomp trap */
#define GUEST_FAULT	  0x1fff /* not a call: the guest's fault, caught the same way */

/* ---- seccomp traps ---------------------------------------------------------------------- */
/*
 * A guest's thread that was trapped in one stub may go on in another: what they have
 * in common is the guest's stack pointer, which is where the return finds it again.
 */
struct trapped_at {
	u64 sp;
	u32 tgid, pad;
};
struct trapped_call {
	u64 begin;
	u32 nr, pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct trapped_at);
	__type(value, struct trapped_call);
} trapped SEC(".maps");

/* Where rt_sigreturn's frame keeps the stack pointer: struct rt_sigframe behind its return address, uc.uc_mcontext.sp. */
#define SIGFRAME_SP 160

static __always_inline void trap_note(struct thread *t, struct task_struct *p, u32 nr)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(p);
	struct trapped_at at = { .tgid = t->tgid };
	struct trapped_call call = { .begin = bpf_ktime_get_ns(), .nr = nr };

	if (!regs)
		return;
	at.sp = BPF_CORE_READ(regs, sp);
	bpf_map_update_elem(&trapped, &at, &call, BPF_ANY);
}

/* The running thread returns from a signal handler: if that lets a trapped guest go on, its call has ended. */
__noinline int trap_return(u64 usp)
{
	struct thread *t = thread_of(bpf_get_current_task_btf());
	struct cpu_state *c = this_cpu();
	struct trapped_at at = {};
	struct trapped_call *call;
	struct sg_guest *r;
	long bad;

	if (!t || !emits(t))
		return 0;
	at.tgid = t->tgid;
	t->reading = 1;
	bad = bpf_probe_read_user(&at.sp, sizeof(at.sp), (void *)(usp + SIGFRAME_SP));
	t->reading = 0;
	call = bad ? NULL : bpf_map_lookup_elem(&trapped, &at);
	if (!call)
		return 0;
	r = ring_reserve(c, sizeof(*r));
	if (r) {
		fill_hdr(&r->h, c, SG_REC_GUEST, t->uid, bpf_ktime_get_ns());
		r->begin = call->begin;
		r->on_ns = 0;
		r->ret = 0;
		r->gtid = r->sandbox = r->rsv2 = 0;
		r->nr = call->nr;
		r->what = SG_GUEST_CALL;
		r->src = SG_GSRC_TRAP;
		r->len = r->rsv = 0;
		ring_submit(r);
	}
	bpf_map_delete_elem(&trapped, &at);
	return 0;
}

/* A function of its own to the verifier, as slice_cut(): one slot search and one cut. */
__noinline int trap_begin(u32 key32)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	u16 key = key32;
	u8 slot;

	if (!t || t->base != SG_K_USER)
		return 0;
	slot = key_slot(t, key);
	if (!slot) {
		slice_cut(t);
		slot = key_slot(t, key);
	}
	thread_update_begin(t, c);
	if (t->flt)
		fault_close(t, SG_FLT_FAILED); /* the signal is how it ended */
	t->trapkey = key;
	t->trapslot = slot;
	if (SG_KEY_TYPE(key) == SG_KEY_GUEST) {
		t->trapped = 1;
		if (++t->s[slot & 31].cnt > 60000)
			t->many = 1;
		t->used |= 1u << (slot & 31);
	}
	thread_update_end(t);
	return 0;
}

SEC("?tp_btf/signal_generate")
int BPF_PROG(signal_generate_btf, int sig, struct kernel_siginfo *info, struct task_struct *p)
{
	struct task_struct *cur = bpf_get_current_task_btf();
	struct thread *t;
	u32 nr;

	if (!enabled || p != cur)
		return 0;
	if (sig == SIG_SYS) {
		/* small numbers stand for "from the kernel" and "nothing known": no structure */
		if ((u64)info < 4096 || BPF_CORE_READ(info, si_code) != SYS_SECCOMP_)
			return 0;
		nr = BPF_CORE_READ(info, _sifields._sigsys._syscall);
		trap_begin(SG_KEY_GUEST | SG_KEY_LOW(nr));
		t = thread_of(cur);
		if (t)
			trap_note(t, cur, SG_KEY_LOW(nr));
		if (sysclass[nr & 511] & SC_ACCESS)
			trap_mark(nr);
		return 0;
	}
	if (sig != SIG_SEGV && sig != SIG_BUS && sig != SIG_FPE && sig != SIG_ILL)
		return 0;
	t = thread_of(cur);
	if (t && t->trapped) {
		trap_begin(SG_KEY_GUEST | GUEST_FAULT);
		trap_note(t, cur, GUEST_FAULT);
	}
	return 0;
}

/* ---- flipcall ----------------------------------------------------------------------------- */
/* The running thread wakes the other side of a shared window: what it left there. */
__noinline int flipcall_wake(u64 uaddr)
{
	struct thread *t = thread_of(bpf_get_current_task_btf());
	struct cpu_state *c = this_cpu();
	u16 word = 0, key;
	long bad;
	u8 slot;

	if (!t || !t->in || !emits(t))
		return 0;
	t->reading = 1;
	bad = bpf_probe_read_user(&word, sizeof(word), (void *)(uaddr + FLIPCALL_HEADER));
	t->reading = 0;
	if (bad)
		return 0;
	key = SG_KEY_FLIPCALL | SG_KEY_LOW(word);
	slot = key_slot(t, key);
	if (!slot) {
		slice_cut(t);
		slot = key_slot(t, key);
	}
	if (++t->s[slot & 31].cnt > 60000)
		t->many = 1;
	t->used |= 1u << (slot & 31);
	c->flip = SG_NOTE_FLIPCALL | word;
	c->flip_uid = t->uid;
	return 0;
}

#endif
