/* SPDX-License-Identifier: GPL-2.0 */
/* Threads as they are first met, and their slices: the record of a stay on a CPU, and cutting it. */
#ifndef SG_SLICE_BPF_H
#define SG_SLICE_BPF_H

#include "core.bpf.h"
#include "detail.bpf.h"

static __always_inline bool in_target_cgroup(struct task_struct *p)
{
	struct cgroup *cg;

	if (!scope_cgroup)
		return false;
	cg = task_cgroup(p, scope_cgroup_subsys);
	return cg && compat_cgroup_ancestor_id(cg, scope_cgroup_level) == scope_cgroup;
}

static __always_inline void thread_init(struct task_struct *p, struct thread *t, u64 birth, u32 flags)
{
	t->uid = __sync_fetch_and_add(&next_uid, 1);
	t->birth = birth;
	t->tgid = p->tgid;
	t->flags = flags | TH_FIRST;
	if (p->flags & PF_KTHREAD_) {
		char comm[10] = {};

		t->base = SG_K_KTHREAD;
		t->flags |= TH_KTHREAD;
		bpf_probe_read_kernel(comm, sizeof(comm), p->comm);
		if (same_bytes(comm, "ksoftirqd", 9))
			t->flags |= TH_KSOFTIRQD;
		/* They serve everybody, and what they did before they first woke us is asked for at once. */
		if (t->flags & TH_KSOFTIRQD || same_bytes(comm, "rcu", 3) || same_bytes(comm, "jbd2", 4) ||
		    same_bytes(comm, "kswapd", 6) || same_bytes(comm, "migration", 9))
			t->related = REL_ALWAYS;
	} else if (compat_user_worker(p)) {
		t->base = SG_K_KTHREAD;
	}
	t->cur = base_slot(t);
	if (scope_all || in_target_cgroup(p))
		t->flags |= TH_INSCOPE;
	if (p->tgid == self_tgid)
		t->flags &= ~TH_INSCOPE;
}

