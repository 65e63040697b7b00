/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Tasks of a sandbox's guest, which makes no marks that the host could see: its
 * processes (a stub's address space from its first system call on until
 * exit_group) and single system calls (a stub's wait for the Sentry).
 */
#include <errno.h>
#include <stdio.h>
#include "model/box.h"

#define NR_EXIT_GROUP 231

/* Number of the guest's call that the wait before @r served; -1: none. */
static int call_of(const struct sg_trec *r)
{
	if (r->wkind == SG_K_GUESTCALL)
		return r->nr;
	if (r->note & SG_NOTE_TRAPPED && r->stop != SG_STOP_RUNNABLE)
		return r->note & 0xffff;
	return -1;
}

static bool runs_guest(const struct sg_slice *s)
{
	for (unsigned i = 0; i < s->npair; i++)
		if (SG_KEY_TYPE(s->pair[i].key) == SG_KEY_GUEST)
			return true;
	return false;
}

static int call_task(struct sg_model *m, struct sg_thr *th, const struct sg_trec *r, unsigned nr)
{
	const char *name = sg_syscall_name(nr);
	char number[24];
	struct sg_open *o;

	if (r->in <= r->lo)
		return 0;
	snprintf(number, sizeof(number), nr == SG_KEY_LOW(0xffff) ? "fault" : "nr%u", nr);
	o = sg_task_open(m, r->lo, nr, name ? name : number, SG_MSRC_GUEST);
	if (!o)
		return -ENOMEM;
	o->begin_uid = th->uid;
	sg_task_close(m, o, th->uid, r->in);
	return 0;
}

/* @r: the newest record of a stub's thread, @prev_in: begin of the slice before it, 0 none. */
int sg_guest_slice(struct sg_model *m, struct sg_thr *th, const struct sg_trec *r, const struct sg_slice *s,
		   uint64_t prev_in)
{
	int nr = call_of(r), rc = 0;
	struct sg_proc *p;

	if (m->opts.guest && nr >= 0)
		rc = call_task(m, th, r, nr);
	if (rc || !m->opts.guest_procs || (nr < 0 && !runs_guest(s)))
		return rc;
	p = sg_proc_get(m, th->tgid);
	if (!p)
		return -ENOMEM;
	if (!p->guest && nr != NR_EXIT_GROUP) {
		uint64_t begin = nr >= 0 && prev_in ? prev_in : nr >= 0 ? r->lo : r->in;

		/* a stub made for this guest: its whole life; else it was a spare one before */
		if (th->birth && !p->guests++)
			begin = th->birth;
		p->guest = sg_task_open(m, begin, th->tgid, "guest", SG_MSRC_GUESTPROC);
		if (!p->guest)
			return -ENOMEM;
		p->guest->begin_uid = th->uid;
	} else if (p->guest && nr == NR_EXIT_GROUP) {
		sg_guest_end(m, p, th, r->lo);
	}
	return 0;
}

void sg_guest_end(struct sg_model *m, struct sg_proc *p, const struct sg_thr *th, uint64_t ts)
{
	if (!p->guest)
		return;
	sg_task_close(m, p->guest, th->uid, ts);
	p->guest = NULL;
}
