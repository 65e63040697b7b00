/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/wire.h"

#include <errno.h>
#include <string.h>

const struct sg_hdr *sg_wire_expand(const struct sg_hdr *h, size_t size, union sg_wire_slice *room)
{
	const struct sg_slice_short *c = (const struct sg_slice_short *)h;
	struct sg_slice *s = &room->s;
	unsigned n;

	if (size < sizeof(*h))
		return NULL;
	if (h->kind != SG_REC_SLICE_SHORT)
		return sg_event_size(h, size) ? h : NULL;
	n = h->rsv;
	if (size < sizeof(*c) || size - sizeof(*c) < n * sizeof(c->pair[0]))
		return NULL;
	memset(s, 0, sizeof(*s));
	s->h = *h;
	s->h.kind = SG_REC_SLICE;
	s->h.rsv = 0;
	s->in = h->ts - c->len;
	s->prev_out = s->in - c->off;
	s->wake = c->woken == SG_SHORT_NO_WAKE ? 0 : s->in - c->woken;
	s->waker = c->waker;
	s->raiser = c->raiser;
	s->sysseq = c->sysseq;
	s->arg = c->arg;
	s->note = c->note;
	s->who = c->who;
	s->flags = c->flags;
	s->nr = c->nr;
	s->stop = c->stop;
	s->wkind = c->wkind;
	s->fdtype = c->fdtype;
	s->wctx = c->wctx;
	s->wvec = c->wvec;
	s->wsrc = c->wsrc;
	s->out_stop = c->out_stop;
	s->out_kind = c->out_kind;
	s->npair = n;
	for (unsigned i = 0; i < n; i++)
		s->pair[i] =
			(struct sg_pair){ .key = c->pair[i].key, .cnt = c->pair[i].cnt, .ns = c->pair[i].ns };
	return &s->h;
}

int sg_wire_each(const struct sg_hdr *h, size_t size, union sg_wire_slice *room, sg_wire_fn fn, void *ctx)
{
	const struct sg_batch *b = (const struct sg_batch *)h;
	const struct sg_hdr *one;
	int ret = 0;

	if (size < sizeof(*h))
		return -EBADMSG;
	if (h->kind != SG_REC_BATCH) {
		one = sg_wire_expand(h, size, room);
		return one ? fn(ctx, one) : -EBADMSG;
	}
	if (size < sizeof(*b) || h->rsv > SG_BATCH)
		return -EBADMSG;
	for (unsigned i = 0; i < h->rsv && ret >= 0; i++) {
		one = sg_wire_expand((const struct sg_hdr *)&b->slot[i], sizeof(b->slot[i]), room);
		ret = one ? fn(ctx, one) : -EBADMSG;
	}
	return ret;
}
