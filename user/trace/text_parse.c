/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Lines to events. The text may be hostile: every length is checked, every error names its line. */
#include "trace/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "trace/field.h"
#include "trace/text_tags.h"
#include "trace/text_value.h"

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
		struct sg_container container;
		struct sg_machine machine;
		struct sg_guest guest;
		struct sg_vm vm;
		char bytes[SG_EVENT_MAX];
	} ev;
};

static int fail(struct parser *P, struct sg_text_word w, const char *what)
{
	char shown[48];
	size_t n = w.n < sizeof(shown) - 1 ? w.n : sizeof(shown) - 1;

	for (size_t i = 0; i < n; i++)
		shown[i] = w.s[i] >= ' ' && w.s[i] < 0x7f ? w.s[i] : '?';
	shown[n] = 0;
	return sg_err_set(P->err, -EINVAL, "line %u: '%s': %s", P->line, shown, what);
}

/* Next word of the line: up to a blank outside quotes. False at the end of the line or at a comment. */
static bool next_word(struct parser *P, struct sg_text_word *ret)
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

static uint64_t max_of(size_t size)
{
	return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

static int set_field(struct parser *P, size_t idx, const struct sg_field *f, struct sg_text_word key,
		     struct sg_text_word w)
{
	uint64_t v = 0;
	bool ok;
	int n;

	P->seen[idx / 32] |= 1u << (idx % 32);
	if (f->fmt == SG_FF_BYTES) {
		char *dst = (char *)&P->ev.h + f->off;

		memset(dst, 0, f->size);
		n = sg_text_unquote(w, dst, f->size);
		return n < 0 ? fail(P, key, "not a string, or too long") : 0;
	}
	switch (f->fmt) {
	case SG_FF_FLAGS:
		ok = sg_text_flags(f, w, &v);
		break;
	case SG_FF_SYSNR:
		ok = sg_text_sysnr(w, &v);
		break;
	case SG_FF_DEV:
		ok = sg_text_device(w, &v);
		break;
	case SG_FF_SIGNED:
		if (w.n && w.s[0] == '-') {
			ok = sg_text_number((struct sg_text_word){ w.s + 1, w.n - 1 }, 1ull << 31, &v);
			v = -v;
			break;
		}
		ok = sg_text_number(w, INT32_MAX, &v);
		break;
	default:
		ok = sg_text_word_or_number(f->words, w, max_of(f->size), &v);
	}
	if (!ok)
		return fail(P, w, "not a value of this field");
	sg_field_set(f, &P->ev.h, v);
	return 0;
}

static bool cause_key(struct sg_text_word w, uint16_t *ret)
{
	uint64_t v;
	bool cpu;

#define SG_X(id, sym, dotted, ...)                                                             \
	cpu = !strncmp(dotted, SG_TEXT_CPU, 4);                                                \
	if (sg_text_is_word(w, dotted) || (cpu && sg_text_is_word(w, &dotted[cpu ? 4 : 0]))) { \
		*ret = id;                                                                     \
		return true;                                                                   \
	}
	SG_CAUSE_LIST(SG_X)
#undef SG_X
	if (w.n > 1 && w.s[0] == 'k' &&
	    sg_text_number((struct sg_text_word){ w.s + 1, w.n - 1 }, 0x7fff, &v)) {
		*ret = (uint16_t)v;
		return true;
	}
	if (w.n > 6 && (!memcmp(w.s, "guest.", 6) || !memcmp(w.s, "emul.", 5))) {
		size_t n = *w.s == 'g' ? 6 : 5;

		*ret = *w.s == 'g' ? SG_KEY_GUEST : SG_KEY_EMULATED;
		w.s += n, w.n -= n;
		if (!sg_text_sysnr(w, &v) || v > 0x1fff)
			return false;
		*ret |= (uint16_t)v;
		return true;
	}
	if (w.n > 4 && !memcmp(w.s, "kvm.", 4) &&
	    sg_text_number((struct sg_text_word){ w.s + 4, w.n - 4 }, 0xfff, &v)) {
		*ret = (uint16_t)(SG_KEY_KVM | v);
		return true;
	}
	if (w.n > 5 && !memcmp(w.s, "flip.", 5)) {
		*ret = SG_KEY_FLIPCALL;
		if (!sg_text_number((struct sg_text_word){ w.s + 5, w.n - 5 }, 0x1fff, &v))
			return false;
		*ret |= (uint16_t)v;
		return true;
	}
	if (w.n > 8 && !memcmp(w.s, "cpu.sys.", 8))
		w.s += 8, w.n -= 8;
	else if (w.n > 4 && !memcmp(w.s, "sys.", 4))
		w.s += 4, w.n -= 4;
	else
		return false;
	if (!sg_text_sysnr(w, &v) || v > 0x7fff)
		return false;
	*ret = (uint16_t)(SG_KEY_SYSCALL | v);
	return true;
}

/* "user=10", "sys.read=50/2" or "sys.read=50/2!1": cause, ns, count, how many failed. */
static int pair(struct parser *P, struct sg_text_word key, struct sg_text_word val)
{
	bool snap = P->ev.h.kind == SG_REC_SNAP;
	size_t n = snap ? P->ev.snap.npair : P->ev.slice.npair;
	struct sg_pair *p = (snap ? P->ev.snap.pair : P->ev.slice.pair) + n;
	struct sg_text_word cnt, err;
	uint64_t v = 1, bad = 0;
	uint16_t k;

	if (!cause_key(key, &k))
		return fail(P, key, "no field and no cause has this name");
	if (n >= SG_PAIR_MAX)
		return fail(P, key, "too many pairs");
	if (sg_text_split(&val, '/', &cnt)) {
		if (sg_text_split(&cnt, '!', &err) && !sg_text_number(err, UINT16_MAX, &bad))
			return fail(P, err, "not a count of errors");
		if (!sg_text_number(cnt, UINT32_MAX, &v))
			return fail(P, cnt, "not a count");
	}
	p->key = k;
	p->cnt = (uint32_t)v;
	p->err = (uint16_t)bad;
	if (!sg_text_number(val, UINT64_MAX, &v))
		return fail(P, val, "not a time in ns");
	p->ns = v;
	if (snap)
		P->ev.snap.npair++;
	else
		P->ev.slice.npair++;
	return 0;
}

/* "<S:read.inet@40", "<R@55", "<=" */
static int wait_before(struct parser *P, struct sg_text_word w)
{
	struct sg_slice *s = &P->ev.slice;
	struct sg_text_word at, what, suffix;
	uint64_t v;

	w.s++, w.n--;
	if (sg_text_is_word(w, "=")) {
		P->is_cut = true;
		return 0;
	}
	if (sg_text_split(&w, '@', &at)) {
		if (!sg_text_number(at, UINT64_MAX, &v))
			return fail(P, at, "not a time in ns");
		s->prev_out = v;
	}
	if (!sg_text_split(&w, ':', &what))
		what.n = 0;
	if (!sg_text_word_or_number(sg_words_stop, w, UINT8_MAX, &v))
		return fail(P, w, "not a stop");
	s->stop = (uint8_t)v;
	if (!what.n)
		return 0;
	if (sg_text_word_or_number(sg_words_kind, what, UINT8_MAX, &v)) {
		s->wkind = (uint8_t)v;
		return 0;
	}
	s->wkind = SG_K_SYSCALL;
	if (sg_text_split(&what, '.', &suffix)) {
		if (!sg_text_word_or_number(sg_words_fdtype, suffix, UINT8_MAX, &v))
			return fail(P, suffix, "not a file type");
		s->fdtype = (uint8_t)v;
	}
	if (!sg_text_sysnr(what, &v))
		return fail(P, what, "neither a kind nor a system call");
	s->nr = (uint16_t)v;
	return 0;
}

/* ">S:syscall": how the slice ended */
static int end_of_slice(struct parser *P, struct sg_text_word w)
{
	struct sg_text_word kind;
	uint64_t v;

	w.s++, w.n--;
	if (sg_text_split(&w, ':', &kind)) {
		if (!sg_text_word_or_number(sg_words_kind, kind, UINT8_MAX, &v))
			return fail(P, kind, "not a kind");
		P->ev.slice.out_kind = (uint8_t)v;
	}
	if (!sg_text_word_or_number(sg_words_stop, w, UINT8_MAX, &v))
		return fail(P, w, "not a stop");
	P->ev.slice.out_stop = (uint8_t)v;
	return 0;
}

/* "task:9", "soft.block:9", "hard:irq", "timer", "none". Returns 1 when it was one. */
static int wake_context(struct parser *P, struct sg_text_word w)
{
	struct sg_slice *s = &P->ev.slice;
	struct sg_text_word id = { 0 }, vec = { 0 }, whole = w;
	uint64_t v = 0;
	uint32_t ctx;

	if (!sg_text_split(&w, ':', &id))
		id.n = 0;
	if (!sg_text_split(&w, '.', &vec))
		vec.n = 0;
	if (!sg_word_find(sg_words_wctx, w.s, w.n, &ctx))
		return 0;
	s->wctx = (uint8_t)ctx;
	if (vec.n && !sg_text_word_or_number(sg_words_vec, vec, UINT8_MAX, &v))
		return fail(P, vec, "not a soft interrupt vector");
	s->wvec = (uint8_t)v;
	if (!P->has_src)
		s->wsrc = (uint8_t)sg_text_src_of(ctx, s->wvec);
	if (!id.n || (ctx == SG_WCTX_HARD && sg_text_is_word(id, "irq")))
		return 1;
	if (!sg_text_number(id, UINT32_MAX, &v))
		return fail(P, whole, "not a thread number");
	if (ctx == SG_WCTX_TASK)
		s->waker = (uint32_t)v;
	else
		s->raiser = (uint32_t)v;
	return 1;
}

/* "100-110" */
static int in_out(struct parser *P, struct sg_text_word w)
{
	struct sg_text_word out;
	uint64_t in, ts;

	if (!sg_text_split(&w, '-', &out) || !sg_text_number(w, UINT64_MAX, &in) ||
	    !sg_text_number(out, UINT64_MAX, &ts))
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
static int list(struct parser *P, struct sg_text_word w)
{
	struct sg_text_word rest = { 0 };
	bool more = w.n > 0;
	uint64_t v;

	while (more) {
		more = sg_text_split(&w, ',', &rest);
		if (!sg_text_number(w, P->ev.h.kind == SG_REC_STACK ? UINT64_MAX : UINT32_MAX, &v))
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

static int text(struct parser *P, struct sg_text_word w)
{
	int n = -1;

	switch (P->ev.h.kind) {
	case SG_REC_FRAME:
		n = sg_text_unquote(w, P->ev.frame.text, SG_FRAME_TEXT_MAX);
		P->ev.frame.len = (uint16_t)n;
		break;
	case SG_REC_NAME:
		n = sg_text_unquote(w, P->ev.name.text, SG_NAME_TEXT_MAX);
		P->ev.name.len = (uint16_t)n;
		break;
	case SG_REC_CONTAINER:
		n = sg_text_unquote(w, P->ev.container.text, SG_CONTAINER_TEXT_MAX);
		P->ev.container.len = (uint16_t)n;
		break;
	case SG_REC_MACHINE:
		n = sg_text_unquote(w, P->ev.machine.text, SG_MACHINE_TEXT_MAX);
		P->ev.machine.len = (uint16_t)n;
		break;
	case SG_REC_VM:
		n = sg_text_unquote(w, P->ev.vm.text, SG_VM_TEXT_MAX);
		P->ev.vm.len = (uint16_t)n;
		break;
	case SG_REC_GUEST:
		n = sg_text_unquote(w, P->ev.guest.text, SG_GUEST_TEXT_MAX);
		P->ev.guest.len = (uint16_t)n;
		break;
	}
	return n < 0 ? fail(P, w, "not a string, or too long") : 1;
}

/* Words of one kind of record only. Returns 1 when @w was one, 0 when not. */
static int special_word(struct parser *P, struct sg_text_word w, struct sg_text_word key,
			struct sg_text_word val, bool has_val)
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
		return has_val && sg_text_is_word(key, "ip") ? list(P, val) : 0;
	case SG_REC_STACKDEF:
		return has_val && sg_text_is_word(key, "frames") ? list(P, val) : 0;
	case SG_REC_FRAME:
	case SG_REC_NAME:
	case SG_REC_CONTAINER:
	case SG_REC_MACHINE:
	case SG_REC_VM:
	case SG_REC_GUEST:
		return has_val && sg_text_is_word(key, "text") ? text(P, val) : 0;
	}
	return 0;
}

/* Words every record may have. Returns 1 when @w was one, 0 when not. */
static int common_word(struct parser *P, struct sg_text_word w, struct sg_text_word key,
		       struct sg_text_word val, bool has_val)
{
	struct sg_text_word rest = { w.s + 1, w.n - 1 };
	uint64_t v;

	if (w.s[0] == '@') {
		if (!sg_text_number(rest, UINT64_MAX, &v))
			return fail(P, w, "not a time in ns");
		P->ev.h.ts = v;
		P->has_ts = true;
		return 1;
	}
	if (w.s[0] == 'c' && !has_val && sg_text_number(rest, UINT16_MAX, &v)) {
		P->ev.h.cpu = (uint16_t)v;
		return 1;
	}
	if (has_val && sg_text_is_word(key, "lost") && sg_text_number(val, UINT64_MAX, &v)) {
		P->ev.h.lost = v;
		return 1;
	}
	if (has_val && sg_text_is_word(key, "uid") && sg_text_number(val, UINT32_MAX, &v)) {
		P->ev.h.uid = (uint32_t)v;
		return 1;
	}
	return 0;
}

static int record_word(struct parser *P, struct sg_text_word w)
{
	struct sg_text_word key = w, val = { 0 };
	bool has_val = w.s[0] != '<' && w.s[0] != '>' && sg_text_split(&key, '=', &val);
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
		if (!sg_text_is_word(key, f[i].key))
			continue;
		P->has_seq |= sg_text_is_word(key, "seq");
		P->has_src |= sg_text_is_word(key, "src");
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
		if (f[i].fmt != SG_FF_BYTES && !(P->seen[i / 32] & (1u << (i % 32))) &&
		    sg_field_default(&f[i], &P->ev.h))
			sg_field_set(&f[i], &P->ev.h, sg_field_default(&f[i], &P->ev.h));
	if (P->is_cut)
		P->ev.slice.prev_out = P->ev.slice.in;
	if (!P->has_ts)
		P->ev.h.ts =
			P->ev.h.kind == SG_REC_THREAD && P->ev.thread.birth ? P->ev.thread.birth : P->last_ts;
	P->last_ts = P->ev.h.ts;
	if (P->ev.h.kind == SG_REC_MARK)
		rc = next_seq(P, &P->ev.mark);
	return rc ? rc : P->on_event(P->ctx, &P->ev.h);
}

/* The record's letter, its uid, and a thread's name; then words up to "/" or the end of the line. */
static int record(struct parser *P, struct sg_text_word w)
{
	bool has_uid = false;
	uint64_t v;
	int rc;

	memset(&P->ev, 0, sizeof(P->ev));
	memset(P->seen, 0, sizeof(P->seen));
	P->has_ts = P->has_seq = P->has_src = P->is_cut = false;
	switch (w.n == 1 ? w.s[0] : 0) {
#define SG_X(letter, sym, uid)               \
	case letter:                         \
		P->ev.h.kind = SG_REC_##sym; \
		has_uid = uid;               \
		break;
		SG_TEXT_TAGS(SG_X)
#undef SG_X
	default:
		return fail(P, w, "no such record");
	}
	if (has_uid) {
		if (!next_word(P, &w) || !sg_text_number(w, UINT32_MAX, &v))
			return fail(P, w, "a thread number must follow");
		P->ev.h.uid = (uint32_t)v;
	}
	if (P->ev.h.kind == SG_REC_THREAD) {
		if (!next_word(P, &w) || sg_text_unquote(w, P->ev.thread.comm, sizeof(P->ev.thread.comm)) < 0)
			return fail(P, w, "a thread's name must follow");
	}
	while (next_word(P, &w) && !sg_text_is_word(w, "/")) {
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
	struct sg_text_word w;
	int rc;

	while (next_word(P, &w)) {
		if (sg_text_is_word(w, "="))
			return expectation(P);
		rc = record(P, w);
		if (rc)
			return rc;
	}
	return 0;
}

int sg_text_parse(const char *s, size_t len, sg_text_event_fn on_event, sg_text_expect_fn on_expect,
		  void *ctx, struct sg_err *err)
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
	rc = ferror(f) ? sg_err_set(err, -EIO, "the text stream could not be read")
		       : sg_text_parse(buf, len, on_event, on_expect, ctx, err);
	free(buf);
	return rc;
}
