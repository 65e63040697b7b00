/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The fused path. A guest's thread that is on a CPU is on a vCPU, which is a thread of
 * the host: what the host saw of that thread over the same time says how much of it was
 * guest mode and how much was taken by exits, by other threads, by memory that came
 * back from swap. So each piece of a guest's time on a CPU, and each wait for one of its
 * (virtual) devices, is replaced by the host's walk of the vCPU over the mapped window;
 * where that says guest mode, the guest's own causes stay. A wait for a device is looked
 * at through the thread of the VMM that ended it, where there is one: the vCPU may have
 * halted and run other tasks many times meanwhile. One for memory that the host had taken
 * is looked at through the host's worker that brought it. The window's two ends are
 * mapped once and everything inside by one straight line, so the pieces tile what they
 * replace: the ledger stays in the guest's clock, to the nanosecond.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/kvmexit.h"
#include "model/walk.h"
#include "trace/clockmap.h"

typedef unsigned __int128 u128;

#define VCPU_MAX  256 /* of one guest; those beyond are not refined */
#define GROUP_MAX 128 /* segments of one slice that are refined together: it has fewer causes */

struct guest {
	struct sg_clocks clocks;
	struct sg_thr *vcpu[VCPU_MAX];
	uint32_t nvcpu; /* vCPUs of all machines when these were looked for */
	bool ready, found;
	uint64_t fused_ns, ambiguous_ns, violations; /* of all tasks */
};

struct sg_fusion {
	struct guest guest[SG_MACHINE_MAX];
	struct sg_walk *walk; /* of the host, inside the guest's */
	struct sg_segs out, head;
	uint64_t
		kicked; /* by the host's clock: from when on the vCPU of the window in hand has what ends the wait; 0xff... not told */
	uint64_t inside_ns, fused_ns, ambiguous_ns, violations; /* of the task walked last */
	uint64_t keep_ns;
};

#define KEEP_MIN_NS 50000000ull
#define KEEP_MAX_NS 10000000000ull

/* As far as the clocks are apart at most, what is at one time here may be at another there. */
static void keep_more(struct sg_fusion *f, const struct sg_clockmap *ev)
{
	uint64_t apart = ev->guest_ts > ev->host_ts ? ev->guest_ts - ev->host_ts : ev->host_ts - ev->guest_ts;
	uint64_t keep = apart < KEEP_MAX_NS && ev->error_ns < KEEP_MAX_NS ? apart + 2 * ev->error_ns : 0;

	keep = KEEP_MIN_NS + (keep < KEEP_MAX_NS ? keep : KEEP_MAX_NS);
	if (keep > f->keep_ns)
		f->keep_ns = keep;
}

uint64_t sg_fuse_keep(const struct sg_model *m)
{
	return m->fusion->keep_ns;
}

int sg_fuse_clock(struct sg_model *m, const struct sg_clockmap *ev)
{
	int rc;

	if (!ev->machine || ev->machine >= SG_MACHINE_MAX)
		return 0;
	if (!m->fusion) {
		m->fusion = calloc(1, sizeof(*m->fusion));
		if (!m->fusion)
			return -ENOMEM;
	}
	keep_more(m->fusion, ev);
	rc = sg_clocks_feed(&m->fusion->guest[ev->machine].clocks, ev);
	m->fusion->guest[ev->machine].ready = false;
	return rc < 0 ? rc : 0;
}

void sg_fuse_free(struct sg_fusion *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < SG_MACHINE_MAX; i++)
		sg_clocks_free(&f->guest[i].clocks);
	sg_walk_free(f->walk);
	free(f->out.seg);
	free(f->head.seg);
	free(f);
}

void sg_fuse_sums(const struct sg_model *m, struct sg_task *ret)
{
	ret->inside_ns = m->fusion->inside_ns;
	ret->fused_ns = m->fusion->fused_ns;
	ret->ambiguous_ns = m->fusion->ambiguous_ns;
}

void sg_model_clock(const struct sg_model *m, unsigned number, struct sg_model_clock *ret)
{
	const struct sg_machine_info *mi = &m->machines.m[number];
	struct guest *g = m->fusion ? &m->fusion->guest[number] : NULL;

	*ret = (struct sg_model_clock){ 0 };
	if (!g || sg_clocks_finish(&g->clocks))
		return;
	for (size_t i = 0; i < g->clocks.n; i++)
		if (g->clocks.p[i].source < SG_CLOCK_MAX)
			ret->by[g->clocks.p[i].source]++;
	ret->points = g->clocks.n;
	ret->error_ns = sg_clocks_worst(&g->clocks, mi->begin, mi->end);
	ret->stepped = g->clocks.stepped;
	ret->fused_ns = g->fused_ns;
	ret->ambiguous_ns = g->ambiguous_ns;
	ret->violations = g->violations;
}

