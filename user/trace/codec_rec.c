/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Records that are no slices: kind, length, time, uid, drop count, then the
 * fields of the field table that are not 0, then the variable part. The length
 * lets an older reader skip what it does not know.
 */
#include "trace/codec.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "base/varint.h"
#include "trace/field.h"

/* The variable part of @h as an array: where, how many (count field), bytes each. */
struct tail {
	size_t off, n, each, max;
};

static struct tail tail_of(const struct sg_hdr *h)
{
	const struct sg_snap *sn = (const void *)h;
	const struct sg_stack *st = (const void *)h;
	const struct sg_stackdef *sd = (const void *)h;
	const struct sg_frame *fr = (const void *)h;
	const struct sg_name *nm = (const void *)h;

	switch (h->kind) {
	case SG_REC_SNAP:
		return (struct tail){ sizeof(*sn), sn->npair, sizeof(struct sg_pair), SG_PAIR_MAX };
	case SG_REC_STACK:
		return (struct tail){ sizeof(*st), st->n, 8, SG_STACK_MAX };
	case SG_REC_STACKDEF:
		return (struct tail){ sizeof(*sd), sd->n, 4, SG_STACKDEF_MAX };
	case SG_REC_FRAME:
		return (struct tail){ sizeof(*fr), fr->len, 1, SG_FRAME_TEXT_MAX };
	case SG_REC_NAME:
		return (struct tail){ sizeof(*nm), nm->len, 1, SG_NAME_TEXT_MAX };
	default:
		return (struct tail){ 0 };
	}
}

static void set_tail_count(struct sg_hdr *h, size_t n)
{
	switch (h->kind) {
	case SG_REC_SNAP:
		((struct sg_snap *)h)->npair = (uint32_t)n;
		break;
	case SG_REC_STACK:
		((struct sg_stack *)h)->n = (uint16_t)n;
		break;
	case SG_REC_STACKDEF:
		((struct sg_stackdef *)h)->n = (uint32_t)n;
		break;
	case SG_REC_FRAME:
		((struct sg_frame *)h)->len = (uint16_t)n;
		break;
	case SG_REC_NAME:
		((struct sg_name *)h)->len = (uint16_t)n;
		break;
	}
}

static uint8_t *put_fields(uint8_t *p, const struct sg_hdr *h)
{
	size_t n;
	const struct sg_field *f = sg_fields(h->kind, &n);
	uint64_t mask = 0, v;

	for (size_t i = 0; i < n; i++)
		if (f[i].fmt != SG_FF_BYTES && sg_field_get(&f[i], h))
			mask |= 1ull << i;
	p = sg_varint_put(p, mask);
	for (size_t i = 0; i < n; i++) {
		if (f[i].fmt == SG_FF_BYTES) {
			const uint8_t *s = (const uint8_t *)h + f[i].off;
			size_t len = f[i].size;

			while (len && !s[len - 1])
				len--;
			*p++ = (uint8_t)len;
			memcpy(p, s, len);
			p += len;
		} else if (mask >> i & 1) {
			v = sg_field_get(&f[i], h);
			p = sg_varint_put(p, f[i].fmt == SG_FF_SIGNED ? sg_zigzag((int64_t)v) : v);
		}
	}
	return p;
}

static uint8_t *put_tail(uint8_t *p, const struct sg_hdr *h)
{
	struct tail t = tail_of(h);
	const uint8_t *s = (const uint8_t *)h + t.off;
	uint64_t last = 0, v;

	if (!t.off)
		return p;
	p = sg_varint_put(p, t.n);
	if (t.each == 1) {
		memcpy(p, s, t.n);
		return p + t.n;
	}
	for (size_t i = 0; i < t.n; i++, s += t.each) {
		if (t.each == sizeof(struct sg_pair)) {
			const struct sg_pair *pair = (const void *)s;

			p = sg_varint_put(p, pair->key);
			p = sg_varint_put(p, pair->cnt);
			p = sg_varint_put(p, pair->ns);
			continue;
		}
		v = 0;
		memcpy(&v, s, t.each);
		/* addresses and frames of a stack are near each other */
		p = sg_varint_put(p, sg_zigzag((int64_t)(v - last)));
		last = v;
	}
	return p;
}

uint8_t *sg_codec_put_raw(struct sg_codec *c, uint8_t *p, const struct sg_hdr *ev, size_t size)
{
	*p++ = SG_CODEC_RAW;
	p = sg_varint_put(p, size);
	memcpy(p, ev, size);
	c->ts = ev->ts;
	c->lost = ev->lost;
	return p + size;
}

static int decode(struct sg_codec *c, unsigned kind, const uint8_t *p, const uint8_t *end, struct sg_hdr *h);

