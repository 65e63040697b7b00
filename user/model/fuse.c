/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The fused path. A guest's thread that is on a CPU is on a vCPU, which is a thread of
 * the host: what the host saw of that thread over the same time says how much of it was
 * guest mode and how much was taken by exits, by other threads, by memory that came
 * back from swap. So each piece of a guest's time on a CPU, and each wait for one of its
 * (virtual) devices, is replaced by the host's walk of the vCPU over the mapped window;
 * where that says guest mode, the guest's own causes stay. The window's two ends are
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
	uint32_t nthr; /* threads when the vCPUs were looked for */
	bool ready, found;
};

struct sg_fusion {
	struct guest guest[SG_MACHINE_MAX];
	struct sg_walk *walk; /* of the host, inside the guest's */
	struct sg_segs out;
	uint64_t fused_ns, ambiguous_ns; /* of the task walked last */
};

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
	free(f);
}

void sg_fuse_sums(const struct sg_model *m, uint64_t *ret_fused, uint64_t *ret_ambiguous)
{
	*ret_fused = m->fusion->fused_ns;
	*ret_ambiguous = m->fusion->ambiguous_ns;
}

/* ---- which thread of the host a guest's CPU is -------------------------------------- */
/* QEMU says "CPU 3/KVM", Firecracker "fc_vcpu 3", cloud-hypervisor "vcpu3": the first number in it. */
static bool vcpu_number(const char *comm, unsigned *ret)
{
	const char *d = comm + strcspn(comm, "0123456789");

	return *d && sscanf(d, "%u", ret) == 1;
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

static void vcpus_find(const struct sg_model *m, const struct sg_machine_info *mi, struct guest *g)
{
	uint32_t vmm = mi->vmm ? mi->vmm : only_vmm(m), n = 0;
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
	for (uint32_t i = 0; !numbered && i < n; i++) /* they are made in order */
		g->vcpu[i] = all[i];
	g->found = n != 0;
	g->nthr = m->nthr;
}

/* The guest whose thread @th is, NULL: it is the host's, or nothing maps its clock. */
static struct guest *guest_of(struct sg_model *m, const struct sg_thr *th, const struct sg_machine_info **ret)
{
	const struct sg_machine_info *mi = sg_machine_of_uid(&m->machines, th->uid);
	struct guest *g;

	if (!mi || !mi->number || mi->number >= SG_MACHINE_MAX)
		return NULL;
	g = &m->fusion->guest[mi->number];
	if (!g->clocks.n)
		return NULL;
	if (!g->ready && sg_clocks_finish(&g->clocks))
		return NULL;
	g->ready = true;
	/* a vCPU may run for the first time at any moment */
	if (!g->found || g->nthr != m->nthr)
		vcpus_find(m, mi, g);
	*ret = mi;
	return g->found ? g : NULL;
}

/* ---- what is replaced ---------------------------------------------------------------- */
struct window {
	const struct sg_seg *seg; /* of the guest, contiguous, of one thread */
	size_t n;
	uint64_t lo, hi;   /* on the guest's clock */
	uint64_t from, to; /* on the host's */
	uint64_t error_ns;
	struct sg_thr *vcpu;
	bool on_cpu; /* else a wait for a device */
};

static bool is_device_wait(const struct sg_trec *r)
{
	return r->wctx == SG_WCTX_HARD || (r->wctx == SG_WCTX_SOFT && (!r->raiser || r->flags & SG_SF_MIXED));
}

static struct sg_trec *rec_at(struct sg_thr *th, uint64_t ts)
{
	struct sg_pos pos;

	return sg_timeline_find(th, ts, &pos) ? sg_timeline_at(th, pos) : NULL;
}

/* How many segments from @s on are one stay on a CPU, or one wait for a device; 0: not to be replaced. */
static size_t stretch(struct sg_thr *th, const struct sg_seg *s, size_t n, struct sg_trec **ret_rec,
		      bool *ret_on)
{
	struct sg_trec *r = rec_at(th, s->hi);
	size_t k = 0;

	*ret_rec = r;
	if (!r || s->cause == SG_C_UNKNOWN || s->cause == SG_C_UNKNOWN_LOST)
		return 0;
	*ret_on = s->lo >= r->in && s->hi <= r->out;
	if (!*ret_on)
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
 * Does a piece of the host's walk leave the guest its own cause? While it waits for a
 * device its vCPU is idle, or runs something else: neither explains the wait.
 */
static bool is_guests(const struct window *x, const struct sg_seg *b)
{
	if (b->cause == SG_C_CPU_GUEST || b->cause == sg_kvm_cause(SG_KEY_KVM | SG_KVM_RUN) ||
	    b->cause == SG_C_UNKNOWN || b->cause == SG_C_UNKNOWN_LOST)
		return true;
	return !x->on_cpu &&
	       (b->cause == SG_C_KVM_HALT || (b->uid == x->vcpu->uid && sg_cause_on_cpu(b->cause)));
}

static uint64_t host_ns(const struct window *x, const struct sg_segs *b)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < b->n; i++)
		if (!is_guests(x, &b->seg[i]))
			ns += b->seg[i].hi - b->seg[i].lo;
	return ns;
}