/* ---- which thread of the host a guest's CPU is -------------------------------------- */
/* QEMU with debug-threads says "CPU 3/KVM", Firecracker "fc_vcpu 3", cloud-hypervisor "vcpu3". */
static bool vcpu_number(const char *comm, unsigned *ret)
{
	char slash;

	return (sscanf(comm, "CPU %3u%c", ret, &slash) == 2 && slash == '/') ||
	       sscanf(comm, "fc_vcpu %3u", ret) == 1 || sscanf(comm, "vcpu%3u", ret) == 1;
}

static int by_tid(const void *a, const void *b)
{
	const struct sg_thr *x = *(struct sg_thr *const *)a, *y = *(struct sg_thr *const *)b;

	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

/* The VMM of a guest whose recording does not say: the only one there is. 0: none, or several. */
static uint32_t only_vmm(const struct sg_model *m)
{
	uint32_t vmm = 0;

	for (uint32_t i = 0; i < m->nthr; i++) {
		const struct sg_thr *th = m->thr[i];

		if (!th->vcpu || sg_machine_of_tid(th->tid) || th->tgid == vmm)
			continue;
		if (vmm)
			return 0;
		vmm = th->tgid;
	}
	return vmm;
}

uint32_t sg_fuse_vmm(const struct sg_model *m, const struct sg_machine_info *mi)
{
	return mi->vmm ? mi->vmm : only_vmm(m);
}

static void vcpus_find(const struct sg_model *m, const struct sg_machine_info *mi, struct guest *g)
{
	uint32_t vmm = sg_fuse_vmm(m, mi), n = 0;
	struct sg_thr *all[VCPU_MAX];
	bool numbered = true;

	memset(g->vcpu, 0, sizeof(g->vcpu));
	for (uint32_t i = 0; vmm && i < m->nthr && n < VCPU_MAX; i++)
		if (m->thr[i]->vcpu && m->thr[i]->tgid == vmm)
			all[n++] = m->thr[i];
	qsort(all, n, sizeof(*all), by_tid);
	for (uint32_t i = 0; i < n && numbered; i++) {
		unsigned at;

		numbered = vcpu_number(all[i]->comm, &at) && at < VCPU_MAX && !g->vcpu[at];
		if (numbered)
			g->vcpu[at] = all[i];
	}
	if (!numbered)
		memset(g->vcpu, 0, sizeof(g->vcpu));
	/* they are made in order; when not all have been seen, nobody knows which is which */
	for (uint32_t i = 0; !numbered && n == mi->ncpu && i < n; i++)
		g->vcpu[i] = all[i];
	g->found = n && (numbered || n == mi->ncpu);
	g->nvcpu = m->nvcpu;
}

/* The guest that @uid is a thread of, its clock mapped; NULL: the host's, or nothing maps it. */
static struct guest *clock_of(struct sg_model *m, uint32_t uid)
{
	const struct sg_machine_info *mi = sg_machine_of_uid(&m->machines, uid);
	struct guest *g;

	if (!mi || !mi->number || mi->number >= SG_MACHINE_MAX || !m->fusion)
		return NULL;
	g = &m->fusion->guest[mi->number];
	if (!g->clocks.n || (!g->ready && sg_clocks_finish(&g->clocks)))
		return NULL;
	g->ready = true;
	return g;
}

/* The guest whose thread @th is, NULL: it is the host's, or nothing maps its clock. */
static struct guest *guest_of(struct sg_model *m, const struct sg_thr *th, const struct sg_machine_info **ret)
{
	const struct sg_machine_info *mi = sg_machine_of_uid(&m->machines, th->uid);
	struct guest *g = clock_of(m, th->uid);

	if (!g)
		return NULL;
	/* a vCPU may run for the first time at any moment */
	if (g->nvcpu != m->nvcpu)
		vcpus_find(m, mi, g);
	*ret = mi;
	return g->found ? g : NULL;
}

bool sg_fuse_host(struct sg_model *m, uint32_t uid, uint64_t ts, uint64_t *ret_host, uint64_t *ret_error)
{
	struct guest *g = clock_of(m, uid);

	return g && sg_clocks_host(&g->clocks, ts, ret_host, ret_error);
}

void sg_fuse_seam(struct sg_model *m, uint32_t uid, uint64_t ns, uint64_t error_ns, bool fits)
{
	struct guest *g = clock_of(m, uid);

	m->fusion->inside_ns = ns;
	m->fusion->ambiguous_ns += error_ns;
	g->ambiguous_ns += error_ns;
	g->violations += !fits;
	m->stats.clock_violations += !fits;
}

/* ---- what is replaced ---------------------------------------------------------------- */
struct window {
	const struct sg_seg *seg; /* of the guest, contiguous, of one thread */
	size_t n;
	uint64_t lo, hi;   /* on the guest's clock */
	uint64_t from, to; /* on the host's */
	uint64_t error_ns;
	struct sg_thr *vcpu;
	unsigned machine;
	uint16_t woke; /* a wait for a device: 1 + the guest's CPU whose interrupt ended it, 0 not told */
	enum {
		ON_CPU,
		QUEUED,
		DEVICE,
		MEMORY,
		LATE
	} what; /* of the guest's thread: it runs, waits for its CPU, for a device, for memory of its host's, for a timer that is late */
	struct sg_fetched fetched; /* MEMORY; no worker: not known */
};

/* How late the timer was that ended the wait, nanoseconds. */
static uint64_t timer_late(const struct sg_trec *r)
{
	return r->wctx == SG_WCTX_TIMER ? SG_LATE_NS((uint64_t)r->woke) : 0;
}

static bool is_device_wait(const struct sg_trec *r)
{
	return r->wctx == SG_WCTX_HARD || (r->wctx == SG_WCTX_SOFT && (!r->raiser || r->flags & SG_SF_MIXED));
}

static struct sg_trec *rec_at(struct sg_thr *th, uint64_t ts)
{
	struct sg_pos pos;

	return sg_timeline_find(th, ts, &pos) ? sg_timeline_at(th, pos) : NULL;
}

/* How many segments from @s on are one stay on a CPU, or one wait for it or for a device; 0: not to be replaced. */
static size_t stretch(struct sg_thr *th, const struct sg_seg *s, size_t n, struct sg_trec **ret_rec,
		      struct window *ret)
{
	struct sg_trec *r = rec_at(th, s->hi);
	size_t k = 0;

	*ret_rec = r;
	if (!r || s->cause == SG_C_UNKNOWN || s->cause == SG_C_UNKNOWN_LOST)
		return 0;
	ret->what = s->lo >= r->in && s->hi <= r->out ? ON_CPU
		    : s->cause == SG_C_SCHED_RUNQ     ? QUEUED
		    : s->cause == SG_C_MEM_HOST	      ? MEMORY
		    : r->wctx == SG_WCTX_TIMER	      ? LATE
						      : DEVICE;
	if (ret->what == QUEUED)
		return s->lo >= r->lo && s->hi <= r->in;
	if (ret->what == MEMORY)
		return s->lo >= r->lo && s->hi <= r->wake;
	if (ret->what == LATE)
		return s->lo >= r->lo && s->hi <= r->wake && s->lo >= r->wake - timer_late(r);
	if (ret->what == DEVICE)
		return s->lo >= r->lo && s->hi <= r->wake && is_device_wait(r) &&
		       s->cause != SG_C_TIMER_SLEEP;
	while (k < n && k < GROUP_MAX && s[k].uid == s->uid && s[k].chain == s->chain && s[k].hi <= r->out)
		k++;
	return k;
}

/* One instant inside the window, back on the guest's clock. */
static uint64_t back(const struct window *x, uint64_t host)
{
	return x->lo + (uint64_t)((u128)(host - x->from) * (x->hi - x->lo) / (x->to - x->from));
}

static int put(struct sg_fusion *f, const struct sg_seg *s)
{
	if (s->hi <= s->lo)
		return 0;
	if (SG_GROW(f->out.seg, f->out.cap, f->out.n + 1))
		return -ENOMEM;
	f->out.seg[f->out.n++] = *s;
	return 0;
}

/*
 * Does piece @i of the host's walk leave the guest its own cause? Where the host says
 * nothing, the guest's word stands; where its records were lost, nobody's does. While it
 * waits for a device its vCPU is idle, or does something else, and so do the others: none
 * of that explains the wait, but for what holds the vCPU between the kick and the guest.
 * While it waits for its CPU another of the guest's threads has the vCPU: what that does
 * with it is its own, what takes the vCPU from both is the host's.
 */
static bool is_guests(struct sg_model *m, const struct window *x, const struct sg_segs *b, size_t i)
{
	const struct sg_seg *s = &b->seg[i];
	bool on_cpu = sg_cause_on_cpu(s->cause), own = s->uid == x->vcpu->uid;
	const struct sg_thr *th;

	if (s->cause == SG_C_CPU_GUEST || s->cause == sg_kvm_cause(SG_KEY_KVM | SG_KVM_RUN) ||
	    s->cause == SG_C_UNKNOWN)
		return true;
	if (x->what == ON_CPU)
		return false;
	if (s->cause == SG_C_KVM_HALT)
		return true;
	if (x->what == QUEUED)
		return own && on_cpu;
	if (!own) {
		th = on_cpu ? sg_thr_find(m, s->uid) : NULL;
		return th && th->vcpu && th->tgid == x->vcpu->tgid;
	}
	if (s->lo >= m->fusion->kicked)
		return on_cpu;
	return !(s->cause == SG_C_SCHED_RUNQ && i &&
		 (b->seg[i - 1].uid != s->uid || b->seg[i - 1].cause == SG_C_KVM_HALT));
}

static uint64_t host_ns(struct sg_model *m, const struct window *x, const struct sg_segs *b)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < b->n; i++)
		if (!is_guests(m, x, b, i))
			ns += b->seg[i].hi - b->seg[i].lo;
	return ns;
}

