/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD sizeof(struct sg_block_head)

static int read_error(const struct sg_blocks *b, struct sg_err *err)
{
	if (!b->src.error)
		return 0;
	return sg_err_set(err, b->src.error, "the recording could not be read: %s", strerror(-b->src.error));
}

/* ---- file header --------------------------------------------------------- */

static int check_head(struct sg_blocks *b, struct sg_err *err)
{
	struct sg_file_head h = { 0 };
	size_t have, want;
	const uint8_t *p = sg_source_at(&b->src, 0, sizeof(h), &have);

	if (b->src.error)
		return read_error(b, err);
	if (!p)
		return sg_err_set(err, -ENODATA, "the recording is empty");
	want = have < 8 ? have : 8;
	if (memcmp(p, SG_REC_MAGIC, want))
		return sg_err_set(err, -EINVAL, "this is not a sandglass recording");
	if (have < sizeof(h))
		return sg_err_set(err, -ENODATA, "the recording ends inside its header, after %zu bytes",
				  have);
	memcpy(&h, p, sizeof(h));
	if (h.endian == __builtin_bswap32(SG_REC_ENDIAN))
		return sg_err_set(err, -EINVAL,
				  "the recording was made on a machine with the other byte order");
	if (h.endian == SG_REC_ENDIAN && h.major > SG_REC_MAJOR)
		return sg_err_set(
			err, -EPROTONOSUPPORT,
			"the recording has format %u.%u and this sandglass reads format %u: use a newer one",
			h.major, h.minor, SG_REC_MAJOR);
	if (h.endian != SG_REC_ENDIAN || !h.major || h.size < sizeof(h) || h.size > SG_REC_HEAD_MAX ||
	    (h.minor == SG_REC_MINOR && h.crc != sg_crc32(&h, offsetof(struct sg_file_head, crc))))
		return sg_err_set(err, -EBADMSG, "the header of the recording is damaged");
	b->pos = h.size;
	return 0;
}

/* ---- one after the other ------------------------------------------------- */

static bool head_at(struct sg_blocks *b, uint64_t off, struct sg_block_head *ret)
{
	size_t have;
	const uint8_t *p = sg_source_at(&b->src, off, HEAD, &have);

	if (!p || have < HEAD)
		return false;
	memcpy(ret, p, HEAD);
	return sg_block_head_ok(ret);
}

/* The next whole block header at or after @off; false when there is none. */
static bool search(struct sg_blocks *b, uint64_t off, struct sg_block_head *ret, uint64_t *ret_off)
{
	static const uint32_t magic = SG_BLOCK_MAGIC;
	size_t have;
	const uint8_t *p;

	while ((p = sg_source_at(&b->src, off, 65536, &have)) && have >= HEAD) {
		const uint8_t *hit = memmem(p, have - HEAD + sizeof(magic), &magic, sizeof(magic));

		if (!hit) {
			off += have - HEAD + 1;
			continue;
		}
		off += (uint64_t)(hit - p);
		memcpy(ret, hit, HEAD);
		if (sg_block_head_ok(ret)) {
			*ret_off = off;
			return true;
		}
		off++;
	}
	return false;
}

static bool trailer_at(struct sg_blocks *b, uint64_t off, struct sg_trailer *ret)
{
	size_t have;
	const uint8_t *p = sg_source_at(&b->src, off, sizeof(*ret), &have);

	if (!p || have < sizeof(*ret))
		return false;
	memcpy(ret, p, sizeof(*ret));
	return !memcmp(ret->magic, SG_TRAILER_MAGIC, sizeof(ret->magic)) &&
	       ret->crc == sg_crc32(ret, offsetof(struct sg_trailer, crc));
}

/* Nothing but the trailer, or less, is at b->pos. */
static void scan_end(struct sg_blocks *b, uint64_t pos)
{
	struct sg_trailer t;
	size_t have;

	b->ended = true;
	if (trailer_at(b, pos, &t)) {
		sg_source_at(&b->src, pos + sizeof(t), 1, &have);
		b->extra_bytes = have;
		return;
	}
	b->no_end = true;
	while (sg_source_at(&b->src, pos, 65536, &have) && have)
		b->cut_bytes += have, pos += have;
}

