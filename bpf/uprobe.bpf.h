/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Probes in the Sentry of gVisor, on request: its guest's system calls and its
 * messages to the Gofer. Plain uprobes only, at the stack check of a function and at
 * each of its returns. A goroutine moves between threads, so begin and end are paired by
 * it: r14 (Go's internal ABI since 1.17). A function begun anew on a larger stack has
 * its begin written over.
 */
#ifndef SG_UPROBE_BPF_H
#define SG_UPROBE_BPF_H

#include "core.bpf.h"
#include <bpf/bpf_tracing.h>

struct guest_key {
	u64 g; /* address of the goroutine's structure */
	u32 tgid;
	u32 what; /* a message is sent inside a system call */
};
struct guest_begin {
	u64 ts;
	u32 nr;
	u32 pad;
};
/* A goroutine that ends in between leaves its entry: the oldest fall out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct guest_key);
	__type(value, struct guest_begin);
} guest_begins SEC(".maps");

static __always_inline void guest_key_fill(struct guest_key *k, struct pt_regs *ctx, u32 what)
{
	k->g = ctx->r14;
	k->tgid = bpf_get_current_pid_tgid() >> 32;
	k->what = what;
}

static __always_inline int guest_enter(struct pt_regs *ctx, u32 what)
{
	struct guest_begin b = {};
	struct guest_key k;
	struct thread *t;

	if (!enabled)
		return 0;
	t = thread_of(bpf_get_current_task_btf());
	if (!t || !emits(t))
		return 0;
	guest_key_fill(&k, ctx, what);
	b.nr = ctx->bx > 0xffff ? 0xffff : ctx->bx;
	b.ts = bpf_ktime_get_ns();
	bpf_map_update_elem(&guest_begins, &k, &b, BPF_ANY);
	return 0;
}

/*
 * What a Go function returned as its error, as a system call would: an error is two words,
 * type and data, and all of the Sentry's begin with the errno (errors.Error, unix.Errno).
 */
static __always_inline s32 guest_error(u64 type, u64 data)
{
	u32 no = 0;

	if (!type)
		return 0;
	bpf_probe_read_user(&no, sizeof(no), (void *)data);
	return no && no < 4096 ? -(s32)no : -1;
}

/* One record. Not static: a function of its own to the verifier. */
__noinline int guest_emit(u64 begin, u32 nr, u32 what, s32 ret)
{
	struct cpu_state *c;
	struct thread *t = running(&c);
	struct sg_guest *r;
	u64 now;

	if (!t)
		return 0;
	if (!(t->flags & TH_ANNOUNCED))
		emit_thread(bpf_get_current_task_btf(), t, c, bpf_ktime_get_ns(), 0);
	now = bpf_ktime_get_ns();
	r = ring_reserve(c, sizeof(*r));
	if (!r)
		return 0;
	fill_hdr(&r->h, c, SG_REC_GUEST, t->uid, now);
	r->begin = begin;
	r->on_ns = 0;
	r->ret = ret;
	r->gtid = 0;
	r->sandbox = t->tgid;
	r->nr = nr;
	r->what = what;
	r->src = SG_GSRC_UPROBE;
	r->len = 0;
	r->rsv = 0;
	r->rsv2 = 0;
	ring_submit(r);
	return 0;
}

static __always_inline int guest_exit(struct pt_regs *ctx, u32 what, s32 ret)
{
	struct guest_begin *b;
	struct guest_key k;
	u32 nr;
	u64 ts;

	if (!enabled)
		return 0;
	guest_key_fill(&k, ctx, what);
	b = bpf_map_lookup_elem(&guest_begins, &k);
	if (!b)
		return 0; /* began before the recording, or out of its scope */
	ts = b->ts;
	nr = b->nr;
	bpf_map_delete_elem(&guest_begins, &k);
	return guest_emit(ts, nr, what, ret);
}

/* kernel.(*Task).executeSyscall(t, sysno, args) (rval uintptr, ctrl *SyscallControl, err error) */
SEC("?uprobe")
int gv_call_enter(struct pt_regs *ctx)
{
	return guest_enter(ctx, SG_GUEST_CALL);
}

SEC("?uprobe")
int gv_call_exit(struct pt_regs *ctx)
{
	s32 ret = guest_error(ctx->cx, ctx->di);

	if (!ret && ctx->ax < 0x80000000ull)
		ret = ctx->ax;
	return guest_exit(ctx, SG_GUEST_CALL, ret);
}

/* lisafs.(*Client).SndRcvMessage(c, m MID, ...) error */
SEC("?uprobe")
int gv_rpc_enter(struct pt_regs *ctx)
{
	return guest_enter(ctx, SG_GUEST_RPC);
}

SEC("?uprobe")
int gv_rpc_exit(struct pt_regs *ctx)
{
	return guest_exit(ctx, SG_GUEST_RPC, guest_error(ctx->ax, ctx->bx));
}

#endif
