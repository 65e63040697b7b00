/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* One step of the walk through a wait: run-queue part, then blocked part. */
#include <errno.h>
#include "base/kvmexit.h"
#include "model/box.h"
#include "model/handoff.h"
#include "model/walk.h"

#define SCAN_MAX 65536 /* parts of one repeated wait that are looked at */

#define RUNNABLE_STOPS \
	(1u << SG_STOP_RUNNABLE | 1u << SG_STOP_YIELD | 1u << SG_STOP_THROTTLED | 1u << SG_STOP_NEW)
#define BLIND_STOPS (1u << SG_STOP_HOLE | 1u << SG_STOP_UNSEEN | 1u << SG_STOP_NONE | 1u << SG_STOP_DEAD)

/*
 * What a thread waits in inside KVM_RUN (its request number is the call's second
 * argument): the exit that the note tells, which is none before the first entry, and on
 * kernels that have no probes for exits.
 */
#define NR_IOCTL 16
#define KVM_RUN	 0xae80
static uint8_t vcpu_wait(const struct sg_trec *r)
{
	uint16_t key = r->note & 0xffff;
	enum sg_kvm_class c;

	if (r->note == (SG_NOTE_KVM | SG_C_MEM_BALLOON))
		return SG_VW_BALLOON;
	if (r->wkind != SG_K_SYSCALL || r->nr != NR_IOCTL || r->arg != KVM_RUN)
		return SG_VW_NONE;
	if (!(r->note & SG_NOTE_KVM))
		return SG_VW_RUN;
	if (key == SG_C_MEM_SWAPIN)
		return SG_VW_SWAPIN;
	c = SG_KEY_IS_KVM(key) ? sg_kvm_class(key) : SG_KVMC_OTHER;
	return c == SG_KVMC_HALT || c == SG_KVMC_HALT_POLL ? SG_VW_HALT : SG_VW_EXIT;
}

void sg_wait_of(const struct sg_model *m, const struct sg_thr *th, const struct sg_trec *r,
		struct sg_wait *ret)
{
	const struct sg_thr *waker = r->wctx == SG_WCTX_TASK ? sg_thr_find(m, r->waker) : NULL;

	*ret = (struct sg_wait){
		.stop = r->stop,
		.wkind = r->wkind,
		.fdtype = r->fdtype,
		.wctx = r->wctx,
		.wsrc = r->wsrc,
		.fltres = r->fltres,
		.nr = r->nr,
		.raiser = r->raiser,
		.waker = r->flags & SG_SF_WAKETORN ? 0 : r->waker,
		.compat = r->flags & SG_SF_COMPAT,
		.iowait = r->flags & SG_SF_IOWAIT,
		.timeout = r->flags & SG_SF_TIMEOUT,
		.mixed = r->flags & SG_SF_MIXED,
		.kthread_waker = waker && (waker->flags & SG_TF_KTHREAD),
		.softirqd = waker && (waker->flags & SG_TF_KTHREAD) &&
			    !strncmp(waker->comm, "ksoftirqd/", sizeof("ksoftirqd/") - 1),
		.syms = sg_dict_syms(m, r->stack_kern),
		.vcpu = vcpu_wait(r),
		.box = th->box,
		.waker_box =
			waker && waker->sandbox && waker->sandbox == th->sandbox ? waker->box : SG_BOX_NONE,
	};
	/* No waking was seen, but the call says that its time was up: its timer woke it. */
	if (!r->wake && (r->flags & SG_SF_TIMEDOUT)) {
		ret->wctx = SG_WCTX_TIMER;
		ret->wsrc = SG_WSRC_TIMER;
		ret->timeout = true;
	}
}

/* The rule and the origin of a wait, found once per record. */
static const struct sg_rule *rule_of(const struct sg_model *m, const struct sg_thr *th, struct sg_trec *r)
{
	if (!r->rule) {
		struct sg_wait wait;
		uint32_t uid;

		sg_wait_of(m, th, r, &wait);
		r->rule = sg_classify(&wait) - sg_rules() + 1;
		r->origin =
			r->wake || (r->flags & SG_SF_TIMEDOUT) ? sg_wait_origin(&wait, &uid) : SG_ORG_NONE;
	}
	return sg_rules() + r->rule - 1;
}

