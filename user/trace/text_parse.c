/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Lines to events. The text may be hostile: every length is checked, every error names its line. */
#include "trace/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/sysnr.h"
#include "trace/field.h"
#include "trace/text_tags.h"

struct word {
	const char *s;
	size_t n;
};

/* Marks are counted per thread, as the kernel side does, when the text does not say. */
struct mark_seq {
	uint32_t uid, seq;
};

struct parser {
	sg_text_event_fn on_event;
	sg_text_expect_fn on_expect;
	void *ctx;
	struct sg_err *err;
	const char *p, *end; /* of the line */
	unsigned line;
	uint64_t last_ts;
	struct mark_seq *seq;
	size_t seq_cnt, seq_cap;
	/* of the record being read */
	bool has_ts, has_seq, has_src, is_cut;
	uint32_t seen[2]; /* table fields that were given: the others get their default */
	union {
		struct sg_hdr h;
		struct sg_thread thread;
		struct sg_slice slice;
		struct sg_snap snap;
		struct sg_mark mark;
		struct sg_stack stack;
		struct sg_frame frame;
		struct sg_stackdef stackdef;
		struct sg_name name;
		char bytes[SG_EVENT_MAX];
	} ev;
};

static int fail(struct parser *P, struct word w, const char *what)
{
	char shown[48];
	size_t n = w.n < sizeof(shown) - 1 ? w.n : sizeof(shown) - 1;

	for (size_t i = 0; i < n; i++)
		shown[i] = w.s[i] >= ' ' && w.s[i] < 0x7f ? w.s[i] : '?';
	shown[n] = 0;
	return sg_err_set(P->err, -EINVAL, "line %u: '%s': %s", P->line, shown, what);
}

