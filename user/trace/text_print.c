/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Events to lines. A slice's special words take their fields out of a copy; the table prints what is left. */
#include "trace/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include "base/sysnr.h"
#include "trace/field.h"
#include "trace/text_tags.h"

struct out {
	char *buf;
	size_t cap, len;
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->len < o->cap ? o->buf + o->len : NULL, o->len < o->cap ? o->cap - o->len : 0, fmt,
		      ap);
	va_end(ap);
	if (n > 0)
		o->len += (size_t)n;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_./:+-", c));
}

static void put_string(struct out *o, const char *s, size_t n)
{
	bool plain = n > 0;

	for (size_t i = 0; i < n; i++)
		plain = plain && is_plain(s[i]);
	/* a lone "/" separates records */
	if (plain && !(n == 1 && s[0] == '/')) {
		put(o, "%.*s", (int)n, s);
		return;
	}
	put(o, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			put(o, "\\%c", c);
		else if (c >= ' ' && c < 0x7f)
			put(o, "%c", c);
		else
			put(o, "\\x%02x", c);
	}
	put(o, "\"");
}

/* A char array is printed up to its last byte that is not zero. */
static void put_bytes(struct out *o, const char *s, size_t n)
{
	while (n && !s[n - 1])
		n--;
	put_string(o, s, n);
}

static void put_sysnr(struct out *o, unsigned nr)
{
	const char *name = sg_sysnr_name(nr);

	/* "exit" is also a kind and a cause */
	if (name && nr != 60)
		put(o, "%s", name);
	else
		put(o, "nr%u", nr);
}

static void put_flags(struct out *o, const struct sg_field *f, uint32_t v)
{
	const char *sep = "";

	if (!(v & f->def))
		put(o, "outscope"), sep = ",";
	v &= ~f->def;
	for (const struct sg_word *w = f->words; w->name; w++) {
		if (v & w->v)
			put(o, "%s%s", sep, w->name), sep = ",";
		v &= ~w->v;
	}
	if (v)
		put(o, "%s0x%" PRIx32, sep, v);
}

static void put_value(struct out *o, const struct sg_field *f, uint64_t v)
{
	const char *word = NULL;

	switch (f->fmt) {
	case SG_FF_FLAGS:
		put_flags(o, f, (uint32_t)v);
		return;
	case SG_FF_SYSNR:
		put_sysnr(o, (unsigned)v);
		return;
	case SG_FF_DEV:
		put(o, "%u:%u", (unsigned)v >> 20, (unsigned)v & 0xfffff);
		return;
	case SG_FF_HEX:
		put(o, "0x%" PRIx64, v);
		return;
	case SG_FF_SIGNED:
		put(o, "%" PRId64, (int64_t)v);
		return;
	}
	if (f->words)
		word = sg_word_name(f->words, (uint32_t)v);
	if (word)
		put(o, "%s", word);
	else
		put(o, "%" PRIu64, v);
}

static void put_fields(struct out *o, const struct sg_hdr *h)
{
	size_t n;
	const struct sg_field *f = sg_fields(h->kind, &n);

	for (; n; n--, f++) {
		if (f->fmt == SG_FF_BYTES) {
			const char *s = (const char *)h + f->off;
			bool any = false;

			for (size_t i = 0; i < f->size; i++)
				any = any || s[i];
			if (any) {
				put(o, " %s=", f->key);
				put_bytes(o, s, f->size);
			}
		} else if (sg_field_get(f, h) != sg_field_default(f, h)) {
			put(o, " %s=", f->key);
			put_value(o, f, sg_field_get(f, h));
		}
	}
}

static void put_cause(struct out *o, unsigned key)
{
	const char *name = NULL;

	if (key & SG_KEY_SYSCALL) {
		put(o, "sys.");
		put_sysnr(o, key & ~SG_KEY_SYSCALL);
		return;
	}
	if (SG_KEY_TYPE(key) == SG_KEY_GUEST || SG_KEY_TYPE(key) == SG_KEY_EMULATED) {
		put(o, SG_KEY_TYPE(key) == SG_KEY_GUEST ? "guest." : "emul.");
		put_sysnr(o, SG_KEY_LOW(key));
		return;
	}
	if (SG_KEY_IS_KVM(key)) {
		put(o, "kvm.%u", key & 0xfff);
		return;
	}
	if (SG_KEY_TYPE(key) == SG_KEY_FLIPCALL) {
		put(o, "flip.%u", SG_KEY_LOW(key));
		return;
	}
	switch (key) {
#define SG_X(id, sym, dotted, ...) \
	case id:                   \
		name = dotted;     \
		break;
		SG_CAUSE_LIST(SG_X)
#undef SG_X
	}
	if (!name)
		put(o, "k%u", key);
	else
		put(o, "%s", strncmp(name, SG_TEXT_CPU, 4) ? name : name + 4);
}