static bool blocked(const struct sg_trec *r)
{
	return !((RUNNABLE_STOPS | BLIND_STOPS) & (1u << r->stop));
}

static uint16_t wait_nr(const struct sg_trec *r)
{
	return r->wkind == SG_K_USER || r->wkind == SG_K_FAULT || r->wkind == SG_K_KTHREAD ? 0xffff : r->nr;
}

/* The system call that a wait is a part of, page faults in it too; 0xffff none. Its number for a task's own waits. */
static uint16_t call_nr(const struct sg_trec *r)
{
	uint16_t compat = r->flags & SG_SF_COMPAT ? SG_WAIT_COMPAT : 0;

	return r->wkind == SG_K_SYSCALL || r->wkind == SG_K_KFAULT ? (r->nr & 0x7fff) | compat : 0xffff;
}

/* The task's own thread waits: which call that is of, on what. */
static void own_call(struct sg_seg *s, const struct sg_walk *w, const struct sg_trec *r)
{
	if (w->n != 1)
		return;
	s->wait_nr = call_nr(r);
	s->wait_detail = r->detail;
}

/* System call or fault instance of a wait; 0: none. */
static uint32_t instance(const struct sg_trec *r)
{
	if (r->wkind == SG_K_FAULT || r->wkind == SG_K_KFAULT)
		return r->fltseq;
	return r->wkind == SG_K_SYSCALL ? r->sysseq : 0;
}

/* Did the thread surely leave the kernel in this slice? */
static bool left_kernel(const struct sg_trec *r)
{
	for (uint32_t i = 0; i < r->npair; i++)
		if (r->pair[i].key == SG_C_CPU_USER)
			return true;
	return r->in < r->out && r->out_kind == SG_K_USER;
}

/* Is @r, later than a part of instance (@kind, @inst), still inside that instance? */
static bool same_instance(const struct sg_trec *r, uint8_t kind, uint32_t inst)
{
	if (kind == SG_K_SYSCALL)
		return r->wkind != SG_K_USER && r->wkind != SG_K_FAULT && r->sysseq == inst;
	return r->fltseq == inst;
}

/* Nothing follows @last, though something must have. */
static bool tail_lost(const struct sg_model *m, const struct sg_thr *th, const struct sg_trec *last)
{
	if (last->out_stop == SG_STOP_DEAD || (last->flags & SG_SF_OPEN))
		return false;
	return th->exit_ts || (m->finished && m->stats.lost);
}

/*
 * A thread may be woken in vain and block again inside one system call or
 * fault. The last waker explains all parts. Sets f->inst_final, or
 * f->inst_lost when a hole hides how the instance went on.
 */
static void find_final(struct sg_model *m, struct sg_walk *w, struct sg_wframe *f, struct sg_trec *r)
{
	uint32_t inst = instance(r), left = SCAN_MAX;
	struct sg_trec *last = r, *n;
	struct sg_pos pos = f->pos;
	bool hole = false; /* a later part may be in it */

	if (f->have_inst && inst && f->inst == inst && f->inst_kind == r->wkind) {
		w->hits += f->inst_open;
		return;
	}
	f->have_inst = true;
	f->inst = inst;
	f->inst_kind = r->wkind;
	f->inst_final = r;
	f->inst_lost = f->inst_open = false;
	while (inst && left--) {
		if (!sg_timeline_next(f->th, &pos)) {
			f->inst_open = !left_kernel(last);
			f->inst_lost = hole || (f->inst_open && tail_lost(m, f->th, last));
			w->hits += f->inst_open;
			return;
		}
		n = sg_timeline_at(f->th, pos);
		if (!same_instance(n, r->wkind, inst)) {
			f->inst_lost = hole || (n->lo > last->out && !left_kernel(last));
			return;
		}
		hole |= n->lo > last->out;
		if (blocked(n) && n->wkind == r->wkind) {
			f->inst_final = n;
			hole = false;
		}
		last = n;
	}
}

