/* SPDX-License-Identifier: GPL-2.0 */
/* What a running thread is doing: system calls, page faults, swap, reclaim, compaction. */
#ifndef SG_WORK_BPF_H
#define SG_WORK_BPF_H

#include "core.bpf.h"
#include "detail.bpf.h"
#include "mark.bpf.h"

/* Per process: pages written to swap, whoever did the writing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u64);
} swapouts SEC(".maps");

/* ---- page faults ---------------------------------------------------------------- */
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

/* ---- swap -------------------------------------------------------------------------- */
static __always_inline void saw_swapin(void)
{
	struct cpu_state *c;
	struct thread *t = running(&c);

	if (t && t->flt)
		t->flt_swap = 1;
}

SEC("?fentry/do_swap_page")
int BPF_PROG(do_swap_page_fentry)
{
	saw_swapin();
	return 0;
}

SEC("?kprobe/do_swap_page")
int BPF_KPROBE(do_swap_page_kprobe)
{
	saw_swapin();
	return 0;
}

/* memcg:count_memcg_events exists since 6.13 (e1ea3f9d6aab); PSWPIN is counted at submission, before the wait. */
const volatile int ev_pswpin = -1;
SEC("?tp_btf/count_memcg_events")
int BPF_PROG(count_memcg_events_btf, struct mem_cgroup *cg, int item)
{
	if (item == ev_pswpin)
		saw_swapin();
	return 0;
}

#define MM_SWAPENTS_ 2
SEC("?tp_btf/rss_stat")
int BPF_PROG(rss_stat_btf, struct mm_struct *mm, int member)
{
	struct task_struct *cur;
	struct thread *t;
	struct cpu_state *c;
	u64 one = 1, *n;
	u32 tgid;

	if (!enabled || member != MM_SWAPENTS_)
		return 0;
	cur = bpf_get_current_task_btf();
	t = running(&c);
	if (!(cur->flags & PF_MEMALLOC_)) {
		if (t && t->flt && cur->mm == mm)
			t->flt_swap = 1;
		return 0;
	}
	if (t && t->rec)
		t->rec_swap = 1;
	tgid = BPF_CORE_READ(mm, owner, tgid);
	n = bpf_map_lookup_elem(&swapouts, &tgid);
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&swapouts, &tgid, &one, BPF_NOEXIST);
	return 0;
}

/* ---- reclaim and compaction ------------------------------------------------------------ */
static __always_inline u32 reclaim_slot(u8 kind)
{
	return kind == SG_K_RMEMCG    ? SG_C_MEM_RECLAIM_MEMCG
	       : kind == SG_K_RDIRECT ? SG_C_MEM_RECLAIM_DIRECT
				      : SG_C_MEM_COMPACT;
}

static __always_inline int reclaim_begin(u8 kind)
{
	struct cpu_state *c;
	struct thread *t = running(&c);

	if (!t || t->rec)
		return 0;
	thread_update_begin(t, c);
	t->rec = kind;
	t->rec_swap = 0;
	t->rec_ns0 = t->s[reclaim_slot(kind) & 31].ns;
	thread_update_end(t);
	return 0;
}

static __always_inline int reclaim_end(u8 kind)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	u32 i = reclaim_slot(kind) & 31;

	if (!t || t->rec != kind)
		return 0;
	thread_update_begin(t, c);
	if (t->rec_swap && t->s[i].ns >= t->rec_ns0) {
		u64 ns = t->s[i].ns - t->rec_ns0;

		t->s[i].ns -= ns;
		i = SG_C_MEM_RECLAIM_SWAP;
		t->s[i].ns += ns;
		t->used |= 1u << SG_C_MEM_RECLAIM_SWAP;
	}
	t->s[i & 31].cnt++;
	t->rec = 0;
	thread_update_end(t);
	return 0;
}

