/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "model/evidence_text.h"
#include "model/gofer.h"
#include "model/priv.h"

#define STACK_FRAMES 3 /* shown of a stack: where it stopped and two callers */

static const char *const why_text[SG_WHY_MAX] = {
#define SG_X(id, sym, text) [id] = text,
	SG_WHY_LIST(SG_X)
#undef SG_X
};

/* Every off-CPU kernel stack begins with these: they say nothing. */
static const char *const sched_frames[] = {
	"__schedule",
	"schedule",
	"io_schedule",
	"schedule_timeout",
	"io_schedule_timeout",
	"preempt_schedule",
	"preempt_schedule_common",
	"preempt_schedule_irq",
	"schedule_hrtimeout_range",
	"schedule_hrtimeout_range_clock",
	"schedule_hrtimeout",
	"schedule_preempt_disabled",
	"__cond_resched",
	"schedule_idle",
};

static bool is_sched_frame(const char *sym)
{
	for (size_t i = 0; i < sizeof(sched_frames) / sizeof(*sched_frames); i++)
		if (!strcmp(sym, sched_frames[i]))
			return true;
	return false;
}

struct out {
	char *buf;
	size_t len, cap;
};

static void put(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->len, o->cap - o->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->len += (size_t)n < o->cap - o->len ? (size_t)n : o->cap - o->len - 1;
}

/* "[unknown]", "[heap]": a frame without a name says nothing. */
static bool has_name(const char *sym)
{
	return *sym && *sym != '[' && strncmp(sym, "0x", 2) != 0;
}

static bool stack_text(const struct sg_model *m, uint32_t stack, struct out *o)
{
	const uint32_t *frame;
	size_t n = sg_model_stack(m, stack, &frame), shown = 0;

	for (size_t i = 0; i < n && shown < STACK_FRAMES; i++) {
		const char *sym, *mod;
		bool kernel;

		if (!sg_model_frame(m, frame[i], &sym, &mod, &kernel) || (kernel && is_sched_frame(sym)) ||
		    !has_name(sym))
			continue;
		put(o, "%s%s", shown ? " < " : "", sym);
		if (!kernel && !shown)
			put(o, " (%s)", mod);
		shown++;
	}
	return shown;
}