static int emit_wait(struct sg_walk *w, const struct sg_trec *r, uint64_t lo, struct sg_seg *s)
{
	/*
	 * A swap-in or a reclaim is counted once, where it ends on a CPU, however often it waits;
	 * of a balloon's work the pages are counted.
	 */
	s->cnt = lo <= r->lo && s->hi > lo && s->cause >= SG_ACC_MAX && s->cause != SG_C_MEM_BALLOON;
	s->stack_kern = r->stack_kern;
	s->stack_user = r->stack_user;
	if (r->detail)
		s->detail = r->detail;
	return sg_emit(w, s);
}

/* Run-queue part: the quota's share first, then the queue. */
static int step_runq(struct sg_model *m, struct sg_walk *w, const struct sg_trec *r, uint64_t from,
		     uint64_t floor)
{
	const struct sg_ext *ext = sg_trec_ext(r);
	uint64_t held = ext ? ext->throttle_ns : 0, lo = from, edge;
	uint16_t cause = r->stop == SG_STOP_YIELD ? SG_C_SCHED_YIELD : SG_C_SCHED_RUNQ;
	uint16_t handed = from > r->lo ? sg_box_switch(m, sg_walk_top(w)->th, r) : 0;
	struct sg_seg s;

	if (handed)
		cause = handed;
	if (r->stop == SG_STOP_THROTTLED && !held)
		held = r->in - from; /* not separable on this kernel: the quota stopped it */
	edge = held < r->in - from ? from + held : r->in;
	if (w->cur <= edge)
		cause = SG_C_SCHED_THROTTLE;
	else
		lo = edge;
	if (lo < floor)
		lo = floor;
	s = sg_emit_base(m, w, lo, cause);
	s.who = handed && cause == handed
			? r->waker
			: r->who; /* a trap names who handed over, a queue who had the CPU */
	s.cnt = lo == (cause == SG_C_SCHED_THROTTLE ? from : edge);
	s.flags |= (r->flags & SG_SF_OPEN) && r->in == r->out ? SG_SEG_OPEN : 0;
	own_call(&s, w, r);
	return sg_emit(w, &s);
}

/* The message to a Gofer that time in this wait is of: its own, or that of the wait it lies in. */
static uint32_t message_of(const struct sg_wframe *f, uint16_t cause, const struct sg_trec *r)
{
	return cause == SG_C_IO_GOFER ? r->note & SG_NOTE_FLIPCALL ? r->note : 0 : f->note;
}

/* What a wait is booked as when nobody is entered. */
static struct sg_seg leaf(struct sg_model *m, struct sg_walk *w, const struct sg_rule *rule,
			  const struct sg_trec *r, uint64_t lo)
{
	struct sg_wframe *f = sg_walk_top(w);
	const struct sg_ext *ext = sg_trec_ext(r);
	uint16_t cause = rule->cause;
	struct sg_seg s;

	if ((rule->attr & SG_RA_IDLE) && f->spec)
		cause = f->spec;
	if (cause == SG_C_IO_BLOCK && f->refine)
		cause = f->refine;
	s = sg_emit_base(m, w, lo, cause);
	if (w->n == 1)
		s.wait_cause = rule->cause;
	if (f->th->flags & SG_TF_KTHREAD)
		s.comp = f->comp; /* the kernel's worker waited for its asker */
	if (cause == SG_C_UNKNOWN)
		s.why = r->wkind == SG_K_UNSEEN ? SG_WHY_BEFORE : SG_WHY_UNSEEN;
	s.nr = wait_nr(r);
	s.dev = r->dev;
	s.svc_ns = ext ? ext->svc_ns : 0;
	s.note = w->message;
	/* an interrupt that no probe saw has interrupted anybody */
	s.who = rule->cause == SG_C_MEM_HOST ? 0 : r->wctx == SG_WCTX_TASK ? r->waker : r->raiser;
	own_call(&s, w, r);
	return s;
}

static int unknown_wait(struct sg_model *m, struct sg_walk *w, const struct sg_rule *rule,
			const struct sg_trec *r, uint64_t lo, uint8_t why, uint16_t flags)
{
	bool lost = why == SG_WHY_LOST;
	struct sg_seg s = sg_emit_base(m, w, lo, lost ? SG_C_UNKNOWN_LOST : SG_C_UNKNOWN);

	if (w->n == 1)
		s.wait_cause = rule->cause;
	s.why = why;
	s.nr = wait_nr(r);
	s.flags |= flags;
	own_call(&s, w, r);
	return emit_wait(w, r, lo, &s);
}

