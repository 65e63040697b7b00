/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The codec's memory, and slices: nearly all records are slices, so this is the hot path of both sides. */
#include "trace/codec.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/varint.h"

static int thread_grow(struct sg_codec *c)
{
	uint32_t cap = c->thread_cap ? c->thread_cap * 2 : 8;
	struct sg_codec_thread *t = realloc(c->thread, cap * sizeof(*t));

	if (!t)
		return -ENOMEM;
	c->thread = t;
	c->thread_cap = cap;
	return 0;
}

int sg_codec_reset(struct sg_codec *c, uint16_t cpu)
{
	if (!c->thread_cap && thread_grow(c))
		return -ENOMEM;
	memset(c->slot, 0, sizeof(c->slot));
	memset(c->rec, 0, sizeof(c->rec));
	memset(&c->thread[0], 0, sizeof(c->thread[0]));
	c->thread_cnt = 1;
	c->ts = c->lost = c->out = 0;
	c->last = 0;
	c->cpu = cpu;
	return 0;
}

void sg_codec_free(struct sg_codec *c)
{
	free(c->thread);
	c->thread = NULL;
	c->thread_cap = 0;
}

/* Index of what is remembered of @uid; another thread in its slot is forgotten. 0 when out of memory. */
static uint32_t thread_of(struct sg_codec *c, uint32_t uid)
{
	uint16_t *slot = &c->slot[uid % SG_CODEC_SLOTS];

	if (!*slot) {
		if (c->thread_cnt == c->thread_cap && thread_grow(c))
			return 0;
		*slot = (uint16_t)c->thread_cnt++;
	} else if (c->thread[*slot].uid == uid) {
		return *slot;
	}
	memset(&c->thread[*slot], 0, sizeof(c->thread[0]));
	c->thread[*slot].uid = uid;
	return *slot;
}

/* What a slice leaves behind; the same on both sides. @idx: its thread's, @prev: the CPU's last one's. */
static void remember(struct sg_codec *c, uint32_t idx, const struct sg_slice *s)
{
	struct sg_codec_thread *t = &c->thread[idx];
	unsigned n = s->npair < SG_CODEC_PAIRS ? s->npair : SG_CODEC_PAIRS;

	if (c->last)
		c->thread[c->last].next = s->h.uid;
	t->out = s->h.ts;
	t->waker = s->waker;
	t->raiser = s->raiser;
	t->step = s->sysseq - t->sysseq;
	t->sysseq = s->sysseq;
	t->fltseq = s->fltseq;
	t->flags = s->flags;
	t->arg = s->arg;
	t->nr = s->nr;
	t->fdtype = s->fdtype;
	t->wctx = s->wctx;
	t->wvec = s->wvec;
	t->wsrc = s->wsrc;
	t->out_stop = s->out_stop;
	t->out_kind = s->out_kind;
	t->npair = s->npair;
	for (unsigned i = 0; i < n; i++) {
		t->key[i] = s->pair[i].key;
		t->cnt[i] = s->pair[i].cnt;
	}
	c->last = idx;
	c->ts = c->out = s->h.ts;
	c->lost = s->h.lost;
}