/* Every call's leaf: the row says already which call it was. Names without their import path. */
static bool is_wrapper(const char *sym)
{
	static const char *const prefixes[] = {
		"syscall.Syscall", "syscall.RawSyscall", "syscall.rawSyscall", "syscall.rawVforkSyscall",
		"unix.Syscall",	   "unix.RawSyscall",	 "__syscall_cancel",   "__internal_syscall_",
	};

	if (!strcmp(sym, "syscall"))
		return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (!strncmp(sym, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* "gvisor.dev/gvisor/pkg/sentry/kernel.(*Task).run": from the last '/' of the import path on. */
static const char *short_name(const char *sym)
{
	size_t path = strcspn(sym, "([<{ ");

	for (size_t i = path; i > 0; i--)
		if (sym[i - 1] == '/')
			return sym + i;
	return sym;
}

#define FUNCTION_FRAMES 2 /* the function and its caller */

static bool functions_of(const struct sg_model *m, uint32_t stack, struct out *o)
{
	const uint32_t *frame;
	size_t n = sg_model_stack(m, stack, &frame), shown = 0;
	const char *last = "";

	for (size_t i = 0; i < n && shown < FUNCTION_FRAMES; i++) {
		const char *sym, *mod;
		bool kernel;

		if (!sg_model_frame(m, frame[i], &sym, &mod, &kernel) || !has_name(sym))
			continue;
		sym = short_name(sym);
		if ((!shown && (is_wrapper(sym) || (kernel && is_sched_frame(sym)))) || !strcmp(sym, last))
			continue;
		last = sym;
		put(o, "%s%s", shown ? " < " : "", sym);
		shown++;
	}
	return shown;
}

bool sg_function_text(const struct sg_model *m, const struct sg_task_sample *s, char *buf, size_t cap)
{
	struct out o = { .buf = buf, .cap = cap };

	*buf = 0;
	return functions_of(m, s->stack_user, &o) || functions_of(m, s->stack_kern, &o);
}

void sg_detail_text(const struct sg_detail *d, char *buf, size_t cap)
{
	struct out o = { buf, 0, cap };

	*buf = 0;
	switch (d->fdtype) {
	case SG_FD_SOCK_INET:
		put(&o, "port %u -> %u", d->lport, d->rport);
		break;
	case SG_FD_SOCK_UNIX:
		put(&o, "unix socket %" PRIu64, (uint64_t)d->ino);
		break;
	case SG_FD_FIFO:
		put(&o, "pipe %" PRIu64, (uint64_t)d->ino);
		break;
	default:
		put(&o, "%.*s", (int)strnlen(d->name, sizeof(d->name)), d->name);
		if (!o.len)
			put(&o, "inode %" PRIu64, (uint64_t)d->ino);
		if (d->fdtype == SG_FD_FUSE)
			put(&o, " (FUSE)");
		else if (d->fdtype == SG_FD_9P)
			put(&o, " (9P)");
	}
}

static bool detail_text(const struct sg_model *m, uint32_t detail, struct out *o)
{
	const struct sg_detail *d = sg_model_detail(m, detail);

	if (!d)
		return false;
	sg_detail_text(d, o->buf + o->len, o->cap - o->len);
	o->len += strlen(o->buf + o->len);
	return true;
}

static void thread_text(const struct sg_model *m, uint32_t uid, struct out *o)
{
	struct sg_thread_info ti = { 0 };

	if (!sg_model_thread(m, uid, &ti)) {
		put(o, "a thread that was not recorded");
		return;
	}
	if (ti.sandboxed) {
		put(o, "%s", ti.comp);
		return;
	}
	put(o, "%s", ti.comm && *ti.comm ? ti.comm : "?");
	if (ti.comp && ti.comm && strcmp(ti.comm, ti.comp))
		put(o, " (%s)", ti.comp);
}

static bool is_sched(uint16_t cause)
{
	return cause >= SG_C_SCHED_RUNQ && cause <= SG_C_SCHED_YIELD;
}

static unsigned detail_kind(const struct sg_detail *d)
{
	switch (d ? d->fdtype : SG_FD_NONE) {
	case SG_FD_SOCK_UNIX:
	case SG_FD_SOCK_INET:
	case SG_FD_SOCK_OTHER:
		return SG_EV_SOCKET;
	case SG_FD_FIFO:
		return SG_EV_PIPE;
	default:
		return SG_EV_FILE;
	}
}

#define BIT(kind) (1u << SG_EV_##kind)

/* A wait's facts: not of what others did meanwhile, nor of the run queue after it. */
#define OF_WAITS                                                                                        \
	(BIT(SYSCALL) | BIT(FILE) | BIT(SOCKET) | BIT(PIPE) | BIT(DEVICE) | BIT(SERVICE) | BIT(WAKER) | \
	 BIT(STACK) | BIT(USTACK))
#define OF_ALL                                                                                          \
	(BIT(PROCESS) | BIT(PATH) | BIT(FOR) | BIT(INSIDE) | BIT(MESSAGE) | BIT(HANDOFF) | BIT(KICKS) | \
	 BIT(BALLOON))

uint32_t sg_evid_kinds(const struct sg_seg *s)
{
	if (sg_cause_on_cpu(s->cause))
		return OF_ALL;
	if (is_sched(s->cause))
		return OF_ALL | BIT(TAKEN);
	if (s->cause == SG_C_UNKNOWN || s->cause == SG_C_UNKNOWN_LOST)
		return OF_ALL | OF_WAITS | BIT(WHY);
	if (s->cause == SG_C_TIMER_SLEEP)
		return OF_ALL | OF_WAITS | BIT(SYSMON);
	return OF_ALL | OF_WAITS;
}

static uint64_t detail_id(const struct sg_model *m, const struct sg_seg *s, unsigned kind)
{
	return s->detail && detail_kind(sg_model_detail(m, s->detail)) == kind ? s->detail : 0;
}

/* 9P's message types begin at 100, LISAFS has far fewer messages. */
#define SG_GOFER_9P(note) (((note)&0xff) >= 100)

bool sg_evid_has(const struct sg_model *m, const struct sg_seg *s, unsigned kind, uint64_t *ret_id)
{
	const struct sg_chain_frame *f;

	if (!(sg_evid_kinds(s) & 1u << kind))
		return false;
	switch (kind) {
	case SG_EV_WHY:
		*ret_id = s->why;
		break;
	case SG_EV_SYSCALL:
		*ret_id = s->nr;
		return s->nr != 0xffff;
	case SG_EV_FILE:
	case SG_EV_SOCKET:
	case SG_EV_PIPE:
		*ret_id = detail_id(m, s, kind);
		break;
	case SG_EV_DEVICE:
		*ret_id = s->dev;
		break;
	case SG_EV_SERVICE:
		*ret_id = s->svc_ns ? s->dev : 0;
		break;
	case SG_EV_TAKEN:
	case SG_EV_WAKER:
		*ret_id = s->who;
		break;
	case SG_EV_STACK:
		*ret_id = s->stack_kern;
		break;
	case SG_EV_USTACK:
		*ret_id = s->stack_user;
		break;
	case SG_EV_PROCESS:
		*ret_id = s->uid;
		return true;
	case SG_EV_PATH:
		*ret_id = s->chain;
		break;
	case SG_EV_MESSAGE:
		*ret_id = s->note & SG_NOTE_FLIPCALL ? s->note : 0;
		break;
	case SG_EV_HANDOFF:
		*ret_id = sg_model_handoff(m, s->chain);
		break;
	case SG_EV_KICKS:
		*ret_id = (uint64_t)s->note | 1ull << 32;
		return s->flags & SG_SEG_KICKS;
	case SG_EV_SYSMON:
		/* somebody waited for it: by itself it only sleeps until there is something to do */
		*ret_id = sg_dict_sysmon(m, s->stack_user) && !strcmp(sg_model_comp(m, s->comp), "sentry") &&
			  sg_model_chain(m, s->chain, &f) > 1;
		break;
	case SG_EV_BALLOON:
		return sg_inflate_before(m, s, ret_id);
	case SG_EV_FOR:
		*ret_id = s->forwhom == SG_FOR_OTHER;
		break;
	case SG_EV_INSIDE:
		*ret_id = (uint64_t)s->comp << 16 | s->cause;
		return true;
	default:
		return false;
	}
	return *ret_id;
}

void sg_chain_text(const struct sg_model *m, uint32_t chain, char *buf, size_t cap)
{
	const struct sg_chain_frame *f;
	size_t n = sg_model_chain(m, chain, &f);
	struct out o = { .buf = buf, .cap = cap };
	char cause[48];

	*buf = 0;
	for (size_t i = 0; i < n; i++) {
		struct sg_thread_info ti = { 0 };

		sg_model_thread(m, f[i].uid, &ti);
		put(&o, "%s%s", i ? " " : "", sg_model_comp(m, f[i].comp));
		if (!ti.sandboxed && ti.comm && *ti.comm && strcmp(ti.comm, sg_model_comp(m, f[i].comp)))
			put(&o, ":%s", ti.comm);
		if (i + 1 < n)
			put(&o, " [%s]", sg_cause_name(f[i].wait_cause, cause, sizeof(cause)));
	}
	if (sg_model_handoff(m, chain))
		put(&o, " (go-handoff)");
	if (o.len + 1 >= cap && cap > 4)
		memcpy(buf + cap - 4, "...", 4);
}

bool sg_evid_text(const struct sg_model *m, const struct sg_seg *s, unsigned kind, char *buf, size_t cap)
{
	struct out o = { .buf = buf, .cap = cap };
	const struct sg_inflation *inflation;
	const struct sg_chain_frame *f;
	const char *name;
	char cause[48];
	uint64_t id;

	*buf = 0;
	switch (kind) {
	case SG_EV_WHY:
		put(&o, "%s", s->why < SG_WHY_MAX ? why_text[s->why] : "?");
		return o.len;
	case SG_EV_INSIDE:
		put(&o, "%s %s", sg_model_comp(m, s->comp), sg_cause_name(s->cause, cause, sizeof(cause)));
		return true;
	case SG_EV_SYSCALL:
		name = sg_syscall_name(s->nr);
		if (name)
			put(&o, "%s", name);
		else
			put(&o, "system call %u", s->nr);
		return true;
	case SG_EV_FILE:
	case SG_EV_SOCKET:
	case SG_EV_PIPE:
		return detail_text(m, s->detail, &o);
	case SG_EV_DEVICE:
	case SG_EV_SERVICE:
		name = sg_model_dev(m, s->dev);
		if (name)
			put(&o, "%s", name);
		else
			put(&o, "%u:%u", s->dev >> 20, s->dev & 0xfffff);
		return true;
	case SG_EV_TAKEN:
	case SG_EV_WAKER:
		thread_text(m, s->who, &o);
		return true;
	case SG_EV_PROCESS:
		thread_text(m, s->uid, &o);
		return true;
	case SG_EV_STACK:
		return stack_text(m, s->stack_kern, &o);
	case SG_EV_USTACK:
		return stack_text(m, s->stack_user, &o);
	case SG_EV_PATH:
		if (sg_model_chain(m, s->chain, &f) < 2)
			return false;
		sg_chain_text(m, s->chain, buf, cap);
		return true;
	case SG_EV_MESSAGE:
		name = sg_gofer_name(SG_GOFER_9P(s->note), s->note & 0xffff);
		if (name)
			put(&o, "%s", name);
		else
			put(&o, "message %u", s->note & 0xffff);
		return true;
	case SG_EV_HANDOFF:
		put(&o, "may be another goroutine's: the Sentry's thread was handed over");
		return true;
	case SG_EV_KICKS:
		put(&o, "may be another thread's: of several that gave the guest interrupts it was the last");
		if (s->note & SG_SEG_VECTOR)
			put(&o, " (vector %u)", s->note & 0xff);
		return true;
	case SG_EV_SYSMON:
		put(&o,
		    "is Go's scheduler: a goroutine waited until sysmon, which sleeps up to 10 ms, took a "
		    "processor for it from a thread inside a system call");
		return true;
	case SG_EV_BALLOON:
		inflation = sg_inflate_before(m, s, &id);
		if (!inflation)
			return false;
		sg_inflate_text(inflation, id, buf, cap);
		return true;
	case SG_EV_FOR:
		put(&o, "other tasks");
		return true;
	}
	return false;
}
