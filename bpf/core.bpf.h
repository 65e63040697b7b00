/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The core of the kernel side: per-CPU and per-thread state, the clock of a
 * thread, the accumulators, and the only way to reserve ring space.
 *
 * Two rules carry everything (measured: traps of the kernel side, 1a):
 *  - a context writes only data of its own level: interrupts write struct cpu_state,
 *    threads write struct thread, wakers write the wake fields of the wakee;
 *  - a thread's clock is time minus its CPU's interrupt clock.
 */
#ifndef SG_CORE_BPF_H
#define SG_CORE_BPF_H

#include "compat.bpf.h"
#include "sg_abi.h"
#include "sg_kern.h"

#define NSYS	    15		  /* system call slots of a slice: different calls in it before it is cut */
#define SLOT_SYS    SG_ACC_MAX	  /* first system call slot */
#define SLOT_HIDDEN SG_C_CPU_SPIN /* the kernel side never spins: its slot holds unreported run-queue wait */
#define NSLOT	    (SLOT_SYS + NSYS) /* <= 32: one bit each in thread.used */

/* ---- knobs, set before load -------------------------------------------------- */
const volatile u32 self_tgid = 0; /* the recorder: never in scope */
const volatile bool scope_all = false;
const volatile u64 scope_cgroup = 0;	     /* kernfs id of the target cgroup, 0 = none */
const volatile int scope_cgroup_subsys = -1; /* v1 controller index, -1 = default hierarchy */
const volatile int scope_cgroup_level = 0;
const volatile int ident_subsys =
	-1; /* v1 controller whose cgroups tell containers apart, -1 = default hierarchy */
const volatile u64 stack_threshold_ns = 50000;
const volatile u64 cut_ns = 16000000; /* a longer slice is cut at the next tick */
const volatile bool want_stacks = true;
const volatile bool has_syscalls = false; /* a system call probe is attached */
const volatile u8 sysclass[512] = {};	  /* SC_* of each system call */

u32 enabled = 0;
u32 next_uid = 1;

