/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The balloon from inside a guest: virtio_balloon has no tracepoints (5.10 to 7.2), and
 * most of its functions are inlined somewhere, but all it does is one work item, which a
 * kernel worker runs: what the worker does and waits for in it is the balloon's.
 */
#ifndef SG_BALLOON_BPF_H
#define SG_BALLOON_BPF_H

#include "core.bpf.h"
#include "kvm.bpf.h"

const volatile u64 balloon_work = 0; /* address of update_balloon_size_func, 0 = no balloon here */

const volatile bool balloon_hooked = false;  /* each page that it takes is seen */
const volatile bool balloon_counted = false; /* the kernel's own count of them is read */
const volatile int ev_balloon_inflate = -1;
extern struct vm_event_state vm_event_states __ksym __weak;

/* Of the one work item, which does not run twice at once: where the count stood when it began. */
u64 balloon_before = 0;
u32 balloon_cpu = 0;

/* What vmstat's balloon_inflate is the sum of: this CPU's part, which a worker that stays here adds to. */
static __always_inline bool balloon_counter(u64 *ret)
{
	struct vm_event_state *v;

	if (!balloon_counted || ev_balloon_inflate < 0 || !&vm_event_states)
		return false;
	v = bpf_this_cpu_ptr(&vm_event_states);
	return !bpf_probe_read_kernel(ret, sizeof(*ret), (void *)v + ev_balloon_inflate * sizeof(long));
}

/* 1: what this worker does from now on is the balloon's. */
__noinline int balloon_begin(void)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	u8 slot;

	if (!t || t->base != SG_K_KTHREAD)
		return 0;
	slot = kvm_slot(t, SG_C_MEM_BALLOON);
	if (!slot)
		return 0;
	thread_update_begin(t, c);
	t->trapkey = t->kvm_key = SG_C_MEM_BALLOON;
	t->trapslot = slot;
	thread_update_end(t);
	balloon_cpu = bpf_get_smp_processor_id();
	return 1;
}

__noinline int balloon_end(void)
{
	struct cpu_state *c;
	struct thread *t = running(&c);

	if (!t || t->trapkey != SG_C_MEM_BALLOON)
		return 0;
	thread_update_begin(t, c);
	t->trapkey = t->kvm_key = 0;
	thread_update_end(t);
	return 0;
}

/* @counter: a constant; without it nothing of the kernel's counter is in the program. */
static __always_inline int work_starts(struct work_struct *work, bool counter)
{
	struct cpu_state *c;
	struct thread *t;

	if (!enabled || !balloon_work || (u64)work->func != balloon_work || !balloon_begin() ||
	    balloon_hooked)
		return 0;
	if (counter && balloon_counter(&balloon_before))
		return 0;
	t = running(&c);
	if (t)
		t->work_flag |= SG_SF_UNCOUNTED;
	return 0;
}

SEC("?tp_btf/workqueue_execute_start")
int BPF_PROG(balloon_start_btf, struct work_struct *work)
{
	return work_starts(work, true);
}

/* On a kernel whose symbols lack the counter: a program that so much as names it is refused. */
SEC("?tp_btf/workqueue_execute_start")
int BPF_PROG(balloon_start_uncounted_btf, struct work_struct *work)
{
	return work_starts(work, false);
}

/* The item may be gone by now, but a worker runs one at a time. */
SEC("?tp_btf/workqueue_execute_end")
int BPF_PROG(balloon_end_btf)
{
	if (enabled)
		balloon_end();
	return 0;
}

/* One page given to the host: counted in the slot of the work. */
static __always_inline int balloon_count(void)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	struct slot *s;

	if (!t || t->trapkey != SG_C_MEM_BALLOON)
		return 0;
	s = &t->s[t->trapslot & 31];
	if (++s->cnt > 60000)
		t->many = 1;
	t->used |= 1u << (t->trapslot & 31);
	return 0;
}

/* Where the driver's functions cannot be hooked (lockdown): all pages of a work item at its end. Attached before balloon_end_btf. */
SEC("?tp_btf/workqueue_execute_end")
int BPF_PROG(balloon_counted_btf)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	struct slot *s;
	u64 now, n;

	if (!enabled || !t || t->trapkey != SG_C_MEM_BALLOON || t->work_flag & SG_SF_UNCOUNTED)
		return 0;
	if (balloon_cpu != bpf_get_smp_processor_id() || !balloon_counter(&now)) {
		t->work_flag |= SG_SF_UNCOUNTED;
		return 0;
	}
	n = now - balloon_before;
	if (!n)
		return 0; /* it gave some back */
	s = &t->s[t->trapslot & 31];
	s->cnt += n < 60000 ? n : 60000;
	t->many |= s->cnt > 60000;
	t->used |= 1u << (t->trapslot & 31);
	return 0;
}

SEC("?fentry/balloon_page_enqueue")
int BPF_PROG(balloon_page_enqueue_fentry)
{
	return balloon_count();
}

SEC("?kprobe/balloon_page_enqueue")
int BPF_KPROBE(balloon_page_enqueue_kprobe)
{
	return balloon_count();
}

#endif
