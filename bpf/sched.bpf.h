/* SPDX-License-Identifier: GPL-2.0 */
/* Switches: the slice of one thread ends and its wait begins, the wait of another ends. The only program that ends a slice. */
#ifndef SG_SCHED_BPF_H
#define SG_SCHED_BPF_H

#include "core.bpf.h"
#include "detail.bpf.h"
#include "slice.bpf.h"

static __always_inline u8 stop_of(struct task_struct *p, const struct thread *t, bool preempt, u32 state)
{
	if (preempt || !state) {
		if (compat_throttled(p))
			return SG_STOP_THROTTLED;
		if (!preempt && t->insys && (sysclass[t->nr & 511] & SC_YIELD))
			return SG_STOP_YIELD;
		return SG_STOP_RUNNABLE;
	}
	if (state & (TASK_DEAD_ | EXIT_DEAD_ | EXIT_ZOMBIE_))
		return SG_STOP_DEAD;
	if (state & TASK_TRACED_)
		return SG_STOP_TRACED;
	if (state & TASK_STOPPED_)
		return SG_STOP_STOPPED;
	if ((state & TASK_FROZEN_) || compat_task_frozen(p))
		return SG_STOP_FROZEN;
	if (state & (TASK_PARKED_ | TASK_NOLOAD_))
		return SG_STOP_IDLE;
	if (state & TASK_UNINTERRUPTIBLE_)
		return SG_STOP_DISK;
	return state & TASK_INTERRUPTIBLE_ ? SG_STOP_SLEEP : SG_STOP_BLOCKED;
}

static __always_inline bool is_blocked(u8 stop)
{
	return stop == SG_STOP_SLEEP || stop == SG_STOP_DISK || stop == SG_STOP_BLOCKED;
}

/*
 * A thread that has said that it will wait, but is preempted before it does, stays in the queue: __schedule() takes none off
 * it for a preemption, whatever its state (kernel/sched/core.c). Most will find when
 * they come on that they need not wait, or only then wait; but who is woken meanwhile has waited until then.
 */
static __always_inline u8 way_of(struct task_struct *p, const struct thread *t, u32 stop, u32 state)
{
	u8 way = stop == SG_STOP_RUNNABLE && state ? stop_of(p, t, false, state) : 0;

	return is_blocked(way) ? way : 0;
}

/* The thread comes on: was that the wait it was on the way to? What explains it explains no turn in the queue. */
static __always_inline void way_ends(struct thread *t)
{
	if (t->w_wake > t->out) {
		t->w_stop = t->w_way;
	} else {
		t->w_flags &= ~(SG_SF_IOWAIT | SG_SF_MEMSTALL | SG_SF_DELAYED | SG_SF_TIMEOUT);
		t->w_fdtype = SG_FD_NONE;
		t->w_arg = 0;
	}
	t->w_way = 0;
}

/* Arguments of the system call that @p blocks in: they stay in its saved registers while it lasts. */
static __always_inline void args_load(struct task_struct *p, struct thread *t)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(p);

	if (!regs)
		return;
	t->arg[0] = regs->di;
	t->arg[1] = regs->si;
	t->arg[2] = regs->dx;
	t->arg[3] = regs->r10;
	t->arg[4] = regs->r8;
}

static __always_inline bool finite_timeout(const struct thread *t, u8 class)
{
	if (class & SC_TMO2_MS)
		return (int)t->arg[2] >= 0;
	if (class & SC_TMO3_MS)
		return (int)t->arg[3] >= 0;
	if (class & SC_TMO3_PTR)
		return t->arg[3] != 0;
	if (class & SC_TMO4_PTR)
		return t->arg[4] != 0;
	if (class & SC_TMO2_PTR)
		return t->arg[2] != 0;
	return false;
}

