/* SPDX-License-Identifier: GPL-2.0 */
/* Birth, change and death of threads; and the work that they hand to kernel workers. */
#ifndef SG_LIFE_BPF_H
#define SG_LIFE_BPF_H

#include "core.bpf.h"
#include "detail.bpf.h"
#include "slice.bpf.h"

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork_btf, struct task_struct *parent, struct task_struct *child)
{
	if (enabled)
		thread_born(parent, child);
	return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec_btf, struct task_struct *p)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	u64 now;

	if (!t)
		return 0;
	t->tgid = p->tgid;
	t->flags = (t->flags & ~TH_ANNOUNCED) | TH_EXEC;
	now = thread_update_begin(t, c);
	t->trapkey = t->kvm_key = t->vcpu = 0; /* another program: what the one before was is over */
	thread_update_end(t);
	if (!emits(t))
		return 0;
	emit_thread(p, t, c, now, SG_TF_EXEC);
	emit_snap(t, c, now);
	emit_proc_mark(p, t, c, now, SG_MARK_EXEC);
	return 0;
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit_btf, struct task_struct *p)
{
	struct cpu_state *c;
	struct thread *t = running(&c);

	if (!t)
		return 0;
	thread_update_begin(t, c);
	t->insys = 0;
	t->flt = 0;
	t->rec = 0;
	t->trapkey = t->kvm_key = 0;
	t->base = SG_K_EXIT;
	if (BPF_CORE_READ(p, signal, live.counter) == 0)
		t->flags |= TH_LAST;
	thread_update_end(t);
	return 0;
}

/* A rename: the next record of the thread carries its new name. */
SEC("?tp_btf/task_rename")
int BPF_PROG(task_rename_btf, struct task_struct *p)
{
	struct thread *t;

	if (!enabled)
		return 0;
	t = thread_of(p);
	if (t)
		t->flags &= ~TH_ANNOUNCED;
	return 0;
}

SEC("?tp_btf/cgroup_attach_task")
int BPF_PROG(cgroup_attach_task_btf, struct cgroup *dst, const char *path, struct task_struct *p)
{
	struct thread *t;

	if (!enabled || !scope_cgroup)
		return 0;
	t = thread_of(p);
	if (t && p->tgid != self_tgid && in_target_cgroup(p))
		t->flags |= TH_INSCOPE;
	return 0;
}

/* Who queued the work beats who woke the worker: the link rides in the worker's own record. */
struct queued {
	u64 ts;
	u32 uid;
	u32 pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct queued);
} works SEC(".maps");

SEC("?tp_btf/workqueue_queue_work")
int BPF_PROG(workqueue_queue_work_btf, int req_cpu, void *pwq, struct work_struct *work)
{
	struct cpu_state *c = this_cpu();
	struct queued q = {};
	u64 key = (u64)work;

	/* Only work queued by a recorded thread explains a recorded wait. */
	if (!enabled || c->hard_on || c->soft_on || !(c->cur_flags & TH_EMIT))
		return 0;
	q.ts = bpf_ktime_get_ns();
	q.uid = c->cur;
	bpf_map_update_elem(&works, &key, &q, BPF_ANY);
	return 0;
}

SEC("?tp_btf/workqueue_execute_start")
int BPF_PROG(workqueue_execute_start_btf, struct work_struct *work)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	u64 key = (u64)work;
	struct queued *q;

	if (!t)
		return 0;
	t->fetch_by = 0;
	t->fetch_swap = 0;
	q = bpf_map_lookup_elem(&works, &key);
	if (!q)
		return 0;
	t->fetch_by = q->uid;
	t->work_queued = q->ts;
	t->work_by = q->uid;
	t->work_flag |= SG_SF_WORK;
	relate(t, 1, q->ts);
	c->cur_flags |= TH_RELATED;
	bpf_map_delete_elem(&works, &key);
	return 0;
}

#endif