/* What is told from one of several threads that may have been waited for. */
static uint64_t kicks_ns(const struct sg_segs *b)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < b->n; i++)
		ns += b->seg[i].flags & SG_SEG_KICKS ? b->seg[i].hi - b->seg[i].lo : 0;
	return ns;
}

/* The guest's causes, in their order, over [lo, hi] that the host left them. */
static int fill_guest(struct sg_fusion *f, const struct window *x, const uint64_t *share, uint64_t *left,
		      size_t *at, uint64_t lo, uint64_t hi)
{
	int rc = 0;

	while (lo < hi && *at < x->n && !rc) {
		struct sg_seg s = x->seg[*at];
		uint64_t ns = left[*at] < hi - lo ? left[*at] : hi - lo;

		if (left[*at] != share[*at])
			s.cnt = s.err = 0; /* counted in its first piece */
		s.lo = lo;
		s.hi = lo + ns;
		rc = put(f, &s);
		lo += ns;
		left[*at] -= ns;
		*at += !left[*at];
	}
	return rc;
}

/* A piece of the host in the guest's ledger. */
static int fill_host(struct sg_model *m, const struct window *x, const struct sg_seg *b, uint64_t lo,
		     uint64_t hi)
{
	struct sg_seg s = *b;
	int rc = sg_chain_graft(m, b->chain, x->seg->chain,
				x->what == ON_CPU ? SG_C_CPU_GUEST : x->seg->cause, &s.chain);

	s.lo = lo;
	s.hi = hi;
	/* what the task itself did, or waited for, stays what it was, but for its own time on a CPU */
	if (x->what != ON_CPU || x->seg->wait_cause != x->seg->cause)
		s.wait_cause = x->seg->wait_cause;
	s.wait_nr = x->seg->wait_nr;
	s.wait_detail = x->seg->wait_detail;
	return rc ? rc : put(m->fusion, &s);
}