/* What explains the wait that begins now; sent with the slice that ends it. */
/* @nr: call that its tracer is to emulate, -1 none */
static __always_inline void wait_begin(struct task_struct *p, struct thread *t, u64 now, u8 stop, int nr)
{
	u32 flags = 0;
	u8 class = t->insys ? sysclass[t->nr & 511] : 0;

	if (t->insys && stop != SG_STOP_RUNNABLE)
		args_load(p, t);
	t->out = now;
	t->w_stop = stop;
	t->w_kind = top_kind(t);
	t->w_nr = t->insys ? t->nr : 0;
	t->w_sysseq = t->sysseq;
	t->w_fltseq = t->flt ? t->fltseq : 0;
	t->w_arg = t->insys && stop != SG_STOP_RUNNABLE ? (u32)t->arg[1] : 0;
	if (stop == SG_STOP_TRACED && !t->insys) {
		t->w_arg = compat_thread_pointer(p);
		if (nr >= 0) {
			t->w_kind = SG_K_GUESTCALL;
			t->w_nr = nr & 0x7fff;
		}
	}
	t->w_fdtype = SG_FD_NONE;
	t->fltres = SG_FLT_OPEN;
	if (stop != SG_STOP_RUNNABLE && stop != SG_STOP_THROTTLED) {
		if (compat_in_iowait(p))
			flags |= SG_SF_IOWAIT;
		if (compat_in_memstall(p))
			flags |= SG_SF_MEMSTALL;
		if (compat_sched_delayed(p))
			flags |= SG_SF_DELAYED;
		if ((class & SC_FD0) && t->w_kind == SG_K_SYSCALL)
			t->w_fdtype = fd_type(p, t->arg[0]);
	}
	if (class && stop != SG_STOP_RUNNABLE && finite_timeout(t, class))
		flags |= SG_SF_TIMEOUT;
	if (t->compat)
		flags |= SG_SF_COMPAT;
	if (t->rec && t->rec_swap)
		flags |= SG_SF_SWAPOUT;
	t->w_flags = flags;
	t->work_flag = 0;
	t->run_delay = compat_run_delay(p);
	t->thr_rq = (u64)p->se.cfs_rq;
	t->thr_clock = compat_throttle_clock(p);
}

/*
 * Stacks are dear (3 us, kernel and user side), and a sandbox has tens of thousands of
 * waits a second that are just over the threshold: of those 4,000 a second and CPU
 * are enough for any statistics. Waits over 1 ms always have theirs.
 */
#define STACK_EVERY_NS	250000
#define STACK_BURST	64
#define STACK_ALWAYS_NS 1000000

/* The thread comes on: the wait ends, a slice begins. */
static __always_inline void slice_begin(struct task_struct *p, struct thread *t, struct cpu_state *c, u64 now,
					u64 irq, u32 who)
{
	t->in = now;
	t->last = now - irq;
	t->irq_in = irq;
	t->irqs_in = c->irqs;
	t->last_snap = now;
	t->w_who = who;
	t->many = t->resynced = 0;
	t->snap_user = t->snap_hidden = 0;
	t->rec_ns0 = 0;
	t->seq &= ~1u;
	if (t->used)
		slots_clear(t);
	slots_begin(t);
	relation_ages(t, now);
	wake_consume(t);
	if (t->w_way)
		way_ends(t);
	if (aside && !t->w_wake && is_blocked(t->w_stop))
		aside_take(t, p->pid);
	t->w_throttle = 0;
	/* The clock is the queue's: of another CPU's queue it says nothing about this wait. */
	if (t->thr_rq == (u64)p->se.cfs_rq) {
		u64 v = compat_throttle_clock(p);

		if (v > t->thr_clock)
			t->w_throttle = v - t->thr_clock;
	}
	if (emits(t) && is_blocked(t->w_stop) && t->out && now - t->out > stack_threshold_ns) {
		t->want_ustack = want_stacks && t->w_flags & SG_SF_STACK;
		if (t->w_fdtype && (t->want_ustack || !want_stacks || now - t->out > STACK_ALWAYS_NS))
			emit_detail(p, t, c, now);
	}
}