static bool scan_next(struct sg_blocks *b, struct sg_block *ret)
{
	struct sg_block_head h;
	struct sg_trailer t;
	uint64_t off = b->pos;

	if (b->ended)
		return false;
	/* b->pos is behind a header: after damage the search must not miss a block that begins early */
	if (!head_at(b, off, &h) && (trailer_at(b, off, &t) || !search(b, off, &h, &off))) {
		scan_end(b, b->pos);
		return false;
	}
	*ret = (struct sg_block){
		.off = off,
		.first = h.first,
		.last = h.last,
		.stored = h.stored,
		.count = h.count,
		.seq = h.seq,
		.type = h.type,
		.flags = h.flags,
		.gap = h.seq != b->seq,
	};
	if (off > b->pos)
		b->skipped_bytes += off - b->pos;
	if (h.seq > b->seq)
		b->bad_blocks += h.seq - b->seq;
	b->seq = h.seq + 1;
	if (h.low > b->low)
		b->low = h.low;
	ret->low = b->low;
	b->pos = off + HEAD + h.stored;
	return true;
}

/* ---- the table ----------------------------------------------------------- */

static int table_add(struct sg_blocks *b, const struct sg_block *blk, struct sg_err *err)
{
	if (b->cnt == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 64;
		void *p = realloc(b->table, cap * sizeof(*b->table));

		if (!p)
			return sg_err_set(err, -ENOMEM, "out of memory for the index of the recording");
		b->table = p;
		b->cap = cap;
	}
	b->table[b->cnt++] = *blk;
	return 0;
}

/* Header by header. A header may be good and its payload damaged: then the next one is searched from there. */
static int table_scan(struct sg_blocks *b, struct sg_err *err)
{
	struct sg_block blk;
	struct sg_block_head h;
	struct sg_trailer t;
	int rc;

	while (scan_next(b, &blk)) {
		uint64_t end = blk.off + HEAD + blk.stored;

		if (end > b->src.size) {
			b->cut_bytes = b->src.size - blk.off;
			b->no_end = b->ended = true;
			break;
		}
		rc = table_add(b, &blk, err);
		if (rc)
			return rc;
		if (end < b->src.size && !head_at(b, end, &h) && !trailer_at(b, end, &t)) {
			uint64_t off;

			if (search(b, blk.off + HEAD, &h, &off) && off < end)
				b->pos = off;
		}
	}
	return read_error(b, err);
}

/* The blocks of an index follow each other without a hole, up to the index. */
static bool entries_ok(const struct sg_index_entry *e, size_t n, uint64_t *pos, uint64_t end)
{
	for (size_t i = 0; i < n; i++) {
		if (e[i].off != *pos || e[i].stored > SG_BLOCK_STORED_MAX || e[i].first > e[i].last)
			return false;
		*pos = e[i].off + HEAD + e[i].stored;
		if (*pos > end)
			return false;
	}
	return true;
}

/* One INDEX block into the table. Return: 1 taken, 0 not usable, negative errno. */
static int index_take(struct sg_blocks *b, uint64_t *off, uint64_t *pos, uint64_t end, struct sg_err *err)
{
	struct sg_block_head h;
	struct sg_block blk = { .off = *off, .type = SG_BLOCK_INDEX };
	struct sg_index_entry *e;
	uint8_t *data;
	size_t len;
	int rc;

	if (!head_at(b, *off, &h) || h.type != SG_BLOCK_INDEX)
		return 0;
	blk.stored = h.stored;
	blk.seq = h.seq;
	rc = sg_blocks_load(b, &blk, 0, &data, &len, err);
	if (rc <= 0)
		return rc;
	e = (void *)data;
	if (len != h.count * sizeof(*e) || !h.count || !entries_ok(e, h.count, pos, end)) {
		free(data);
		return 0;
	}
	for (size_t i = 0; i < h.count && rc >= 0; i++) {
		blk = (struct sg_block){ .off = e[i].off,
					 .first = e[i].first,
					 .last = e[i].last,
					 .stored = e[i].stored,
					 .count = e[i].count,
					 .seq = (uint32_t)b->cnt,
					 .type = e[i].type,
					 .flags = e[i].flags };
		rc = table_add(b, &blk, err) ?: 1;
	}
	free(data);
	*off += HEAD + h.stored;
	return rc;
}

