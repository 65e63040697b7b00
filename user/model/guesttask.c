/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Tasks of a sandbox's guest, which makes no marks that the host could see: its
 * processes (a stub's address space from its first system call on until
 * exit_group) and single system calls.
 *
 * A guest's thread is not a stub's thread: when its Sentry's thread changes, it
 * goes on in another stub. On the ptrace platform every stop carries the guest's
 * thread pointer: a call asked for at one stop has ended where the slice began
 * that the same guest's next stop ended. On systrap the kernel side matches them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "model/box.h"

#define NR_EXIT	      60
#define NR_EXIT_GROUP 231
#define GUESTS_MAX    1024 /* threads of one guest process that are in a call; of more, calls are not followed */

/* A call that a guest's thread is in. */
struct sg_guest_open {
	uint64_t lo;
	uint32_t key;
	uint16_t nr;
	bool on;
};

static bool returns(unsigned nr)
{
	return nr != NR_EXIT && nr != NR_EXIT_GROUP;
}

/* A call has ended: told to who counts, and a task. */
static int call_ended(struct sg_model *m, struct sg_thr *th, const struct sg_guest_call *c)
{
	const char *name = sg_syscall_name(c->nr);
	char number[24];
	struct sg_open *o;
	int rc = m->on_guest ? m->on_guest(m->guest_ctx, c) : 0;

	if (rc < 0 || c->hi <= c->lo)
		return rc;
	snprintf(number, sizeof(number), c->nr == SG_KEY_LOW(0xffff) ? "fault" : "nr%u", c->nr);
	o = sg_task_open(m, c->lo, c->nr, name ? name : number, SG_MSRC_GUEST);
	if (!o)
		return -ENOMEM;
	o->begin_uid = th->uid;
	o->trapped = c->trapped;
	sg_task_close(m, o, th->uid, c->hi);
	return 0;
}

/* The call that guest thread @key of @p is in; a free place when it is in none; NULL: too many. */
static struct sg_guest_open *open_of(struct sg_proc *p, uint32_t key)
{
	struct sg_guest_open *free_one = NULL;

	for (uint32_t i = 0; i < p->ncalls; i++) {
		if (p->calls[i].on && p->calls[i].key == key)
			return &p->calls[i];
		if (!p->calls[i].on)
			free_one = &p->calls[i];
	}
	if (free_one || p->ncalls == GUESTS_MAX || SG_GROW(p->calls, p->calls_cap, p->ncalls + 1))
		return free_one;
	free_one = &p->calls[p->ncalls++];
	*free_one = (struct sg_guest_open){ 0 };
	return free_one;
}

/*
 * @r tells of a stop for the tracer at r->lo. The slices since th->guest_in were of
 * the guest thread that stopped: what it asked for before had ended there.
 */
static int stopped(struct sg_model *m, struct sg_thr *th, struct sg_proc *p, const struct sg_trec *r)
{
	struct sg_guest_open *o = open_of(p, r->arg);
	int rc = 0;

	if (!o)
		return 0;
	if (o->on && th->guest_in > o->lo) {
		struct sg_guest_call c = {
			.uid = th->uid, .waker = th->guest_waker, .nr = o->nr, .lo = o->lo, .hi = th->guest_in
		};

		rc = call_ended(m, th, &c);
	}
	*o = (struct sg_guest_open){
		.lo = r->lo, .key = r->arg, .nr = r->nr, .on = r->wkind == SG_K_GUESTCALL && returns(r->nr)
	};
	return rc;
}

static int calls(struct sg_model *m, struct sg_thr *th, struct sg_proc *p, const struct sg_trec *r)
{
	int rc;

	if (r->stop != SG_STOP_TRACED || r->wkind == SG_K_SYSCALL)
		return 0;
	rc = stopped(m, th, p, r);
	th->guest_in = r->in;
	th->guest_waker = r->wctx == SG_WCTX_TASK ? r->waker : 0;
	return rc;
}

/* What a record says of the guest's life. */
enum { LIFE_NONE, LIFE_RUNS, LIFE_ENDS };

static unsigned life_of(const struct sg_trec *r, const struct sg_slice *s, uint64_t *ret_ts)
{
	unsigned life = LIFE_NONE;

	*ret_ts = r->lo;
	if (r->wkind == SG_K_GUESTCALL)
		return r->nr == NR_EXIT_GROUP ? LIFE_ENDS : LIFE_RUNS;
	for (unsigned i = 0; i < s->npair; i++) {
		if (SG_KEY_TYPE(s->pair[i].key) != SG_KEY_GUEST)
			continue;
		if (SG_KEY_LOW(s->pair[i].key) == NR_EXIT_GROUP) {
			*ret_ts = r->out;
			return s->pair[i].cnt ? LIFE_ENDS : LIFE_NONE;
		}
		life = LIFE_RUNS;
	}
	*ret_ts = r->in;
	return life;
}

static int process(struct sg_model *m, struct sg_thr *th, struct sg_proc *p, const struct sg_trec *r,
		   const struct sg_slice *s)
{
	uint64_t ts;
	unsigned life = life_of(r, s, &ts);

	if (life == LIFE_ENDS)
		sg_guest_end(m, p, th, ts);
	if (life != LIFE_RUNS || p->guest)
		return 0;
	if (r->wkind == SG_K_GUESTCALL && th->last_in)
		ts = th->last_in;
	/* a stub made for this guest: its whole life; else it was a spare one before */
	if (th->birth && !p->guests++)
		ts = th->birth;
	p->guest = sg_task_open(m, ts, th->tgid, "guest", SG_MSRC_GUESTPROC);
	if (!p->guest)
		return -ENOMEM;
	p->guest->begin_uid = th->uid;
	return 0;
}

int sg_guest_slice(struct sg_model *m, struct sg_thr *th, const struct sg_trec *r, const struct sg_slice *s)
{
	struct sg_proc *p;
	int rc = 0;

	if (!m->opts.guest && !m->opts.guest_procs)
		return 0;
	p = sg_proc_get(m, th->tgid);
	if (!p)
		return -ENOMEM;
	if (m->opts.guest)
		rc = calls(m, th, p, r);
	if (!rc && m->opts.guest_procs)
		rc = process(m, th, p, r, s);
	return rc;
}

int sg_guest_call(struct sg_model *m, const struct sg_guest *ev)
{
	struct sg_thr *th = sg_thr_find(m, ev->h.uid);
	struct sg_guest_call c = {
		.uid = ev->h.uid, .nr = ev->nr, .lo = ev->begin, .hi = ev->h.ts, .trapped = true
	};

	if (!m->opts.guest || ev->what != SG_GUEST_CALL || ev->src != SG_GSRC_TRAP || !th ||
	    !returns(ev->nr) || !ev->begin || ev->begin >= ev->h.ts || !(th->flags & SG_TF_INSCOPE))
		return 0;
	return call_ended(m, th, &c);
}

void sg_guest_end(struct sg_model *m, struct sg_proc *p, const struct sg_thr *th, uint64_t ts)
{
	if (!p->guest)
		return;
	sg_task_close(m, p->guest, th->uid, ts);
	p->guest = NULL;
}
