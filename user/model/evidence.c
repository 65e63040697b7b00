/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/evidence.h"
#include "model/evidence_text.h"

static const char *const kind_name[SG_EV_MAX] = {
#define SG_X(sym, name) [SG_EV_##sym] = name,
	SG_EV_LIST(SG_X)
#undef SG_X
};

static void begin(struct sg_evid *e)
{
	sg_pairmap_clear(&e->text);
	if (e->hot)
		memset(e->hot, 0, SG_EVID_HOT * sizeof(*e->hot));
}

void sg_evid_clear(struct sg_evid *e)
{
	begin(e);
	sg_pairmap_clear(&e->at);
	/* Small tables of texts are kept: the next task's are mostly the same ones. */
	if (e->str.bytes > 256 * 1024)
		sg_strtab_clear(&e->str);
	e->n = 0;
}

void sg_evid_free(struct sg_evid *e)
{
	sg_pairmap_free(&e->at);
	sg_pairmap_free(&e->text);
	sg_strtab_free(&e->str);
	free(e->item);
	free(e->hot);
	memset(e, 0, sizeof(*e));
}

static int add_item(struct sg_evid *e, uint32_t row, unsigned kind, uint32_t str, uint64_t ns);

static size_t hot_slot(uint32_t row, unsigned kind, uint64_t id)
{
	return (row * 40503u ^ kind * 6151u ^ (uint32_t)(id * 2654435761u >> 7)) % SG_EVID_HOT;
}

static int by_ns_falling(const void *a, const void *b)
{
	const struct sg_evid_item *x = a, *y = b;

	return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : 0;
}

/* Keep the larger half; texts nobody refers to go with the old table. */
static int prune(struct sg_evid *e)
{
	struct sg_evid small = { 0 };
	int ret = 0;

	qsort(e->item, e->n, sizeof(*e->item), by_ns_falling);
	for (size_t i = 0; i < e->n / 2 && ret >= 0; i++) {
		const struct sg_evid_item *it = &e->item[i];
		int64_t str = sg_strtab_id(&small.str, sg_strtab_str(&e->str, it->str));

		ret = str < 0 ? -ENOMEM : add_item(&small, it->row, it->kind, str, it->ns);
	}
	if (ret < 0) {
		sg_evid_free(&small);
		return ret;
	}
	sg_evid_free(e);
	*e = small;
	return 0;
}