/* The three bytes that say what differs, but for SG_CS_UID. */
static uint32_t slice_mask(const struct sg_codec *c, const struct sg_codec_thread *t,
			   const struct sg_slice *s)
{
	bool keys = t->npair != s->npair || s->npair > SG_CODEC_PAIRS, cnts = keys;
	uint64_t sum = 0;
	uint32_t m = SG_CODEC_SLICE, more = 0, errs = 0;

	for (unsigned i = 0; i < s->npair; i++) {
		sum += s->pair[i].ns;
		errs |= s->pair[i].err;
		if (i < SG_CODEC_PAIRS) {
			keys |= s->pair[i].key != t->key[i];
			cnts |= s->pair[i].cnt != t->cnt[i];
		}
	}
	m |= s->prev_out != t->out ? SG_CS_PREV_OUT : 0;
	m |= s->wake ? SG_CS_WAKE : 0;
	m |= s->wctx != t->wctx || s->waker != t->waker || s->raiser != t->raiser || s->wvec != t->wvec ||
			     s->wsrc != t->wsrc
		     ? SG_CS_WAKER
		     : 0;
	m |= s->stop != t->out_stop || s->wkind != t->out_kind ? SG_CS_STOP : 0;
	m |= s->nr != t->nr || s->fdtype != t->fdtype || s->arg != t->arg ? SG_CS_CALL : 0;
	m |= s->sysseq != t->sysseq + t->step ? SG_CS_SEQ : 0;
	m |= (s->flags != t->flags ? SG_CS2_FLAGS : 0) << 8;
	m |= (s->out_stop != t->out_stop || s->out_kind != t->out_kind ? SG_CS2_END : 0) << 8;
	m |= (keys ? SG_CS2_KEYS : 0) << 8;
	m |= (cnts ? SG_CS2_CNT : 0) << 8;
	m |= (!s->npair || sum != s->h.ts - s->in ? SG_CS2_SUM : 0) << 8;
	m |= (s->who != c->thread[c->last].uid ? SG_CS2_WHO : 0) << 8;
	m |= (s->fltseq != t->fltseq || s->fltres || s->out_fltseq ? SG_CS2_FLT : 0) << 8;
	more |= s->throttle_ns ? SG_CS3_THROTTLE : 0;
	more |= s->svc_ns ? SG_CS3_SVC : 0;
	more |= s->dev ? SG_CS3_DEV : 0;
	more |= s->work_queued || s->work_by ? SG_CS3_WORK : 0;
	more |= s->h.lost != c->lost ? SG_CS3_LOST : 0;
	more |= s->note ? SG_CS3_NOTE : 0;
	more |= errs ? SG_CS3_ERR : 0;
	return more ? m | SG_CS2_MORE << 8 | more << 16 : m;
}

static uint8_t *put_pairs(uint8_t *p, const struct sg_slice *s, unsigned m2)
{
	if (m2 & SG_CS2_KEYS) {
		*p++ = s->npair;
		for (unsigned i = 0; i < s->npair; i++)
			p = sg_varint_put(p, sg_codec_key(s->pair[i].key));
	}
	if (m2 & SG_CS2_CNT)
		for (unsigned i = 0; i < s->npair; i++)
			p = sg_varint_put(p, s->pair[i].cnt);
	/* the first one follows from the sum */
	for (unsigned i = m2 & SG_CS2_SUM ? 0 : 1; i < s->npair; i++)
		p = sg_varint_put(p, s->pair[i].ns);
	return p;
}

static uint8_t *put_seldom(const struct sg_codec *c, uint8_t *p, const struct sg_slice *s, unsigned m2,
			   unsigned m3)
{
	if (m2 & SG_CS2_FLAGS)
		p = sg_varint_put(p, s->flags);
	if (m2 & SG_CS2_END)
		*p++ = s->out_stop, *p++ = s->out_kind;
	if (m2 & SG_CS2_WHO)
		p = sg_varint_put(p, s->who);
	if (m2 & SG_CS2_FLT) {
		p = sg_varint_put(p, s->fltseq);
		*p++ = s->fltres;
		p = sg_varint_put(p, s->out_fltseq);
	}
	if (m3 & SG_CS3_THROTTLE)
		p = sg_varint_put(p, s->throttle_ns);
	if (m3 & SG_CS3_SVC)
		p = sg_varint_put(p, s->svc_ns);
	if (m3 & SG_CS3_DEV)
		p = sg_varint_put(p, s->dev);
	if (m3 & SG_CS3_WORK) {
		p = sg_varint_put(p, s->in - s->work_queued);
		p = sg_varint_put(p, s->work_by);
	}
	if (m3 & SG_CS3_LOST)
		p = sg_varint_put(p, s->h.lost - c->lost);
	if (m3 & SG_CS3_NOTE)
		p = sg_varint_put(p, s->note);
	for (unsigned i = 0; m3 & SG_CS3_ERR && i < s->npair; i++)
		p = sg_varint_put(p, s->pair[i].err);
	return p;
}

