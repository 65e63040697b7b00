/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/spooler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct piece {
	uint8_t *data;
	size_t len;
};

struct sg_spooler {
	struct piece *ring; /* of piece seq: ring[seq % cap], cap a power of two */
	size_t cap;
	uint64_t limit;
	struct sg_spooler_stats st;
};

int sg_spooler_new(struct sg_spooler **ret, uint64_t limit)
{
	struct sg_spooler *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->limit = limit;
	s->cap = 256;
	s->ring = calloc(s->cap, sizeof(*s->ring));
	if (!s->ring) {
		free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void sg_spooler_free(struct sg_spooler *s)
{
	if (!s)
		return;
	sg_spooler_release(s, s->st.next);
	free(s->ring);
	free(s);
}

static int grow(struct sg_spooler *s)
{
	struct piece *p;

	if (s->st.next - s->st.first < s->cap)
		return 0;
	p = calloc(2 * s->cap, sizeof(*p));
	if (!p)
		return -ENOMEM;
	for (uint64_t q = s->st.first; q < s->st.next; q++)
		p[q % (2 * s->cap)] = s->ring[q % s->cap];
	free(s->ring);
	s->ring = p;
	s->cap *= 2;
	return 0;
}

/* An index of blocks of which some are missing is not believed anyway. */
static bool can_go(const struct sg_spooler *s, const struct sg_unit *u)
{
	return u->kind == SG_UNIT_BLOCK &&
	       (u->type == SG_BLOCK_EVENTS || (u->type == SG_BLOCK_INDEX && s->st.dropped.blocks));
}

static int drop(struct sg_spooler *s, const struct sg_unit *u)
{
	s->st.dropped.bytes += u->size;
	if (u->type == SG_BLOCK_EVENTS) {
		s->st.dropped.blocks++;
		s->st.dropped.events += u->count;
	}
	return 0;
}

int sg_spooler_put(struct sg_spooler *s, const struct sg_unit *u, const uint8_t *data)
{
	uint8_t *copy;

	if (can_go(s, u) && (u->type == SG_BLOCK_INDEX || s->st.bytes + u->size > s->limit))
		return drop(s, u);
	copy = malloc(u->size);
	if (!copy || grow(s)) {
		free(copy);
		return u->kind == SG_UNIT_BLOCK && u->type == SG_BLOCK_EVENTS ? drop(s, u) : -ENOMEM;
	}
	memcpy(copy, data, u->size);
	s->ring[s->st.next++ % s->cap] = (struct piece){ copy, u->size };
	s->st.bytes += u->size;
	s->st.most = s->st.bytes > s->st.most ? s->st.bytes : s->st.most;
	return 0;
}

const uint8_t *sg_spooler_get(const struct sg_spooler *s, uint64_t seq, size_t *ret_len)
{
	const struct piece *p = &s->ring[seq % s->cap];

	if (seq < s->st.first || seq >= s->st.next)
		return NULL;
	*ret_len = p->len;
	return p->data;
}

int sg_spooler_release(struct sg_spooler *s, uint64_t next)
{
	if (next > s->st.next)
		return -EINVAL;
	for (; s->st.first < next; s->st.first++) {
		struct piece *p = &s->ring[s->st.first % s->cap];

		s->st.bytes -= p->len;
		free(p->data);
	}
	return 0;
}

void sg_spooler_stats(const struct sg_spooler *s, struct sg_spooler_stats *ret)
{
	*ret = s->st;
}