/* What was counted keeps a nanosecond, of whoever has most: else its count would be gone. */
static void keep_counts(const struct window *x, uint64_t *share)
{
	for (size_t i = 0; i < x->n; i++) {
		size_t most = 0;

		if (share[i] || !x->seg[i].cnt)
			continue;
		for (size_t k = 1; k < x->n; k++)
			if (share[k] > share[most])
				most = k;
		if (share[most] < 2)
			return;
		share[most]--;
		share[i]++;
	}
}

/* Lay out the host's walk @b in place of the window. */
static int replace(struct sg_model *m, const struct window *x, const struct sg_segs *b)
{
	uint64_t want[GROUP_MAX], share[GROUP_MAX], left[GROUP_MAX], guest = 0, lo = x->lo, blind = 0;
	struct sg_fusion *f = m->fusion;
	size_t at = 0;
	int rc = 0;

	for (size_t i = 0; i < x->n; i++)
		want[i] = x->seg[i].hi - x->seg[i].lo;
	for (size_t i = 0; i < b->n; i++)
		if (is_guests(m, x, b, i)) {
			uint64_t ns = back(x, b->seg[i].hi) - back(x, b->seg[i].lo);

			guest += ns;
			blind += b->seg[i].cause == SG_C_UNKNOWN ? ns : 0;
		}
	sg_apportion(want, x->n, x->hi - x->lo, guest, share);
	keep_counts(x, share);
	memcpy(left, share, x->n * sizeof(*left));
	while (at < x->n && !left[at])
		at++;
	for (size_t i = 0; i < b->n && !rc; i++) {
		uint64_t hi = back(x, b->seg[i].hi);

		if (is_guests(m, x, b, i)) {
			rc = fill_guest(f, x, share, left, &at, lo, hi);
			while (at < x->n && !left[at])
				at++;
		} else {
			rc = fill_host(m, x, &b->seg[i], lo, hi);
		}
		lo = hi;
	}
	f->fused_ns += x->hi - x->lo - blind;
	/* which of several causes the host took its part from is not known */
	if (x->n > 1) {
		uint64_t host = x->hi - x->lo - guest;

		m->walk->uncertain_ns += host < guest ? host : guest;
	}
	return rc;
}