uint8_t *sg_codec_put_rec(struct sg_codec *c, uint8_t *p, const struct sg_hdr *ev, size_t size)
{
	union {
		struct sg_hdr h;
		uint64_t align;
		uint8_t bytes[SG_EVENT_MAX];
	} back;
	struct sg_codec was = { .ts = c->ts, .lost = c->lost, .cpu = c->cpu };
	uint8_t *body = p + 16, *q = body;

	q = sg_varint_put(q, ev->ts - c->ts);
	q = sg_varint_put(q, ev->uid);
	q = sg_varint_put(q, ev->lost - c->lost);
	q = put_fields(q, ev);
	q = put_tail(q, ev);
	/* reserved fields are in no table: what does not come back whole goes as it is */
	if (decode(&was, ev->kind, body, q, &back.h) != (int)size || memcmp(&back, ev, size))
		return sg_codec_put_raw(c, p, ev, size);
	c->ts = ev->ts;
	c->lost = ev->lost;
	*p++ = ev->kind;
	p = sg_varint_put(p, (size_t)(q - body));
	memmove(p, body, (size_t)(q - body));
	return p + (q - body);
}

/* Each read is followed by a check: a record has at most a few fields, so that SG_CODEC_PAD covers them. */
static bool get_fields(const uint8_t **pp, const uint8_t *end, struct sg_hdr *h)
{
	size_t n;
	const struct sg_field *f = sg_fields(h->kind, &n);
	const uint8_t *p = *pp;
	uint64_t mask = sg_varint_get(&p), v;

	for (size_t i = 0; i < n && p <= end; i++) {
		if (f[i].fmt == SG_FF_BYTES) {
			size_t len = *p++;

			if (len > f[i].size || p > end || len > (size_t)(end - p))
				return false;
			memcpy((char *)h + f[i].off, p, len);
			p += len;
		} else if (mask >> i & 1) {
			v = sg_varint_get(&p);
			sg_field_set(&f[i], h, f[i].fmt == SG_FF_SIGNED ? (uint64_t)sg_unzigzag(v) : v);
		}
	}
	*pp = p;
	return p <= end;
}

static bool get_tail(const uint8_t **pp, const uint8_t *end, struct sg_hdr *h)
{
	struct tail t = tail_of(h);
	uint8_t *d = (uint8_t *)h + t.off;
	const uint8_t *p = *pp;
	uint64_t last = 0, n;

	if (!t.off)
		return true;
	n = sg_varint_get(&p);
	if (p > end || n > t.max || n > (size_t)(end - p))
		return false;
	set_tail_count(h, n);
	if (t.each == 1) {
		memcpy(d, p, n);
		*pp = p + n;
		return true;
	}
	for (; n && p <= end; n--, d += t.each) {
		if (t.each == sizeof(struct sg_pair)) {
			struct sg_pair *pair = (void *)d;

			pair->key = (uint16_t)sg_varint_get(&p);
			pair->cnt = (uint32_t)sg_varint_get(&p);
			pair->ns = sg_varint_get(&p);
			pair->rsv = 0;
			continue;
		}
		last += (uint64_t)sg_unzigzag(sg_varint_get(&p));
		memcpy(d, &last, t.each);
	}
	*pp = p;
	return p <= end;
}

/* The body of a record of a known kind; more bytes than this version knows of are left alone. */
static int decode(struct sg_codec *c, unsigned kind, const uint8_t *p, const uint8_t *end, struct sg_hdr *h)
{
	/* all fixed parts fit in this */
	memset(h, 0, 256);
	h->kind = (uint8_t)kind;
	h->cpu = c->cpu;
	h->ts = c->ts + sg_varint_get(&p);
	h->uid = (uint32_t)sg_varint_get(&p);
	h->lost = c->lost + sg_varint_get(&p);
	if (p > end || !get_fields(&p, end, h) || !get_tail(&p, end, h))
		return -EBADMSG;
	c->ts = h->ts;
	c->lost = h->lost;
	return (int)sg_event_size(h, SG_EVENT_MAX) ?: -EBADMSG;
}

int sg_codec_get_rec(struct sg_codec *c, const uint8_t **pp, const uint8_t *end, struct sg_hdr *h)
{
	const uint8_t *p = *pp;
	unsigned kind = *p++;
	uint64_t len = sg_varint_get(&p);
	size_t n;

	if (p > end || len > (size_t)(end - p))
		return -EBADMSG;
	*pp = p + len;
	if (kind == SG_CODEC_RAW) {
		if (len < sizeof(*h) || len > SG_EVENT_MAX)
			return -EBADMSG;
		memcpy(h, p, len);
		if (sg_event_size(h, len) != len || h->cpu != c->cpu)
			return -EBADMSG;
		c->ts = h->ts;
		c->lost = h->lost;
		return (int)len;
	}
	if (!sg_fields(kind, &n) || kind == SG_REC_SLICE) {
		/* a newer version's: only its times and drops count, the next record builds on them */
		c->ts += sg_varint_get(&p);
		sg_varint_get(&p);
		c->lost += sg_varint_get(&p);
		return 0;
	}
	return decode(c, kind, p, p + len, h);
}
