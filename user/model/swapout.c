/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "model/swapout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As many as the kernel side counts (map swapouts). */
#define VICTIMS_MAX 4096

struct sg_swapouts {
	struct sg_swapout_row row[VICTIMS_MAX];
	size_t n;
	/* names of processes that may turn out to be victims: by tgid, latest wins */
	struct {
		uint32_t tgid;
		char comm[16];
	} name[VICTIMS_MAX];
};

int sg_swapouts_new(struct sg_swapouts **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void sg_swapouts_free(struct sg_swapouts *s)
{
	free(s);
}

static struct sg_swapout_row *row_of(struct sg_swapouts *s, uint32_t tgid)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->row[i].tgid == tgid)
			return &s->row[i];
	if (s->n == VICTIMS_MAX)
		return NULL;
	s->row[s->n].tgid = tgid;
	return &s->row[s->n++];
}

int sg_swapouts_feed(struct sg_swapouts *s, const struct sg_hdr *ev)
{
	if (ev->kind == SG_REC_THREAD) {
		const struct sg_thread *t = (const struct sg_thread *)ev;
		size_t at = t->tgid % VICTIMS_MAX; /* two that share a place: the later one has a name */

		if (t->tid == t->tgid || s->name[at].tgid != t->tgid) {
			s->name[at].tgid = t->tgid;
			memcpy(s->name[at].comm, t->comm, sizeof(t->comm) - 1);
		}
	} else if (ev->kind == SG_REC_SWAPOUT) {
		const struct sg_swapout *o = (const struct sg_swapout *)ev;
		struct sg_swapout_row *r = row_of(s, o->tgid);

		if (r)
			r->pages = o->pages; /* cumulative */
	}
	return 0;
}

static int by_pages(const void *a, const void *b)
{
	const struct sg_swapout_row *x = a, *y = b;

	if (x->pages != y->pages)
		return x->pages < y->pages ? 1 : -1;
	return x->tgid < y->tgid ? -1 : x->tgid > y->tgid;
}

size_t sg_swapouts_rows(struct sg_swapouts *s, const struct sg_swapout_row **ret, uint64_t *ret_total)
{
	*ret_total = 0;
	for (size_t i = 0; i < s->n; i++) {
		size_t at = s->row[i].tgid % VICTIMS_MAX;

		*ret_total += s->row[i].pages;
		if (s->name[at].tgid == s->row[i].tgid)
			memcpy(s->row[i].comm, s->name[at].comm, sizeof(s->row[i].comm));
	}
	qsort(s->row, s->n, sizeof(*s->row), by_pages);
	*ret = s->row;
	return s->n;
}