/* ---- the host's walk of it ----------------------------------------------------------- */
/* A thread that serves the guest's devices: of the VMM's process, or vhost's (a kernel thread before f9010dbdce91, Linux 6.4). */
static bool serves(const struct sg_thr *th, const void *ctx)
{
	const struct sg_thr *vcpu = ctx;
	unsigned of;

	if (th->flags & SG_TF_KTHREAD)
		return sscanf(th->comm, "vhost-%u", &of) == 1 && of == vcpu->tgid;
	return th->tgid == vcpu->tgid && !th->vcpu;
}

#define LOOK_BACK 64 /* records of the vCPU: preemptions between its waking and the guest's */

/* The thread that woke the halted vCPU inside the window, the last time, however often it was preempted since. */
static bool waker(struct sg_model *m, const struct window *x, struct sg_kick *ret)
{
	struct sg_trec *r = NULL;
	struct sg_pos pos;

	if (!sg_timeline_find(x->vcpu, x->to, &pos))
		return false;
	for (unsigned i = 0; i < LOOK_BACK; i++) {
		r = sg_timeline_at(x->vcpu, pos);
		if (r->out <= x->from || !sg_timeline_prev(x->vcpu, &pos))
			return false;
		if (r->wake && r->wake <= x->to + x->error_ns)
			break;
	}
	*ret = (struct sg_kick){ .ts = r->wake };
	if (r->wctx == SG_WCTX_TASK && !(r->flags & SG_SF_WAKETORN) && r->wake > x->from)
		ret->th = sg_thr_find(m, r->waker);
	return ret->th && serves(ret->th, x->vcpu);
}

/*
 * Who ended the wait for memory: the worker that brought it. For a device: the thread that
 * gave the guest its last interrupt inside the window, on the CPU that was interrupted;
 * where interrupts were not recorded, the one that woke the halted vCPU. False: not known,
 * or a timer, or another guest.
 */
static bool kicker(struct sg_model *m, const struct window *x, struct sg_kick *ret)
{
	struct sg_kick_ask ask = {
		.from = x->from,
		.to = x->to + x->error_ns,
		.of = serves,
		.ctx = x->vcpu,
		.machine = x->machine,
		.woke = x->woke,
	};

	if (x->what == MEMORY) {
		*ret = (struct sg_kick){ .th = x->fetched.worker, .ts = x->fetched.at };
		return ret->th;
	}
	if (x->what != DEVICE || !(sg_kicks_last(m, &ask, ret) || waker(m, x, ret)))
		return false;
	if (ret->ts > x->to)
		ret->ts = x->to;
	return true;
}

/* Which device the guest waited for it does not say: what is told from this thread may be another's. */
static void mark_kicked(struct sg_segs *s, const struct sg_kick *k)
{
	for (size_t i = 0; k->others && i < s->n; i++) {
		s->seg[i].flags |= SG_SEG_KICKS;
		if (!s->seg[i].note)
			s->seg[i].note = SG_SEG_VECTOR | k->vector;
	}
}