#define RECLAIM_PAIR(begin, end, kind)      \
	SEC("?tp_btf/" #begin)              \
	int BPF_PROG(begin##_btf)           \
	{                                   \
		return reclaim_begin(kind); \
	}                                   \
	SEC("?tp_btf/" #end)                \
	int BPF_PROG(end##_btf)             \
	{                                   \
		return reclaim_end(kind);   \
	}
#define RECLAIM_PAIR_TP(cat, begin, end, kind) \
	SEC("?tp/" #cat "/" #begin)            \
	int begin##_tp(void *ctx)              \
	{                                      \
		return reclaim_begin(kind);    \
	}                                      \
	SEC("?tp/" #cat "/" #end)              \
	int end##_tp(void *ctx)                \
	{                                      \
		return reclaim_end(kind);      \
	}

RECLAIM_PAIR(mm_vmscan_direct_reclaim_begin, mm_vmscan_direct_reclaim_end, SG_K_RDIRECT)
RECLAIM_PAIR(mm_vmscan_memcg_reclaim_begin, mm_vmscan_memcg_reclaim_end, SG_K_RMEMCG)
RECLAIM_PAIR(mm_compaction_begin, mm_compaction_end, SG_K_COMPACT)
RECLAIM_PAIR_TP(vmscan, mm_vmscan_direct_reclaim_begin, mm_vmscan_direct_reclaim_end, SG_K_RDIRECT)
RECLAIM_PAIR_TP(vmscan, mm_vmscan_memcg_reclaim_begin, mm_vmscan_memcg_reclaim_end, SG_K_RMEMCG)
RECLAIM_PAIR_TP(compaction, mm_compaction_begin, mm_compaction_end, SG_K_COMPACT)

/* ---- system calls ------------------------------------------------------------------------ */
static __always_inline void sys_enter(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	struct cpu_state *c;
	u8 slot;
	struct thread *t = running(&c);

	if (!t || t->base == SG_K_KTHREAD)
		return;
	thread_update_begin(t, c);
	if (t->flt)
		fault_close(t, SG_FLT_FAILED);
	t->insys = 1;
	t->nr = nr & 0x7fff;
	t->sysseq++;
	t->want_ustack = 0;
	t->arg[0] = a0;
	t->arg[1] = a1;
	t->arg[2] = a2;
	t->arg[3] = a3;
	t->arg[4] = a4;
	slot = sys_slot(t, t->nr);
	if (!slot) {
		/* A slice with more different calls than slots is cut, so that every count is exact. */
		t->insys = 0;
		t->seq++;
		slice_cut(t);
		t->seq++;
		t->insys = 1;
		slot = sys_slot(t, t->nr);
	}
	t->cursys = slot;
	if (++t->s[slot & 31].cnt > 60000)
		t->many = 1;
	thread_update_end(t);
	if (sysclass[nr & 511] & SC_ACCESS)
		mark_access(nr == 21 ? a0 : a1);
}

/* Did the call return because its time was up? What they return then: man 2 clock_nanosleep, futex, poll ... */
static __always_inline bool time_was_up(u16 nr, long ret)
{
	if (nr == 35 || nr == 230) /* nanosleep, clock_nanosleep */
		return ret == 0;
	if (nr == 202) /* futex: ETIMEDOUT */
		return ret == -110;
	if (nr == 128) /* rt_sigtimedwait: EAGAIN */
		return ret == -11;
	return (sysclass[nr & 511] & (SC_TMO2_MS | SC_TMO3_MS | SC_TMO4_PTR | SC_TMO2_PTR)) && ret == 0;
}

static __always_inline void sys_exit(void *ctx, long ret)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	u64 now;

	/* An exit without an enter is legal: fork's child, seccomp, PTRACE_SYSEMU. */
	if (!t || !t->insys)
		return;
	now = thread_update_begin(t, c);
	if (t->flt)
		fault_close(t, SG_FLT_FAILED);
	/* A wake that no probe saw (an interrupt on top of a thread whose events are not reported) still has a result. */
	if (t->w_kind == SG_K_SYSCALL && t->w_sysseq == t->sysseq && time_was_up(t->nr, ret))
		t->w_flags |= SG_SF_TIMEDOUT;
	t->rec = 0;
	t->insys = 0;
	thread_update_end(t);
	if (t->want_ustack) {
		t->want_ustack = 0;
		emit_cur_stack(ctx, t, c, now, SG_STK_WAIT_USER, BPF_F_USER_STACK);
	}
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(sys_enter_btf, struct pt_regs *regs, long id)
{
	sys_enter(id, regs->di, regs->si, regs->dx, regs->r10, regs->r8);
	return 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(sys_exit_btf, struct pt_regs *regs, long ret)
{
	sys_exit(ctx, ret);
	return 0;
}

SEC("?tp/raw_syscalls/sys_enter")
int sys_enter_tp(struct trace_event_raw_sys_enter *ctx)
{
	sys_enter(ctx->id, ctx->args[0], ctx->args[1], ctx->args[2], ctx->args[3], ctx->args[4]);
	return 0;
}

SEC("?tp/raw_syscalls/sys_exit")
int sys_exit_tp(struct trace_event_raw_sys_exit *ctx)
{
	sys_exit(ctx, ctx->ret);
	return 0;
}

#endif