static __always_inline void emit_exit(struct task_struct *p, struct thread *t, struct cpu_state *c, u64 now)
{
	struct sg_exit *r = ring_reserve(c, sizeof(*r));
	struct task_delay_info *d;

	if (!r)
		return;
	fill_hdr(&r->h, c, SG_REC_EXIT, t->uid, now);
	r->code = p->exit_code;
	r->rsv = 0;
	r->utime = p->utime;
	r->stime = p->stime;
	r->run_ns = p->se.sum_exec_runtime;
	r->runq_ns =
		bpf_core_field_exists(p->sched_info.run_delay) ? BPF_CORE_READ(p, sched_info.run_delay) : 0;
	r->minflt = p->min_flt;
	r->majflt = p->maj_flt;
	r->swapin_ns = r->blkio_ns = r->freepages_ns = r->thrash_ns = 0;
	d = bpf_core_field_exists(p->delays) ? BPF_CORE_READ(p, delays) : NULL;
	if (d) {
		r->swapin_ns = BPF_CORE_READ(d, swapin_delay);
		r->blkio_ns = BPF_CORE_READ(d, blkio_delay);
		r->freepages_ns = BPF_CORE_READ(d, freepages_delay);
		r->thrash_ns = BPF_CORE_READ(d, thrashing_delay);
	}
	ring_submit(r);
}

/*
 * The distance of the two clocks, from a reported begin. An arrival that was not
 * reported comes later and makes it look smaller, by far: only small steps down are
 * believed, or a step that stays.
 */
static __always_inline void arrival_learn(struct cpu_state *c, s64 off)
{
	if (!c->arrival_off || off > c->arrival_off - 20000 || ++c->arrival_odd > 64) {
		c->arrival_off = off;
		c->arrival_odd = 0;
	}
}

/* The hidden wait of the slice that ends: out of user code, where no event could have told, but never out of what a cut has sent. */
static __always_inline void hidden_wait(struct task_struct *p, struct thread *t, struct cpu_state *c)
{
	u64 arrival = compat_last_arrival(p), delta = hidden_ns(p, t, c);
	struct slot *user = &t->s[SG_C_CPU_USER];

	if (!delta) {
		if (arrival && !t->resynced && t->w_stop != SG_STOP_NONE)
			arrival_learn(c, t->in - arrival);
		return;
	}
	if (user->ns < t->snap_user + delta)
		delta = t->snap_hidden;
	if (!delta || user->ns < delta)
		return;
	user->ns -= delta;
	t->s[SLOT_HIDDEN].ns += delta;
	t->s[SLOT_HIDDEN].cnt++;
	t->used |= 1u << SLOT_HIDDEN;
	c->hidden++;
}

/*
 * The current thread goes off: it is `prev` of a switch. These are functions of their own to the verifier (not static):
 * as one, each of the many ends of a step was walked on through all later ones, and then through the beginning of the
 * next thread's slice: 634,000 instructions on 6.18, of a million that are allowed.
 */
/* Its slice is sent, if anybody wants it. */
__noinline int off_send(struct thread *t, u64 now, u64 irq, u32 stop)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct closing k = { .now = now, .irq = irq, .stop = stop };
	struct cpu_state *c = this_cpu();

	if (!t || !emits(t))
		return 0;
	if (!(t->flags & TH_ANNOUNCED))
		emit_thread(p, t, c, now, 0);
	if (t->in || !(t->flags & TH_FIRST) || k.stop == SG_STOP_DEAD)
		/* The last slice goes before the thread's EXIT, which bears the same time. */
		emit_slice(t, c, &k, k.stop != SG_STOP_DEAD);
	if (k.stop == SG_STOP_DEAD) {
		if (t->flags & TH_LAST)
			emit_proc_mark(p, t, c, now, SG_MARK_EXIT);
		emit_exit(p, t, c, now);
	}
	return 0;
}