/* Enter the thread that ended the wait. @settled: no record to come can change that it did. */
static int enter(struct sg_model *m, struct sg_walk *w, struct sg_thr *th, const struct sg_rule *rule,
		 struct sg_trec *r, uint64_t lo, uint16_t flags, bool settled)
{
	struct sg_wframe *f = sg_walk_top(w);
	bool kthread = th->flags & SG_TF_KTHREAD;
	struct sg_push p = {
		.th = th,
		.lo = lo,
		.wait = rule->cause,
		.nr = wait_nr(r),
		.detail = r->detail,
		.note = w->message,
		.flags = flags,
		.memo_rec = settled && lo == r->lo && w->cur == r->wake ? r : NULL,
	};
	uint16_t inherit = 0;

	p.spec = (rule->attr & (SG_RA_IDLE | SG_RA_SURE)) || rule->cause == SG_C_UNKNOWN ? f->spec
											 : rule->cause;
	if (f->refine == SG_C_IO_FSYNC || (kthread && (f->th->flags & SG_TF_KTHREAD)))
		inherit = f->refine;
	p.refine = rule->cause == SG_C_IO_FSYNC || ((rule->attr & SG_RA_REFINE) && kthread) ? rule->cause
											    : inherit;
	if (w->n == 1) {
		w->outer = rule->cause;
		w->outer_nr = call_nr(r);
		w->outer_detail = r->detail;
	}
	if (w->critical)
		return sg_walk_replace(m, w, th, true);
	if (th->tgid == f->th->tgid && sg_thr_is_vcpu(th) && !sg_thr_is_vcpu(f->th)) {
		f->guest = th;
		f->guest_rule = rule;
	}
	p.handoff = sg_handoff(m, th, lo, w->cur, r->stop == SG_STOP_TRACED);
	return sg_walk_push(m, w, &p);
}

/* @th, unless it is on the stack already, or nothing comes of entering threads any more. */
static struct sg_thr *may_enter(const struct sg_model *m, struct sg_walk *w, struct sg_thr *th)
{
	if (!th->onstack && w->quiet <= 2ull * m->nthr + 64)
		return th;
	w->hits++;
	return NULL;
}

static struct sg_thr *enterable(struct sg_model *m, struct sg_walk *w, const struct sg_trec *rep)
{
	struct sg_thr *th = NULL;

	if (rep->origin == SG_ORG_TASK || rep->origin == SG_ORG_RAISER)
		th = sg_thr_get(m, rep->origin == SG_ORG_TASK ? rep->waker : rep->raiser);
	if (!th || (th->flags & SG_TF_IDLE))
		return NULL; /* the idle loop passes on what an interrupt brought */
	return may_enter(m, w, th);
}

static bool polls(const struct sg_trec *r)
{
	return r->wkind == SG_K_SYSCALL && (sg_syscall_sets(r->nr, r->flags & SG_SF_COMPAT) & SG_SET_POLL);
}

/*
 * A VMM's event loop wakes for timers of its own, the balloon's statistics and the like.
 * What asked it waits for the guest meanwhile, as it does when the vCPU wakes the loop.
 */
static struct sg_thr *loop_guest(const struct sg_model *m, struct sg_walk *w, const struct sg_trec *rep,
				 uint64_t lo)
{
	const struct sg_wframe *f = sg_walk_top(w);

	if (w->n == 1 || !f->guest || f->guest->birth > lo || rep->origin != SG_ORG_TIMER || !polls(rep))
		return NULL;
	return may_enter(m, w, f->guest);
}

/*
 * A VMM's loop polls for all that it serves. While a guest waits for its device, a vCPU that
 * kicks the loop (@by) has something else for it: it still waits for what ended its poll later.
 */
static bool is_aside(const struct sg_walk *w, const struct sg_thr *by, const struct sg_trec *rep)
{
	const struct sg_wframe *f = &w->frame[w->n - 1];

	return w->serving && w->n == 1 && f->served_rule && by && by->tgid == f->th->tgid &&
	       sg_thr_is_vcpu(by) && polls(rep);
}