/* The guest's causes, in their order, over [lo, hi] that the host left them. */
static int fill_guest(struct sg_fusion *f, const struct window *x, uint64_t *left, size_t *at, uint64_t lo,
		      uint64_t hi)
{
	int rc = 0;

	while (lo < hi && *at < x->n && !rc) {
		struct sg_seg s = x->seg[*at];
		uint64_t ns = left[*at] < hi - lo ? left[*at] : hi - lo;

		if (left[*at] != x->seg[*at].hi - x->seg[*at].lo)
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
	int rc = sg_chain_graft(m, b->chain, x->seg->chain, x->on_cpu ? SG_C_CPU_GUEST : x->seg->cause,
				&s.chain);

	s.lo = lo;
	s.hi = hi;
	/* what the task itself did, or waited for, stays what it was, but for its own time on a CPU */
	if (!x->on_cpu || x->seg->wait_cause != x->seg->cause)
		s.wait_cause = x->seg->wait_cause;
	s.wait_nr = x->seg->wait_nr;
	s.wait_detail = x->seg->wait_detail;
	return rc ? rc : put(m->fusion, &s);
}

/* Lay out the host's walk @b in place of the window. */
static int replace(struct sg_model *m, const struct window *x, const struct sg_segs *b)
{
	uint64_t want[GROUP_MAX], left[GROUP_MAX], guest = 0, lo = x->lo;
	struct sg_fusion *f = m->fusion;
	size_t at = 0;
	int rc = 0;

	for (size_t i = 0; i < x->n; i++)
		want[i] = x->seg[i].hi - x->seg[i].lo;
	for (size_t i = 0; i < b->n; i++)
		if (is_guests(x, &b->seg[i]))
			guest += back(x, b->seg[i].hi) - back(x, b->seg[i].lo);
	sg_apportion(want, x->n, x->hi - x->lo, guest, left);
	while (at < x->n && !left[at])
		at++;
	for (size_t i = 0; i < b->n && !rc; i++) {
		uint64_t hi = back(x, b->seg[i].hi);

		if (is_guests(x, &b->seg[i])) {
			rc = fill_guest(f, x, left, &at, lo, hi);
			while (at < x->n && !left[at])
				at++;
		} else {
			rc = fill_host(m, x, &b->seg[i], lo, hi);
		}
		lo = hi;
	}
	f->fused_ns += x->hi - x->lo;
	m->stats.fused_ns += x->hi - x->lo;
	/* which of several causes the host took its part from is not known */
	if (x->n > 1) {
		uint64_t host = x->hi - x->lo - guest;

		m->walk->uncertain_ns += host < guest ? host : guest;
	}
	return rc;
}

/* What is the host's moves by this much when the window is moved by the clocks' error. */
static int ambiguous(struct sg_model *m, const struct window *x, bool force, uint64_t host)
{
	struct sg_fusion *f = m->fusion;
	uint64_t worst = 0;

	if (!x->error_ns)
		return 0;
	for (int side = 0; side < 2; side++) {
		uint64_t by = x->error_ns, ns;
		int rc;

		if (!side && (x->from < by || x->from - by == 0))
			continue;
		rc = sg_walk_window(m, f->walk, x->vcpu, side ? x->from + by : x->from - by,
				    side ? x->to + by : x->to - by, force);
		if (rc)
			return rc == -EAGAIN ? 0 : rc; /* the end of the recording: one side tells enough */
		ns = host_ns(x, &f->walk->segs);
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
	uint64_t host;
	int rc = sg_walk_window(m, f->walk, x->vcpu, x->from, x->to, force);

	if (rc == -EAGAIN) {
		o->need_uid = f->walk->need_uid;
		o->need_ts = f->walk->need_ts;
	}
	if (rc)
		return rc;
	host = host_ns(x, &f->walk->segs);
	/* A thread of the guest is stamped while its vCPU runs it: else the clocks are not what they are held for. */
	if (x->on_cpu && host >= x->to - x->from && x->to - x->from > 2 * x->error_ns + VIOLATION_NS) {
		m->stats.clock_violations++;
		for (size_t i = 0; i < x->n && !rc; i++)
			rc = put(f, &x->seg[i]);
		return rc;
	}
	m->walk->prorated_ns += f->walk->prorated_ns;
	m->walk->uncertain_ns += f->walk->uncertain_ns;
	rc = replace(m, x, &f->walk->segs);
	return rc || !host ? rc : ambiguous(m, x, force, host);
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
	ret->n = stretch(th, s, n, &r, &ret->on_cpu);
	if (!ret->n)
		return false;
	cpu = sg_machine_cpu(mi, r->cpu);
	ret->vcpu = cpu < VCPU_MAX ? g->vcpu[cpu] : NULL;
	ret->lo = s->lo;
	ret->hi = s[ret->n - 1].hi;
	if (!ret->vcpu || !sg_clocks_host(&g->clocks, ret->lo, &ret->from, &e1) ||
	    !sg_clocks_host(&g->clocks, ret->hi, &ret->to, &e2) || ret->to <= ret->from)
		return false;
	ret->error_ns = e1 > e2 ? e1 : e2;
	return true;
}

int sg_fuse(struct sg_model *m, struct sg_open *o, bool force)
{
	struct sg_thr *th = sg_thr_find(m, o->uid);
	struct sg_fusion *f = m->fusion;
	const struct sg_machine_info *mi;
	struct sg_segs *in = &m->walk->segs, swap;
	struct guest *g = th ? guest_of(m, th, &mi) : NULL;
	int rc = 0;

	f->fused_ns = f->ambiguous_ns = 0;
	f->out.n = 0;
	if (!g || m->opts.critical)
		return 0;
	if (!f->walk)
		rc = sg_walk_new(&f->walk);
	for (size_t i = 0; i < in->n && !rc;) {
		struct window x;

		if (window_at(m, g, mi, &in->seg[i], in->n - i, &x)) {
			rc = fuse_window(m, o, &x, force);
			i += x.n;
		} else {
			rc = put(f, &in->seg[i++]);
		}
	}
	if (rc)
		return rc;
	swap = *in;
	*in = f->out;
	f->out = swap;
	return 0;
}
