/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupts: a per-CPU clock of hard and soft interrupt time, who raised each
 * soft interrupt, and the tick's cut of long slices. These programs write struct
 * cpu only. Hard interrupts run with interrupts off, so each level has one writer.
 */
#ifndef SG_IRQ_BPF_H
#define SG_IRQ_BPF_H

#include "core.bpf.h"
#include "detail.bpf.h"

#define TOKEN_ALL 0xffffffffu /* KVM forgets what it was bringing: everybody is woken, and touches it again */

static __always_inline void hard_enter(struct cpu_state *c)
{
	if (c->hard_on++ == 0)
		c->hard_t0 = bpf_ktime_get_ns();
}

static __always_inline void hard_leave(struct cpu_state *c)
{
	/* An exit without an entry (attached in between) is dropped: the depth never goes below 0. */
	if (!c->hard_on || --c->hard_on)
		return;
	c->hard_total += bpf_ktime_get_ns() - c->hard_t0;
	c->irqs++;
	c->blk_on = 0;
}

#define HARD_PAIR(name)                         \
	SEC("?tp_btf/" #name "_entry")          \
	int BPF_PROG(name##_entry_btf)          \
	{                                       \
		if (enabled)                    \
			hard_enter(this_cpu()); \
		return 0;                       \
	}                                       \
	SEC("?tp_btf/" #name "_exit")           \
	int BPF_PROG(name##_exit_btf)           \
	{                                       \
		if (enabled)                    \
			hard_leave(this_cpu()); \
		return 0;                       \
	}

HARD_PAIR(irq_handler)
HARD_PAIR(reschedule)
HARD_PAIR(call_function)
HARD_PAIR(call_function_single)
HARD_PAIR(irq_work)
HARD_PAIR(x86_platform_ipi)

/*
 * A guest's kernel is told that its host has brought memory which a task of it waits for. The
 * vector (that of hypervisors' callbacks) has no tracepoint; all that its handler does is this
 * call. Without it the waking would look like one by the thread that was interrupted.
 */
static __always_inline int page_enter(u32 number)
{
	struct cpu_state *c = this_cpu();

	if (!enabled)
		return 0;
	hard_enter(c);
	c->page = 1;
	c->page_nr = number;
	return 0;
}

static __always_inline int page_leave(void)
{
	struct cpu_state *c = this_cpu();

	if (!enabled)
		return 0;
	c->page = 0;
	hard_leave(c);
	return 0;
}

SEC("?fentry/kvm_async_pf_task_wake")
int BPF_PROG(kvm_async_pf_task_wake_fentry, u32 token)
{
	return page_enter(token == TOKEN_ALL ? 0 : SG_TOKEN_NUMBER(token));
}

SEC("?fexit/kvm_async_pf_task_wake")
int BPF_PROG(kvm_async_pf_task_wake_fexit)
{
	return page_leave();
}

/* Where that call is a part of its caller (Debian's 7.2), the caller: what it tells of is not known. */
SEC("?fentry/__sysvec_kvm_asyncpf_interrupt")
int BPF_PROG(kvm_asyncpf_interrupt_fentry)
{
	return page_enter(0);
}

SEC("?fexit/__sysvec_kvm_asyncpf_interrupt")
int BPF_PROG(kvm_asyncpf_interrupt_fexit)
{
	return page_leave();
}

SEC("?tp_btf/local_timer_entry")
int BPF_PROG(local_timer_entry_btf)
{
	struct cpu_state *c = this_cpu();
	struct task_struct *p;
	struct thread *t;
	u64 now;

	if (!enabled)
		return 0;
	if (!c->hard_on && !c->soft_on) {
		now = bpf_ktime_get_ns();
		p = bpf_get_current_task_btf();
		t = thread_of(p);
		if (t && (!t->in || c->cur != t->uid) && !(t->seq & 1))
			resync(p, t, c, now,
			       c->hard_total +
				       c->soft_total); /* nothing of it was being written: the thread's own code would have begun so too */
		else if (t && emits(t) && now - t->last_snap > cut_ns)
			emit_snap(t, c, now);
	}
	batch_flush(c);
	hard_enter(c);
	c->timer_on = 1;
	c->late = 0;
	return 0;
}

/* @late in the form of a note: SG_LATE_NS. */
static __always_inline u32 late_code(u64 late)
{
	u32 e = 0;

	while (late > SG_LATE_MAX && e < (1u << SG_LATE_EXP_BITS) - 1) {
		late >>= 1;
		e++;
	}
	return (u32)late << SG_LATE_EXP_BITS | e;
}

/*
 * Only inside guests: a timer's host may have held the CPU beyond its time, and every wait that it ends is longer by
 * that. The time is not taken from the tracepoint, which gives a pointer to it before 7.2, and from then on itself.
 */
SEC("?tp_btf/hrtimer_expire_entry")
int BPF_PROG(hrtimer_expire_entry_btf, struct hrtimer *timer)
{
	s64 late;

	if (!enabled)
		return 0;
	late = bpf_ktime_get_ns() - (timer->node.expires - timer->base->offset);
	this_cpu()->late = late > 0 ? late_code(late) : 0;
	return 0;
}

SEC("?tp_btf/local_timer_exit")
int BPF_PROG(local_timer_exit_btf)
{
	struct cpu_state *c = this_cpu();

	if (!enabled)
		return 0;
	c->timer_on = 0;
	hard_leave(c);
	return 0;
}

/* The mask must survive the compiler, which knows that vectors are small; the verifier does not. */
static __always_inline struct raised *raised_slot(struct cpu_state *c, u32 vec)
{
	vec &= 15;
	asm volatile("" : "+r"(vec));
	return &c->raised[vec & 15];
}

SEC("?tp_btf/softirq_raise")
int BPF_PROG(softirq_raise_btf, unsigned int vec)
{
	struct cpu_state *c = this_cpu();
	struct raised *r;
	u32 uid;

	if (!enabled)
		return 0;
	r = raised_slot(c, vec);
	/* Raised while a soft interrupt is served: it passes on who raised that one. */
	uid = c->hard_on ? 0 : c->soft_on && !(c->cur_flags & TH_KSOFTIRQD) ? c->soft_raiser : c->cur;
	if (!uid)
		r->hard = 1;
	else if (r->uid && r->uid != uid)
		r->mixed = 1;
	else
		r->uid = uid;
	return 0;
}

SEC("?tp_btf/softirq_entry")
int BPF_PROG(softirq_entry_btf, unsigned int vec)
{
	struct cpu_state *c = this_cpu();
	struct raised *r;
	u64 h, s, now;

	if (!enabled)
		return 0;
	r = raised_slot(c, vec);
	c->soft_raiser = r->hard || r->mixed ? 0 : r->uid;
	c->soft_mixed = r->mixed || (r->hard && r->uid);
	r->uid = 0;
	r->hard = r->mixed = 0;
	if (!clock_try(c, &now, &h, &s))
		clock_try(c, &now, &h, &s);
	c->soft_t0 = now;
	c->soft_h0 = h;
	c->soft_on = vec + 1;
	return 0;
}

SEC("?tp_btf/softirq_exit")
int BPF_PROG(softirq_exit_btf, unsigned int vec)
{
	struct cpu_state *c = this_cpu();
	u64 h, s, now;

	if (!enabled || !c->soft_on)
		return 0;
	if (!clock_try(c, &now, &h, &s))
		clock_try(c, &now, &h, &s);
	/* In ksoftirqd it is the thread's own work, not stolen from anybody. */
	if (!(c->cur_flags & TH_KSOFTIRQD))
		c->soft_total += (now - c->soft_t0) - (h - c->soft_h0);
	c->soft_on = 0;
	c->irqs++;
	c->blk_on = 0;
	return 0;
}

#endif