static uint8_t *put_slice(struct sg_codec *c, uint8_t *p, const struct sg_slice *s)
{
	/* before thread_of(), which may forget the last thread for this one */
	uint32_t m = c->thread[c->last].next != s->h.uid ? SG_CS_UID : 0;
	uint32_t idx = thread_of(c, s->h.uid);
	const struct sg_codec_thread *t = &c->thread[idx];

	if (!idx)
		return NULL;
	m |= slice_mask(c, t, s);
	*p++ = (uint8_t)m;
	*p++ = (uint8_t)(m >> 8);
	if (m >> 16)
		*p++ = (uint8_t)(m >> 16);
	if (m & SG_CS_UID)
		p = sg_varint_put(p, s->h.uid);
	p = sg_varint_put(p, s->in - c->out);
	p = sg_varint_put(p, s->h.ts - s->in);
	if (m & SG_CS_PREV_OUT)
		p = sg_varint_put(p, s->in - s->prev_out);
	if (m & SG_CS_WAKE)
		p = sg_varint_put(p, s->in - s->wake);
	if (m & SG_CS_WAKER) {
		*p++ = s->wctx, *p++ = s->wvec, *p++ = s->wsrc;
		p = sg_varint_put(p, s->waker);
		p = sg_varint_put(p, s->raiser);
	}
	if (m & SG_CS_STOP)
		*p++ = s->stop, *p++ = s->wkind;
	if (m & SG_CS_CALL) {
		p = sg_varint_put(p, s->nr);
		*p++ = s->fdtype;
		p = sg_varint_put(p, s->arg);
	}
	if (m & SG_CS_SEQ)
		p = sg_varint_put(p, sg_zigzag((int32_t)(s->sysseq - t->sysseq)));
	p = put_pairs(p, s, m >> 8 & 0xff);
	if (m >> 8 & (SG_CS2_FLAGS | SG_CS2_END | SG_CS2_WHO | SG_CS2_FLT | SG_CS2_MORE))
		p = put_seldom(c, p, s, m >> 8 & 0xff, m >> 16);
	remember(c, idx, s);
	return p;
}

/* Returns false when there are more pairs than a record may hold. */
static bool get_pairs(const struct sg_codec_thread *t, const uint8_t **pp, struct sg_slice *s, unsigned m2)
{
	uint64_t sum = 0;

	s->npair = t->npair;
	if (m2 & SG_CS2_KEYS) {
		s->npair = *(*pp)++;
		if (s->npair > SG_PAIR_MAX)
			return false;
		for (unsigned i = 0; i < s->npair; i++) {
			s->pair[i].key = sg_codec_unkey(sg_varint_get(pp));
			s->pair[i].err = 0;
		}
	} else {
		if (s->npair > SG_CODEC_PAIRS)
			return false;
		for (unsigned i = 0; i < s->npair; i++) {
			s->pair[i].key = t->key[i];
			s->pair[i].err = 0;
		}
	}
	if (!(m2 & SG_CS2_CNT) && s->npair > SG_CODEC_PAIRS)
		return false;
	for (unsigned i = 0; i < s->npair; i++)
		s->pair[i].cnt = m2 & SG_CS2_CNT ? (uint32_t)sg_varint_get(pp) : t->cnt[i];
	for (unsigned i = m2 & SG_CS2_SUM ? 0 : 1; i < s->npair; i++)
		sum += s->pair[i].ns = sg_varint_get(pp);
	if (!(m2 & SG_CS2_SUM) && s->npair)
		s->pair[0].ns = s->h.ts - s->in - sum;
	return true;
}

static void get_seldom(const struct sg_codec *c, const uint8_t **pp, struct sg_slice *s, unsigned m2,
		       unsigned m3)
{
	if (m2 & SG_CS2_FLAGS)
		s->flags = (uint32_t)sg_varint_get(pp);
	if (m2 & SG_CS2_END)
		s->out_stop = *(*pp)++, s->out_kind = *(*pp)++;
	if (m2 & SG_CS2_WHO)
		s->who = (uint32_t)sg_varint_get(pp);
	if (m2 & SG_CS2_FLT) {
		s->fltseq = (uint32_t)sg_varint_get(pp);
		s->fltres = *(*pp)++;
		s->out_fltseq = (uint32_t)sg_varint_get(pp);
	}
	if (m3 & SG_CS3_THROTTLE)
		s->throttle_ns = sg_varint_get(pp);
	if (m3 & SG_CS3_SVC)
		s->svc_ns = sg_varint_get(pp);
	if (m3 & SG_CS3_DEV)
		s->dev = (uint32_t)sg_varint_get(pp);
	if (m3 & SG_CS3_WORK) {
		s->work_queued = s->in - sg_varint_get(pp);
		s->work_by = (uint32_t)sg_varint_get(pp);
	}
	if (m3 & SG_CS3_LOST)
		s->h.lost = c->lost + sg_varint_get(pp);
	if (m3 & SG_CS3_NOTE)
		s->note = (uint32_t)sg_varint_get(pp);
	for (unsigned i = 0; m3 & SG_CS3_ERR && i < s->npair; i++)
		s->pair[i].err = (uint16_t)sg_varint_get(pp);
}

