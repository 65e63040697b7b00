/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "base/pairmap.h"

/* Keys can be chosen by whoever is recorded, so both words go through a full mixer. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t h = a * 0x9e3779b97f4a7c15ull ^ (b + 0x7f4a7c15u + (a << 31 | a >> 33));

	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h ^ h >> 32;
}

static size_t find(const struct sg_pairmap *m, uint64_t a, uint64_t b)
{
	size_t i = mix(a, b) & (m->cap - 1);

	while (m->slot[i].gen == m->gen && (m->slot[i].a != a || m->slot[i].b != b))
		i = (i + 1) & (m->cap - 1);
	return i;
}

static int grow(struct sg_pairmap *m)
{
	struct sg_pairmap bigger = { .cap = m->cap ? m->cap * 2 : 16, .n = m->n, .gen = 1 };

	bigger.slot = calloc(bigger.cap, sizeof(*bigger.slot));
	if (!bigger.slot)
		return -1;
	for (size_t i = 0; i < m->cap; i++) {
		if (m->slot[i].gen != m->gen)
			continue;
		size_t at = find(&bigger, m->slot[i].a, m->slot[i].b);

		bigger.slot[at] = m->slot[i];
		bigger.slot[at].gen = 1;
	}
	free(m->slot);
	*m = bigger;
	return 0;
}

uint32_t *sg_pairmap_at(struct sg_pairmap *m, uint64_t a, uint64_t b, uint32_t init, int *ret_new)
{
	size_t i;

	if (ret_new)
		*ret_new = 0;
	if ((m->n + 1) * 2 > m->cap && grow(m))
		return NULL;
	i = find(m, a, b);
	if (m->slot[i].gen != m->gen) {
		m->slot[i] = (struct sg_pairmap_slot){ .a = a, .b = b, .val = init, .gen = m->gen };
		m->n++;
		if (ret_new)
			*ret_new = 1;
	}
	return &m->slot[i].val;
}

const uint32_t *sg_pairmap_get(const struct sg_pairmap *m, uint64_t a, uint64_t b)
{
	size_t i;

	if (!m->cap)
		return NULL;
	i = find(m, a, b);
	return m->slot[i].gen == m->gen ? &m->slot[i].val : NULL;
}

void sg_pairmap_clear(struct sg_pairmap *m)
{
	m->n = 0;
	if (!m->cap || ++m->gen)
		return;
	memset(m->slot, 0, m->cap * sizeof(*m->slot)); /* the counter wrapped: every 4 billionth time */
	m->gen = 1;
}

void sg_pairmap_free(struct sg_pairmap *m)
{
	free(m->slot);
	memset(m, 0, sizeof(*m));
}
