/* SPDX-License-Identifier: GPL-2.0 */
/* Who makes whom runnable, and from where; what a long wait was spent on, seen from there. */
#ifndef SG_WAKING_BPF_H
#define SG_WAKING_BPF_H

#include "core.bpf.h"
#include "detail.bpf.h"
#include "sched.bpf.h"

int trap_begin(u32 key);
/*
 * Has the running thread just stopped for its tracer, which it wakes? From here on,
 * not from the switch on, it works for the trap; until sys_exit, which is what a
 * resumed emulated call does first. Without that its way through the kernel looks
 * like its own code: 20 % of a guest's getpid loop.
 */
__noinline int emulated_stop(void)
{
	int nr = -1;

	if (has_syscalls && compat_task_state(bpf_get_current_task_btf()) & TASK_TRACED_)
		nr = emulated_call();
	return nr < 0 ? 0 : trap_begin(SG_KEY_EMULATED | SG_KEY_LOW(nr));
}

static __always_inline bool stack_granted(struct cpu_state *c, u64 now, u64 waited)
{
	u64 gain = (now - c->stack_at) / STACK_EVERY_NS;

	if (gain) {
		c->stack_left = gain + c->stack_left > STACK_BURST ? STACK_BURST : gain + c->stack_left;
		c->stack_at = now;
	}
	if (waited > STACK_ALWAYS_NS)
		return true;
	if (!c->stack_left)
		return false;
	c->stack_left--;
	return true;
}

#define SNAP_MIN_NS 20000
const volatile bool in_guest = false;

/* Which of a guest's CPUs the interrupt came to: who of its host gave it can be told by that. */
static __always_inline u32 woke_here(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return in_guest && cpu < SG_NOTE_WOKE_MAX ? (cpu + 1) << SG_NOTE_WOKE_SHIFT : 0;
}

/* How late the timer was that ends the wait: inside a guest its host may not have run the vCPU. */
static __always_inline u32 timer_late(const struct cpu_state *c)
{
	return in_guest ? c->late << SG_NOTE_WOKE_SHIFT : 0;
}

#define VEC_TIMER   1
#define VEC_NET_TX  2
#define VEC_NET_RX  3
#define VEC_HRTIMER 8
#define VEC_MAX	    10

static __always_inline bool is_net(u32 vec)
{
	return vec == VEC_NET_TX || vec == VEC_NET_RX;
}

/*
 * The thread for soft interrupts that take too long is woken: by one that raised what is to be done, or at the end of
 * serving others, by no matter whom that interrupted. Which of them, the raised ones tell. False: they don't.
 */
static __noinline int softirqd_woken(struct cpu_state *c, struct waking *k)
{
	u32 own = 0, any = 0, others = 0, net = 0;

	if (!c || !k)
		return 0;
	for (u32 vec = 0; vec < VEC_MAX; vec++) {
		struct raised *r = &c->raised[vec & 15];
		u32 not_ours = r->hard | r->mixed, is = 1 - is_same(r->uid | not_ours, 0);
		u32 mine = is & is_same(r->uid, c->cur) & is_same(not_ours, 0);

		any |= is;
		net |= is & is_net(vec);
		own |= mine;
		others |= is - mine;
	}
	if (!any || (own && !others))
		return 0;
	k->ctx = SG_WCTX_SOFT;
	k->src = net ? SG_WSRC_NET : SG_WSRC_NONE;
	k->note = woke_here();
	return 1;
}

/* Where the waking happens: this, not current, is the waker. @flags: TH_* of who is woken. */
static __always_inline void waking_context(struct cpu_state *c, struct waking *k, u32 flags)
{
	u32 vec = c->soft_on - 1;

	k->waker = k->raiser = k->dev = 0;
	k->svc = 0;
	k->flags = 0;
	k->vec = 0;
	k->note = 0;
	k->src = SG_WSRC_NONE;
	if (c->blk_on) {
		k->src = SG_WSRC_BLOCK;
		k->dev = c->blk_dev;
		k->svc = c->blk_svc;
	}
	if (c->hard_on) {
		k->ctx = c->timer_on ? SG_WCTX_TIMER : SG_WCTX_HARD;
		if (c->timer_on)
			k->src = SG_WSRC_TIMER;
		k->note = c->timer_on ? timer_late(c) : woke_here();
		if (c->page) {
			k->src = SG_WSRC_PAGE;
			k->note |= c->page_nr;
		}
		return;
	}
	if (c->soft_on && (vec == VEC_TIMER || vec == VEC_HRTIMER)) {
		k->ctx = SG_WCTX_TIMER;
		k->src = SG_WSRC_TIMER;
		k->note = vec == VEC_HRTIMER ? timer_late(c) : 0; /* the other kind counts in ticks */
		return;
	}
	if (c->soft_on && is_net(vec))
		k->src = SG_WSRC_NET;
	if (c->soft_on) {
		k->raiser = c->soft_raiser;
		k->flags |= c->soft_mixed ? SG_SF_MIXED : 0;
	}
	if (c->soft_on && (!(c->cur_flags & TH_KSOFTIRQD) || c->blk_on)) {
		k->ctx = SG_WCTX_SOFT;
		k->vec = vec;
		k->note = woke_here();
		return;
	}
	if (flags & TH_KSOFTIRQD && softirqd_woken(c, k))
		return;
	k->ctx = SG_WCTX_TASK;
	k->waker = c->cur;
	if (c->flip && c->flip_uid == c->cur)
		k->note = c->flip;
}