/* Everything that is as predicted. */
static void predict(const struct sg_codec *c, const struct sg_codec_thread *t, struct sg_slice *s)
{
	s->h.lost = c->lost;
	s->h.cpu = c->cpu;
	s->h.kind = SG_REC_SLICE;
	s->h.rsv = 0;
	s->prev_out = t->out;
	s->wake = s->throttle_ns = s->svc_ns = s->work_queued = 0;
	s->wctx = t->wctx, s->wvec = t->wvec, s->wsrc = t->wsrc;
	s->waker = t->waker;
	s->raiser = t->raiser;
	s->stop = s->out_stop = t->out_stop;
	s->wkind = s->out_kind = t->out_kind;
	s->nr = t->nr;
	s->fdtype = t->fdtype;
	s->arg = t->arg;
	s->sysseq = t->sysseq + t->step;
	s->flags = t->flags;
	s->who = c->thread[c->last].uid;
	s->fltseq = t->fltseq;
	s->fltres = 0;
	s->dev = s->out_fltseq = s->work_by = s->note = 0;
}

static int get_slice(struct sg_codec *c, const uint8_t **pp, const uint8_t *end, struct sg_slice *s)
{
	const uint8_t *p = *pp;
	unsigned m = *p++, m2 = *p++, m3 = m2 & SG_CS2_MORE ? *p++ : 0;
	uint32_t uid = m & SG_CS_UID ? (uint32_t)sg_varint_get(&p) : c->thread[c->last].next;
	uint32_t idx = thread_of(c, uid);
	const struct sg_codec_thread *t = &c->thread[idx];

	if (!idx)
		return -ENOMEM;
	predict(c, t, s);
	s->h.uid = uid;
	s->in = c->out + sg_varint_get(&p);
	s->h.ts = s->in + sg_varint_get(&p);
	if (m & SG_CS_PREV_OUT)
		s->prev_out = s->in - sg_varint_get(&p);
	if (m & SG_CS_WAKE)
		s->wake = s->in - sg_varint_get(&p);
	if (m & SG_CS_WAKER) {
		s->wctx = *p++, s->wvec = *p++, s->wsrc = *p++;
		s->waker = (uint32_t)sg_varint_get(&p);
		s->raiser = (uint32_t)sg_varint_get(&p);
	}
	if (m & SG_CS_STOP)
		s->stop = *p++, s->wkind = *p++;
	if (m & SG_CS_CALL) {
		s->nr = (uint16_t)sg_varint_get(&p);
		s->fdtype = *p++;
		s->arg = (uint32_t)sg_varint_get(&p);
	}
	if (m & SG_CS_SEQ)
		s->sysseq = t->sysseq + (uint32_t)sg_unzigzag(sg_varint_get(&p));
	if (!get_pairs(t, &p, s, m2))
		return -EBADMSG;
	if (m2 & (SG_CS2_FLAGS | SG_CS2_END | SG_CS2_WHO | SG_CS2_FLT | SG_CS2_MORE))
		get_seldom(c, &p, s, m2, m3);
	if (p > end)
		return -EBADMSG;
	remember(c, idx, s);
	*pp = p;
	return (int)(sizeof(*s) + s->npair * sizeof(s->pair[0]));
}

uint8_t *sg_codec_put(struct sg_codec *c, uint8_t *p, const struct sg_hdr *ev, size_t size)
{
	const struct sg_slice *s = (const void *)ev;

	if (ev->kind != SG_REC_SLICE)
		return sg_codec_put_rec(c, p, ev, size);
	return s->h.rsv ? sg_codec_put_raw(c, p, ev, size) : put_slice(c, p, s);
}

int sg_codec_get(struct sg_codec *c, const uint8_t **pp, const uint8_t *end, struct sg_hdr *buf)
{
	if (*pp >= end)
		return -EBADMSG;
	if (**pp & SG_CODEC_SLICE)
		return get_slice(c, pp, end, (struct sg_slice *)buf);
	return sg_codec_get_rec(c, pp, end, buf);
}