static void put_pairs(struct out *o, const struct sg_pair *p, size_t n)
{
	for (; n; n--, p++) {
		put(o, " ");
		put_cause(o, p->key);
		put(o, "=%" PRIu64, (uint64_t)p->ns);
		if (p->cnt != 1 || p->err)
			put(o, "/%u", p->cnt);
		if (p->err)
			put(o, "!%u", p->err);
	}
}

static void put_word(struct out *o, const struct sg_word *w, unsigned v)
{
	const char *name = sg_word_name(w, v);

	if (name)
		put(o, "%s", name);
	else
		put(o, "%u", v);
}

/* "<S:read.inet@40": the stop, what it was in, and when. Takes those fields out of @s. */
static void put_wait(struct out *o, struct sg_slice *s)
{
	if (s->stop == SG_STOP_NONE && s->prev_out == s->in && s->in) {
		put(o, " <=");
		s->prev_out = 0;
		return;
	}
	if (s->stop == SG_STOP_NONE && !s->prev_out)
		return;
	put(o, " <");
	put_word(o, sg_words_stop, s->stop);
	if (s->wkind == SG_K_SYSCALL) {
		put(o, ":");
		put_sysnr(o, s->nr);
		if (s->fdtype && sg_word_name(sg_words_fdtype, s->fdtype)) {
			put(o, ".%s", sg_word_name(sg_words_fdtype, s->fdtype));
			s->fdtype = 0;
		}
		s->nr = 0;
	} else if (s->wkind) {
		put(o, ":");
		put_word(o, sg_words_kind, s->wkind);
	}
	if (s->prev_out)
		put(o, "@%" PRIu64, (uint64_t)s->prev_out);
	s->prev_out = s->stop = s->wkind = 0;
}

/* "w=95 task:9", "w=95 soft.block:9" ... Takes those fields out of @s. */
static void put_waker(struct out *o, struct sg_slice *s)
{
	uint32_t *id = s->wctx == SG_WCTX_TASK ? &s->waker : &s->raiser;
	unsigned src = sg_text_src_of(s->wctx, s->wvec);

	if (s->wake)
		put(o, " w=%" PRIu64, (uint64_t)s->wake);
	s->wake = 0;
	if (s->wctx >= SG_WCTX_MAX || s->wctx == SG_WCTX_NONE)
		return;
	put(o, " ");
	put_word(o, sg_words_wctx, s->wctx);
	if (s->wvec) {
		put(o, ".");
		put_word(o, sg_words_vec, s->wvec);
	}
	if (*id)
		put(o, ":%u", *id);
	*id = 0;
	if (s->wsrc == src)
		s->wsrc = SG_WSRC_NONE;
	else if (s->wsrc == SG_WSRC_NONE) /* the table leaves out what is 0 */
		put(o, " src=none");
	s->wctx = s->wvec = 0;
}

static void put_slice(struct out *o, const struct sg_slice *s)
{
	struct sg_slice c = *s;

	put(o, " %" PRIu64 "-%" PRIu64, (uint64_t)s->in, (uint64_t)s->h.ts);
	put_pairs(o, s->pair, s->npair);
	put_wait(o, &c);
	put_waker(o, &c);
	if (c.out_stop) {
		put(o, " >");
		put_word(o, sg_words_stop, c.out_stop);
		if (c.out_kind) {
			put(o, ":");
			put_word(o, sg_words_kind, c.out_kind);
		}
		c.out_stop = c.out_kind = 0;
	}
	c.in = 0;
	put_fields(o, &c.h);
}

