/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Two clocks side by side: points at which a guest's clock and the host's were seen
 * together, and the map between them: a straight line from point to point, so that it is
 * exact at the points, never goes back, and says how far off it can be. Pure.
 */
#ifndef SG_CLOCKMAP_H
#define SG_CLOCKMAP_H

#include <stdbool.h>
#include <stddef.h>
#include "trace/event.h"

/* How much the rate of a clock may change between two points, in parts per 2^20: NTP steers by less once it has settled. */
#define SG_CLOCKS_WANDER 1
/* Rates apart by more than this are no rates: NTP slews by 500 ppm at most, either side. */
#define SG_CLOCKS_SLEW_PPM 1000
/* With one point the rate is not known: what quartz and a kernel's calibration may be off by. */
#define SG_CLOCKS_UNKNOWN_PPM 200

struct sg_clock_point {
	uint64_t guest, host; /* ns of their CLOCK_MONOTONIC */
	uint64_t error;	      /* ns: host is true to this, both ways */
	uint16_t source;      /* enum sg_clockmap_source */
	uint16_t flags;	      /* SG_CLOCKMAP_STEP */
};

struct sg_clocks {
	struct sg_clock_point *p;
	uint64_t *
		bend; /* after sg_clocks_finish(): by how much the line through its neighbours misses a point */
	size_t n, cap;
	bool stepped; /* a clock was set behind the last point: no map from there on */
	bool finished;
};

/**
 * sg_clocks_add() - one more point; points come in the order of the guest's clock
 *
 * A point that says no more than its neighbours is left out. One that cannot be, as a
 * clock was set (suspend, migration, a write to the TSC) or as it is flagged so, ends
 * the map: stepped. Return: 1 taken, 0 not, -ENOMEM.
 */
int sg_clocks_add(struct sg_clocks *c, const struct sg_clock_point *p);

/** sg_clocks_finish() - all points are there: leaves out what only widens the bound */
int sg_clocks_finish(struct sg_clocks *c);
void sg_clocks_free(struct sg_clocks *c);

/** sg_clocks_shift() - host - guest (modulo 2^64) at the point that is known best; 0 without a point */
uint64_t sg_clocks_shift(const struct sg_clocks *c);

/**
 * sg_clocks_host() - a guest's instant on the host's clock
 * @ret_error: the truth is within this, both ways
 *
 * Before the first and behind the last point the nearest line goes on, with a bound that
 * grows. Return: false when there is no map there: no point, or behind a step.
 */
bool sg_clocks_host(const struct sg_clocks *c, uint64_t guest, uint64_t *ret, uint64_t *ret_error);
/** sg_clocks_guest() - the way back */
bool sg_clocks_guest(const struct sg_clocks *c, uint64_t host, uint64_t *ret, uint64_t *ret_error);

/** sg_clocks_feed() - add from a CLOCKMAP record, whatever its machine */
int sg_clocks_feed(struct sg_clocks *c, const struct sg_clockmap *ev);

/**
 * sg_clocks_worst() - the largest bound of any instant from @begin to @end of the guest's clock that is mapped
 *
 * 0 stands for the first point, and for the last one. 0 without a point.
 */
uint64_t sg_clocks_worst(const struct sg_clocks *c, uint64_t begin, uint64_t end);

#endif
