/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Blocks are opened in file order, as late as the order of the events allows. */
#include "trace/rec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "trace/blocks.h"
#include "trace/merge.h"

/* What was last seen of a CPU: a step in its drops is a hole. */
struct cpu_seen {
	uint64_t ts, lost;
	uint32_t gap;
	bool any;
};

struct sg_reader {
	struct sg_blocks blocks;
	struct sg_merge merge;
	char *meta, *end_meta;
	uint64_t low; /* no block that is still to be opened has an event before this */
	bool all_open;
	bool stepped;	  /* the top of the merge was handed out: move on first */
	bool held;	  /* a LOST was handed out in front of the top */
	uint32_t gap;	  /* damaged places so far */
	uint64_t last_ts; /* handed out */
	uint64_t seek_ts;
	bool sought;
	struct cpu_seen *cpu;
	size_t cpu_cnt, tail_cpu;
	struct sg_lost lost;
	char damage[384];
};

/* ---- blocks -------------------------------------------------------------- */

static int take_text(struct sg_reader *r, const struct sg_block *blk, char **ret, struct sg_err *err)
{
	uint8_t *data;
	size_t len;
	int rc;

	if (*ret)
		return 0;
	rc = sg_blocks_load(&r->blocks, blk, 1, &data, &len, err);
	if (rc > 0)
		*ret = (char *)data;
	return rc < 0 ? rc : 0;
}

static int take_events(struct sg_reader *r, const struct sg_block *blk, struct sg_err *err)
{
	bool replay = r->sought && blk->last < r->seek_ts;
	uint64_t bad = r->merge.bad_streams;
	uint8_t *data;
	size_t len;
	int rc;

	if (replay && !(blk->flags & SG_BLOCK_DICT))
		return 0;
	rc = sg_blocks_load(&r->blocks, blk, SG_CODEC_PAD, &data, &len, err);
	if (rc < 0)
		return rc;
	if (!rc) {
		/* where a pipe was cut off nothing follows */
		r->gap += r->blocks.src.seekable || !r->blocks.ended;
		return 0;
	}
	rc = sg_merge_open(&r->merge, blk, data, len, r->gap, replay, err);
	if (r->merge.bad_streams > bad)
		r->gap++;
	return rc;
}

/* Opens the next block, whatever it is. */
static int open_next(struct sg_reader *r, struct sg_err *err)
{
	struct sg_block blk;
	int rc = sg_blocks_next(&r->blocks, &blk, err);

	if (rc < 0)
		return rc;
	if (!rc) {
		r->all_open = true;
		return 0;
	}
	r->gap += blk.gap;
	r->low = blk.low;
	switch (blk.type) {
	case SG_BLOCK_META: /* of a file they were read when it was opened */
		return r->blocks.src.seekable ? 0 : take_text(r, &blk, &r->meta, err);
	case SG_BLOCK_END:
		return r->blocks.src.seekable ? 0 : take_text(r, &blk, &r->end_meta, err);
	case SG_BLOCK_EVENTS:
		return take_events(r, &blk, err);
	default:
		return 0;
	}
}

/* ---- loss ---------------------------------------------------------------- */

static struct cpu_seen *cpu_of(struct sg_reader *r, unsigned cpu)
{
	struct cpu_seen *p;

	if (cpu < r->cpu_cnt)
		return &r->cpu[cpu];
	p = realloc(r->cpu, (cpu + 1u) * sizeof(*p));
	if (!p)
		return NULL;
	memset(p + r->cpu_cnt, 0, (cpu + 1u - r->cpu_cnt) * sizeof(*p));
	r->cpu = p;
	r->cpu_cnt = cpu + 1u;
	return &p[cpu];
}

static void make_lost(struct sg_reader *r, unsigned cpu, uint64_t ts, const struct cpu_seen *s, uint64_t n)
{
	r->lost = (struct sg_lost){
		.h = { .ts = ts, .lost = s->lost, .cpu = (uint16_t)cpu, .kind = SG_REC_LOST },
		.since = s->ts,
		.n = n,
	};
}

/* Return: 1 when a LOST must go before the event of @c, 0 when not, negative errno. */
static int account(struct sg_reader *r, const struct sg_cursor *c, struct sg_err *err)
{
	const struct sg_hdr *h = &c->ev.h;
	struct cpu_seen *s;
	uint64_t n = 0;

	if (h->kind >= SG_REC_LOST || h->kind == SG_REC_SWAPOUT || c->replay)
		return 0;
	s = cpu_of(r, h->cpu);
	if (!s)
		return sg_err_set(err, -ENOMEM, "out of memory for the recording");
	if (h->lost > s->lost && (s->any || !r->sought))
		n = h->lost - s->lost;
	/* how many a damaged place has swallowed is not known: at least one */
	if (c->gap > s->gap && !n)
		n = 1;
	if (h->lost > s->lost)
		s->lost = h->lost;
	if (n)
		make_lost(r, h->cpu, h->ts, s, n);
	if (c->gap > s->gap)
		s->gap = c->gap;
	s->any = true;
	s->ts = h->ts;
	return n ? 1 : 0;
}

/* After the last event: CPUs of which nothing followed a damaged place. */
static bool lost_at_end(struct sg_reader *r)
{
	for (; r->tail_cpu < r->cpu_cnt; r->tail_cpu++) {
		struct cpu_seen *s = &r->cpu[r->tail_cpu];

		if (!s->any || s->gap >= r->gap)
			continue;
		make_lost(r, (unsigned)r->tail_cpu, r->last_ts, s, 1);
		s->gap = r->gap;
		return true;
	}
	return false;
}

