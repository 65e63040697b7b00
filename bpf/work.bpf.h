/* SPDX-License-Identifier: GPL-2.0 */
/* What a running thread is doing: system calls, swap, reclaim, compaction. */
#ifndef SG_WORK_BPF_H
#define SG_WORK_BPF_H

#include "core.bpf.h"
#include "detail.bpf.h"
#include "fault.bpf.h"
#include "guest.bpf.h"
#include "kvm.bpf.h"
#include "mark.bpf.h"

/* Per process: pages written to swap, whoever did the writing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u64);
} swapouts SEC(".maps");

/* ---- swap -------------------------------------------------------------------------- */
static __always_inline void saw_swapin(void)
{
	struct cpu_state *c;
	struct thread *t = running(&c);

	if (t && t->flt)
		t->flt_swap = 1;
	else if (t && t->kvm_key)
		exit_becomes(SG_C_MEM_SWAPIN);
	else if (t && t->base == SG_K_KTHREAD)
		t->fetch_swap = 1;
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
const volatile bool swapin_hooked = false; /* do_swap_page() tells of every swap-in itself */
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
		if (swapin_hooked || compat_rss_is_late())
			return 0;
		if (t && t->flt && cur->mm == mm)
			t->flt_swap = 1;
		else if (t && t->kvm_key && cur->mm == mm)
			exit_becomes(SG_C_MEM_SWAPIN);
		else if (t && t->base == SG_K_KTHREAD)
			t->fetch_swap = 1;
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
		reclaim_begin(kind);           \
		return TP_TELL_OTHERS;         \
	}                                      \
	SEC("?tp/" #cat "/" #end)              \
	int end##_tp(void *ctx)                \
	{                                      \
		reclaim_end(kind);             \
		return TP_TELL_OTHERS;         \
	}

RECLAIM_PAIR(mm_vmscan_direct_reclaim_begin, mm_vmscan_direct_reclaim_end, SG_K_RDIRECT)
RECLAIM_PAIR(mm_vmscan_memcg_reclaim_begin, mm_vmscan_memcg_reclaim_end, SG_K_RMEMCG)
RECLAIM_PAIR(mm_compaction_begin, mm_compaction_end, SG_K_COMPACT)
RECLAIM_PAIR_TP(vmscan, mm_vmscan_direct_reclaim_begin, mm_vmscan_direct_reclaim_end, SG_K_RDIRECT)
RECLAIM_PAIR_TP(vmscan, mm_vmscan_memcg_reclaim_begin, mm_vmscan_memcg_reclaim_end, SG_K_RMEMCG)
RECLAIM_PAIR_TP(compaction, mm_compaction_begin, mm_compaction_end, SG_K_COMPACT)

/* ---- system calls ------------------------------------------------------------------------ */
/* Of its arguments only those are looked at here that a call is known by: most calls do not wait, see args_load(). */
static __always_inline void sys_enter(u64 nr, u64 a0, u64 a1, u64 sp)
{
	struct cpu_state *c;
	u8 slot;
	struct thread *t = running(&c);

	if (!t || t->base == SG_K_KTHREAD)
		return;
	/* A slice with more different calls than slots is cut, so that every count is exact. */
	slot = key_slot(t, SG_KEY_SYSCALL | (nr & 0x7fff));
	if (!slot) {
		slice_cut(t);
		slot = key_slot(t, SG_KEY_SYSCALL | (nr & 0x7fff));
	}
	thread_update_begin(t, c);
	if (t->flt)
		fault_close(t, SG_FLT_FAILED);
	if ((nr == NR_RT_SIGRETURN && t->trapkey & SG_KEY_GUEST) ||
	    SG_KEY_TYPE(t->trapkey) == SG_KEY_EMULATED)
		t->trapkey = 0;
	t->insys = 1;
	t->nr = nr & 0x7fff;
	t->syskey = SG_KEY_SYSCALL | t->nr;
	t->sysseq++;
	t->want_ustack = 0;
	t->cursys = slot;
	if (++t->s[slot & 31].cnt > 60000)
		t->many = 1;
	thread_update_end(t);
	if (nr == NR_RT_SIGRETURN && t->trapped)
		trap_return(sp);
	if (nr == NR_FUTEX && (a1 & 0xff) == FUTEX_WAKE_SHARED)
		flipcall_wake(a0);
	if (nr == NR_IOCTL && (u32)a1 == KVM_RUN_ && !(t->vcpu & VCPU_ENTERS))
		vcpu_run(t);
	if (nr == NR_MADVISE && a1 == BALLOON_PAGE && balloon_page(a0) && want_refault)
		balloon_note(a0);
	if (sysclass[nr & 511] & SC_ACCESS)
		mark_access(nr == NR_ACCESS ? a0 : a1);
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
	if (!t)
		return;
	if (!t->insys) {
		if (SG_KEY_TYPE(t->trapkey) == SG_KEY_EMULATED) {
			thread_update_begin(t, c);
			t->trapkey = 0;
			thread_update_end(t);
		}
		return;
	}
	now = thread_update_begin(t, c);
	if (t->flt)
		fault_close(t, SG_FLT_FAILED);
	/* A wake that no probe saw (an interrupt on top of a thread whose events are not reported) still has a result. */
	if (t->w_kind == SG_K_SYSCALL && t->w_sysseq == t->sysseq && time_was_up(t->nr, ret))
		t->w_flags |= SG_SF_TIMEDOUT;
	t->rec = 0;
	t->insys = 0;
	t->kvm_key = 0;
	c->flip = 0;
	if (ret < 0 && ret >= -4095) {
		struct slot *s = &t->s[t->cursys & 31];

		s->err += s->err < 65535;
		t->used |= 1u << (t->cursys & 31);
		t->many = 1; /* the short form has no place for it */
	}
	thread_update_end(t);
	if (t->want_ustack) {
		t->want_ustack = 0;
		emit_cur_stack(ctx, t, c, now, SG_STK_WAIT_USER, BPF_F_USER_STACK);
	}
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(sys_enter_btf, struct pt_regs *regs, long id)
{
	sys_enter(id, regs->di, regs->si, regs->sp);
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
	u64 sp = 0;

	if (ctx->id == NR_RT_SIGRETURN) {
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

		sp = regs ? BPF_CORE_READ(regs, sp) : 0;
	}
	sys_enter(ctx->id, ctx->args[0], ctx->args[1], sp);
	return TP_TELL_OTHERS;
}

SEC("?tp/raw_syscalls/sys_exit")
int sys_exit_tp(struct trace_event_raw_sys_exit *ctx)
{
	sys_exit(ctx, ctx->ret);
	return TP_TELL_OTHERS;
}

#endif