/* By the trailer. Return: 1, 0 when there is no usable index, negative errno. */
static int table_index(struct sg_blocks *b, struct sg_err *err)
{
	struct sg_trailer t;
	uint64_t pos = b->pos, off;
	int rc = 1;

	if (b->src.size < sizeof(t) || !trailer_at(b, b->src.size - sizeof(t), &t) || t.off >= b->src.size)
		return 0;
	off = t.off;
	while (rc > 0 && b->cnt < t.blocks)
		rc = index_take(b, &off, &pos, t.off, err);
	if (rc > 0 && b->cnt == t.blocks && pos == t.off && off == b->src.size - sizeof(t))
		return 1;
	b->cnt = 0;
	b->bad_blocks = b->bad_events = b->cut_bytes = 0;
	return rc < 0 ? rc : 0;
}

int sg_blocks_open(struct sg_blocks *b, struct sg_err *err)
{
	uint64_t low = UINT64_MAX;
	int rc = check_head(b, err);

	if (rc)
		return rc;
	if (inflateInit(&b->z) != Z_OK)
		return sg_err_set(err, -ENOMEM, "out of memory for the recording");
	b->z_ready = true;
	if (!b->src.seekable)
		return 0;
	rc = table_index(b, err);
	if (!rc)
		rc = table_scan(b, err);
	if (rc < 0)
		return rc;
	b->scan_bad_blocks = b->bad_blocks;
	for (size_t i = b->cnt; i-- > 0;) {
		b->table[i].low = low;
		if (b->table[i].type == SG_BLOCK_EVENTS && b->table[i].first < low)
			low = b->table[i].first;
	}
	return 0;
}

void sg_blocks_free(struct sg_blocks *b)
{
	if (b->z_ready)
		inflateEnd(&b->z);
	sg_source_free(&b->src);
	free(b->table);
}

int sg_blocks_next(struct sg_blocks *b, struct sg_block *ret, struct sg_err *err)
{
	if (!b->src.seekable)
		return scan_next(b, ret) ? 1 : read_error(b, err);
	if (b->next == b->cnt)
		return 0;
	*ret = b->table[b->next++];
	return 1;
}

void sg_blocks_rewind(struct sg_blocks *b)
{
	b->next = 0;
	b->bad_blocks = b->scan_bad_blocks;
	b->bad_events = 0;
}

/* Not readable: counted, and a pipe is searched from behind the header. */
static int damaged(struct sg_blocks *b, const struct sg_block *blk, struct sg_err *err)
{
	b->bad_blocks++;
	b->bad_events += blk->count;
	if (!b->src.seekable)
		b->pos = blk->off + HEAD;
	return read_error(b, err);
}

static bool inflate_all(struct sg_blocks *b, const uint8_t *in, size_t in_len, uint8_t *out, size_t len)
{
	b->z.next_in = (Bytef *)in;
	b->z.avail_in = (uInt)in_len;
	b->z.next_out = out;
	b->z.avail_out = (uInt)len;
	return inflateReset(&b->z) == Z_OK && inflate(&b->z, Z_FINISH) == Z_STREAM_END && !b->z.avail_out &&
	       !b->z.avail_in;
}

int sg_blocks_load(struct sg_blocks *b, const struct sg_block *blk, size_t pad, uint8_t **ret,
		   size_t *ret_len, struct sg_err *err)
{
	struct sg_block_head h;
	size_t have;
	const uint8_t *p = sg_source_at(&b->src, blk->off, HEAD + blk->stored, &have);
	uint8_t *out;

	if (!p || have < HEAD + blk->stored) {
		if (b->src.error || b->src.seekable)
			return damaged(b, blk, err);
		/* a pipe that ended: what is there is no whole block */
		b->cut_bytes = have;
		b->no_end = b->ended = true;
		return 0;
	}
	memcpy(&h, p, HEAD);
	p += HEAD;
	if (!sg_block_head_ok(&h) || h.type != blk->type || h.stored != blk->stored || h.seq != blk->seq ||
	    h.first != blk->first || h.last != blk->last || h.crc != sg_crc32(p, h.stored))
		return damaged(b, blk, err);
	out = malloc(h.raw + pad + 1);
	if (!out)
		return sg_err_set(err, -ENOMEM, "out of memory for a block of the recording");
	if (!inflate_all(b, p, h.stored, out, h.raw)) {
		free(out);
		return damaged(b, blk, err);
	}
	memset(out + h.raw, 0, pad + 1);
	*ret = out;
	*ret_len = h.raw;
	return 1;
}
