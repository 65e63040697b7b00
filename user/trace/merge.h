/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The streams of the open blocks, merged by (ts, IDENT first, cpu, class, order in the file); definitions at once. */
#ifndef SG_MERGE_H
#define SG_MERGE_H

#include "base/err.h"
#include "trace/blocks.h"
#include "trace/codec.h"

/* The payload of a block, shared by its streams. */
struct sg_payload {
	uint8_t *data;
	uint32_t users;
	size_t cost;
};

/* One stream being read; ev is its next event. */
struct sg_cursor {
	union {
		struct sg_hdr h;
		uint64_t align;
		uint8_t bytes[SG_EVENT_MAX];
	} ev;
	const uint8_t *p, *end;
	uint64_t left; /* records not decoded yet */
	uint64_t last; /* greatest ts its block may have */
	uint64_t rank;
	bool replay;  /* of a block before the place sought */
	uint32_t gap; /* damaged places in the file before its block */
	bool def;     /* definitions: no order by time */
	struct sg_payload *payload;
	struct sg_codec codec;
	struct sg_cursor *next; /* free list */
};

struct sg_merge {
	struct sg_merge_item {
		uint64_t ts, rank;
		struct sg_cursor *c;
	} * heap;
	size_t cnt, cap;
	struct sg_cursor *pool;
	uint64_t opened; /* streams so far: the order in the file */
	uint64_t cost;	 /* bytes held by open blocks */
	uint64_t bad_streams, bad_records;
};

/* Open blocks may hold this much: what a reader does not take is a recording made to exhaust it. */
#define SG_MERGE_COST_MAX (768ull << 20)

/**
 * sg_merge_open() - add the streams of the payload @data of @blk, which it takes over
 * @len:    bytes of it; SG_CODEC_PAD readable bytes follow
 * @replay: definitions and identities only
 */
int sg_merge_open(struct sg_merge *m, const struct sg_block *blk, uint8_t *data, size_t len, uint32_t gap,
		  bool replay, struct sg_err *err);

/** sg_merge_top() - the cursor with the next event, or NULL */
static inline struct sg_cursor *sg_merge_top(const struct sg_merge *m)
{
	return m->cnt ? m->heap[0].c : NULL;
}

/** sg_merge_after_top() - least time of the streams behind the top one, UINT64_MAX when there are none */
static inline uint64_t sg_merge_after_top(const struct sg_merge *m)
{
	uint64_t a = m->cnt > 1 ? m->heap[1].ts : UINT64_MAX, b = m->cnt > 2 ? m->heap[2].ts : UINT64_MAX;

	return a < b ? a : b;
}

/** sg_merge_step() - move the top cursor to its next record */
int sg_merge_step(struct sg_merge *m, struct sg_err *err);

/** sg_merge_clear() - drop all streams; sg_merge_free() - and the memory */
void sg_merge_clear(struct sg_merge *m);
void sg_merge_free(struct sg_merge *m);

#endif
