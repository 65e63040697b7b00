/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/vmsum.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/pairmap.h"

/* What the second word of a key in the map means. */
enum { KEY_VM = 1, KEY_SCOPE };

struct sg_vmsum {
	struct sg_vmsum_row *row;
	size_t n, cap;
	struct sg_pairmap by; /* process -> index in row; processes in scope */
	size_t nscope;
	const struct sg_vmsum_row **list;
};

int sg_vmsum_new(struct sg_vmsum **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void sg_vmsum_free(struct sg_vmsum *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->row[i].text);
	free(s->row);
	free(s->list);
	sg_pairmap_free(&s->by);
	free(s);
}

const char *sg_balloon_name(unsigned what)
{
	switch (what) {
#define SG_X(id, sym, name, bytes) \
	case id:                   \
		return #name;
		SG_BALLOON_LIST(SG_X)
#undef SG_X
	}
	return "?";
}

/* The row of a process; NULL: one more than are kept, or no memory (*@ret then). */
static struct sg_vmsum_row *row_of(struct sg_vmsum *s, uint32_t tgid, int *ret)
{
	const uint32_t *known = sg_pairmap_get(&s->by, tgid, KEY_VM);
	struct sg_vmsum_row *r;

	*ret = 0;
	if (known)
		return &s->row[*known];
	if (s->n == SG_VMSUM_VMS)
		return NULL;
	*ret = -ENOMEM;
	if (s->n == s->cap) {
		r = realloc(s->row, (s->cap + 16) * sizeof(*r));
		if (!r)
			return NULL;
		s->row = r;
		s->cap += 16;
	}
	if (!sg_pairmap_at(&s->by, tgid, KEY_VM, (uint32_t)s->n, NULL))
		return NULL;
	*ret = 0;
	r = &s->row[s->n++];
	*r = (struct sg_vmsum_row){
		.tgid = tgid, .name = "", .uuid = "", .vmm = "", .source = "", .accel = ""
	};
	return r;
}

static int on_vm(struct sg_vmsum *s, const struct sg_vm *v)
{
	const char **part[5], *at, *end;
	struct sg_vmsum_row *r;
	char *text;
	int e;

	r = row_of(s, v->tgid, &e);
	text = r ? calloc(1, v->len + 1u) : NULL;
	if (!r || !text)
		return r ? -ENOMEM : e;
	memcpy(text, v->text, v->len);
	free(r->text);
	r->text = text;
	r->cgroup = v->cgroup;
	r->memory_bytes = v->memory_bytes;
	r->vcpus = v->vcpus;
	part[0] = &r->name, part[1] = &r->uuid, part[2] = &r->vmm, part[3] = &r->source, part[4] = &r->accel;
	at = text, end = text + v->len;
	for (size_t i = 0; i < 5; i++) {
		*part[i] = at;
		at += strlen(at);
		at += at < end ? 1 : 0;
	}
	return 0;
}

/* A balloon may be told of before its machine is: both have a process id. */
static int on_balloon(struct sg_vmsum *s, const struct sg_balloon *b)
{
	struct sg_vmsum_value *v;
	struct sg_vmsum_row *r;
	int e;

	if (!b->what || b->what >= SG_BALLOON_MAX)
		return 0; /* a newer recorder's */
	r = row_of(s, b->tgid, &e);
	if (!r)
		return e;
	v = &r->balloon[b->what];
	if (!v->known)
		*v = (struct sg_vmsum_value){
			.known = true, .first = b->value, .low = b->value, .high = b->value
		};
	v->last = b->value;
	v->low = b->value < v->low ? b->value : v->low;
	v->high = b->value > v->high ? b->value : v->high;
	v->n++;
	return 0;
}

static int on_thread(struct sg_vmsum *s, const struct sg_thread *t)
{
	int is_new = 0;

	if (!(t->flags & SG_TF_INSCOPE) || s->nscope == SG_VMSUM_SCOPE)
		return 0;
	if (!sg_pairmap_at(&s->by, t->tgid, KEY_SCOPE, 0, &is_new))
		return -ENOMEM;
	s->nscope += is_new ? 1 : 0;
	return 0;
}

int sg_vmsum_feed(struct sg_vmsum *s, const struct sg_hdr *ev)
{
	switch (ev->kind) {
	case SG_REC_THREAD:
		return on_thread(s, (const void *)ev);
	case SG_REC_VM:
		return on_vm(s, (const void *)ev);
	case SG_REC_BALLOON:
		return on_balloon(s, (const void *)ev);
	}
	return 0;
}

const struct sg_vmsum_row *sg_vmsum_of(const struct sg_vmsum *s, uint32_t tgid)
{
	const uint32_t *at = sg_pairmap_get(&s->by, tgid, KEY_VM);

	return at ? &s->row[*at] : NULL;
}

static int by_scope(const void *a, const void *b)
{
	const struct sg_vmsum_row *x = *(const struct sg_vmsum_row *const *)a,
				  *y = *(const struct sg_vmsum_row *const *)b;
	int d = strcmp(x->name, y->name);

	if (x->in_scope != y->in_scope)
		return x->in_scope ? -1 : 1;
	return d ? d : (x->tgid > y->tgid) - (x->tgid < y->tgid);
}

size_t sg_vmsum_rows(struct sg_vmsum *s, const struct sg_vmsum_row *const **ret)
{
	const struct sg_vmsum_row **list = s->n ? realloc(s->list, s->n * sizeof(*list)) : NULL;

	*ret = list;
	if (!list)
		return 0;
	s->list = list;
	for (size_t i = 0; i < s->n; i++) {
		s->row[i].in_scope = sg_pairmap_get(&s->by, s->row[i].tgid, KEY_SCOPE) != NULL;
		list[i] = &s->row[i];
	}
	qsort(list, s->n, sizeof(*list), by_scope);
	return s->n;
}