/* Return: 0, 1 when the table was pruned (string numbers changed), -ENOMEM. */
static int add_item(struct sg_evid *e, uint32_t row, unsigned kind, uint32_t str, uint64_t ns)
{
	int is_new;
	uint32_t *at = sg_pairmap_at(&e->at, (uint64_t)row << 8 | kind, str, e->n, &is_new);

	if (!at)
		return -ENOMEM;
	if (!is_new) {
		e->item[*at].ns += ns;
		return 0;
	}
	if (e->n == e->cap) {
		size_t cap = e->cap ? e->cap * 2 : 64;
		struct sg_evid_item *p = realloc(e->item, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		e->item = p;
		e->cap = cap;
	}
	e->item[e->n++] = (struct sg_evid_item){ .row = row, .str = str, .kind = kind, .ns = ns };
	if (e->n < SG_EVID_CAP)
		return 0;
	return prune(e) ? -ENOMEM : 1;
}

/* One fact of a segment: its text is made once per add and remembered by (kind, id). */
static int note_first(struct sg_evid *e, const struct sg_model *m, const struct sg_seg *s, uint32_t row,
		      unsigned kind, uint64_t id, uint64_t ns)
{
	int is_new, ret;
	uint32_t *str = sg_pairmap_at(&e->text, kind, id, UINT32_MAX, &is_new);
	uint32_t text_id;

	if (!str)
		return -ENOMEM;
	if (is_new) {
		char text[sizeof(((struct sg_evidence *)0)->text)];

		if (sg_evid_text(m, s, kind, text, sizeof(text))) {
			int64_t sid = sg_strtab_id(&e->str, text);

			if (sid < 0)
				return -ENOMEM;
			*str = sid;
		}
	}
	text_id = *str;
	if (text_id == UINT32_MAX)
		return 0; /* nothing to say about this id */
	ret = add_item(e, row, kind, text_id, ns);
	if (!ret && e->hot) {
		const uint32_t *at = sg_pairmap_get(&e->at, (uint64_t)row << 8 | kind, text_id);

		e->hot[hot_slot(row, kind, id)] =
			(struct sg_evid_hot){ .id = id, .row = row, .kind = kind, .item = at ? *at + 1 : 0 };
	}
	return ret < 0 ? ret : 0;
}

static int note(struct sg_evid *e, const struct sg_model *m, const struct sg_seg *s, uint32_t row,
		unsigned kind, uint64_t id, uint64_t ns)
{
	const struct sg_evid_hot *h = e->hot ? &e->hot[hot_slot(row, kind, id)] : NULL;

	if (h && h->item && h->id == id && h->row == row && h->kind == kind) {
		e->item[h->item - 1].ns += ns;
		return 0;
	}
	return note_first(e, m, s, row, kind, id, ns);
}

/* Worth its memory for tasks of many segments only. */
#define HOT_FROM 64

void sg_evid_begin_task(struct sg_evid *e, const struct sg_task *t)
{
	begin(e);
	if (!e->hot && t->nseg >= HOT_FROM)
		e->hot = calloc(SG_EVID_HOT, sizeof(*e->hot)); /* without it: only slower */
}

int sg_evid_seg(struct sg_evid *e, const struct sg_model *m, const struct sg_seg *s, uint32_t leaf,
		uint32_t wait)
{
	uint64_t ns = s->hi - s->lo, id;
	uint32_t left = sg_evid_kinds(s) & ~(1u << SG_EV_INSIDE);
	int ret = 0;

	for (; left && !ret; left &= left - 1) {
		unsigned kind = (unsigned)__builtin_ctz(left);

		if (sg_evid_has(m, s, kind, &id))
			ret = note(e, m, s, leaf, kind, id,
				   kind == SG_EV_SERVICE && s->svc_ns < ns ? s->svc_ns : ns);
	}
	if (!ret && wait != SG_EVID_NONE && sg_evid_has(m, s, SG_EV_INSIDE, &id))
		ret = note(e, m, s, wait | SG_EVID_WAIT, SG_EV_INSIDE, id, ns);
	if (!ret && wait != SG_EVID_NONE && sg_evid_has(m, s, SG_EV_MESSAGE, &id))
		ret = note(e, m, s, wait | SG_EVID_WAIT, SG_EV_MESSAGE, id, ns);
	return ret;
}

int sg_evid_count(struct sg_evid *e, uint32_t row, unsigned kind, const char *text)
{
	int64_t str = sg_strtab_id(&e->str, text);

	return str < 0 || add_item(e, row, kind, (uint32_t)str, 1) < 0 ? -ENOMEM : 0;
}

int sg_evid_merge(struct sg_evid *dst, const struct sg_evid *src, const uint32_t *leaf_map,
		  const uint32_t *wait_map)
{
	for (size_t i = 0; i < src->n; i++) {
		const struct sg_evid_item *it = &src->item[i];
		uint32_t row = it->row & SG_EVID_WAIT ? wait_map[it->row & ~SG_EVID_WAIT] | SG_EVID_WAIT
						      : leaf_map[it->row];
		int64_t str = sg_strtab_id(&dst->str, sg_strtab_str(&src->str, it->str));

		if (str < 0 || add_item(dst, row, it->kind, str, it->ns) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int more_telling(const struct sg_evid *e, const struct sg_evid_item *a, const struct sg_evid_item *b)
{
	if (a->ns != b->ns)
		return a->ns > b->ns;
	if (a->kind != b->kind)
		return a->kind < b->kind;
	return strcmp(sg_strtab_str(&e->str, a->str), sg_strtab_str(&e->str, b->str)) < 0;
}

#define PER_KIND SG_EVIDENCE_FUNCTIONS

/* The best of every kind, in the order of the list; free places go to the second and third best. */
size_t sg_evid_top(const struct sg_evid *e, uint32_t row, struct sg_evidence ret[SG_EVID_TOP])
{
	const struct sg_evid_item *best[SG_EV_MAX][PER_KIND] = { 0 }, *have[SG_EVID_TOP];
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++) {
		const struct sg_evid_item *it = &e->item[i], *swap;

		for (int k = 0; it && it->row == row && k < PER_KIND; k++) {
			const struct sg_evid_item **b = &best[it->kind][k];

			if (*b && !more_telling(e, it, *b))
				continue;
			swap = *b;
			*b = it;
			it = swap;
			if (!it)
				break;
		}
	}
	for (int k = 0; k < PER_KIND; k++)
		for (unsigned kind = 0; kind < SG_EV_MAX && n < SG_EVID_TOP; kind++)
			if (best[kind][k])
				have[n++] = best[kind][k];
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k && more_telling(e, have[k], have[k - 1]); k--) {
			const struct sg_evid_item *swap = have[k];

			have[k] = have[k - 1];
			have[k - 1] = swap;
		}
	for (size_t i = 0; i < n; i++) {
		memset(&ret[i], 0, sizeof(ret[i]));
		snprintf(ret[i].kind, sizeof(ret[i].kind), "%s", kind_name[have[i]->kind]);
		snprintf(ret[i].text, sizeof(ret[i].text), "%s", sg_strtab_str(&e->str, have[i]->str));
		ret[i].ns = have[i]->ns;
	}
	return n;
}
