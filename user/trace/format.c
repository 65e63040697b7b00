/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/format.h"

#include <zlib.h>

uint32_t sg_crc32(const void *p, size_t len)
{
	return (uint32_t)crc32(0, p, (uInt)len);
}

bool sg_block_head_ok(const struct sg_block_head *h)
{
	return h->magic == SG_BLOCK_MAGIC &&
	       h->head_crc == sg_crc32(h, offsetof(struct sg_block_head, head_crc)) &&
	       h->raw <= SG_BLOCK_RAW_MAX && h->stored <= SG_BLOCK_STORED_MAX && h->first <= h->last;
}