/* The current thread had the CPU that a recorded one gets, perhaps after a wait for it: it is named, whether in scope or not. */
__noinline int off_named(struct thread *t, u64 now)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct cpu_state *c = this_cpu();

	if (t && !(t->flags & TH_ANNOUNCED))
		emit_thread(p, t, c, now, 0);
	return 0;
}

/* Its next wait begins. */
__noinline int off_wait(struct thread *t, u64 now, u32 stop, int nr)
{
	if (t) {
		t->in = 0;
		wait_begin(bpf_get_current_task_btf(), t, now, t->w_way ? t->w_way : stop, nr);
		t->w_stop = stop;
	}
	return 0;
}

/* Its slice ends. @how: its state, with OFF_PREEMPTED. Returns enum sg_stop. */
#define OFF_PREEMPTED (1u << 31)
__noinline int off_end(struct thread *t, u64 now, u64 irq, u32 how)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct cpu_state *c = this_cpu();
	u32 stop;

	if (!t)
		return 0;
	/* The switch-in of this thread, or this CPU's last switch, was not reported, and it had no event since. */
	if (!t->in || c->cur != t->uid) {
		if (t->flags & TH_FIRST)
			t->in = 0;
		else
			resync(p, t, c, now, irq);
	}
	if (t->in) {
		settle(t, now - irq);
		hidden_wait(p, t, c);
	}
	stop = stop_of(p, t, how & OFF_PREEMPTED, how & ~OFF_PREEMPTED);
	t->w_way = way_of(p, t, stop, how & ~OFF_PREEMPTED);
	return stop;
}

int mark_access(u64 upath);

/*
 * Number of the system call that the current thread, stopping, has asked its tracer to emulate; -1 none.
 * A function of its own to the verifier (not static): what calls it is walked once, not once for each of its ends.
 */
__noinline int emulated_call(void)
{
	return compat_emulated_call(bpf_get_current_task_btf());
}

/*
 * A mark that a guest makes by access(2), which is call @nr: its sandbox would take the call from us.
 * Inlined: one more frame below mark_access() and 6.1 finds the stack of all of them too large.
 */
static __always_inline void trap_mark(u32 nr)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

	if (regs)
		mark_access(nr == NR_ACCESS ? BPF_CORE_READ(regs, di) : BPF_CORE_READ(regs, si));
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(sched_switch_btf, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int pstate)
{
	struct cpu_state *c = this_cpu();
	struct thread *tp = NULL, *tn;
	u32 who = 0, state = has_switch_state ? pstate : compat_task_state(prev);
	u64 irq, now;
	int nr = -1;

	if (!enabled)
		return 0;
	/* No interrupt is being served here: stale depths are dropped. */
	c->hard_on = c->soft_on = c->timer_on = c->blk_on = 0;
	if (state & TASK_TRACED_ && !preempt) {
		nr = emulated_call();
		if (nr >= 0 && sysclass[nr & 511] & SC_ACCESS)
			trap_mark(nr);
	}
	now = clock_pair(c, &irq);
	if (prev->pid) {
		tp = thread_of(prev);
		if (!tp)
			tp = thread_adopt(prev, c);
		if (tp) {
			u32 stop = off_end(tp, now, irq,
					   (state & ~OFF_PREEMPTED) | (preempt ? OFF_PREEMPTED : 0));

			off_send(tp, now, irq, stop);
			off_wait(tp, now, stop, nr);
			who = tp->uid;
		}
	}
	c->cur = 0;
	c->cur_flags = 0;
	if (next->pid) {
		tn = thread_of(next);
		if (!tn)
			tn = thread_adopt(next, c);
		if (tn) {
			slice_begin(next, tn, c, now, irq, who);
			if (who && emits(tn))
				off_named(tp, now);
			c->cur = tn->uid;
			c->cur_flags = tn->flags | (tn->related ? TH_RELATED : 0);
		}
	} else {
		batch_flush(c); /* an idle CPU may not come back for long */
	}
	return 0;
}

#endif