/* ---- maps -------------------------------------------------------------------- */
struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_CPU);
	__type(key, u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct slot {
	u64 ns;
	u32 cnt;
	u16 key; /* from SLOT_SYS on: what it counts, SG_KEY_* */
	u16 err;
};

#define NR_ACCESS 21

#define TH_INSCOPE   1
#define TH_RELATED   2 /* woke, or was woken by, a thread in scope: recorded, it explains */
#define TH_ANNOUNCED 4
#define TH_BEFORE    8	/* existed before the recording */
#define TH_FIRST     16 /* no slice was sent yet */
#define TH_ROOT	     32
#define TH_KTHREAD   64
#define TH_KSOFTIRQD 128
#define TH_LAST	     256 /* last thread of its process, exiting */
#define TH_EXEC	     512
#define TH_EMIT	     (TH_INSCOPE | TH_RELATED)

/*
 * What a program on a classic tracepoint returns. With 0 nobody's perf events of that tracepoint would be told any
 * more, while it is attached (perf_trace_run_bpf_submit).
 */
#define TP_TELL_OTHERS 1

/* Who made a thread runnable, and when; at 0: nobody has. */
struct waking {
	u64 at, svc;
	u32 waker, raiser, dev, flags, note;
	u8 ctx, vec, src, pad;
};

struct thread {
	/* identity */
	u32 uid;
	u32 flags;
	u64 birth;
	u32 creator;
	u32 tgid;
	/* running slice */
	u64 in;	    /* 0 = off CPU, or not seen to come on */
	u64 last;   /* thread clock of the last transition */
	u64 irq_in; /* the CPU's interrupt clock at `in` */
	u32 irqs_in;
	u32 seq; /* odd while thread-level code updates: a tick must not look */
	u64 last_snap;
	u64 snap_user;	 /* user time that the last cut of this slice has told */
	u64 snap_hidden; /* and hidden wait */
	u32 used;	 /* slots with something in them */
	u8 cur;		 /* slot that time goes to now */
	u8 base;	 /* enum sg_kind below everything: USER, KTHREAD, EXIT */
	u8 insys;
	u8 flt;	     /* 0, SG_K_FAULT or SG_K_KFAULT */
	u8 rec;	     /* 0 or SG_K_R* / SG_K_COMPACT */
	u8 flt_swap; /* the open fault touched a swap entry */
	u8 rec_swap; /* the open reclaim swapped pages out */
	u8 nsys;     /* system call slots in use */
	u8 resynced; /* this slice's begin is not that of a reported switch */
	u8 many;     /* a count of this slice needs more than 16 bits */
	u8 cursys;
	u8 compat;
	u16 nr;
	u16 trapkey; /* what its user mode is: a trap (SG_KEY_GUEST or SG_KEY_EMULATED | number), a VMM's (SG_KEY_KVM); a kernel worker's: SG_C_MEM_BALLOON; 0 = its own */
	u8 trapslot; /* its slot in this slice */
	u8 trapped;  /* it had such traps before */
	u8 vcpu;     /* it entered a guest: a vCPU's thread */
	u8 fetch_swap; /* a kernel worker's: its work item touched a swap entry */
	u16 syskey; /* what time inside the system call is booked on: the call, guest mode, an exit of the guest */
	u16 kvm_key;	 /* the exit being handled, 0 none */
	u16 injected_to; /* the last interrupt it gave: low bytes of vCPU and vector */
	u64 kvm_ns0;	 /* its slot when it began */
	u64 kvm_in;	 /* in which slice */
	u64 injected;	 /* when it last gave a guest an interrupt */
	u64 rec_ns0;	 /* reclaim slot when the open reclaim began (in this slice) */
	u64 arg[5];
	u32 sysseq, fltseq;
	u32 markseq;
	u8 want_ustack;
	u8 reading; /* our own program reads its memory: faults of that are not its own */
	u8 fltres;  /* how the fault of the wait before ended, if in this slice */
	u8 depth_uprobe;
	u8 related; /* steps from a thread in scope: 1 dealt with one, 2 with such a one ...; 0 = far. Written by wakers and by itself */
	/* A vCPU's: where the slots of its last exit, KVM_RUN, the call it is and its VMM were; looked at first */
	u8 exit_slot, run_slot, call_slot, vmm_slot;
	u64 related_at;
	u64 uprobe_id;
	/* the wait before the running slice (or the wait going on) */
	u64 out;
	u64 w_wake, w_throttle, w_svc;
	u32 w_waker, w_raiser, w_sysseq, w_fltseq, w_flags, w_dev, w_arg, w_who, w_note;
	u16 w_nr;
	u8 w_stop, w_kind, w_fdtype, w_ctx, w_vec, w_src;
	u8 w_way;   /* preempted on its way into this kind of wait (enum sg_stop) */
	u64 thr_rq; /* its CFS queue then, to compare only */
	u64 thr_clock;
	u64 run_delay; /* the scheduler's own sum of run-queue waits, at `out` */
	u64 work_queued;
	u32 work_by;
	u32 work_flag;
	u32 fetch_by, fetch_pad; /* who queued the work item it runs, 0 not known */
	/* written by wakers under the thread's pi_lock; wseq odd while writing */
	u32 wseq, waking_pad;
	struct waking k;
	struct slot s[32];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

/* Processes to mark in scope when seeding: tgid -> TH_* flags. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u32);
} seed_scope SEC(".maps");

/* ---- per-CPU state: written by this CPU's interrupts and switches only --------- */
struct cpu_state cpus[MAX_CPU] = {};

static __always_inline struct cpu_state *this_cpu(void)
{
	return &cpus[bpf_get_smp_processor_id() & (MAX_CPU - 1)];
}

/* ---- ring: the only way to get space, and it counts --------------------------- */
static __always_inline void *ring_of(u32 cpu)
{
	return bpf_map_lookup_elem(&rings, &cpu);
}

#define ring_reserve(c, size)                                               \
	({                                                                  \
		void *__r = ring_of(bpf_get_smp_processor_id());            \
		void *__p = __r ? bpf_ringbuf_reserve(__r, size, 0) : NULL; \
		if (!__p)                                                   \
			(c)->lost++;                                        \
		else                                                        \
			(c)->emitted++;                                     \
		__p;                                                        \
	})
#define ring_submit(p)	bpf_ringbuf_submit(p, BPF_RB_NO_WAKEUP)
#define ring_discard(p) bpf_ringbuf_discard(p, BPF_RB_NO_WAKEUP)

static __always_inline void fill_hdr(struct sg_hdr *h, struct cpu_state *c, u8 kind, u32 uid, u64 ts)
{
	h->ts = ts;
	h->lost = c->lost;
	h->uid = uid;
	h->cpu = bpf_get_smp_processor_id();
	h->kind = kind;
	h->rsv = 0;
}

/* Send the slices that wait on this CPU. With interrupts off only. */
static __always_inline void batch_flush(struct cpu_state *c)
{
	void *r = ring_of(bpf_get_smp_processor_id());
	u32 n = c->batch.h.rsv;

	if (!n)
		return;
	if (!r || bpf_ringbuf_output(r, &c->batch, sizeof(c->batch), BPF_RB_NO_WAKEUP))
		c->lost += n;
	else
		c->emitted += n;
	c->batch.h.rsv = 0;
}

/* ---- the thread's clock -------------------------------------------------------- */
/*
 * Time and this CPU's interrupt clock as one pair. Both totals only grow, so
 * equal before and after means that no interrupt finished in between.
 */
static __always_inline bool clock_try(struct cpu_state *c, u64 *ret_now, u64 *ret_hard, u64 *ret_soft)
{
	u64 h = *(volatile u64 *)&c->hard_total, s = *(volatile u64 *)&c->soft_total;

	*ret_now = bpf_ktime_get_ns();
	*ret_hard = h;
	*ret_soft = s;
	return h == *(volatile u64 *)&c->hard_total && s == *(volatile u64 *)&c->soft_total;
}

/* Written out three times: kernels before 6.2 refuse a loop that closes right after a call. */
static __always_inline u64 clock_pair(struct cpu_state *c, u64 *ret_irq)
{
	u64 h, s, now;

	if (!clock_try(c, &now, &h, &s) && !clock_try(c, &now, &h, &s))
		clock_try(c, &now, &h, &s);
	*ret_irq = h + s;
	return now;
}

static __always_inline struct thread *thread_of(struct task_struct *p)
{
	return bpf_task_storage_get(&threads, p, NULL, 0);
}

/* clang turns some __builtin_memcmp into a call that the kernel has not. @n: constant. */
static __always_inline bool same_bytes(const char *a, const char *b, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/*
 * Who wakes a thread in scope, or is woken by one, explains its waits; so does who
 * wakes that one, and so on, but not for ever: without an end the whole system is
 * recorded after a while (a foreign sandbox gave 610,000 slices in 7 s).
 */
#define REL_MAX	    6
#define REL_ALWAYS  7 /* serves everybody: always recorded, and its wakers are nobody's */
#define REL_KEEP_NS 2000000000ull

static __always_inline void relate(struct thread *t, u8 steps, u64 now)
{
	if (steps > REL_MAX || t->related == REL_ALWAYS || (t->flags & TH_INSCOPE))
		return;
	if (!t->related || steps <= t->related) {
		t->related_at = now;
		t->related = steps;
	}
}

static __always_inline void relation_ages(struct thread *t, u64 now)
{
	if (t->related && t->related != REL_ALWAYS && now - t->related_at > REL_KEEP_NS &&
	    now > t->related_at)
		t->related = 0;
}

static __always_inline bool emits(const struct thread *t)
{
	return (t->flags & TH_INSCOPE) || t->related;
}

/* Book the time since the last transition on the current slot. */
static __always_inline void settle(struct thread *t, u64 clk)
{
	u32 i = t->cur & 31;

	/* Never backwards: were it so, the time would be missing and the slice be marked torn. */
	if (clk > t->last)
		t->s[i].ns += clk - t->last;
	t->used |= 1u << i;
	t->last = clk;
}

static __always_inline u8 base_slot(const struct thread *t)
{
	if (t->trapkey && t->base != SG_K_EXIT)
		return t->trapslot;
	return t->base == SG_K_USER ? SG_C_CPU_USER : t->base == SG_K_EXIT ? SG_C_CPU_EXIT : SG_C_CPU_SYS;
}

static __always_inline u8 top_slot(const struct thread *t)
{
	if (t->rec)
		return t->rec == SG_K_RMEMCG	? SG_C_MEM_RECLAIM_MEMCG
		       : t->rec == SG_K_RDIRECT ? SG_C_MEM_RECLAIM_DIRECT
						: SG_C_MEM_COMPACT;
	if (t->flt)
		return SG_C_CPU_FAULT_OPEN;
	if (t->insys && t->base != SG_K_EXIT)
		return t->cursys;
	return base_slot(t);
}

static __always_inline u8 top_kind(const struct thread *t)
{
	if (t->rec)
		return t->rec;
	if (t->flt)
		return t->flt;
	if (t->insys)
		return SG_K_SYSCALL;
	return t->base;
}

/* The slot of @key in this slice, 0 = all are taken by other keys. */
static __always_inline u8 key_slot(struct thread *t, u16 key)
{
	u32 n = t->nsys, last = t->cursys & 31;

	/* Mostly the same call again. */
	if (last >= SLOT_SYS && last < SLOT_SYS + n && t->s[last].key == key)
		return last;
	for (u32 i = 0; i < NSYS; i++) {
		if (i >= n) {
			t->nsys = i + 1;
			t->s[SLOT_SYS + i].key = key;
			return SLOT_SYS + i;
		}
		if (t->s[SLOT_SYS + i].key == key)
			return SLOT_SYS + i;
	}
	return 0;
}

/* A slice begins: slots for what the thread is in the middle of. */
static __always_inline void slots_begin(struct thread *t)
{
	u32 n = 0;

	if (t->trapkey) {
		t->s[SLOT_SYS].key = t->trapkey;
		t->trapslot = SLOT_SYS;
		n = 1;
	}
	if (t->insys && t->syskey < SLOT_SYS) {
		t->cursys = t->syskey;
	} else if (t->insys) {
		t->s[SLOT_SYS + n].key = t->syskey;
		t->cursys = SLOT_SYS + n;
		n++;
	}
	t->nsys = n;
	t->cur = top_slot(t);
}

/* A transition of the running thread: callers change insys/flt/rec between begin and end. */
#define thread_update_begin(t, c)              \
	({                                     \
		u64 __irq, __now;              \
		(t)->seq++;                    \
		barrier();                     \
		__now = clock_pair(c, &__irq); \
		settle(t, __now - __irq);      \
		__now;                         \
	})
#define thread_update_end(t)            \
	do {                            \
		(t)->cur = top_slot(t); \
		barrier();              \
		(t)->seq++;             \
	} while (0)

#ifndef barrier
#define barrier() asm volatile("" ::: "memory")
#endif

static __always_inline void slots_clear(struct thread *t)
{
	t->used = 0;
	__builtin_memset(t->s, 0, NSLOT * sizeof(t->s[0]));
}

static __always_inline void wake_take(struct thread *t, const struct waking *k)
{
	t->w_wake = k->at;
	t->w_svc = k->svc;
	t->w_waker = k->waker;
	t->w_raiser = k->raiser;
	t->w_dev = k->dev;
	t->w_ctx = k->ctx;
	t->w_vec = k->vec;
	t->w_src = k->src;
	t->w_flags |= k->flags;
	t->w_note = SG_KEY_TYPE(t->trapkey) == SG_KEY_GUEST ? SG_NOTE_TRAPPED | SG_KEY_LOW(t->trapkey)
		    : t->kvm_key			    ? SG_NOTE_KVM | t->kvm_key
							    : k->note;
}

/* Take the last waking since the previous switch-in, written by other CPUs. */
static __always_inline void wake_consume(struct thread *t)
{
	u32 q = *(volatile u32 *)&t->wseq;

	barrier();
	wake_take(t, &t->k);
	barrier();
	if ((q & 1) || q != *(volatile u32 *)&t->wseq)
		t->w_flags |= SG_SF_WAKETORN;
	__builtin_memset(&t->k, 0, sizeof(t->k));
}

/*
 * Before Linux 6.2 an interrupt can't have a thread's storage when it comes in the middle of a
 * search for one (bpf_task_storage_trylock). That is seldom, but where a virtual machine's CPU was
 * held there by its host, all that is due by then comes there. Such wakings lie here until the thread runs again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct waking);
} wakings_aside SEC(".maps");
bool aside = false; /* there was one */

static __noinline int aside_take(struct thread *t, u32 pid)
{
	struct waking *k = bpf_map_lookup_elem(&wakings_aside, &pid);

	if (!t || !k)
		return 0;
	if (k->at > t->out)
		wake_take(t, k);
	bpf_map_delete_elem(&wakings_aside, &pid);
	return 0;
}

/*
 * A thread that runs, though no switch to it was reported (the switch-out of some
 * threads never is, see traps 1c), or that ran when the recording began. The
 * scheduler's own books know when it came on: its last arrival, on the queue's
 * clock, whose distance from ours every reported switch measures. Without that the
 * slice begins now, and what was before is a hole. Called by the thread's own
 * events and, for hogs, by the tick.
 */
static __always_inline void resync(struct task_struct *p, struct thread *t, struct cpu_state *c, u64 now,
				   u64 irq)
{
	u64 in;
	s64 off = c->arrival_off;

	t->seq |= 1;
	barrier();
	in = off ? compat_last_arrival(p) + off : 0;
	if (in > now && in - now < 100000)
		in = now; /* the two clocks are that far apart at times */
	if (t->flags & TH_FIRST) {
		in = now;
	} else if (in > t->out && in <= now && now - in < 1000000000ull) {
		c->repaired++;
		wake_consume(t);
	} else {
		in = now;
		t->w_stop = SG_STOP_HOLE;
		c->holes++;
	}
	t->w_who = c->cur; /* whose switch-out was not reported */
	t->resynced = 1;
	slots_clear(t);
	t->many = 0;
	t->snap_user = t->snap_hidden = 0;
	slots_begin(t);
	t->last = in - irq;
	t->irq_in = irq;
	t->irqs_in = c->irqs;
	t->last_snap = in;
	c->cur = t->uid;
	c->cur_flags = t->flags | (t->related ? TH_RELATED : 0);
	t->in = in;
	barrier();
	t->seq = (t->seq + 1) & ~1u;
}

static __noinline int resync_now(struct task_struct *p, struct thread *t, struct cpu_state *c)
{
	u64 irq, now = clock_pair(c, &irq);

	resync(p, t, c, now, irq);
	return 0;
}

/* The running thread's state, brought up to date if it was not known to run. */
static __always_inline struct thread *running(struct cpu_state **ret_c)
{
	struct task_struct *p;
	struct thread *t;

	if (!enabled)
		return NULL;
	p = bpf_get_current_task_btf();
	t = thread_of(p);
	if (!t)
		return NULL;
	*ret_c = this_cpu();
	/* An interrupt that reads user memory (a sample's stack) takes page faults too: not the thread's. */
	if ((*ret_c)->hard_on || ((*ret_c)->soft_on && !((*ret_c)->cur_flags & TH_KSOFTIRQD)))
		return NULL;
	if (!t->in || (*ret_c)->cur != t->uid)
		resync_now(p, t, *ret_c);
	return t;
}

/*
 * How long the running thread was off the CPU in the middle of this slice,
 * unreported: then the scheduler's books show a later arrival and more run-queue
 * wait than we saw. Only after a wait that was run-queue wait whole: the books of a
 * blocked thread also count what EEVDF's delayed dequeue leaves on the queue.
 */
#define HIDDEN_MIN_NS 50000
static __always_inline u64 hidden_ns(struct task_struct *p, const struct thread *t, const struct cpu_state *c)
{
	u64 seen = t->in - t->out, delta = compat_run_delay(p) - t->run_delay;

	if (t->resynced || t->w_stop != SG_STOP_RUNNABLE || !t->out || !c->arrival_off)
		return 0;
	if (compat_last_arrival(p) + c->arrival_off <= t->in + HIDDEN_MIN_NS)
		return 0;
	return delta < seen + HIDDEN_MIN_NS ? 0 : delta - seen;
}

/* Index of the lowest bit of @m, which is not 0 (de Bruijn: BPF has no instruction for it). */
const volatile u8 debruijn[32] = { 0,  1,  28, 2,  29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4,  8,
				   31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6,  11, 5,  10, 9 };
static __always_inline u32 lowest_bit(u32 m)
{
	return debruijn[(((m & -m) * 0x077cb531u) >> 27) & 31] & 31;
}

/* Empty what is used: cheaper than all, after a slice was sent. */
static __always_inline void slots_clear_used(struct thread *t)
{
	u32 m = t->used;

	for (int turn = 0; turn < NSLOT && m; turn++) {
		struct slot *s = &t->s[lowest_bit(m)];

		m &= m - 1;
		s->ns = 0;
		s->cnt = 0;
	}
	t->used = 0;
}

/*
 * 1 when @a and @b are the same, else 0, without a branch: the verifier walks both ways of every branch of a loop, which in
 * those over slots was half of all that it walked (6.18: 622,000 instructions of all programs, then 300,000).
 */
static __always_inline u64 is_same(u32 a, u32 b)
{
	u64 d = ((u64)(a ^ b) - 1) >> 63;

	/* Else clang makes a branch of it, or an arithmetic shift, of which newer verifiers walk both outcomes. */
	asm volatile("" : "+r"(d));
	return d;
}

static __always_inline u16 slot_key(u32 i, u16 key)
{
	u64 fixed = ((u64)i - SLOT_SYS) >> 63; /* its index says what it is */

	asm volatile("" : "+r"(fixed));
	return (key & (fixed - 1)) + i * fixed + (SG_C_SCHED_RUNQ - SLOT_HIDDEN) * is_same(i, SLOT_HIDDEN);
}

/* In and out of fill_pairs(): a program's function takes five arguments at most. */
struct filling {
	u64 extra_ns; /* more on slot `extra`: the part that is not booked yet */
	u64 irq_ns;
	u64 hidden_ns; /* of user time: was run-queue wait */
	u64 sum;       /* out: total of all pairs */
	u32 extra, irq_cnt;
	u64 keep; /* 1: of a slice that goes on; 0: it ends, and its slots are emptied */
};

/*
 * Write the breakdown of @t into @p: every used slot and the interrupts. The
 * number of pairs is kept in @n, memory of the record: a value that is read back
 * is unknown to the verifier, so that it need not walk every combination of slots.
 */
static __noinline int fill_pairs(struct thread *t, struct sg_pair *p, u32 max, volatile u32 *n,
				 volatile struct filling *f)
{
	u32 m = t->used;

	/* What stays in @f, and is read from there, needs no stack here: 512 bytes are all that a chain of calls has. */
	if (f->extra_ns)
		m |= 1u << (f->extra & 31);
	if (f->hidden_ns)
		m |= 1u << SLOT_HIDDEN;
	*n = 0;
	f->sum = f->irq_ns;
	if (f->irq_ns) {
		p->key = SG_C_CPU_IRQ;
		p->err = 0;
		p->cnt = f->irq_cnt;
		p->ns = f->irq_ns;
		*n = 1;
	}
	/* The short form is only taken for what fits it: no more turns for the verifier to walk. */
	for (u32 turn = 0; turn < (max < SG_PAIR_MAX ? max : NSLOT) && m; turn++) {
		u32 i = lowest_bit(m), k = *n;
		struct slot *s = &t->s[i];
		struct slot is = { .ns = s->ns, .cnt = s->cnt, .err = s->err };

		m &= m - 1;
		is.ns += f->extra_ns * is_same(i, f->extra) +
			 f->hidden_ns * (is_same(i, SLOT_HIDDEN) - is_same(i, SG_C_CPU_USER));
		s->ns *= f->keep;
		s->cnt *= f->keep;
		s->err *= f->keep;
		if (!(is.ns | is.cnt | is.err) || k >= max)
			continue;
		p[k].key = slot_key(i, s->key);
		p[k].err = is.err;
		p[k].cnt = is.cnt;
		p[k].ns = is.ns;
		f->sum += is.ns;
		*n = k + 1;
	}
	if (!f->keep)
		t->used = 0;
	return 0;
}

/* ---- small records ---------------------------------------------------------------- */
static __always_inline struct cgroup *task_cgroup(struct task_struct *p, int subsys)
{
	struct cgroup_subsys_state *css = NULL;
	struct css_set *set;

	if (subsys < 0)
		return BPF_CORE_READ(p, cgroups, dfl_cgrp);
	set = BPF_CORE_READ(p, cgroups);
	bpf_probe_read_kernel(&css, sizeof(css), &set->subsys[subsys & 15]);
	return css ? BPF_CORE_READ(css, cgroup) : NULL;
}

/* Cgroups whose name was sent. When one falls out its name is sent again: no harm. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u32);
} named_cgroups SEC(".maps");

/* The id of the cgroup that tells which container @p is in; its name goes first, once. */
static __noinline u64 name_cgroup(struct task_struct *p, struct cpu_state *c, u64 ts)
{
	struct cgroup *cg = task_cgroup(p, ident_subsys);
	struct sg_cgname *r;
	u32 one = 1;
	u64 id;

	if (!cg)
		return 0;
	id = BPF_CORE_READ(cg, kn, id);
	if (bpf_map_lookup_elem(&named_cgroups, &id))
		return id;
	r = ring_reserve(c, sizeof(*r));
	if (!r)
		return id;
	fill_hdr(&r->h, c, SG_REC_CGNAME, 0, ts);
	r->id = id;
	__builtin_memset(r->name, 0, sizeof(r->name));
	bpf_probe_read_kernel_str(r->name, sizeof(r->name), BPF_CORE_READ(cg, kn, name));
	ring_submit(r);
	bpf_map_update_elem(&named_cgroups, &id, &one, BPF_ANY);
	return id;
}

static __always_inline void emit_thread(struct task_struct *p, struct thread *t, struct cpu_state *c, u64 ts,
					u32 flags)
{
	u64 cgroup = name_cgroup(p, c, ts);
	struct sg_thread *r = ring_reserve(c, sizeof(*r));

	if (!r)
		return;
	fill_hdr(&r->h, c, SG_REC_THREAD, t->uid, ts);
	r->birth = t->birth;
	r->start = p->start_time;
	r->cgroup = cgroup;
	r->tid = p->pid;
	r->tgid = p->tgid;
	r->creator = t->creator;
	r->flags = flags | (t->flags & TH_KTHREAD ? SG_TF_KTHREAD : 0) |
		   (t->flags & TH_INSCOPE ? SG_TF_INSCOPE : 0) | (t->flags & TH_BEFORE ? SG_TF_BEFORE : 0) |
		   (t->flags & TH_ROOT ? SG_TF_ROOT : 0) | (t->flags & TH_EXEC ? SG_TF_EXEC : 0);
	bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), p->comm);
	ring_submit(r);
	t->flags = (t->flags | TH_ANNOUNCED) & ~TH_EXEC;
}

#endif
