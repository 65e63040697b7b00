/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/intern.h"

#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "kern/symbols.h"

/* Distinct stacks and frames remembered; beyond it they are forgotten and sent anew: memory stays bounded. */
#define INTERN_MAX 65536

struct item {
	uint32_t id;
	uint32_t len;
	unsigned char key[]; /* stack: tgid, addresses; frame: is_kernel, "symbol\0module" */
};

struct sg_intern {
	struct sg_symbols *sym;
	sg_emit_fn emit;
	void *ctx;
	void *stacks, *frames; /* trees of struct item */
	size_t nstack, nframe;
	uint32_t next_stack, next_frame;
};

static int item_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->key, y->key, x->len);
}

/* Find or add; *ret_new tells. NULL = no memory. */
static struct item *lookup(void **tree, const void *key, size_t len, bool *ret_new)
{
	struct item *e = malloc(sizeof(*e) + len), **at;

	if (!e)
		return NULL;
	e->id = 0;
	e->len = len;
	memcpy(e->key, key, len);
	at = tsearch(e, tree, item_cmp);
	if (!at) {
		free(e);
		return NULL;
	}
	*ret_new = *at == e;
	if (*at != e)
		free(e);
	return *at;
}

int sg_intern_new(struct sg_intern **ret, sg_emit_fn emit, void *ctx)
{
	struct sg_intern *s = calloc(1, sizeof(*s));

	if (!s || sg_symbols_new(&s->sym)) {
		free(s);
		return -ENOMEM;
	}
	s->emit = emit;
	s->ctx = ctx;
	*ret = s;
	return 0;
}

static void forget_all(struct sg_intern *s)
{
	tdestroy(s->stacks, free);
	tdestroy(s->frames, free);
	s->stacks = s->frames = NULL;
	s->nstack = s->nframe = 0;
}

void sg_intern_free(struct sg_intern *s)
{
	if (!s)
		return;
	forget_all(s);
	sg_symbols_free(s->sym);
	free(s);
}

static int frame_emit(struct sg_intern *s, const struct sg_hdr *h, const struct item *e)
{
	union {
		struct sg_frame f;
		char bytes[sizeof(struct sg_frame) + 512];
	} u = { 0 };

	u.f.h = *h;
	u.f.h.kind = SG_REC_FRAME;
	u.f.id = e->id;
	u.f.is_kernel = e->key[0];
	u.f.len = e->len - 1;
	memcpy(u.f.text, e->key + 1, e->len - 1);
	return s->emit(s->ctx, &u.f.h);
}

static int frame_id(struct sg_intern *s, const struct sg_stack *raw, uint64_t ip, bool kernel, uint32_t *ret)
{
	const char *sym, *mod;
	unsigned char key[1 + 512];
	size_t ns, nm;
	struct item *e;
	bool fresh;

	if (kernel)
		sg_symbols_kernel(s->sym, ip, &sym, &mod);
	else
		sg_symbols_user(s->sym, raw->tgid, ip, &sym, &mod);
	ns = strnlen(sym, 380);
	nm = strnlen(mod, 128);
	key[0] = kernel;
	memcpy(key + 1, sym, ns);
	key[1 + ns] = 0;
	memcpy(key + 2 + ns, mod, nm);
	e = lookup(&s->frames, key, 2 + ns + nm, &fresh);
	if (!e)
		return -ENOMEM;
	if (fresh) {
		e->id = ++s->next_frame;
		s->nframe++;
		*ret = e->id;
		return frame_emit(s, &raw->h, e);
	}
	*ret = e->id;
	return 0;
}

static int stack_define(struct sg_intern *s, const struct sg_stack *raw, bool kernel, uint32_t id)
{
	union {
		struct sg_stackdef d;
		char bytes[sizeof(struct sg_stackdef) + SG_STACK_MAX * sizeof(uint32_t)];
	} u = { 0 };

	u.d.h = raw->h;
	u.d.h.kind = SG_REC_STACKDEF;
	u.d.id = id;
	u.d.n = raw->n;
	for (unsigned i = 0; i < raw->n; i++) {
		/* all but the first are return addresses: the call is just before */
		int r = frame_id(s, raw, raw->ip[i] - (i > 0), kernel, &u.d.frame[i]);

		if (r)
			return r;
	}
	return s->emit(s->ctx, &u.d.h);
}

int sg_intern_stack(struct sg_intern *s, const struct sg_stack *raw)
{
	bool kernel = raw->type == SG_STK_WAIT_KERN || raw->type == SG_STK_CPU_KERN;
	struct sg_stackref ref = { .h = raw->h, .type = raw->type };
	unsigned char key[4 + SG_STACK_MAX * 8];
	uint32_t owner = kernel ? 0 : raw->tgid;
	struct item *e;
	bool fresh;

	if (!raw->n || raw->n > SG_STACK_MAX)
		return 0;
	if (s->nstack > INTERN_MAX || s->nframe > INTERN_MAX)
		forget_all(s);
	memcpy(key, &owner, 4);
	memcpy(key + 4, raw->ip, raw->n * 8);
	e = lookup(&s->stacks, key, 4 + raw->n * 8, &fresh);
	if (!e)
		return -ENOMEM;
	if (fresh) {
		int r;

		e->id = ++s->next_stack;
		s->nstack++;
		r = stack_define(s, raw, kernel, e->id);
		if (r)
			return r;
	}
	ref.h.kind = SG_REC_STACKREF;
	ref.id = e->id;
	return s->emit(s->ctx, &ref.h);
}

void sg_intern_exec(struct sg_intern *s, uint32_t tgid)
{
	sg_symbols_forget(s->sym, tgid);
}
