/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Memos: a wait that is not cut by the asker's window looks the same to every
 * asker, unless the result depended on who was on the stack, or on records
 * still to come. Overlapping tasks would walk it again and again otherwise.
 */
#include <errno.h>
#include <stdlib.h>
#include "model/walk.h"

#define MEMO_MAX     (32u << 20) /* bytes of all memos */
#define MEMO_SEGS    65536	 /* segments of one */
#define MEMO_THREADS 256
#define MEMO_STEPS   6 /* cheaper waits are walked again */

void sg_memo_free(struct sg_model *m, struct sg_memo *memo)
{
	m->memo_bytes -= memo->bytes;
	sg_mem_sub(m, memo->bytes);
	free(memo);
}

/* @comp, @chain: what the frame would have got. Return: 1 applied, 0 not, negative errno. */
int sg_memo_apply(struct sg_model *m, struct sg_walk *w, const struct sg_push *p, uint16_t comp,
		  uint32_t chain)
{
	const struct sg_memo *memo = p->memo_rec->memo;
	uint32_t from = 0, to = 0;

	if (!memo || memo->spec != p->spec || memo->refine != p->refine || memo->comp != comp ||
	    memo->note != p->note)
		return 0;
	for (uint32_t i = 0; i < memo->nthr; i++)
		if (memo->thr[i]->onstack)
			return 0;
	for (uint32_t i = 0; i < memo->nseg; i++) {
		struct sg_seg s = memo->seg[i];
		int rc = 0;

		if (s.chain != from) {
			from = s.chain;
			rc = sg_chain_rebase(m, from, memo->base, chain, &to);
		}
		s.chain = to;
		s.wait_cause = w->outer;
		s.wait_nr = w->outer_nr;
		s.wait_detail = w->outer_detail;
		if (!rc)
			rc = sg_emit(w, &s);
		if (rc)
			return rc;
	}
	for (uint32_t i = 0; i < memo->nthr; i++)
		if (sg_walk_visit(w, memo->thr[i]))
			return -ENOMEM;
	w->prorated_ns += memo->prorated_ns;
	w->uncertain_ns += memo->uncertain_ns;
	w->calls_off += memo->calls_off;
	m->stats.memo_hits++;
	return 1;
}

static int by_uid(const void *a, const void *b)
{
	const struct sg_thr *x = *(struct sg_thr *const *)a, *y = *(struct sg_thr *const *)b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* The frame @f is done: keep its result, at the second asking, if it is everybody's. */
int sg_memo_store(struct sg_model *m, struct sg_walk *w, const struct sg_wframe *f)
{
	struct sg_trec *r = f->memo_rec;
	size_t nseg = w->segs.n - f->seg0, nthr = w->nvis - f->vis0, bytes, n = 1;
	struct sg_memo *memo;
	struct sg_thr **thr;

	if (!r->asked) {
		r->asked = 1;
		return 0;
	}
	if (r->memo || w->hits != f->hits0 || w->steps - f->steps0 < MEMO_STEPS || nseg > MEMO_SEGS)
		return 0;
	/* sorted, each once: only this frame's part of the list, in place */
	thr = w->vis + f->vis0;
	qsort(thr, nthr, sizeof(*thr), by_uid);
	for (size_t i = 1; i < nthr; i++)
		if (thr[i] != thr[n - 1])
			thr[n++] = thr[i];
	w->nvis = f->vis0 + n;
	bytes = sizeof(*memo) + n * sizeof(*thr) + nseg * sizeof(*memo->seg);
	if (n > MEMO_THREADS || m->memo_bytes + bytes > MEMO_MAX)
		return 0;
	memo = malloc(bytes);
	if (!memo)
		return 0; /* only speed is lost */
	*memo = (struct sg_memo){ .base = f->chain0,
				  .note = f->note,
				  .spec = f->spec,
				  .refine = f->refine,
				  .comp = f->comp0,
				  .nseg = nseg,
				  .nthr = n,
				  .bytes = bytes,
				  .prorated_ns = w->prorated_ns - f->prorated0,
				  .uncertain_ns = w->uncertain_ns - f->uncertain0,
				  .calls_off = w->calls_off - f->calls_off0 };
	memo->seg = (void *)(memo + 1);
	memcpy(memo->seg, w->segs.seg + f->seg0, nseg * sizeof(*memo->seg));
	memo->thr = (void *)(memo->seg + nseg);
	memcpy(memo->thr, thr, n * sizeof(*thr));
	r->memo = memo;
	m->memo_bytes += bytes;
	sg_mem_add(m, bytes);
	return 0;
}