/* What ended a poll of such a loop: @by, or nobody. */
static void serve(struct sg_walk *w, struct sg_thr *by, const struct sg_rule *rule, const struct sg_trec *rep)
{
	struct sg_wframe *f = sg_walk_top(w);

	if (!w->serving || w->n != 1 || !polls(rep) || (by && sg_thr_is_vcpu(by)))
		return;
	f->server = by;
	f->served_rule = rule;
	f->served_dev = rep->dev;
}

static int step_aside(struct sg_model *m, struct sg_walk *w, struct sg_trec *r, uint64_t lo, uint16_t flags)
{
	struct sg_wframe *f = sg_walk_top(w);
	struct sg_seg s;

	if (f->server && f->server->birth <= lo && may_enter(m, w, f->server))
		return enter(m, w, f->server, f->served_rule, r, lo, flags, false);
	s = leaf(m, w, f->served_rule, r, lo);
	s.dev = f->served_dev;
	s.flags |= flags;
	return emit_wait(w, r, lo, &s);
}

static int step_blocked(struct sg_model *m, struct sg_walk *w, struct sg_trec *r, uint64_t floor)
{
	uint64_t lo = r->lo > floor ? r->lo : floor;
	struct sg_wframe *f = sg_walk_top(w);
	const struct sg_rule *rule = rule_of(m, f->th, r);
	uint16_t flags = 0;
	uint64_t hits = w->hits;
	struct sg_trec *rep = r;
	struct sg_thr *th;
	struct sg_seg s;

	if (r->fltres == SG_FLT_OPEN && r->fltseq)
		w->hits++; /* how the fault ends may be told later */
	if (!(rule->attr & (SG_RA_LOCK | SG_RA_TRAP))) {
		find_final(m, w, f, r);
		rep = f->inst_final;
		if (f->inst_lost)
			return unknown_wait(m, w, rule, r, lo, SG_WHY_LOST, SG_SEG_REWAIT);
		rule = rule_of(m, f->th, rep);
		flags = rep != r ? SG_SEG_REWAIT : 0;
	}
	w->message = message_of(f, rule->cause, rep);
	if (rule->attr & SG_RA_TRAP)
		goto book;
	if ((rep->flags & SG_SF_OPEN) && !rep->wake) {
		flags |= SG_SEG_OPEN;
		goto book;
	}
	if (rep->origin == SG_ORG_NONE && !(rule->attr & SG_RA_SURE))
		return unknown_wait(m, w, rule, r, lo, SG_WHY_NO_WAKER, flags);
	if (w->n == 1 && w->cur < r->wake) {
		flags |= SG_SEG_OPEN; /* still waiting when the task ended */
		goto book;
	}
	th = enterable(m, w, rep);
	if (is_aside(w, th, rep))
		return step_aside(m, w, r, lo, flags);
	serve(w, th, rule, rep);
	if (th)
		return enter(m, w, th, rule, r, lo, flags, w->hits == hits);
	th = loop_guest(m, w, rep, lo);
	if (th)
		return enter(m, w, th, sg_walk_top(w)->guest_rule, r, lo, flags, false);
book:
	s = leaf(m, w, rule, r, lo);
	s.flags |= flags;
	return emit_wait(w, r, lo, &s);
}

/* (.., cur] lies before r->in. */
int sg_wait_step(struct sg_model *m, struct sg_walk *w, struct sg_trec *r, uint64_t floor)
{
	uint64_t lo = r->lo > floor ? r->lo : floor;
	uint32_t stop = 1u << r->stop;

	if (stop & RUNNABLE_STOPS)
		return step_runq(m, w, r, r->lo, floor);
	if (stop & BLIND_STOPS)
		return sg_emit_unknown(m, w, lo, r->stop == SG_STOP_UNSEEN ? SG_WHY_BEFORE : SG_WHY_HOLE);
	if (r->wake && w->cur > r->wake)
		return step_runq(m, w, r, r->wake, floor);
	return step_blocked(m, w, r, floor);
}
