/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Map from a pair of integers to a 32-bit value: open addressing, cleared in constant time. */
#ifndef SG_PAIRMAP_H
#define SG_PAIRMAP_H

#include <stddef.h>
#include <stdint.h>

struct sg_pairmap_slot {
	uint64_t a, b;
	uint32_t val;
	uint32_t gen; /* in use when equal to the map's */
};

/* All zero is an empty map. */
struct sg_pairmap {
	struct sg_pairmap_slot *slot;
	size_t cap, n;
	uint32_t gen;
};

/**
 * sg_pairmap_at() - the value of (a, b), inserted as @init when absent
 * @ret_new: set to 1 when it was inserted now; may be NULL
 *
 * Return: pointer valid until the next insertion, NULL when out of memory.
 */
uint32_t *sg_pairmap_at(struct sg_pairmap *m, uint64_t a, uint64_t b, uint32_t init, int *ret_new);
/** sg_pairmap_get() - the value of (a, b), or NULL. */
const uint32_t *sg_pairmap_get(const struct sg_pairmap *m, uint64_t a, uint64_t b);
void sg_pairmap_clear(struct sg_pairmap *m);
void sg_pairmap_free(struct sg_pairmap *m);

#endif
