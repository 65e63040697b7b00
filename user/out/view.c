/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "model/evidence_text.h"
#include "out/view.h"

static const char *const names[SG_VIEW_MAX] = {
#define SG_X(sym, name, help) [SG_VIEW_##sym] = name,
	SG_VIEW_LIST(SG_X)
#undef SG_X
};

int sg_view_kind(const char *name)
{
	for (int i = 0; i < SG_VIEW_MAX; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

void sg_view_free(struct sg_view *v)
{
	sg_stacks_free(&v->stacks);
	sg_pairmap_free(&v->node);
}

static void thread_frame(const struct sg_model *m, uint32_t uid, const char *comp, char *buf, size_t cap)
{
	struct sg_thread_info ti = { 0 };

	sg_model_thread(m, uid, &ti);
	if (ti.sandboxed) {
		snprintf(buf, cap, "%s", comp ? comp : ti.comp);
		return;
	}
	snprintf(buf, cap, "%s:%s",
		 comp	   ? comp
		 : ti.comp ? ti.comp
			   : "?",
		 ti.comm && *ti.comm ? ti.comm : "?");
}

static bool is_sandboxed(const struct sg_model *m, uint32_t uid)
{
	struct sg_thread_info ti = { 0 };

	sg_model_thread(m, uid, &ti);
	return ti.sandboxed;
}

/* A stub that waits is the guest, at its trap; "stub" is who handles the trap. */
static const char *frame_comp(const struct sg_model *m, const struct sg_chain_frame *f, bool last,
			      const struct sg_seg *s)
{
	const char *comp = sg_model_comp(m, f->comp);

	if (!is_sandboxed(m, f->uid))
		return comp;
	if (last)
		return sg_model_comp(m, s->comp);
	return strcmp(comp, "stub") ? comp : "app";
}

/* A sandbox ends at the host's kernel: what was done or waited for there, and by which system call. */
static void kernel_frames(const struct sg_model *m, const struct sg_seg *s,
			  void (*fn)(void *ctx, const char *frame), void *ctx)
{
	bool call = s->cause & SG_KEY_SYSCALL, waits;
	const char *name = NULL;
	uint64_t nr = 0;

	waits = sg_evid_kinds(s) & 1u << SG_EV_STACK && s->cause != SG_C_UNKNOWN &&
		s->cause != SG_C_UNKNOWN_LOST && s->cause != SG_C_TRAP_PTRACE &&
		s->cause != SG_C_TRAP_SECCOMP;
	if (!waits && !(sg_cause_on_cpu(s->cause) && s->cause != SG_C_CPU_USER && s->cause != SG_C_CPU_SPIN))
		return;
	fn(ctx, "kernel");
	if (call)
		name = sg_syscall_name(s->cause & ~SG_KEY_SYSCALL);
	else if (waits && sg_evid_has(m, s, SG_EV_SYSCALL, &nr))
		name = sg_syscall_name((unsigned)nr);
	if (name)
		fn(ctx, name);
}

void sg_view_path(const struct sg_model *m, const struct sg_seg *s, void (*fn)(void *ctx, const char *frame),
		  void *ctx)
{
	const struct sg_chain_frame *f;
	size_t n = sg_model_chain(m, s->chain, &f);
	char text[128], cause[64];

	for (size_t i = 0; i < n; i++) {
		thread_frame(m, f[i].uid, frame_comp(m, &f[i], i + 1 == n, s), text, sizeof(text));
		fn(ctx, text);
		if (i + 1 == n)
			break;
		snprintf(text, sizeof(text), "[%s]", sg_cause_name(f[i].wait_cause, cause, sizeof(cause)));
		fn(ctx, text);
	}
	if (!n) {
		thread_frame(m, s->uid, sg_model_comp(m, s->comp), text, sizeof(text));
		fn(ctx, text);
	}
	if (is_sandboxed(m, s->uid))
		kernel_frames(m, s, fn, ctx);
	fn(ctx, sg_cause_name(s->cause, cause, sizeof(cause)));
}

struct walk {
	struct sg_stacks *s;
	uint32_t node;
};

static void push(void *ctx, const char *frame)
{
	struct walk *w = ctx;

	w->node = sg_stacks_child(w->s, w->node, frame);
}

/* "app", then "cpu", "sys", "read" */
static uint32_t cause_node(struct sg_view *v, const struct sg_model *m, const struct sg_seg *s)
{
	uint32_t node = sg_stacks_child(&v->stacks, 0, sg_model_comp(m, s->comp));
	char cause[64], *save = NULL;

	snprintf(cause, sizeof(cause), "%s", sg_cause_name(s->cause, (char[64]){ 0 }, 64));
	for (char *part = strtok_r(cause, ".", &save); part; part = strtok_r(NULL, ".", &save))
		node = sg_stacks_child(&v->stacks, node, part);
	return node;
}

int sg_view_task(struct sg_view *v, const struct sg_model *m, const struct sg_task *t)
{
	if (v->kind != SG_VIEW_PATH && v->kind != SG_VIEW_CAUSE)
		return 0;
	sg_pairmap_clear(&v->node);
	for (size_t i = 0; i < t->nseg && !v->stacks.err; i++) {
		const struct sg_seg *s = &t->seg[i];
		uint64_t key = (uint64_t)s->nr << 32 | (uint64_t)s->comp << 16 | s->cause;
		uint64_t thread = (uint64_t)s->uid << 32 | s->chain;
		struct walk w = { &v->stacks, 0 };
		int is_new;
		uint32_t *at = sg_pairmap_at(&v->node, v->kind == SG_VIEW_PATH ? thread : 0, key, 0, &is_new);

		if (!at)
			return -ENOMEM;
		if (is_new && v->kind == SG_VIEW_PATH) {
			sg_view_path(m, s, push, &w);
			*at = w.node;
		} else if (is_new) {
			*at = cause_node(v, m, s);
		}
		sg_stacks_add(&v->stacks, *at, s->hi - s->lo);
	}
	return v->stacks.err;
}

/* Frames of a stack, outermost first; kernel frames carry the mark flame graphs know, a sandbox's guest's one like it. */
static uint32_t stack_nodes(struct sg_view *v, uint32_t node, uint32_t stack)
{
	const uint32_t *frame;
	size_t n = stack ? sg_model_stack(v->model, stack, &frame) : 0;
	char text[512];

	while (n--) {
		const char *sym, *mod;
		bool kernel;

		if (!sg_model_frame(v->model, frame[n], &sym, &mod, &kernel))
			snprintf(text, sizeof(text), "[unknown]");
		else if (kernel)
			snprintf(text, sizeof(text), "%s_[k]", sym);
		else if (!strcmp(sym, "[unknown]"))
			snprintf(text, sizeof(text), *mod == '[' ? "%s" : "[%s]", mod);
		else if (!strncmp(mod, "guest:", 6) || !strcmp(mod, "guest"))
			snprintf(text, sizeof(text), "%s_[guest]", sym);
		else
			snprintf(text, sizeof(text), "%s", sym);
		node = sg_stacks_child(&v->stacks, node, text);
	}
	return node;
}

int sg_view_span(struct sg_view *v, const struct sg_span *s)
{
	char text[128], cause[64];
	uint32_t node;

	if (v->kind != SG_VIEW_OFFCPU || s->slice || s->hi <= s->lo)
		return 0;
	thread_frame(v->model, s->uid, NULL, text, sizeof(text));
	node = sg_stacks_child(&v->stacks, 0, text);
	node = stack_nodes(v, node, s->stack_user);
	node = stack_nodes(v, node, s->stack_kern);
	snprintf(text, sizeof(text), "[%s]", sg_cause_name(s->cause, cause, sizeof(cause)));
	node = sg_stacks_child(&v->stacks, node, text);
	sg_stacks_add(&v->stacks, node, s->hi - s->lo);
	return v->stacks.err;
}

int sg_view_sample(struct sg_view *v, const struct sg_sample *s)
{
	char text[128];
	uint32_t node;

	if (v->kind != SG_VIEW_ONCPU)
		return 0;
	thread_frame(v->model, s->uid, NULL, text, sizeof(text));
	node = sg_stacks_child(&v->stacks, 0, text);
	node = stack_nodes(v, node, s->stack_user);
	node = stack_nodes(v, node, s->stack_kern);
	sg_stacks_add(&v->stacks, node, v->sample_ns ? v->sample_ns : 1);
	return v->stacks.err;
}
