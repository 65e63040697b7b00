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

/**
 * sg_wire_expand() - the record that @h stands for
 * @h:    a record of the ring, @size readable bytes
 * @room: where a short slice is written out; everything else passes through
 *
 * Return: the record, or NULL when its counts claim more than @size.
 */
const struct sg_hdr *sg_wire_expand(const struct sg_hdr *h, size_t size, union sg_wire_slice *room);

#endif
