/* SPDX-License-Identifier: GPL-2.0 */
/* Page faults: begun by their tracepoints, ended by the perf software events, or by what follows when they fail. */
#ifndef SG_FAULT_BPF_H
#define SG_FAULT_BPF_H

#include "core.bpf.h"
#include "detail.bpf.h"

/* The open fault ended as @res: its time leaves the open slot. Between update_begin and _end. */
static __always_inline void fault_close(struct thread *t, u8 res)
{
	u32 to = res == SG_FLT_SWAPIN  ? SG_C_MEM_SWAPIN
		 : res == SG_FLT_MAJOR ? SG_C_CPU_FAULT_MAJOR
				       : SG_C_CPU_FAULT;

	t->s[to].ns += t->s[SG_C_CPU_FAULT_OPEN].ns;
	if (++t->s[to].cnt > 60000)
		t->many = 1;
	t->s[SG_C_CPU_FAULT_OPEN].ns = 0;
	t->used |= 1u << to;
	if (t->w_fltseq == t->fltseq)
		t->fltres = res;
	t->flt = 0;
	t->flt_swap = 0;
	t->rec = 0;
}

static __always_inline int fault_begin(u8 kind)
{
	struct cpu_state *c;
	struct thread *t = running(&c);

	if (!t || t->reading)
		return 0;
	thread_update_begin(t, c);
	if (t->flt)
		fault_close(t, SG_FLT_FAILED); /* a fault has no end when it becomes a signal or EFAULT */
	t->flt = kind;
	t->fltseq++;
	t->flt_swap = 0;
	thread_update_end(t);
	return 0;
}

SEC("?tp_btf/page_fault_user")
int BPF_PROG(page_fault_user_btf)
{
	return fault_begin(SG_K_FAULT);
}

/*
 * Not a fault of the thread's: copies that must not sleep (stack walks of the
 * probes themselves, in interrupts too) run with page faults disabled. They end
 * in no event, and in an interrupt the thread's state is not ours to write.
 */
static __always_inline bool fault_is_refused(void)
{
	struct task_struct *p = bpf_get_current_task_btf();

	return this_cpu()->hard_on || this_cpu()->soft_on || p->pagefault_disabled;
}

SEC("?tp_btf/page_fault_kernel")
int BPF_PROG(page_fault_kernel_btf)
{
	return fault_is_refused() ? 0 : fault_begin(SG_K_KFAULT);
}

static __always_inline int fault_end(void *ctx, bool major)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	u64 now;

	if (!t)
		return 0;
	if (!t->flt) {
		c->orphan_ends++; /* mlock, get_user_pages: no begin; the time stays in the call */
		return 0;
	}
	now = thread_update_begin(t, c);
	fault_close(t, t->flt_swap ? SG_FLT_SWAPIN : major ? SG_FLT_MAJOR : SG_FLT_MINOR);
	thread_update_end(t);
	if (t->want_ustack && !t->insys) {
		t->want_ustack = 0;
		emit_cur_stack(ctx, t, c, now, SG_STK_WAIT_USER, BPF_F_USER_STACK);
	}
	return 0;
}

SEC("?perf_event")
int fault_end_min(struct bpf_perf_event_data *ctx)
{
	return fault_end(ctx, false);
}

SEC("?perf_event")
int fault_end_maj(struct bpf_perf_event_data *ctx)
{
	return fault_end(ctx, true);
}

#endif
