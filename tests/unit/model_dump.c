/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model_dump.h"

static void seg_text(struct dump *d, struct dump_task *k, FILE *f, const struct sg_seg *s)
{
	const struct sg_chain_frame *c;
	size_t n = sg_model_chain(d->m, s->chain, &c);

	if (!n || c[0].wait_cause == 0xffff || c[n - 1].uid != s->uid || c[n - 1].wait_cause) {
		d->conserving = false;
		snprintf(d->why_not, sizeof(d->why_not), "task %lu: bad chain", k->t.id);
	}
	k->depth = n > k->depth ? n : k->depth;
	fprintf(f,
		"%lu-%lu u%u c%x w%x %s why%u for%u nr%u fl%x n%u k%u u%u d%u dev%x who%u svc%lu wn%x wd%u "
		"err%u no%x",
		s->lo, s->hi, s->uid, s->cause, s->wait_cause, sg_model_comp(d->m, s->comp), s->why,
		s->forwhom, s->nr, s->flags, s->cnt, s->stack_kern, s->stack_user, s->detail, s->dev, s->who,
		s->svc_ns, s->wait_nr, s->wait_detail, s->err, s->note);
	for (size_t i = 0; i < n; i++)
		fprintf(f, ";%s:%u[%x]%s", sg_model_comp(d->m, c[i].comp), c[i].uid, c[i].wait_cause,
			c[i].handoff ? "!" : "");
	fputc('\n', f);
}

static int on_task(void *ctx, const struct sg_task *t)
{
	struct dump *d = ctx;
	struct dump_task *k;
	uint64_t at = t->begin;
	size_t size;
	FILE *f;

	if (d->n == d->cap)
		d->task = realloc(d->task, (d->cap = d->cap * 2 + 16) * sizeof(*d->task));
	k = &d->task[d->n++];
	*k = (struct dump_task){ .t = *t };
	k->t.name = NULL;
	k->t.seg = k->seg = malloc((t->nseg + 1) * sizeof(*k->seg));
	if (t->nseg)
		memcpy(k->seg, t->seg, t->nseg * sizeof(*k->seg));
	f = open_memstream(&k->text, &size);
	fprintf(f, "%lu %s u%u b%u %lu-%lu st%lu %u%u%u pro%lu unc%lu off%lu,%lu\n", t->id, t->name, t->uid,
		t->begin_uid, t->begin, t->end, t->status, t->incomplete, t->detached, t->root,
		t->prorated_ns, t->uncertain_ns, t->own_calls_off, t->calls_off);
	for (size_t i = 0; i < t->nseg; i++) {
		if (t->seg[i].lo != at || t->seg[i].hi <= at) {
			d->conserving = false;
			snprintf(d->why_not, sizeof(d->why_not), "task %lu: segment %zu of %zu does not tile",
				 t->id, i, t->nseg);
		}
		at = t->seg[i].hi;
		seg_text(d, k, f, &t->seg[i]);
	}
	if (at != t->end) {
		d->conserving = false;
		snprintf(d->why_not, sizeof(d->why_not), "task %lu: ends at %lu, not %lu", t->id, at, t->end);
	}
	fclose(f);
	return 0;
}

void dump_begin(struct dump *d, const struct sg_model_opts *opts)
{
	memset(d, 0, sizeof(*d));
	d->conserving = true;
	if (sg_model_new(&d->m, opts, on_task, d))
		abort();
}

void dump_feed(struct dump *d, const struct sg_hdr *ev)
{
	if (sg_model_feed(d->m, ev, NULL))
		abort();
}

static int by_id(const void *a, const void *b)
{
	const struct dump_task *x = a, *y = b;

	if (x->t.id != y->t.id)
		return x->t.id < y->t.id ? -1 : 1;
	if (x->t.begin != y->t.begin)
		return x->t.begin < y->t.begin ? -1 : 1;
	/* calls of guests have their number as id: several at one time */
	if (x->t.uid != y->t.uid)
		return x->t.uid < y->t.uid ? -1 : 1;
	return x->t.end < y->t.end ? -1 : x->t.end > y->t.end;
}

void dump_end(struct dump *d)
{
	if (sg_model_finish(d->m, NULL))
		abort();
	qsort(d->task, d->n, sizeof(*d->task), by_id);
	sg_model_stats(d->m, &d->stats);
}

void dump_free(struct dump *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->task[i].seg);
		free(d->task[i].text);
	}
	free(d->task);
	sg_model_free(d->m);
}

bool dump_same(const struct dump *a, const struct dump *b, char *why, size_t cap)
{
	if (a->n != b->n) {
		snprintf(why, cap, "%zu tasks against %zu", a->n, b->n);
		return false;
	}
	for (size_t i = 0; i < a->n; i++) {
		const char *x = a->task[i].text, *y = b->task[i].text;

		if (!strcmp(x, y))
			continue;
		while (*x == *y)
			x++, y++;
		while (x > a->task[i].text && x[-1] != '\n')
			x--, y--;
		snprintf(why, cap, "task %lu: '%.*s' against '%.*s'", a->task[i].t.id, (int)strcspn(x, "\n"),
			 x, (int)strcspn(y, "\n"), y);
		return false;
	}
	return true;
}