/* @before, then what @w has now, in @w */
static int prepend(struct sg_walk *w, const struct sg_segs *before)
{
	if (SG_GROW(w->segs.seg, w->segs.cap, w->segs.n + before->n))
		return -ENOMEM;
	memmove(w->segs.seg + before->n, w->segs.seg, w->segs.n * sizeof(*w->segs.seg));
	memcpy(w->segs.seg, before->seg, before->n * sizeof(*before->seg));
	w->segs.n += before->n;
	return 0;
}

/* The host's segments of @x, its ends moved by @by, in the fusion's walk. */
static int host_walk(struct sg_model *m, const struct window *x, int64_t by, bool force)
{
	uint64_t at, prorated, uncertain, from = x->from + (uint64_t)by, to = x->to + (uint64_t)by;
	struct sg_fusion *f = m->fusion;
	struct sg_segs swap;
	struct sg_kick k;
	int rc;

	f->kicked = x->what == LATE ? from : UINT64_MAX;
	if (!kicker(m, x, &k) || k.ts <= from)
		return sg_walk_window(m, f->walk, x->vcpu, from, to, force);
	f->kicked = at = k.ts < to ? k.ts : to;
	f->walk->behalf = x->fetched.swapin ? SG_C_MEM_SWAPIN : 0;
	f->walk->serving = x->what == DEVICE;
	rc = sg_walk_window(m, f->walk, k.th, from, at, force);
	f->walk->behalf = 0;
	f->walk->serving = false;
	if (rc)
		return rc;
	mark_kicked(&f->walk->segs, &k);
	swap = f->head;
	f->head = f->walk->segs;
	f->walk->segs = swap;
	prorated = f->walk->prorated_ns;
	uncertain = f->walk->uncertain_ns;
	rc = sg_walk_window(m, f->walk, x->vcpu, at, to, force);
	f->walk->prorated_ns += prorated;
	f->walk->uncertain_ns += uncertain;
	return rc ? rc : prepend(f->walk, &f->head);
}

/*
 * What is the host's moves by this much when the window is moved by the clocks' error; at
 * least @worst of it may be told from the wrong thread.
 */
static int ambiguous(struct sg_model *m, const struct window *x, bool force, uint64_t host, uint64_t worst)
{
	struct sg_fusion *f = m->fusion;

	for (int side = 0; side < 2 && x->error_ns; side++) {
		uint64_t by = x->error_ns, ns;
		int rc;

		if (!side && (x->from < by || x->from - by == 0))
			continue;
		rc = host_walk(m, x, side ? (int64_t)by : -(int64_t)by, force);
		if (rc == -EAGAIN)
			break; /* the end of the recording: one side tells enough */
		if (rc)
			return rc;
		ns = host_ns(m, x, &f->walk->segs);
		ns = ns > host ? ns - host : host - ns;
		worst = ns > worst ? ns : worst;
	}
	f->ambiguous_ns += worst < x->hi - x->lo ? worst : x->hi - x->lo;
	return 0;
}

/* Below this a thread that ran while its vCPU did not may be the edge of a switch. */
#define VIOLATION_NS 20000

static int fuse_window(struct sg_model *m, struct sg_open *o, const struct window *x, bool force)
{
	struct sg_fusion *f = m->fusion;
	uint64_t host, kicks;
	int rc = host_walk(m, x, 0, force);

	if (rc == -EAGAIN) {
		o->need_uid = f->walk->need_uid;
		o->need_ts = f->walk->need_ts;
	}
	if (rc)
		return rc;
	host = host_ns(m, x, &f->walk->segs);
	kicks = kicks_ns(&f->walk->segs);
	/* A thread of the guest is stamped while its vCPU runs it: else the clocks are not what they are held for. */
	if (x->what == ON_CPU && host >= x->to - x->from &&
	    x->to - x->from > 2 * x->error_ns + VIOLATION_NS) {
		f->violations++;
		for (size_t i = 0; i < x->n && !rc; i++)
			rc = put(f, &x->seg[i]);
		return rc;
	}
	m->walk->prorated_ns += f->walk->prorated_ns;
	m->walk->uncertain_ns += f->walk->uncertain_ns;
	rc = replace(m, x, &f->walk->segs);
	return rc || !(host || kicks)
		       ? rc
		       : ambiguous(m, x, force, host, x->fetched.several ? x->hi - x->lo : kicks);
}

