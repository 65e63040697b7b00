/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The blocks of a recording in file order, by its index, by a scan of the block
 * headers where it has none, or one after the other from a pipe.
 */
#ifndef SG_BLOCKS_H
#define SG_BLOCKS_H

#include <zlib.h>
#include "base/err.h"
#include "trace/format.h"
#include "trace/source.h"

struct sg_block {
	uint64_t off, first, last;
	uint64_t low; /* no later block has an event before this */
	uint32_t stored, count, seq;
	uint16_t type, flags;
	bool gap; /* blocks are missing before this one */
};

struct sg_blocks {
	struct sg_source src;
	struct sg_block *table; /* seekable: all of them */
	size_t cnt, cap;
	size_t next;
	/* scan */
	uint64_t pos;
	uint32_t seq;
	uint64_t low;
	/* what could not be read */
	uint64_t bad_blocks, bad_events, cut_bytes, extra_bytes, skipped_bytes;
	uint64_t scan_bad_blocks; /* of them: already known from the scan */
	bool no_end, ended;
	z_stream z;
	bool z_ready;
};

/** sg_blocks_open() - check the file header and find the blocks; @b->src is initialised. Free in any case. */
int sg_blocks_open(struct sg_blocks *b, struct sg_err *err);
void sg_blocks_free(struct sg_blocks *b);

/** sg_blocks_next() - the next block. Return: 1, 0 at the end, negative errno. */
int sg_blocks_next(struct sg_blocks *b, struct sg_block *ret, struct sg_err *err);

/** sg_blocks_rewind() - start again at the first block (seekable only) */
void sg_blocks_rewind(struct sg_blocks *b);

/**
 * sg_blocks_load() - payload of @blk, checked and inflated
 * @pad: readable zero bytes behind it
 * @ret: to be freed by the caller
 *
 * Return: 1; 0 when it is damaged or cut, which is counted; negative errno.
 */
int sg_blocks_load(struct sg_blocks *b, const struct sg_block *blk, size_t pad, uint8_t **ret,
		   size_t *ret_len, struct sg_err *err);

#endif