static void put_snap(struct out *o, const struct sg_snap *s)
{
	struct sg_snap c = *s;

	put(o, " %" PRIu64 "-%" PRIu64, (uint64_t)s->in, (uint64_t)s->h.ts);
	put_pairs(o, s->pair, s->npair);
	c.in = 0;
	put_fields(o, &c.h);
}

static void put_mark(struct out *o, const struct sg_mark *m)
{
	struct sg_mark c = *m;

	if (sg_word_name(sg_words_mark, m->type)) {
		put(o, " %s", sg_word_name(sg_words_mark, m->type));
		c.type = 0;
	}
	/* without one the reader counts */
	if (!c.seq)
		put(o, " seq=0");
	put_fields(o, &c.h);
}

static void put_tail(struct out *o, const struct sg_hdr *h)
{
	const struct sg_stackdef *def = (const void *)h;
	const struct sg_stack *st = (const void *)h;
	const struct sg_frame *fr = (const void *)h;
	const struct sg_name *nm = (const void *)h;
	const struct sg_container *ct = (const void *)h;
	const struct sg_machine *mc = (const void *)h;
	const struct sg_guest *gu = (const void *)h;
	const struct sg_vm *vm = (const void *)h;

	switch (h->kind) {
	case SG_REC_STACK:
		for (size_t i = 0; i < st->n; i++)
			put(o, "%s0x%" PRIx64, i ? "," : " ip=", (uint64_t)st->ip[i]);
		break;
	case SG_REC_STACKDEF:
		for (size_t i = 0; i < def->n; i++)
			put(o, "%s%u", i ? "," : " frames=", def->frame[i]);
		break;
	case SG_REC_FRAME:
		put(o, " text=");
		put_string(o, fr->text, fr->len);
		break;
	case SG_REC_NAME:
		put(o, " text=");
		put_string(o, nm->text, nm->len);
		break;
	case SG_REC_CONTAINER:
		put(o, " text=");
		put_string(o, ct->text, ct->len);
		break;
	case SG_REC_MACHINE:
		put(o, " text=");
		put_string(o, mc->text, mc->len);
		break;
	case SG_REC_VM:
		put(o, " text=");
		put_string(o, vm->text, vm->len);
		break;
	case SG_REC_GUEST:
		put(o, gu->len ? " text=" : "");
		if (gu->len)
			put_string(o, gu->text, gu->len);
		break;
	}
}

static void put_body(struct out *o, const struct sg_hdr *h)
{
	struct sg_thread t;

	switch (h->kind) {
	case SG_REC_SLICE:
		put_slice(o, (const void *)h);
		return;
	case SG_REC_SNAP:
		put_snap(o, (const void *)h);
		return;
	case SG_REC_MARK:
		put_mark(o, (const void *)h);
		break;
	case SG_REC_THREAD:
		t = *(const struct sg_thread *)h;
		put(o, " ");
		put_bytes(o, t.comm, sizeof(t.comm));
		memset(t.comm, 0, sizeof(t.comm));
		put_fields(o, &t.h);
		break;
	default:
		put_fields(o, h);
		put_tail(o, h);
	}
	put(o, " @%" PRIu64, (uint64_t)h->ts);
}

size_t sg_text_format(const struct sg_hdr *h, char *buf, size_t cap)
{
	struct out o = { buf, cap, 0 };
	char tag = 0;
	bool has_uid = false;

	switch (h->kind) {
#define SG_X(letter, sym, uid)               \
	case SG_REC_##sym:                   \
		tag = letter, has_uid = uid; \
		break;
		SG_TEXT_TAGS(SG_X)
#undef SG_X
	}
	if (!tag || !sg_event_size(h, SG_EVENT_MAX))
		return 0;
	put(&o, "%c", tag);
	if (has_uid)
		put(&o, " %u", h->uid);
	if (h->kind == SG_REC_THREAD) /* its third word is the name */
		put_body(&o, h);
	if (h->cpu || h->kind == SG_REC_SLICE || h->kind == SG_REC_SNAP || h->kind == SG_REC_LOST)
		put(&o, " c%u", h->cpu);
	if (h->kind != SG_REC_THREAD)
		put_body(&o, h);
	if (!has_uid && h->uid)
		put(&o, " uid=%u", h->uid);
	if (h->lost)
		put(&o, " lost=%" PRIu64, (uint64_t)h->lost);
	return o.len < cap ? o.len : 0;
}
