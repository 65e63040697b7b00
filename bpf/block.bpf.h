/* SPDX-License-Identifier: GPL-2.0 */
/* Block devices: from issue to completion; a wake inside a completion names its device and service time. */
#ifndef SG_BLOCK_BPF_H
#define SG_BLOCK_BPF_H

#include "core.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u64);
} issued SEC(".maps");

static __always_inline int rq_issue(struct request *rq)
{
	u64 key = (u64)rq, now;

	if (!enabled)
		return 0;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&issued, &key, &now, BPF_ANY);
	return 0;
}

static __always_inline int rq_complete(struct request *rq)
{
	struct cpu_state *c = this_cpu();
	u64 key = (u64)rq, *t0;

	if (!enabled)
		return 0;
	t0 = bpf_map_lookup_elem(&issued, &key);
	c->blk_dev = compat_request_dev(rq);
	c->blk_svc = t0 ? bpf_ktime_get_ns() - *t0 : 0;
	c->blk_on = 1;
	if (t0)
		bpf_map_delete_elem(&issued, &key);
	return 0;
}

/* block_rq_issue lost its queue argument in 5.11 (a54895fa057c); all kernels with task storage are newer. */
SEC("?tp_btf/block_rq_issue")
int BPF_PROG(block_rq_issue_btf, struct request *rq)
{
	return rq_issue(rq);
}

SEC("?tp_btf/block_rq_complete")
int BPF_PROG(block_rq_complete_btf, struct request *rq)
{
	return rq_complete(rq);
}

#endif
