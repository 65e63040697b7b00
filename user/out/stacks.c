/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "out/stacks.h"

static int grow(struct sg_stacks *s)
{
	size_t cap = s->cap ? s->cap * 2 : 256;
	struct sg_stack_node *p = realloc(s->node, cap * sizeof(*p));

	if (!p)
		return -ENOMEM;
	s->node = p;
	s->cap = cap;
	if (!s->n)
		s->node[s->n++] = (struct sg_stack_node){ 0 };
	return 0;
}

uint32_t sg_stacks_child(struct sg_stacks *s, uint32_t node, const char *text)
{
	int64_t frame;
	uint32_t *at;
	int is_new;

	if (s->err)
		return 0;
	if (s->n >= SG_STACKS_MAX)
		text = "[truncated]";
	frame = sg_strtab_id(&s->frame, text);
	if (frame < 0 || (s->n == s->cap && grow(s))) {
		s->err = -ENOMEM;
		return 0;
	}
	/* Past the limit, a whole depth below one node folds into it. */
	if (s->n >= SG_STACKS_MAX && node && !strcmp(sg_strtab_str(&s->frame, s->node[node].frame), text))
		return node;
	at = sg_pairmap_at(&s->at, node, (uint64_t)frame, (uint32_t)s->n, &is_new);
	if (!at) {
		s->err = -ENOMEM;
		return 0;
	}
	if (is_new) {
		s->node[s->n] =
			(struct sg_stack_node){ .parent = node, .frame = frame, .next = s->node[node].child };
		s->node[node].child = s->n++;
	}
	return *at;
}

void sg_stacks_add(struct sg_stacks *s, uint32_t node, uint64_t weight)
{
	if (node)
		s->node[node].weight += weight;
}

/* The strings stand beside the numbers while sorting: qsort() passes no context. */
struct sort_item {
	const char *text;
	uint32_t node;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct sort_item *)a)->text, ((const struct sort_item *)b)->text);
}

int sg_stacks_sort(struct sg_stacks *s)
{
	struct sort_item *item;

	if (s->err || !s->n)
		return s->err;
	item = malloc(s->n * sizeof(*item));
	if (!item)
		return s->err = -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		size_t n = 0;
		uint32_t *link = &s->node[i].child;

		for (uint32_t c = *link; c; c = s->node[c].next)
			item[n++] = (struct sort_item){ sg_strtab_str(&s->frame, s->node[c].frame), c };
		if (n > 1)
			qsort(item, n, sizeof(*item), by_text);
		for (size_t k = 0; k < n; k++) {
			*link = item[k].node;
			link = &s->node[item[k].node].next;
		}
		*link = 0;
	}
	free(item);
	return 0;
}

uint64_t sg_stacks_total(const struct sg_stacks *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->node[i].weight;
	return sum;
}

void sg_stacks_free(struct sg_stacks *s)
{
	free(s->node);
	sg_pairmap_free(&s->at);
	sg_strtab_free(&s->frame);
	memset(s, 0, sizeof(*s));
}