/* @p's storage can't be had: see wakings_aside. */
static __noinline int waking_aside(u32 pid)
{
	struct cpu_state *c = this_cpu();
	struct waking k = {};

	if (!c->hard_on && !c->soft_on)
		return 0;
	k.at = bpf_ktime_get_ns();
	waking_context(c, &k, 0);
	bpf_map_update_elem(&wakings_aside, &pid, &k, BPF_ANY);
	aside = true;
	return 0;
}

SEC("?tp_btf/sched_waking")
int BPF_PROG(sched_waking_btf, struct task_struct *p)
{
	struct cpu_state *c = this_cpu();
	struct thread *w;
	u64 now;

	if (!enabled)
		return 0;
	w = thread_of(p);
	if (!w)
		return waking_aside(p->pid);
	now = bpf_ktime_get_ns();
	*(volatile u32 *)&w->wseq = w->wseq + 1;
	barrier();
	w->k.at = now;
	waking_context(c, &w->k, w->flags);
	if ((compat_task_state(p) & TASK_FROZEN_) && is_blocked(w->w_stop))
		w->w_stop = SG_STOP_FROZEN;
	barrier();
	*(volatile u32 *)&w->wseq = w->wseq + 1;

	if (w->k.ctx == SG_WCTX_TASK && bpf_get_current_task_btf()->ptrace)
		emulated_stop();
	if (emits(w)) {
		u8 steps = w->flags & TH_INSCOPE ? 0 : w->related;
		bool by_cur = w->k.ctx == SG_WCTX_TASK || (w->k.raiser && w->k.raiser == c->cur);
		bool waits = is_blocked(w->w_way ? w->w_way : w->w_stop);
		bool is_long = !w->in && w->out && waits && now - w->out > stack_threshold_ns;

		/* Who gives an idle kernel worker something to do explains nothing about us. */
		if (w->w_stop == SG_STOP_IDLE && !(w->flags & TH_INSCOPE))
			by_cur = false;
		if (steps && w->k.ctx == SG_WCTX_TASK && c->cur_flags & TH_INSCOPE)
			relate(w, 1, now);
		if (by_cur && c->cur && (!(c->cur_flags & TH_EMIT) || is_long)) {
			struct thread *t = thread_of(bpf_get_current_task_btf());

			if (t && t->tgid != self_tgid) {
				relate(t, steps + 1, now);
				if (t->related)
					c->cur_flags |= TH_RELATED;
				/* A short slice misplaces little when it is prorated. */
				if (is_long && t->last_snap + SNAP_MIN_NS < now)
					emit_snap(t, c, now);
			}
		}
		if (is_long && want_stacks && !compat_on_cpu(p) && stack_granted(c, now, now - w->out))
			emit_wait_stack(p, w, c, now);
	} else if (w->k.ctx == SG_WCTX_TASK && (c->cur_flags & TH_INSCOPE) && w->tgid != self_tgid) {
		relate(w, 1, now);
	}
	return 0;
}

SEC("?tp_btf/sched_wakeup_new")
int BPF_PROG(sched_wakeup_new_btf, struct task_struct *p)
{
	struct cpu_state *c = this_cpu();
	struct thread *w;

	if (!enabled)
		return 0;
	w = thread_of(p);
	/* Threads that the kernel makes for a process (vhost, KVM's huge page worker) pass by sched_process_fork. */
	if (!w) {
		w = thread_born(bpf_get_current_task_btf(), p);
		if (!w)
			return 0;
		/* They never leave the kernel: nothing of their maker's call is theirs. */
		w->base = SG_K_KTHREAD;
		w->insys = 0;
		w->cur = base_slot(w);
		w->w_kind = w->base;
	}
	w->k.at = bpf_ktime_get_ns();
	waking_context(c, &w->k, w->flags);
	return 0;
}

#endif
