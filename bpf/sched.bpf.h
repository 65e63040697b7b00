/* SPDX-License-Identifier: GPL-2.0 */
/* Scheduling: slices, waits, wakers, birth and death. The only programs that end a slice. */
#ifndef SG_SCHED_BPF_H
#define SG_SCHED_BPF_H

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

struct closing {
	u64 now, irq;
	u32 flags;
	u8 stop;
};

/* The record of the slice that ends at k->now, and of the wait before it. */
static __noinline void fill_slice(struct sg_slice *r, struct thread *t, struct closing *k, u32 max)
{
	struct cpu_state *c = this_cpu();
	struct filling f = { .extra = 31, .clear = 1 };
	u64 in = t->in ? t->in : k->now;

	fill_hdr(&r->h, c, SG_REC_SLICE, t->uid, k->now);
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
	for (int turn = 0; turn < NSLOT && m; turn++) {
		u32 i = lowest_bit(m), x = *n;
		struct slot *s = &t->s[i];

		m &= m - 1;
		if ((!s->ns && !s->cnt) || x >= max)
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
static __always_inline void wait_begin(struct task_struct *p, struct thread *t, u64 now, u8 stop)
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
		int nr = compat_emulated_call(p);

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

static __always_inline bool is_blocked(u8 stop)
{
	return stop == SG_STOP_SLEEP || stop == SG_STOP_DISK || stop == SG_STOP_BLOCKED;
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

/* The thread goes off: its slice is sent, its next wait begins. */
static __always_inline void slice_end(struct task_struct *p, struct thread *t, struct cpu_state *c, u64 now,
				      u64 irq, bool preempt, u32 state)
{
	struct closing k = { .now = now, .irq = irq };

	k.stop = stop_of(p, t, preempt, state);
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
	if (emits(t)) {
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
	}
	t->in = 0;
	wait_begin(p, t, now, k.stop);
}

int mark_access(u64 upath);

/* A mark that a guest makes by access(2): its sandbox would take the call from us. */
static __always_inline void trap_mark(struct task_struct *p, u32 nr)
{
	struct pt_regs *regs;

	if (!(sysclass[nr & 511] & SC_ACCESS))
		return;
	regs = (struct pt_regs *)bpf_task_pt_regs(p);
	if (regs)
		mark_access(nr == NR_ACCESS ? BPF_CORE_READ(regs, di) : BPF_CORE_READ(regs, si));
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(sched_switch_btf, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int pstate)
{
	struct cpu_state *c = this_cpu();
	struct thread *tp, *tn;
	u32 who = 0, state = has_switch_state ? pstate : compat_task_state(prev);
	u64 irq, now;

	if (!enabled)
		return 0;
	/* No interrupt is being served here: stale depths are dropped. */
	c->hard_on = c->soft_on = c->timer_on = c->blk_on = 0;
	if (state & TASK_TRACED_ && !preempt) {
		int nr = compat_emulated_call(prev);

		if (nr >= 0)
			trap_mark(prev, nr);
	}
	now = clock_pair(c, &irq);
	if (prev->pid) {
		tp = thread_of(prev);
		if (!tp)
			tp = thread_adopt(prev, c);
		if (tp) {
			slice_end(prev, tp, c, now, irq, preempt, state);
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
			c->cur = tn->uid;
			c->cur_flags = tn->flags | (tn->related ? TH_RELATED : 0);
		}
	} else {
		batch_flush(c); /* an idle CPU may not come back for long */
	}
	return 0;
}

int trap_begin(u32 key);
/*
 * Has the running thread just stopped for its tracer, which it wakes? From here on,
 * not from the switch on, it works for the trap; until sys_exit, which is what a
 * resumed emulated call does first. Without that its way through the kernel looks
 * like its own code: 20 % of a guest's getpid loop.
 */
static __always_inline void emulated_stop(void)
{
	struct task_struct *cur = bpf_get_current_task_btf();
	int nr;

	if (!has_syscalls || !(compat_task_state(cur) & TASK_TRACED_))
		return;
	nr = compat_emulated_call(cur);
	if (nr >= 0)
		trap_begin(SG_KEY_EMULATED | SG_KEY_LOW(nr));
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
/* Where the waking happens: this, not current, is the waker. */
static __always_inline void waking_context(struct cpu_state *c, struct thread *w)
{
	u32 vec = c->soft_on - 1;

	w->k_waker = w->k_raiser = w->k_dev = 0;
	w->k_svc = 0;
	w->k_flags = 0;
	w->k_vec = 0;
	w->k_note = 0;
	w->k_src = SG_WSRC_NONE;
	if (c->blk_on) {
		w->k_src = SG_WSRC_BLOCK;
		w->k_dev = c->blk_dev;
		w->k_svc = c->blk_svc;
	}
	if (c->hard_on) {
		w->k_ctx = c->timer_on ? SG_WCTX_TIMER : SG_WCTX_HARD;
		if (c->timer_on)
			w->k_src = SG_WSRC_TIMER;
		return;
	}
	if (c->soft_on && (vec == 1 || vec == 8)) {
		w->k_ctx = SG_WCTX_TIMER;
		w->k_src = SG_WSRC_TIMER;
		return;
	}
	if (c->soft_on && (!(c->cur_flags & TH_KSOFTIRQD) || c->blk_on)) {
		w->k_ctx = SG_WCTX_SOFT;
		w->k_vec = vec;
		w->k_raiser = c->soft_raiser;
		if (c->soft_mixed)
			w->k_flags |= SG_SF_MIXED;
		if (vec == 2 || vec == 3)
			w->k_src = SG_WSRC_NET;
		return;
	}
	w->k_ctx = SG_WCTX_TASK;
	w->k_waker = c->cur;
	if (c->flip && c->flip_uid == c->cur)
		w->k_note = c->flip;
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
		return 0;
	now = bpf_ktime_get_ns();
	*(volatile u32 *)&w->wseq = w->wseq + 1;
	barrier();
	w->k_wake = now;
	waking_context(c, w);
	if ((compat_task_state(p) & TASK_FROZEN_) && is_blocked(w->w_stop))
		w->w_stop = SG_STOP_FROZEN;
	barrier();
	*(volatile u32 *)&w->wseq = w->wseq + 1;

	if (w->k_ctx == SG_WCTX_TASK && bpf_get_current_task_btf()->ptrace)
		emulated_stop();
	if (emits(w)) {
		u8 steps = w->flags & TH_INSCOPE ? 0 : w->related;
		bool by_cur = w->k_ctx == SG_WCTX_TASK || (w->k_raiser && w->k_raiser == c->cur);
		bool is_long = !w->in && w->out && is_blocked(w->w_stop) && now - w->out > stack_threshold_ns;

		/* Who gives an idle kernel worker something to do explains nothing about us. */
		if (w->w_stop == SG_STOP_IDLE && !(w->flags & TH_INSCOPE))
			by_cur = false;
		if (steps && w->k_ctx == SG_WCTX_TASK && c->cur_flags & TH_INSCOPE)
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
		if (is_long && want_stacks && !p->on_cpu && stack_granted(c, now, now - w->out))
			emit_wait_stack(p, w, c, now);
	} else if (w->k_ctx == SG_WCTX_TASK && (c->cur_flags & TH_INSCOPE) && w->tgid != self_tgid) {
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
	if (!w)
		return 0;
	w->k_wake = bpf_ktime_get_ns();
	waking_context(c, w);
	return 0;
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork_btf, struct task_struct *parent, struct task_struct *child)
{
	struct thread *t, *pt;
	u64 now;

	if (!enabled)
		return 0;
	now = bpf_ktime_get_ns();
	pt = thread_of(parent);
	t = bpf_task_storage_get(&threads, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return 0;
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
		}
	}
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
	if (!emits(t))
		return 0;
	now = thread_update_begin(t, c);
	thread_update_end(t);
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
	q = bpf_map_lookup_elem(&works, &key);
	if (!q)
		return 0;
	t->work_queued = q->ts;
	t->work_by = q->uid;
	t->work_flag = SG_SF_WORK;
	relate(t, 1, q->ts);
	c->cur_flags |= TH_RELATED;
	bpf_map_delete_elem(&works, &key);
	return 0;
}

#endif