/* A definition comes when its block is opened: before all that was written after it. Its time must not go back, nor ahead. */
static void place(const struct sg_reader *r, struct sg_hdr *h)
{
	uint64_t next = sg_merge_after_top(&r->merge);

	if (!r->all_open && r->low < next)
		next = r->low;
	if (h->ts > next)
		h->ts = next;
	if (h->ts < r->last_ts)
		h->ts = r->last_ts;
}

/* ---- reading ------------------------------------------------------------- */

int sg_reader_next(struct sg_reader *r, const struct sg_hdr **ret, struct sg_err *err)
{
	struct sg_cursor *c;
	int rc;

	if (r->stepped) {
		uint64_t bad = r->merge.bad_streams;

		r->stepped = false;
		rc = sg_merge_step(&r->merge, err);
		if (rc)
			return rc;
		r->gap += r->merge.bad_streams > bad;
	}
	while ((c = sg_merge_top(&r->merge), !r->all_open && (!c || r->merge.heap[0].ts >= r->low))) {
		rc = open_next(r, err);
		if (rc)
			return rc;
	}
	if (!c) {
		*ret = &r->lost.h;
		return lost_at_end(r);
	}
	if (c->def)
		place(r, &c->ev.h);
	if (!r->held) {
		rc = account(r, c, err);
		if (rc < 0)
			return rc;
		r->last_ts = c->ev.h.ts;
		if (rc) {
			r->held = true;
			*ret = &r->lost.h;
			return 1;
		}
	}
	r->held = false;
	r->stepped = true;
	*ret = &c->ev.h;
	return 1;
}

/* The texts are near both ends: a file gives them at once, a pipe its first. */
static int read_texts(struct sg_reader *r, struct sg_err *err)
{
	struct sg_blocks *b = &r->blocks;
	int rc = 0;

	if (!b->src.seekable)
		return open_next(r, err);
	for (size_t i = 0; i < b->cnt && !rc; i++) {
		if (b->table[i].type == SG_BLOCK_META)
			rc = take_text(r, &b->table[i], &r->meta, err);
		else if (b->table[i].type == SG_BLOCK_END)
			rc = take_text(r, &b->table[i], &r->end_meta, err);
	}
	return rc;
}

static int reader_open(struct sg_reader **ret, int fd, const void *mem, size_t len, struct sg_err *err)
{
	struct sg_reader *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return sg_err_set(err, -ENOMEM, "out of memory for the recording");
	sg_source_init(&r->blocks.src, fd, mem, len);
	rc = sg_blocks_open(&r->blocks, err);
	if (!rc)
		rc = read_texts(r, err);
	if (rc) {
		sg_reader_close(r);
		return rc;
	}
	*ret = r;
	return 0;
}

int sg_reader_open(struct sg_reader **ret, int fd, struct sg_err *err)
{
	return reader_open(ret, fd, NULL, 0, err);
}

int sg_reader_open_mem(struct sg_reader **ret, const void *data, size_t len, struct sg_err *err)
{
	return reader_open(ret, -1, data ?: "", len, err);
}

void sg_reader_close(struct sg_reader *r)
{
	if (!r)
		return;
	sg_merge_free(&r->merge);
	sg_blocks_free(&r->blocks);
	free(r->meta);
	free(r->end_meta);
	free(r->cpu);
	free(r);
}

int sg_reader_seek(struct sg_reader *r, uint64_t ts, struct sg_err *err)
{
	if (!r->blocks.src.seekable)
		return sg_err_set(err, -ESPIPE,
				  "a recording from a pipe can only be read from its beginning");
	sg_merge_clear(&r->merge);
	r->merge.bad_streams = r->merge.bad_records = 0;
	sg_blocks_rewind(&r->blocks);
	if (r->cpu_cnt)
		memset(r->cpu, 0, r->cpu_cnt * sizeof(*r->cpu));
	r->low = r->last_ts = 0;
	r->all_open = r->stepped = r->held = false;
	r->gap = 0;
	r->tail_cpu = 0;
	r->seek_ts = ts;
	r->sought = true;
	return 0;
}

const char *sg_reader_meta(const struct sg_reader *r)
{
	return r->meta;
}

const char *sg_reader_end_meta(const struct sg_reader *r)
{
	return r->end_meta;
}

/* ---- damage -------------------------------------------------------------- */

const char *sg_reader_damage(const struct sg_reader *r)
{
	const struct sg_blocks *b = &r->blocks;
	char *s = ((struct sg_reader *)r)->damage, *end = s + sizeof(r->damage);
	const char *sep = "";

	s[0] = 0;
	if (b->bad_blocks || r->merge.bad_streams) {
		s += snprintf(s, (size_t)(end - s),
			      "%" PRIu64 " damaged %s left out (at least %" PRIu64 " events)",
			      b->bad_blocks + r->merge.bad_streams,
			      b->bad_blocks + r->merge.bad_streams == 1 ? "place was" : "places were",
			      b->bad_events + r->merge.bad_records);
		sep = "; ";
	} else if (b->skipped_bytes) {
		s += snprintf(s, (size_t)(end - s), "%" PRIu64 " bytes between blocks were not used",
			      b->skipped_bytes);
		sep = "; ";
	}
	if (b->cut_bytes)
		s += snprintf(s, (size_t)(end - s),
			      "%sthe recording is cut off: its last %" PRIu64
			      " bytes are no whole block and were not used",
			      sep, b->cut_bytes);
	else if (b->no_end)
		s += snprintf(s, (size_t)(end - s),
			      "%sthe recording has no end: its recorder still runs, or was stopped before it "
			      "could write it",
			      sep);
	else if (b->extra_bytes)
		s += snprintf(s, (size_t)(end - s),
			      "%sbytes follow the end of the recording and were not used", sep);
	return r->damage[0] ? r->damage : NULL;
}
