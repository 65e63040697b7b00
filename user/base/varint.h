/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Variable-length integers: seven bits a byte, low bits first, the high bit says "more". */
#ifndef SG_VARINT_H
#define SG_VARINT_H

#include <stdint.h>

#define SG_VARINT_MAX 10 /* bytes of the longest */

/** sg_varint_put() - write @v at @p, which has SG_VARINT_MAX bytes; returns what follows it */
static inline uint8_t *sg_varint_put(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/**
 * sg_varint_get() - read at *@pp and move it on
 *
 * Reads at most SG_VARINT_MAX bytes and checks no end: the caller's buffer has
 * that many readable bytes behind it, and compares *@pp with the end afterwards.
 */
static inline uint64_t sg_varint_get(const uint8_t **pp)
{
	const uint8_t *p = *pp;
	uint64_t v = *p++;

	if (v & 0x80) {
		v = (v & 0x7f) | (uint64_t)*p << 7;
		if (*p++ & 0x80) {
			v &= 0x3fff;
			for (unsigned shift = 14; shift < 70; shift += 7) {
				uint8_t b = *p++;

				v |= (uint64_t)(b & 0x7f) << shift;
				if (!(b & 0x80))
					break;
			}
		}
	}
	*pp = p;
	return v;
}

/* Small numbers of either sign to small numbers. */
static inline uint64_t sg_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t sg_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

#endif
