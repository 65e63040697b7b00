/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/box.h"

/* x86-64 numbers, as everywhere in recordings. */
#define NR_RT_SIGRETURN 15
#define NR_WAIT4	61
#define NR_PTRACE	101
#define NR_FUTEX	202
#define NR_WAITID	247

uint8_t sg_box_role(const char *name)
{
	return !strcmp(name, "sentry")	? SG_BOX_SENTRY
	       : !strcmp(name, "gofer") ? SG_BOX_GOFER
	       : !strcmp(name, "stub")	? SG_BOX_STUB
					: SG_BOX_NONE;
}

static bool is_wait_call(uint16_t nr)
{
	return nr == NR_WAIT4 || nr == NR_WAITID;
}

uint16_t sg_box_cause(const struct sg_thr *th, uint16_t key, uint16_t *ret_nr)
{
	uint16_t nr = key & ~SG_KEY_SYSCALL;

	if (!(key & SG_KEY_SYSCALL)) {
		if (!(key & SG_KEY_GUEST))
			return key;
		*ret_nr = SG_KEY_LOW(key);
		return SG_KEY_TYPE(key) == SG_KEY_EMULATED ? SG_C_TRAP_PTRACE : SG_C_TRAP_SECCOMP;
	}
	if (th->box == SG_BOX_SENTRY && (nr == NR_PTRACE || is_wait_call(nr)))
		return SG_C_TRAP_PTRACE;
	if (th->box == SG_BOX_STUB && (nr == NR_RT_SIGRETURN || nr == NR_FUTEX))
		return SG_C_TRAP_SECCOMP;
	return key;
}

uint16_t sg_box_comp(struct sg_model *m, struct sg_thr *th, uint16_t cause)
{
	if (th->box == SG_BOX_STUB && cause != SG_C_TRAP_PTRACE && cause != SG_C_TRAP_SECCOMP &&
	    !(cause & SG_KEY_SYSCALL))
		return m->comp_app;
	return sg_thr_comp(m, th);
}

/*
 * Who ran just before is all that is known of a run-queue wait, and behind a busy
 * machine's queue that may be the sandbox's own other thread: a hand-over that takes
 * this long was a queue. Of 2,639 hand-overs of a ptrace sandbox on two CPUs half took
 * 1.1 us, 99 % less than 22 us, and the 3 that took over 0.8 ms up to 4 ms.
 */
#define SWITCH_MAX_NS 500000

uint16_t sg_box_switch(const struct sg_model *m, const struct sg_thr *th, const struct sg_trec *r)
{
	const struct sg_thr *waker, *who;

	if (!th->sandbox || r->wctx != SG_WCTX_TASK || !r->wake || r->in - r->wake > SWITCH_MAX_NS)
		return 0;
	waker = sg_thr_find(m, r->waker);
	if (!waker || waker->sandbox != th->sandbox ||
	    !((th->box == SG_BOX_STUB && waker->box == SG_BOX_SENTRY) ||
	      (th->box == SG_BOX_SENTRY && waker->box == SG_BOX_STUB)))
		return 0;
	who = r->who ? sg_thr_find(m, r->who) : NULL;
	if (r->who && (!who || who->sandbox != th->sandbox))
		return 0;
	if (th->box == SG_BOX_STUB)
		return r->stop == SG_STOP_TRACED ? SG_C_TRAP_PTRACE : SG_C_TRAP_SECCOMP;
	return is_wait_call(r->nr) ? SG_C_TRAP_PTRACE : SG_C_TRAP_SECCOMP;
}
