/* SPDX-License-Identifier: GPL-2.0 */
/* cpu-clock samples: stacks of running threads. Nothing else depends on them. */
#ifndef SG_SAMPLE_BPF_H
#define SG_SAMPLE_BPF_H

#include "core.bpf.h"
#include "detail.bpf.h"

SEC("?perf_event")
int sample_cpu(struct bpf_perf_event_data *ctx)
{
	struct cpu_state *c = this_cpu();
	struct thread *t;
	u64 now;

	if (!enabled || !(c->cur_flags & TH_EMIT))
		return 0;
	t = thread_of(bpf_get_current_task_btf());
	if (!t)
		return 0;
	now = bpf_ktime_get_ns();
	if (!compat_user_mode(ctx))
		emit_cur_stack(ctx, t, c, now, SG_STK_CPU_KERN, 0);
	if (t->base == SG_K_USER)
		emit_cur_stack(ctx, t, c, now, SG_STK_CPU_USER, BPF_F_USER_STACK);
	return 0;
}

#endif
