/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What crosses the ring in a short form becomes a record of the recording. Pure. */
#ifndef SG_WIRE_H
#define SG_WIRE_H

#include "trace/event.h"

/* Room for the largest slice. */
union sg_wire_slice {
	struct sg_slice s;
	unsigned char bytes[sizeof(struct sg_slice) + 255 * sizeof(struct sg_pair)];
};

typedef int (*sg_wire_fn)(void *ctx, const struct sg_hdr *h);

/**
 * sg_wire_each() - every record that a piece of the ring stands for, in order
 * @room: as for sg_wire_expand(); what @fn gets is valid during the call
 *
 * Return: 0, the first negative return of @fn, or -EBADMSG when the piece claims more than @size.
 */
int sg_wire_each(const struct sg_hdr *h, size_t size, union sg_wire_slice *room, sg_wire_fn fn, void *ctx);

/**
 * sg_wire_expand() - the record that @h stands for
 * @h:    a record of the ring, @size readable bytes
 * @room: where a short slice is written out; everything else passes through
 *
 * Return: the record, or NULL when its counts claim more than @size.
 */
const struct sg_hdr *sg_wire_expand(const struct sg_hdr *h, size_t size, union sg_wire_slice *room);

#endif
