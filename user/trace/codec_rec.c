/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Records that are no slices: kind, length, time, uid, drop count, then the
 * fields of the field table that are not those of the stream's last record of
 * this kind, then the variable part. The length lets an older reader skip what
 * it does not know.
 */
#include "trace/codec.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "base/varint.h"
#include "trace/field.h"

#define SG_X(id, sym, name)                                                           \
	_Static_assert(id == 2 || sizeof(struct sg_##name) <= SG_CODEC_FIXED, #name); \
	_Static_assert(id <= 12 || (id >= 64 && id < 77), #name);
SG_REC_LIST(SG_X)
SG_UREC_LIST(SG_X)
#undef SG_X

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
	const struct sg_container *ct = (const void *)h;
	const struct sg_machine *mc = (const void *)h;
	const struct sg_guest *gu = (const void *)h;
	const struct sg_vm *vm = (const void *)h;

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
	case SG_REC_CONTAINER:
		return (struct tail){ sizeof(*ct), ct->len, 1, SG_CONTAINER_TEXT_MAX };
	case SG_REC_MACHINE:
		return (struct tail){ sizeof(*mc), mc->len, 1, SG_MACHINE_TEXT_MAX };
	case SG_REC_VM:
		return (struct tail){ sizeof(*vm), vm->len, 1, SG_VM_TEXT_MAX };
	case SG_REC_GUEST:
		return (struct tail){ sizeof(*gu), gu->len, 1, SG_GUEST_TEXT_MAX };
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
	case SG_REC_CONTAINER:
		((struct sg_container *)h)->len = (uint16_t)n;
		break;
	case SG_REC_MACHINE:
		((struct sg_machine *)h)->len = (uint16_t)n;
		break;
	case SG_REC_VM:
		((struct sg_vm *)h)->len = (uint16_t)n;
		break;
	case SG_REC_GUEST:
		((struct sg_guest *)h)->len = (uint16_t)n;
		break;
	}
}

/* The last record of @kind in the stream; NULL for a kind that is not remembered. */
static struct sg_hdr *last_of(struct sg_codec *c, unsigned kind)
{
	if (!sg_event_fixed(kind))
		return NULL;
	return (struct sg_hdr *)c->rec[kind < 64 ? kind - 1 : kind - 52];
}

static uint8_t *put_fields(uint8_t *p, const struct sg_hdr *h, const struct sg_hdr *last)
{
	size_t n;
	const struct sg_field *f = sg_fields(h->kind, &n);
	uint64_t mask = 0, v;

	for (size_t i = 0; i < n; i++)
		if (memcmp((const char *)h + f[i].off, (const char *)last + f[i].off, f[i].size))
			mask |= 1ull << i;
	p = sg_varint_put(p, mask);
	for (size_t i = 0; i < n; i++) {
		if (!(mask >> i & 1))
			continue;
		if (f[i].fmt == SG_FF_BYTES) {
			const uint8_t *s = (const uint8_t *)h + f[i].off;
			size_t len = f[i].size;

			while (len && !s[len - 1])
				len--;
			*p++ = (uint8_t)len;
			memcpy(p, s, len);
			p += len;
			continue;
		}
		v = sg_field_get(&f[i], h);
		p = sg_varint_put(p, f[i].near ? h->ts - v
					       : sg_zigzag((int64_t)(v - sg_field_get(&f[i], last))));
	}
	return p;
}

/* Keys and counts together, as they repeat; the first time follows from the sum. */
static uint8_t *put_pairs(uint8_t *p, const struct sg_snap *s)
{
	uint64_t sum = 0;
	bool sums;

	for (unsigned i = 0; i < s->npair; i++)
		sum += s->pair[i].ns;
	sums = s->npair && sum == s->h.ts - s->in;
	p = sg_varint_put(p, s->npair << 1 | sums);
	for (unsigned i = 0; i < s->npair; i++)
		p = sg_varint_put(p, sg_codec_key(s->pair[i].key));
	for (unsigned i = 0; i < s->npair; i++)
		p = sg_varint_put(p, s->pair[i].cnt);
	for (unsigned i = sums; i < s->npair; i++)
		p = sg_varint_put(p, s->pair[i].ns);
	return p;
}

static uint8_t *put_tail(uint8_t *p, const struct sg_hdr *h)
{
	struct tail t = tail_of(h);
	const uint8_t *s = (const uint8_t *)h + t.off;
	uint64_t last = 0, v;

	if (h->kind == SG_REC_SNAP)
		return put_pairs(p, (const void *)h);
	if (!t.off)
		return p;
	p = sg_varint_put(p, t.n);
	if (t.each == 1) {
		memcpy(p, s, t.n);
		return p + t.n;
	}
	for (size_t i = 0; i < t.n; i++, s += t.each) {
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

/* Reserved fields are in no table. */
static bool has_reserved(const struct sg_hdr *ev)
{
	_Alignas(8) uint8_t plain[256] = { 0 };
	struct sg_hdr *h = (struct sg_hdr *)plain;
	struct tail t = tail_of(ev);
	const struct sg_snap *s = (const void *)ev;
	unsigned rsv = 0;
	size_t n;
	const struct sg_field *f = sg_fields(ev->kind, &n);

	*h = *ev;
	h->rsv = 0;
	for (size_t i = 0; i < n; i++)
		memcpy(plain + f[i].off, (const char *)ev + f[i].off, f[i].size);
	set_tail_count(h, t.n);
	if (ev->kind == SG_REC_SNAP)
		for (unsigned i = 0; i < s->npair; i++)
			rsv |= s->pair[i].err; /* seldom: such a cut goes as in memory */
	return rsv || memcmp(plain, ev, sg_event_fixed(ev->kind));
}

static void remember(struct sg_codec *c, const struct sg_hdr *h)
{
	memcpy(last_of(c, h->kind), h, sg_event_fixed(h->kind));
	c->ts = h->ts;
	c->lost = h->lost;
}

uint8_t *sg_codec_put_rec(struct sg_codec *c, uint8_t *p, const struct sg_hdr *ev, size_t size)
{
	const struct sg_hdr *last = last_of(c, ev->kind);
	uint8_t *body = p + 16, *q = body;

	if (!last || has_reserved(ev))
		return sg_codec_put_raw(c, p, ev, size);
	q = sg_varint_put(q, ev->ts - c->ts);
	q = sg_varint_put(q, sg_zigzag((int32_t)(ev->uid - last->uid)));
	q = sg_varint_put(q, ev->lost - c->lost);
	q = put_fields(q, ev, last);
	q = put_tail(q, ev);
	remember(c, ev);
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
		if (!(mask >> i & 1))
			continue;
		if (f[i].fmt == SG_FF_BYTES) {
			size_t len = *p++;

			if (len > f[i].size || p > end || len > (size_t)(end - p))
				return false;
			memset((char *)h + f[i].off, 0, f[i].size);
			memcpy((char *)h + f[i].off, p, len);
			p += len;
			continue;
		}
		v = sg_varint_get(&p);
		/* @h still holds the last record of its kind there */
		v = f[i].near ? h->ts - v : sg_field_get(&f[i], h) + (uint64_t)sg_unzigzag(v);
		sg_field_set(&f[i], h, v);
	}
	*pp = p;
	return p <= end;
}

static bool get_pairs(const uint8_t **pp, const uint8_t *end, struct sg_snap *s)
{
	const uint8_t *p = *pp;
	uint64_t n = sg_varint_get(&p), sum = 0;
	bool sums = n & 1;

	n >>= 1;
	/* SG_CODEC_PAD covers what this many pairs can be */
	if (n > SG_PAIR_MAX || p > end)
		return false;
	s->npair = (uint32_t)n;
	for (unsigned i = 0; i < n; i++)
		s->pair[i] = (struct sg_pair){ .key = sg_codec_unkey(sg_varint_get(&p)) };
	for (unsigned i = 0; i < n; i++)
		s->pair[i].cnt = (uint32_t)sg_varint_get(&p);
	for (unsigned i = sums; i < n; i++)
		sum += s->pair[i].ns = sg_varint_get(&p);
	if (sums && n)
		s->pair[0].ns = s->h.ts - s->in - sum;
	*pp = p;
	return p <= end;
}

static bool get_tail(const uint8_t **pp, const uint8_t *end, struct sg_hdr *h)
{
	struct tail t = tail_of(h);
	uint8_t *d = (uint8_t *)h + t.off;
	const uint8_t *p = *pp;
	uint64_t last = 0, n;

	if (h->kind == SG_REC_SNAP)
		return get_pairs(pp, end, (struct sg_snap *)h);
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
		last += (uint64_t)sg_unzigzag(sg_varint_get(&p));
		memcpy(d, &last, t.each);
	}
	*pp = p;
	return p <= end;
}

/* The body of a record of a known kind; more bytes than this version knows of are left alone. */
static int decode(struct sg_codec *c, unsigned kind, const uint8_t *p, const uint8_t *end, struct sg_hdr *h)
{
	const struct sg_hdr *last = last_of(c, kind);

	memcpy(h, last, sg_event_fixed(kind));
	h->kind = (uint8_t)kind;
	h->cpu = c->cpu;
	h->ts = c->ts + sg_varint_get(&p);
	h->uid = last->uid + (uint32_t)sg_unzigzag(sg_varint_get(&p));
	h->lost = c->lost + sg_varint_get(&p);
	if (p > end || !get_fields(&p, end, h) || !get_tail(&p, end, h))
		return -EBADMSG;
	remember(c, h);
	return (int)sg_event_size(h, SG_EVENT_MAX) ?: -EBADMSG;
}

int sg_codec_get_rec(struct sg_codec *c, const uint8_t **pp, const uint8_t *end, struct sg_hdr *h)
{
	const uint8_t *p = *pp;
	unsigned kind = *p++;
	uint64_t len = sg_varint_get(&p);

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
	if (!last_of(c, kind) || kind == SG_REC_SLICE) {
		/* a newer version's: only its times and drops count, the next record builds on them */
		c->ts += sg_varint_get(&p);
		sg_varint_get(&p);
		c->lost += sg_varint_get(&p);
		return 0;
	}
	return decode(c, kind, p, p + len, h);
}
