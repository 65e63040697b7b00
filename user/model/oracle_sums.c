// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * Which part of a slice and of the wait before it belongs to which figure of
 * the kernel's accounting.
 */
#include "model/oracle_sums.h"

static void add_pairs(struct sg_oracle_sums *s, const struct sg_pair *p, unsigned n)
{
	for (; n--; p++) {
		if (p->key & SG_KEY_SYSCALL) {
			s->sys += p->ns;
			continue;
		}
		switch (p->key) {
		case SG_C_CPU_USER:
		case SG_C_CPU_SPIN:
		case SG_C_VMM_USER:
			s->user += p->ns;
			break;
		case SG_C_CPU_IRQ:
			s->irq += p->ns;
			break;
		case SG_C_CPU_FAULT:
			s->minflt += p->cnt;
			s->sys += p->ns;
			break;
		case SG_C_CPU_FAULT_MAJOR:
			s->majflt += p->cnt;
			s->sys += p->ns;
			break;
		case SG_C_MEM_SWAPIN:
			s->majflt += p->cnt;
			s->swapin_cpu += p->ns;
			s->sys += p->ns;
			break;
		case SG_C_MEM_RECLAIM_DIRECT:
		case SG_C_MEM_RECLAIM_MEMCG:
		case SG_C_MEM_RECLAIM_SWAP:
			s->reclaim_cpu += p->ns;
			s->sys += p->ns;
			break;
		case SG_C_CPU_GUEST: /* the kernel books a guest's time to user as well */
			s->user += p->ns;
			break;
		case SG_C_UNKNOWN:
		case SG_C_UNKNOWN_LOST:
			break;
		default:
			s->sys += p->ns;
		}
	}
}

/* The wait before a slice: [out, in), blocked until `ready`, then queued. */
static void add_wait(struct sg_oracle_sums *s, const struct sg_slice *r)
{
	uint64_t out = r->prev_out, ready;
	bool fault = r->wkind == SG_K_FAULT || r->wkind == SG_K_KFAULT;
	bool reclaim = r->wkind == SG_K_RDIRECT || r->wkind == SG_K_RMEMCG;

	if (r->stop == SG_STOP_NONE)
		return;
	if (r->stop == SG_STOP_UNSEEN && s->late && !s->slices) {
		/* The recorder's go-ahead ends the wait that began before; the queue after it is in the recording. */
		if (r->wake && r->wake <= r->in)
			s->runq += r->in - r->wake;
		return;
	}
	if (r->stop == SG_STOP_HOLE || r->stop == SG_STOP_UNSEEN || !out || out > r->in) {
		s->broken = true;
		return;
	}
	s->waits++;
	if (reclaim)
		s->reclaim_wait += r->in - out;
	else if (r->flags & SG_SF_MEMSTALL)
		s->memstall += r->in - out;
	switch (r->stop) {
	case SG_STOP_RUNNABLE:
	case SG_STOP_YIELD:
	case SG_STOP_NEW:
	case SG_STOP_THROTTLED:
		s->runq += r->in - out;
		s->throttle += r->throttle_ns;
		return;
	default:
		break;
	}
	if (!r->wake || r->wake > r->in) {
		s->runq_open += r->in - out;
		ready = r->in;
	} else {
		/* The waking may come before the switch-out: queued from the switch on. */
		ready = r->wake > out ? r->wake : out;
		s->runq += r->in - ready;
		s->throttle += r->throttle_ns;
	}
	if (r->flags & SG_SF_IOWAIT)
		s->blkio += ready - out;
	if (fault) {
		if (s->fltseq != r->fltseq)
			s->flt_wait = 0;
		s->fltseq = r->fltseq;
		s->flt_wait += ready - out;
	}
}

void sg_oracle_sums_slice(struct sg_oracle_sums *s, const struct sg_slice *r)
{
	if (r->in > r->h.ts) {
		s->broken = true;
		return;
	}
	/* The first slice follows the birth; a thread seen from later on has a part that is not here. */
	if (!s->slices && r->stop != SG_STOP_NEW && !s->late)
		s->broken = true;
	/* A step in the chain of switch-outs is a record that is not here. */
	if (s->slices && r->stop != SG_STOP_NONE && r->prev_out != s->last_out)
		s->broken = true;
	if (s->slices && r->stop == SG_STOP_NONE && r->in != s->last_out)
		s->broken = true;
	if (r->flags & SG_SF_OPEN || (r->flags & SG_SF_FIRST && !s->late))
		s->broken = true;
	add_wait(s, r);
	s->slices++;
	s->last_out = r->h.ts;
	s->run += r->h.ts - r->in;
	s->nouser |= (r->flags & SG_SF_NOUSERTIME) != 0;
	add_pairs(s, r->pair, r->npair);
	if (r->fltres != SG_FLT_OPEN) {
		if (r->fltres == SG_FLT_SWAPIN)
			s->swapin_wait += s->flt_wait;
		s->flt_wait = 0;
	}
}