/* Next word of the line: up to a blank outside quotes. False at the end of the line or at a comment. */
static bool next_word(struct parser *P, struct word *ret)
{
	bool quoted = false;
	const char *p = P->p;

	while (p < P->end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	ret->s = p;
	if (p < P->end && *p == '#')
		p = ret->s = P->end;
	for (; p < P->end && (quoted || (*p != ' ' && *p != '\t' && *p != '\r')); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (*p == '\\' && quoted && p + 1 < P->end)
			p++;
	}
	P->p = p;
	ret->n = (size_t)(p - ret->s);
	return ret->n > 0;
}

static bool is_word(struct word w, const char *s)
{
	return w.n == strlen(s) && !memcmp(w.s, s, w.n);
}

/* Cuts @w at the first @c; @rest is what follows it. False, and @w whole, when there is none. */
static bool split(struct word *w, char c, struct word *rest)
{
	const char *p = w->n ? memchr(w->s, c, w->n) : NULL;

	if (!p)
		return false;
	rest->s = p + 1;
	rest->n = w->n - (size_t)(p + 1 - w->s);
	w->n = (size_t)(p - w->s);
	return true;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool number(struct word w, uint64_t max, uint64_t *ret)
{
	unsigned base = 10;
	uint64_t v = 0;

	if (w.n > 2 && w.s[0] == '0' && w.s[1] == 'x')
		base = 16, w.s += 2, w.n -= 2;
	if (!w.n)
		return false;
	for (; w.n; w.s++, w.n--) {
		int d = digit(*w.s);

		if (d < 0 || (unsigned)d >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return false;
	}
	*ret = v;
	return v <= max;
}

static uint64_t max_of(size_t size)
{
	return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

/* A plain or quoted string into @dst; -1 when it does not fit or is malformed, else its length. */
static int unquote(struct word w, char *dst, size_t cap)
{
	size_t n = 0;
	int hi, lo;

	if (!w.n || w.s[0] != '"') {
		if (w.n > cap || memchr(w.s, '"', w.n))
			return -1;
		memcpy(dst, w.s, w.n);
		return (int)w.n;
	}
	if (w.n < 2 || w.s[w.n - 1] != '"')
		return -1;
	for (size_t i = 1; i < w.n - 1; i++) {
		char c = w.s[i];

		if (c == '"')
			return -1;
		if (c == '\\') {
			if (++i >= w.n - 1)
				return -1;
			c = w.s[i];
			if (c == 'x') {
				if (i + 2 >= w.n - 1 || (hi = digit(w.s[i + 1])) < 0 || (lo = digit(w.s[i + 2])) < 0)
					return -1;
				c = (char)(hi * 16 + lo);
				i += 2;
			} else if (c != '"' && c != '\\') {
				return -1;
			}
		}
		if (n >= cap)
			return -1;
		dst[n++] = c;
	}
	return (int)n;
}

static bool sysnr(struct word w, uint64_t *ret)
{
	int nr;

	if (w.n > 2 && w.s[0] == 'n' && w.s[1] == 'r' && number((struct word){ w.s + 2, w.n - 2 }, 0xffff, ret))
		return true;
	nr = sg_sysnr_find(w.s, w.n);
	*ret = (uint64_t)nr;
	return nr >= 0 || number(w, 0xffff, ret);
}

/* A word of @words or a number. */
static bool word_or_number(const struct sg_word *words, struct word w, uint64_t max, uint64_t *ret)
{
	uint32_t v;

	if (words && sg_word_find(words, w.s, w.n, &v)) {
		*ret = v;
		return true;
	}
	return number(w, max, ret);
}

static bool flags(const struct sg_field *f, struct word w, uint64_t *ret)
{
	struct word rest = { 0 };
	bool more = true;
	uint64_t v;

	*ret = f->def;
	while (more) {
		more = split(&w, ',', &rest);
		if (is_word(w, "outscope"))
			*ret &= ~(uint64_t)f->def;
		else if (word_or_number(f->words, w, UINT32_MAX, &v))
			*ret |= v;
		else
			return false;
		w = rest;
	}
	return true;
}

static bool device(struct word w, uint64_t *ret)
{
	uint64_t major, minor;
	struct word rest;

	if (!split(&w, ':', &rest))
		return number(w, UINT32_MAX, ret);
	if (!number(w, 0xfff, &major) || !number(rest, 0xfffff, &minor))
		return false;
	*ret = major << 20 | minor;
	return true;
}

static int set_field(struct parser *P, size_t idx, const struct sg_field *f, struct word key, struct word w)
{
	uint64_t v = 0;
	bool ok;
	int n;

	P->seen[idx / 32] |= 1u << (idx % 32);
	if (f->fmt == SG_FF_BYTES) {
		char *dst = (char *)&P->ev.h + f->off;

		memset(dst, 0, f->size);
		n = unquote(w, dst, f->size);
		return n < 0 ? fail(P, key, "not a string, or too long") : 0;
	}
	switch (f->fmt) {
	case SG_FF_FLAGS:
		ok = flags(f, w, &v);
		break;
	case SG_FF_SYSNR:
		ok = sysnr(w, &v);
		break;
	case SG_FF_DEV:
		ok = device(w, &v);
		break;
	case SG_FF_SIGNED:
		if (w.n && w.s[0] == '-') {
			ok = number((struct word){ w.s + 1, w.n - 1 }, 1ull << 31, &v);
			v = -v;
			break;
		}
		ok = number(w, INT32_MAX, &v);
		break;
	default:
		ok = word_or_number(f->words, w, max_of(f->size), &v);
	}
	if (!ok)
		return fail(P, w, "not a value of this field");
	sg_field_set(f, &P->ev.h, v);
	return 0;
}

static bool cause_key(struct word w, uint16_t *ret)
{
	uint64_t v;
	bool cpu;

#define SG_X(id, sym, dotted, ...)                                                                 \
	cpu = !strncmp(dotted, SG_TEXT_CPU, 4);                                                    \
	if (is_word(w, dotted) || (cpu && is_word(w, &dotted[cpu ? 4 : 0]))) {                     \
		*ret = id;                                                                         \
		return true;                                                                       \
	}
	SG_CAUSE_LIST(SG_X)
#undef SG_X
	if (w.n > 1 && w.s[0] == 'k' && number((struct word){ w.s + 1, w.n - 1 }, 0x7fff, &v)) {
		*ret = (uint16_t)v;
		return true;
	}
	if (w.n > 8 && !memcmp(w.s, "cpu.sys.", 8))
		w.s += 8, w.n -= 8;
	else if (w.n > 4 && !memcmp(w.s, "sys.", 4))
		w.s += 4, w.n -= 4;
	else
		return false;
	if (!sysnr(w, &v) || v > 0x7fff)
		return false;
	*ret = (uint16_t)(SG_KEY_SYSCALL | v);
	return true;
}

/* "user=10" or "sys.read=50/2": cause, ns, count. */
static int pair(struct parser *P, struct word key, struct word val)
{
	bool snap = P->ev.h.kind == SG_REC_SNAP;
	size_t n = snap ? P->ev.snap.npair : P->ev.slice.npair;
	struct sg_pair *p = (snap ? P->ev.snap.pair : P->ev.slice.pair) + n;
	struct word cnt;
	uint64_t v = 1;
	uint16_t k;

	if (!cause_key(key, &k))
		return fail(P, key, "no field and no cause has this name");
	if (n >= SG_PAIR_MAX)
		return fail(P, key, "too many pairs");
	if (split(&val, '/', &cnt) && !number(cnt, UINT32_MAX, &v))
		return fail(P, cnt, "not a count");
	p->key = k;
	p->cnt = (uint32_t)v;
	if (!number(val, UINT64_MAX, &v))
		return fail(P, val, "not a time in ns");
	p->ns = v;
	if (snap)
		P->ev.snap.npair++;
	else
		P->ev.slice.npair++;
	return 0;
}

/* "<S:read.inet@40", "<R@55", "<=" */
static int wait_before(struct parser *P, struct word w)
{
	struct sg_slice *s = &P->ev.slice;
	struct word at, what, suffix;
	uint64_t v;

	w.s++, w.n--;
	if (is_word(w, "=")) {
		P->is_cut = true;
		return 0;
	}
	if (split(&w, '@', &at)) {
		if (!number(at, UINT64_MAX, &v))
			return fail(P, at, "not a time in ns");
		s->prev_out = v;
	}
	if (!split(&w, ':', &what))
		what.n = 0;
	if (!word_or_number(sg_words_stop, w, UINT8_MAX, &v))
		return fail(P, w, "not a stop");
	s->stop = (uint8_t)v;
	if (!what.n)
		return 0;
	if (word_or_number(sg_words_kind, what, UINT8_MAX, &v)) {
		s->wkind = (uint8_t)v;
		return 0;
	}
	s->wkind = SG_K_SYSCALL;
	if (split(&what, '.', &suffix)) {
		if (!word_or_number(sg_words_fdtype, suffix, UINT8_MAX, &v))
			return fail(P, suffix, "not a file type");
		s->fdtype = (uint8_t)v;
	}
	if (!sysnr(what, &v))
		return fail(P, what, "neither a kind nor a system call");
	s->nr = (uint16_t)v;
	return 0;
}

/* ">S:syscall": how the slice ended */
static int end_of_slice(struct parser *P, struct word w)
{
	struct word kind;
	uint64_t v;

	w.s++, w.n--;
	if (split(&w, ':', &kind)) {
		if (!word_or_number(sg_words_kind, kind, UINT8_MAX, &v))
			return fail(P, kind, "not a kind");
		P->ev.slice.out_kind = (uint8_t)v;
	}
	if (!word_or_number(sg_words_stop, w, UINT8_MAX, &v))
		return fail(P, w, "not a stop");
	P->ev.slice.out_stop = (uint8_t)v;
	return 0;
}

/* "task:9", "soft.block:9", "hard:irq", "timer", "none". Returns 1 when it was one. */
static int wake_context(struct parser *P, struct word w)
{
	struct sg_slice *s = &P->ev.slice;
	struct word id = { 0 }, vec = { 0 }, whole = w;
	uint64_t v = 0;
	uint32_t ctx;

	if (!split(&w, ':', &id))
		id.n = 0;
	if (!split(&w, '.', &vec))
		vec.n = 0;
	if (!sg_word_find(sg_words_wctx, w.s, w.n, &ctx))
		return 0;
	s->wctx = (uint8_t)ctx;
	if (vec.n && !word_or_number(sg_words_vec, vec, UINT8_MAX, &v))
		return fail(P, vec, "not a soft interrupt vector");
	s->wvec = (uint8_t)v;
	if (!P->has_src)
		s->wsrc = (uint8_t)sg_text_src_of(ctx, s->wvec);
	if (!id.n || (ctx == SG_WCTX_HARD && is_word(id, "irq")))
		return 1;
	if (!number(id, UINT32_MAX, &v))
		return fail(P, whole, "not a thread number");
	if (ctx == SG_WCTX_TASK)
		s->waker = (uint32_t)v;
	else
		s->raiser = (uint32_t)v;
	return 1;
}

/* "100-110" */
static int in_out(struct parser *P, struct word w)
{
	struct word out;
	uint64_t in, ts;

	if (!split(&w, '-', &out) || !number(w, UINT64_MAX, &in) || !number(out, UINT64_MAX, &ts))
		return fail(P, w, "not IN-OUT in ns");
	P->ev.h.ts = ts;
	P->has_ts = true;
	if (P->ev.h.kind == SG_REC_SNAP)
		P->ev.snap.in = in;
	else
		P->ev.slice.in = in;
	return 1;
}

/* A comma list into the record's variable part. */
static int list(struct parser *P, struct word w)
{
	struct word rest = { 0 };
	bool more = w.n > 0;
	uint64_t v;

	while (more) {
		more = split(&w, ',', &rest);
		if (!number(w, P->ev.h.kind == SG_REC_STACK ? UINT64_MAX : UINT32_MAX, &v))
			return fail(P, w, "not a number");
		if (P->ev.h.kind == SG_REC_STACK) {
			if (P->ev.stack.n >= SG_STACK_MAX)
				return fail(P, w, "too many addresses");
			P->ev.stack.ip[P->ev.stack.n++] = v;
		} else {
			if (P->ev.stackdef.n >= SG_STACKDEF_MAX)
				return fail(P, w, "too many frames");
			P->ev.stackdef.frame[P->ev.stackdef.n++] = (uint32_t)v;
		}
		w = rest;
	}
	return 1;
}

static int text(struct parser *P, struct word w)
{
	bool frame = P->ev.h.kind == SG_REC_FRAME;
	int n = frame ? unquote(w, P->ev.frame.text, SG_FRAME_TEXT_MAX) : unquote(w, P->ev.name.text, SG_NAME_TEXT_MAX);

	if (n < 0)
		return fail(P, w, "not a string, or too long");
	if (frame)
		P->ev.frame.len = (uint16_t)n;
	else
		P->ev.name.len = (uint16_t)n;
	return 1;
}

/* Words of one kind of record only. Returns 1 when @w was one, 0 when not. */
static int special_word(struct parser *P, struct word w, struct word key, struct word val, bool has_val)
{
	uint32_t v;

	switch (P->ev.h.kind) {
	case SG_REC_SLICE:
		if (w.s[0] == '<')
			return wait_before(P, w) ?: 1;
		if (w.s[0] == '>')
			return end_of_slice(P, w) ?: 1;
		if (!has_val && w.s[0] >= '0' && w.s[0] <= '9')
			return in_out(P, w);
		return has_val ? 0 : wake_context(P, w);
	case SG_REC_SNAP:
		return !has_val && w.s[0] >= '0' && w.s[0] <= '9' ? in_out(P, w) : 0;
	case SG_REC_MARK:
		if (has_val || !sg_word_find(sg_words_mark, w.s, w.n, &v))
			return 0;
		P->ev.mark.type = (uint8_t)v;
		return 1;
	case SG_REC_STACK:
		return has_val && is_word(key, "ip") ? list(P, val) : 0;
	case SG_REC_STACKDEF:
		return has_val && is_word(key, "frames") ? list(P, val) : 0;
	case SG_REC_FRAME:
	case SG_REC_NAME:
		return has_val && is_word(key, "text") ? text(P, val) : 0;
	}
	return 0;
}

/* Words every record may have. Returns 1 when @w was one, 0 when not. */
static int common_word(struct parser *P, struct word w, struct word key, struct word val, bool has_val)
{
	struct word rest = { w.s + 1, w.n - 1 };
	uint64_t v;

	if (w.s[0] == '@') {
		if (!number(rest, UINT64_MAX, &v))
			return fail(P, w, "not a time in ns");
		P->ev.h.ts = v;
		P->has_ts = true;
		return 1;
	}
	if (w.s[0] == 'c' && !has_val && number(rest, UINT16_MAX, &v)) {
		P->ev.h.cpu = (uint16_t)v;
		return 1;
	}
	if (has_val && is_word(key, "lost") && number(val, UINT64_MAX, &v)) {
		P->ev.h.lost = v;
		return 1;
	}
	if (has_val && is_word(key, "uid") && number(val, UINT32_MAX, &v)) {
		P->ev.h.uid = (uint32_t)v;
		return 1;
	}
	return 0;
}

static int record_word(struct parser *P, struct word w)
{
	struct word key = w, val = { 0 };
	bool has_val = w.s[0] != '<' && w.s[0] != '>' && split(&key, '=', &val);
	const struct sg_field *f;
	size_t n;
	int rc = common_word(P, w, key, val, has_val);

	if (!rc)
		rc = special_word(P, w, key, val, has_val);
	if (rc)
		return rc < 0 ? rc : 0;
	if (!has_val)
		return fail(P, w, "no such word in this record");
	f = sg_fields(P->ev.h.kind, &n);
	for (size_t i = 0; i < n; i++) {
		if (!is_word(key, f[i].key))
			continue;
		P->has_seq |= is_word(key, "seq");
		P->has_src |= is_word(key, "src");
		return set_field(P, i, &f[i], key, val);
	}
	if (P->ev.h.kind == SG_REC_SLICE || P->ev.h.kind == SG_REC_SNAP)
		return pair(P, key, val);
	return fail(P, key, "no such field in this record");
}

static int next_seq(struct parser *P, struct sg_mark *m)
{
	struct mark_seq *s = P->seq;
	size_t i;

	for (i = 0; i < P->seq_cnt && s[i].uid != m->h.uid; i++)
		;
	if (i == P->seq_cnt) {
		if (i == P->seq_cap) {
			size_t cap = i ? i * 2 : 16;

			s = realloc(P->seq, cap * sizeof(*s));
			if (!s)
				return sg_err_set(P->err, -ENOMEM, "line %u: out of memory", P->line);
			P->seq = s;
			P->seq_cap = cap;
		}
		P->seq[P->seq_cnt++] = (struct mark_seq){ .uid = m->h.uid };
	}
	if (!P->has_seq)
		m->seq = P->seq[i].seq + 1;
	P->seq[i].seq = m->seq;
	return 0;
}

/* Fills what the line left out and hands the event over. */
static int finish_record(struct parser *P)
{
	size_t n;
	const struct sg_field *f = sg_fields(P->ev.h.kind, &n);
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		if (f[i].fmt != SG_FF_BYTES && !(P->seen[i / 32] & (1u << (i % 32))) && sg_field_default(&f[i], &P->ev.h))
			sg_field_set(&f[i], &P->ev.h, sg_field_default(&f[i], &P->ev.h));
	if (P->is_cut)
		P->ev.slice.prev_out = P->ev.slice.in;
	if (!P->has_ts)
		P->ev.h.ts = P->ev.h.kind == SG_REC_THREAD && P->ev.thread.birth ? P->ev.thread.birth : P->last_ts;
	P->last_ts = P->ev.h.ts;
	if (P->ev.h.kind == SG_REC_MARK)
		rc = next_seq(P, &P->ev.mark);
	return rc ? rc : P->on_event(P->ctx, &P->ev.h);
}

/* The record's letter, its uid, and a thread's name; then words up to "/" or the end of the line. */
static int record(struct parser *P, struct word w)
{
	bool has_uid = false;
	uint64_t v;
	int rc;

	memset(&P->ev, 0, sizeof(P->ev));
	memset(P->seen, 0, sizeof(P->seen));
	P->has_ts = P->has_seq = P->has_src = P->is_cut = false;
	switch (w.n == 1 ? w.s[0] : 0) {
#define SG_X(letter, sym, uid)                                                                     \
	case letter:                                                                               \
		P->ev.h.kind = SG_REC_##sym;                                                       \
		has_uid = uid;                                                                     \
		break;
		SG_TEXT_TAGS(SG_X)
#undef SG_X
	default:
		return fail(P, w, "no such record");
	}
	if (has_uid) {
		if (!next_word(P, &w) || !number(w, UINT32_MAX, &v))
			return fail(P, w, "a thread number must follow");
		P->ev.h.uid = (uint32_t)v;
	}
	if (P->ev.h.kind == SG_REC_THREAD) {
		if (!next_word(P, &w) || unquote(w, P->ev.thread.comm, sizeof(P->ev.thread.comm)) < 0)
			return fail(P, w, "a thread's name must follow");
	}
	while (next_word(P, &w) && !is_word(w, "/")) {
		rc = record_word(P, w);
		if (rc)
			return rc;
	}
	return finish_record(P);
}

static int expectation(struct parser *P)
{
	const char *p = P->p, *end = P->end;
	char *s;
	int rc;

	if (!P->on_expect)
		return 0;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	s = strndup(p, (size_t)(end - p));
	if (!s)
		return sg_err_set(P->err, -ENOMEM, "line %u: out of memory", P->line);
	rc = P->on_expect(P->ctx, P->line, s);
	free(s);
	return rc;
}

static int line(struct parser *P)
{
	struct word w;
	int rc;

	while (next_word(P, &w)) {
		if (is_word(w, "="))
			return expectation(P);
		rc = record(P, w);
		if (rc)
			return rc;
	}
	return 0;
}

int sg_text_parse(const char *s, size_t len, sg_text_event_fn on_event, sg_text_expect_fn on_expect, void *ctx,
		  struct sg_err *err)
{
	struct parser *P = calloc(1, sizeof(*P));
	const char *end = s + len;
	int rc = 0;

	if (!P)
		return sg_err_set(err, -ENOMEM, "out of memory");
	P->on_event = on_event;
	P->on_expect = on_expect;
	P->ctx = ctx;
	P->err = err;
	while (s < end && !rc) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));

		P->line++;
		P->p = s;
		P->end = nl ? nl : end;
		rc = line(P);
		s = nl ? nl + 1 : end;
	}
	free(P->seq);
	free(P);
	return rc;
}

int sg_text_parse_file(FILE *f, sg_text_event_fn on_event, sg_text_expect_fn on_expect, void *ctx,
		       struct sg_err *err)
{
	char *buf = NULL;
	size_t len = 0, cap = 0, n;
	int rc;

	do {
		if (len == cap) {
			char *p = realloc(buf, cap = cap ? cap * 2 : 65536);

			if (!p) {
				free(buf);
				return sg_err_set(err, -ENOMEM, "out of memory for the text stream");
			}
			buf = p;
		}
		n = fread(buf + len, 1, cap - len, f);
		len += n;
	} while (n);
	rc = ferror(f) ? sg_err_set(err, -EIO, "the text stream could not be read") :
			 sg_text_parse(buf, len, on_event, on_expect, ctx, err);
	free(buf);
	return rc;
}