/* A thread nobody announced: it exists since before the start, or its fork was missed. Counted. */
static __always_inline struct thread *thread_adopt(struct task_struct *p, struct cpu_state *c)
{
	struct thread *t = bpf_task_storage_get(&threads, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	c->missed++;
	if (t && !t->uid) {
		thread_init(p, t, 0, TH_BEFORE);
		t->w_stop = SG_STOP_UNSEEN;
		t->w_kind = SG_K_UNSEEN;
	}
	return t;
}

/* @child, made by the running thread. NULL: no memory. */
static __always_inline struct thread *thread_born(struct task_struct *parent, struct task_struct *child)
{
	struct thread *pt = thread_of(parent), *t;
	u64 now = bpf_ktime_get_ns();

	t = bpf_task_storage_get(&threads, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return NULL;
	thread_init(child, t, now, 0);
	t->out = now;
	t->w_stop = SG_STOP_NEW;
	t->w_kind = t->base;
	if (pt) {
		t->creator = pt->uid;
		t->flags |= pt->flags & TH_INSCOPE;
		/* The child comes to life inside the same call, and leaves it by its own sys_exit. */
		if (t->base == SG_K_USER) {
			t->insys = pt->insys;
			t->nr = pt->nr;
			t->syskey = SG_KEY_SYSCALL | pt->nr;
		}
	}
	return t;
}

struct closing {
	u64 now, irq;
	u32 flags;
	u32 cpu; /* whose stay it was, when another one asks (SG_SF_OPEN) */
	u8 stop;
};

/* The record of the slice that ends at k->now, and of the wait before it. */
static __noinline void fill_slice(struct sg_slice *r, struct thread *t, struct closing *k, u32 max)
{
	struct cpu_state *c = this_cpu();
	struct filling f = { .extra = 31 };
	u64 in = t->in ? t->in : k->now;

	fill_hdr(&r->h, c, SG_REC_SLICE, t->uid, k->now);
	if (k->flags & SG_SF_OPEN) {
		c = &cpus[k->cpu & (MAX_CPU - 1)];
		r->h.cpu = k->cpu;
		r->h.lost = c->lost;
	}
	r->in = in;
	r->prev_out = t->out;
	r->wake = t->w_wake;
	r->throttle_ns = t->w_throttle;
	r->svc_ns = t->w_svc;
	r->waker = t->w_waker;
	r->raiser = t->w_raiser;
	r->sysseq = t->w_sysseq;
	r->fltseq = t->w_fltseq;
	r->flags = t->w_flags | k->flags | (t->flags & TH_INSCOPE ? SG_SF_INSCOPE : 0) |
		   (has_syscalls ? 0 : SG_SF_NOUSERTIME) | t->work_flag;
	if ((t->flags & (TH_FIRST | TH_BEFORE)) == (TH_FIRST | TH_BEFORE))
		r->flags |= SG_SF_FIRST;
	r->dev = t->w_dev;
	r->arg = t->w_arg;
	r->who = t->w_who;
	r->nr = t->w_nr;
	r->stop = t->w_stop;
	r->wkind = t->w_kind;
	r->fdtype = t->w_fdtype;
	r->wctx = t->w_ctx;
	r->wvec = t->w_vec;
	r->wsrc = t->w_src;
	r->fltres = t->fltres;
	r->out_stop = k->stop;
	r->out_kind = top_kind(t);
	r->out_fltseq = t->flt ? t->fltseq : 0;
	r->work_queued = t->work_queued;
	r->work_by = t->work_by;
	r->note = 0;
	if (t->in) {
		f.irq_ns = k->irq - t->irq_in;
		f.irq_cnt = c->irqs - t->irqs_in;
		fill_pairs(t, r->pair, max, &r->note,
			   &f); /* counts in a field of the record that is not filled yet */
	}
	r->npair = r->note;
	r->note = t->w_note;
	if (f.sum != k->now - in || (t->seq & 1)) {
		r->flags |= SG_SF_TORN;
		c->torn++;
	}
}

static __always_inline u32 popcount(u32 v)
{
	v -= (v >> 1) & 0x55555555;
	v = (v & 0x33333333) + ((v >> 2) & 0x33333333);
	return (((v + (v >> 4)) & 0x0f0f0f0f) * 0x01010101) >> 24;
}

/* Does the slice fit the short form? It nearly always does. */
static __always_inline bool is_short(const struct thread *t, const struct cpu_state *c,
				     const struct closing *k)
{
	return t->in && t->out && t->in >= t->out && t->in - t->out < SG_SHORT_NO_WAKE &&
	       k->now - t->in < SG_SHORT_NO_WAKE && !t->w_throttle && !t->w_svc && !t->w_dev &&
	       !t->w_fltseq && !t->flt && !t->work_flag && !t->many && t->w_wake <= t->in &&
	       t->in - t->w_wake < (t->w_wake ? SG_SHORT_NO_WAKE : ~0ull) && c->irqs - t->irqs_in < 65536 &&
	       !(t->flags & TH_FIRST) && !(t->seq & 1) && !k->flags;
}

/* The short form of fill_slice(). Returns 0 when the times do not add up: then the long form says so. */
static __noinline int fill_short(struct sg_slice_short *r, struct thread *t, struct closing *k, u32 max)
{
	struct cpu_state *c = this_cpu();
	volatile u32 *n = &r->note;
	u64 sum = k->irq - t->irq_in;
	u32 m = t->used;

	fill_hdr(&r->h, c, SG_REC_SLICE_SHORT, t->uid, k->now);
	r->len = k->now - t->in;
	r->off = t->in - t->out;
	r->woken = t->w_wake ? t->in - t->w_wake : SG_SHORT_NO_WAKE;
	r->waker = t->w_waker;
	r->raiser = t->w_raiser;
	r->sysseq = t->w_sysseq;
	r->arg = t->w_arg;
	r->who = t->w_who;
	r->flags = t->w_flags | (t->flags & TH_INSCOPE ? SG_SF_INSCOPE : 0) |
		   (has_syscalls ? 0 : SG_SF_NOUSERTIME);
	r->nr = t->w_nr;
	r->stop = t->w_stop;
	r->wkind = t->w_kind;
	r->fdtype = t->w_fdtype;
	r->wctx = t->w_ctx;
	r->wvec = t->w_vec;
	r->wsrc = t->w_src;
	r->out_stop = k->stop;
	r->out_kind = top_kind(t);
	*n = 0;
	if (sum) {
		r->pair[0].key = SG_C_CPU_IRQ;
		r->pair[0].cnt = c->irqs - t->irqs_in;
		r->pair[0].ns = sum;
		*n = 1;
	}
	for (u32 turn = 0; turn < max && m; turn++) {
		u32 i = lowest_bit(m), x = *n;
		struct slot *s = &t->s[i];

		m &= m - 1;
		if (!(s->ns | s->cnt) || x >= max)
			continue;
		r->pair[x].key = slot_key(i, s->key);
		r->pair[x].cnt = s->cnt;
		r->pair[x].ns = s->ns;
		sum += s->ns;
		*n = x + 1;
	}
	r->h.rsv = r->note;
	r->note = t->w_note;
	return sum == k->now - t->in;
}

/* Sizes are constants, written in place: reserving a constant is the cheapest form there is. */
#define EMIT_SLICE(c, t, k, n)                                                                       \
	({                                                                                           \
		struct sg_slice *__s = ring_reserve(c, sizeof(*__s) + (n) * sizeof(struct sg_pair)); \
		if (__s) {                                                                           \
			fill_slice(__s, t, k, n);                                                    \
			ring_submit(__s);                                                            \
		}                                                                                    \
		!!__s;                                                                               \
	})
/* Into the batch of this CPU; false when its times do not add up. With interrupts off only. */
static __always_inline bool batch_slice(struct thread *t, struct cpu_state *c, struct closing *k)
{
	u32 n = c->batch.h.rsv & (SG_BATCH - 1);

	if (!fill_short((struct sg_slice_short *)&c->batch.slot[n], t, k, SG_BATCH_PAIRS))
		return false;
	if (!n)
		fill_hdr(&c->batch.h, c, SG_REC_BATCH, 0, k->now);
	c->batch.h.rsv = n + 1;
	if (n + 1 == SG_BATCH)
		batch_flush(c);
	return true;
}

/* @irqs_off: at a switch; else the batch is not ours to write. */
static __always_inline void emit_slice(struct thread *t, struct cpu_state *c, struct closing *k,
				       bool irqs_off)
{
	u32 n = popcount(t->used) + 1;
	bool ok;

	if (irqs_off && n <= SG_BATCH_PAIRS && is_short(t, c, k) && batch_slice(t, c, k)) {
		slots_clear_used(t);
		return;
	}
	ok = n <= 8 ? EMIT_SLICE(c, t, k, 8) : EMIT_SLICE(c, t, k, SG_PAIR_MAX);
	if (ok)
		t->flags &= ~TH_FIRST;
}

/* Cut the running slice at @now: the part so far is sent, the rest begins without a wait before it. */
/* A function of its own to the verifier (not static): system call programs would grow past its limit on 6.1. */
__noinline int slice_cut(struct thread *t)
{
	struct closing k = { .stop = SG_STOP_NONE };
	struct cpu_state *c = this_cpu();

	if (!t)
		return 0;
	k.now = clock_pair(c, &k.irq);
	t->seq |= 1;
	settle(t, k.now - k.irq);
	t->seq++;
	if (emits(t)) {
		if (!(t->flags & TH_ANNOUNCED))
			emit_thread(bpf_get_current_task_btf(), t, c, k.now, 0);
		emit_slice(t, c, &k, false);
	}
	if (t->used)
		slots_clear(t);
	t->in = t->out = t->last_snap = k.now;
	t->irq_in = k.irq;
	t->irqs_in = c->irqs;
	t->many = 0;
	t->snap_user = t->snap_hidden = 0;
	slots_begin(t);
	t->w_stop = SG_STOP_NONE;
	t->w_kind = top_kind(t);
	t->w_wake = t->w_throttle = t->w_svc = 0;
	t->w_waker = t->w_raiser = t->w_dev = t->w_flags = t->w_who = t->w_note = 0;
	t->w_ctx = t->w_vec = t->w_src = t->w_fdtype = 0;
	t->w_fltseq = 0;
	t->fltres = SG_FLT_OPEN;
	t->work_flag = 0;
	return 0;
}

#endif