/* The guest's CPU that thread @th was on when it began to wait for memory, or set its timer: there it is told. */
static unsigned cpu_left(struct sg_thr *th, const struct sg_trec *r)
{
	const struct sg_trec *before = rec_at(th, r->lo);

	return before && before->out == r->lo ? before->cpu : r->cpu;
}

/* The window of the stretch that begins at @s, if it can be mapped. */
static bool window_at(struct sg_model *m, struct guest *g, const struct sg_machine_info *mi,
		      const struct sg_seg *s, size_t n, struct window *ret)
{
	struct sg_thr *th = sg_thr_find(m, s->uid);
	struct sg_trec *r;
	uint64_t e1, e2;
	unsigned cpu;

	if (!th || sg_machine_of_uid(&m->machines, th->uid) != mi)
		return false;
	*ret = (struct window){ .seg = s };
	ret->n = stretch(th, s, n, &r, ret);
	if (!ret->n)
		return false;
	cpu = sg_machine_cpu(mi, ret->what == MEMORY || ret->what == LATE ? cpu_left(th, r) : r->cpu);
	ret->vcpu = cpu < VCPU_MAX ? g->vcpu[cpu] : NULL;
	ret->machine = mi->number;
	ret->woke = r->woke;
	ret->lo = s->lo;
	ret->hi = s[ret->n - 1].hi;
	if (!ret->vcpu || !sg_clocks_host(&g->clocks, ret->lo, &ret->from, &e1) ||
	    !sg_clocks_host(&g->clocks, ret->hi, &ret->to, &e2) || ret->to <= ret->from)
		return false;
	ret->error_ns = e1 > e2 ? e1 : e2;
	if (ret->what == MEMORY)
		sg_kicks_fetched(m, ret->vcpu, r->wsrc == SG_WSRC_PAGE ? r->note & 0xffff : 0, ret->from,
				 ret->to + ret->error_ns, &ret->fetched);
	return true;
}

/* From when on a timer that ended the wait @s was late; 0: it is none, or was not, or nobody told. */
static uint64_t late_from(struct sg_model *m, const struct sg_seg *s)
{
	struct sg_thr *th = s->cause == SG_C_TIMER_SLEEP ? sg_thr_find(m, s->uid) : NULL;
	struct sg_trec *r = th ? rec_at(th, s->hi) : NULL;
	uint64_t late = r && s->hi <= r->wake ? timer_late(r) : 0;

	return late && late < r->wake && r->wake - late < s->hi ? r->wake - late : 0;
}

/* A sleep whose timer was late is that up to its time: @s becomes the rest, in @late. */
static int put_sleep(struct sg_model *m, const struct sg_seg **s, struct sg_seg *late)
{
	uint64_t from = late_from(m, *s);
	struct sg_seg head = **s;

	if (from <= head.lo)
		return 0;
	head.hi = from;
	*late = **s;
	late->lo = from;
	late->cnt = late->err = 0;
	*s = late;
	return put(m->fusion, &head);
}

int sg_fuse(struct sg_model *m, struct sg_open *o, bool force)
{
	struct sg_thr *th = sg_thr_find(m, o->uid);
	struct sg_fusion *f = m->fusion;
	const struct sg_machine_info *mi;
	struct sg_segs *in = &m->walk->segs, swap;
	struct guest *g = th ? guest_of(m, th, &mi) : NULL;
	int rc = 0;

	f->inside_ns = f->fused_ns = f->ambiguous_ns = f->violations = 0;
	f->out.n = 0;
	if (!g || m->opts.critical)
		return 0;
	if (!f->walk)
		rc = sg_walk_new(&f->walk);
	for (size_t i = 0; i < in->n && !rc;) {
		const struct sg_seg *s = &in->seg[i];
		struct sg_seg late;
		struct window x;

		rc = put_sleep(m, &s, &late);
		if (rc)
			break;
		if (window_at(m, g, mi, s, in->n - i, &x)) {
			rc = fuse_window(m, o, &x, force);
			i += x.n;
		} else {
			rc = put(f, s);
			i++;
		}
	}
	if (rc)
		return rc;
	m->stats.fused_ns += f->fused_ns;
	m->stats.clock_violations += f->violations;
	g->fused_ns += f->fused_ns;
	g->ambiguous_ns += f->ambiguous_ns;
	g->violations += f->violations;
	swap = *in;
	*in = f->out;
	f->out = swap;
	return 0;
}
