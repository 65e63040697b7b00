/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/varint.h"

static int no_memory(struct sg_err *err)
{
	return sg_err_set(err, -ENOMEM, "out of memory for the recording");
}

/* ---- cursors ------------------------------------------------------------- */

static void payload_put(struct sg_merge *m, struct sg_payload *pl)
{
	if (--pl->users)
		return;
	m->cost -= pl->cost;
	free(pl->data);
	free(pl);
}

static void cursor_put(struct sg_merge *m, struct sg_cursor *c)
{
	payload_put(m, c->payload);
	m->cost -= sizeof(*c);
	c->next = m->pool;
	m->pool = c;
}

static struct sg_cursor *cursor_get(struct sg_merge *m)
{
	struct sg_cursor *c = m->pool;

	if (c)
		m->pool = c->next;
	else
		c = calloc(1, sizeof(*c));
	if (c)
		m->cost += sizeof(*c);
	return c;
}

/* Decodes the next record. Return: 1, 0 at the end of the stream, negative errno. */
static int cursor_step(struct sg_merge *m, struct sg_cursor *c)
{
	while (c->left) {
		uint64_t was = c->ev.h.ts;
		int rc = sg_codec_get(&c->codec, &c->p, c->end, &c->ev.h);

		if (rc == -ENOMEM)
			return rc;
		/* only a recording made for it is out of order here: what follows would not be true either */
		if (rc < 0 || (rc && !c->def && (c->ev.h.ts < was || c->ev.h.ts > c->last))) {
			m->bad_streams++;
			m->bad_records += c->left;
			return 0;
		}
		c->left--;
		if (rc)
			return 1;
		c->ev.h.ts = was;
	}
	return 0;
}

/* ---- heap ---------------------------------------------------------------- */

static inline bool before(const struct sg_merge_item *a, const struct sg_merge_item *b)
{
	return a->ts != b->ts ? a->ts < b->ts : a->rank < b->rank;
}

static void sift_down(struct sg_merge *m)
{
	struct sg_merge_item item = m->heap[0], *h = m->heap;
	size_t i = 0;

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= m->cnt)
			break;
		if (kid + 1 < m->cnt && before(&h[kid + 1], &h[kid]))
			kid++;
		if (!before(&h[kid], &item))
			break;
		h[i] = h[kid];
		i = kid;
	}
	h[i] = item;
}

static uint64_t key_of(const struct sg_cursor *c)
{
	return c->def ? 0 : c->ev.h.ts;
}

static int heap_add(struct sg_merge *m, struct sg_cursor *c)
{
	struct sg_merge_item item = { key_of(c), c->rank, c };
	size_t i = m->cnt;

	if (m->cnt == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 32;
		void *p = realloc(m->heap, cap * sizeof(*m->heap));

		if (!p)
			return -ENOMEM;
		m->heap = p;
		m->cap = cap;
	}
	m->cnt++;
	for (; i && before(&item, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = item;
	return 0;
}

int sg_merge_step(struct sg_merge *m, struct sg_err *err)
{
	struct sg_cursor *c = m->heap[0].c;
	int rc = cursor_step(m, c);

	if (rc < 0)
		return no_memory(err);
	if (rc) {
		m->heap[0].ts = key_of(c);
	} else {
		cursor_put(m, c);
		m->heap[0] = m->heap[--m->cnt];
	}
	if (m->cnt > 1)
		sift_down(m);
	return 0;
}

/* ---- blocks -------------------------------------------------------------- */

struct dir_entry {
	uint64_t id, count, len;
};

static int stream_open(struct sg_merge *m, const struct sg_block *blk, const struct dir_entry *e,
		       const uint8_t *p, struct sg_payload *pl, uint32_t gap, bool replay)
{
	unsigned class = e->id & ((1u << SG_CLASS_BITS) - 1), cpu = (unsigned)(e->id >> SG_CLASS_BITS);
	struct sg_cursor *c = cursor_get(m);
	int rc;

	if (!c)
		return -ENOMEM;
	pl->users++;
	c->payload = pl;
	c->p = p;
	c->end = p + e->len;
	c->left = e->count;
	c->last = blk->last;
	c->gap = gap;
	c->replay = replay;
	c->def = class == SG_CLASS_DEF;
	c->rank = (uint64_t)(class > SG_CLASS_IDENT) << 63 | (uint64_t)cpu << 47 | (uint64_t) class << 44 |
		  (m->opened++ & ((1ull << 44) - 1));
	c->ev.h.ts = blk->first;
	rc = sg_codec_reset(&c->codec, (uint16_t)cpu);
	if (!rc)
		rc = cursor_step(m, c);
	if (rc > 0)
		rc = heap_add(m, c);
	else
		cursor_put(m, c);
	return rc;
}

/* The directory names the streams; those that are not whole are left out, and counted. */
static int streams_open(struct sg_merge *m, const struct sg_block *blk, size_t len, struct sg_payload *pl,
			uint32_t gap, bool replay)
{
	const uint8_t *dir = pl->data, *end = pl->data + len, *p = dir;
	uint64_t n = sg_varint_get(&dir);
	int rc = 0;

	if (n > SG_BLOCK_STREAMS_MAX || dir > end)
		n = 0, m->bad_streams++;
	/* streams follow the directory: find its end first */
	p = dir;
	for (uint64_t i = 0; i < 3 * n && p <= end; i++)
		sg_varint_get(&p);
	for (uint64_t i = 0; i < n && !rc; i++) {
		struct dir_entry e;

		if (p <= end) {
			e.id = sg_varint_get(&dir);
			e.count = sg_varint_get(&dir);
			e.len = sg_varint_get(&dir);
		}
		if (p > end || e.len > (size_t)(end - p) || e.count > e.len ||
		    e.id >> SG_CLASS_BITS > UINT16_MAX) {
			m->bad_streams++;
			break;
		}
		/* other classes are a newer version's */
		if (e.count &&
		    (e.id & ((1u << SG_CLASS_BITS) - 1)) < (replay ? SG_CLASS_IDENT + 1u : SG_CLASS_MAX))
			rc = stream_open(m, blk, &e, p, pl, gap, replay);
		p += e.len;
	}
	return rc;
}

int sg_merge_open(struct sg_merge *m, const struct sg_block *blk, uint8_t *data, size_t len, uint32_t gap,
		  bool replay, struct sg_err *err)
{
	struct sg_payload *pl = calloc(1, sizeof(*pl));
	int rc;

	if (!pl) {
		free(data);
		return no_memory(err);
	}
	pl->data = data;
	pl->users = 1;
	pl->cost = len;
	m->cost += len;
	rc = streams_open(m, blk, len, pl, gap, replay);
	payload_put(m, pl);
	if (rc)
		return no_memory(err);
	if (m->cost > SG_MERGE_COST_MAX)
		return sg_err_set(err, -E2BIG,
				  "the recording's blocks overlap so much in time that they cannot be merged "
				  "in %llu MiB",
				  SG_MERGE_COST_MAX >> 20);
	return 0;
}

void sg_merge_clear(struct sg_merge *m)
{
	while (m->cnt)
		cursor_put(m, m->heap[--m->cnt].c);
}

void sg_merge_free(struct sg_merge *m)
{
	sg_merge_clear(m);
	for (struct sg_cursor *c = m->pool, *next; c; c = next) {
		next = c->next;
		sg_codec_free(&c->codec);
		free(c);
	}
	free(m->heap);
}
