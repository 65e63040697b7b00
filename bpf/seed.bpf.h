/* SPDX-License-Identifier: GPL-2.0 */
/* Threads that exist before the start are seeded; what is open at the end is closed. */
#ifndef SG_SEED_BPF_H
#define SG_SEED_BPF_H

#include "core.bpf.h"
#include "sched.bpf.h"

/* A thread that is off CPU has been waiting since now at the latest: its kind is known, its begin is not. */
static __always_inline int seed_wait(struct task_struct *p, struct thread *t)
{
	u32 state = compat_task_state(p);

	if (compat_on_cpu(p))
		return 0;
	wait_begin(p, t, bpf_ktime_get_ns(), stop_of(p, t, false, state),
		   state & TASK_TRACED_ ? compat_emulated_call(p) : -1);
	t->flags &= ~TH_FIRST;
	return 0;
}

SEC("?iter/task")
int seed_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *p = ctx->task;
	struct pt_regs *regs;
	struct thread *t;
	u32 tgid, *f;
	long nr;

	if (!p)
		return 0;
	t = bpf_task_storage_get(&threads, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t || t->uid)
		return 0;
	thread_init(p, t, 0, TH_BEFORE);
	t->w_stop = SG_STOP_UNSEEN;
	t->w_kind = SG_K_UNSEEN;
	tgid = p->tgid;
	f = bpf_map_lookup_elem(&seed_scope, &tgid);
	if (f)
		t->flags |= *f;
	if (t->base != SG_K_USER || !has_syscalls)
		return seed_wait(p, t);
	regs = (struct pt_regs *)bpf_task_pt_regs(p);
	nr = regs ? BPF_CORE_READ(regs, orig_ax) : -1;
	if (nr >= 0) {
		t->insys = 1;
		t->nr = nr & 0x7fff;
	}
	return seed_wait(p, t);
}

/* On which CPU did thread @uid run when the probes were switched off? MAX_CPU: on none; its switch-out was not reported. */
static __always_inline u32 last_cpu(u32 uid)
{
	u32 cpu;

	for (cpu = 0; cpu < MAX_CPU; cpu++)
		if (cpus[cpu].cur == uid)
			break;
	return cpu;
}

/* After enabled = 0: a last record of every recorded thread that is still there. */
SEC("?iter/task")
int close_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *p = ctx->task;
	struct closing k = { .flags = SG_SF_OPEN };
	struct cpu_state *c = this_cpu();
	struct thread *t;

	if (!p)
		return 0;
	t = thread_of(p);
	if (!t || !emits(t))
		return 0;
	k.now = bpf_ktime_get_ns();
	if (!(t->flags & TH_ANNOUNCED))
		emit_thread(p, t, c, k.now, 0);
	if (t->in) {
		k.cpu = last_cpu(t->uid);
		if (k.cpu >= MAX_CPU)
			return 0; /* when its stay ended is not known */
		k.irq = cpus[k.cpu & (MAX_CPU - 1)].hard_total + cpus[k.cpu & (MAX_CPU - 1)].soft_total;
		k.stop = SG_STOP_NONE;
		if (k.now - k.irq >= t->last)
			settle(t, k.now - k.irq);
		emit_slice(t, c, &k, false);
		return 0;
	}
	/* Still off CPU: a slice of no length that carries the open wait. */
	k.cpu = bpf_get_smp_processor_id();
	slots_clear(t);
	t->w_wake = t->k.at;
	t->w_waker = t->k.waker;
	t->w_ctx = t->k.at ? t->k.ctx : 0;
	k.stop = t->w_stop;
	emit_slice(t, c, &k, false);
	return 0;
}

#endif
