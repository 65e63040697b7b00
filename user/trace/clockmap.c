/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/clockmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 u128;

#define THIN_PPM 10 /* a point is left out when its neighbours are better by more than this much wander */
#define STEP_NS	 2000

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static uint64_t ppm(uint64_t ns, unsigned n)
{
	return ns / 1000000 * n + ns % 1000000 * n / 1000000;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* y on the line through (x0, y0) and (x1, y1), x0 < x1, y0 <= y1; goes on at both ends, from 0 to UINT64_MAX. */
static uint64_t line(uint64_t x, uint64_t x0, uint64_t y0, uint64_t x1, uint64_t y1)
{
	u128 d = (u128)apart(x, x0) * (y1 - y0) / (x1 - x0);

	if (x < x0)
		return d > y0 ? 0 : y0 - (uint64_t)d;
	return d > UINT64_MAX - y0 ? UINT64_MAX : y0 + (uint64_t)d;
}

/* ---- points -------------------------------------------------------------- */

/* By how much the clocks' distance differs between two points. */
static uint64_t moved(const struct sg_clock_point *a, const struct sg_clock_point *b)
{
	int64_t d = (int64_t)((b->host - b->guest) - (a->host - a->guest));

	return d < 0 ? 0 - (uint64_t)d : (uint64_t)d;
}

/* Could these two be of clocks that nobody set? */
static bool possible(const struct sg_clock_point *a, const struct sg_clock_point *b)
{
	uint64_t known = plus(plus(a->error, b->error), STEP_NS);

	return !(b->flags & SG_CLOCKMAP_STEP) && b->guest >= a->guest &&
	       moved(a, b) <= plus(known, ppm(b->guest - a->guest, SG_CLOCKS_SLEW_PPM));
}

int sg_clocks_add(struct sg_clocks *c, const struct sg_clock_point *p)
{
	const struct sg_clock_point *last = c->n ? &c->p[c->n - 1] : NULL;

	if (c->stepped)
		return 0;
	if (p->flags & SG_CLOCKMAP_STEP || (last && !possible(last, p))) {
		c->stepped = true;
		return 0;
	}
	/* the noise of a coarse exchange can look like going back */
	if (last && (p->guest <= last->guest || p->host <= last->host))
		return 0;
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		void *m = realloc(c->p, cap * sizeof(*c->p));

		if (!m)
			return -ENOMEM;
		c->p = m;
		c->cap = cap;
	}
	c->p[c->n++] = *p;
	c->finished = false;
	return 1;
}

int sg_clocks_feed(struct sg_clocks *c, const struct sg_clockmap *ev)
{
	struct sg_clock_point p = { .guest = ev->guest_ts,
				    .host = ev->host_ts,
				    .error = ev->error_ns,
				    .source = ev->source,
				    .flags = ev->flags & SG_CLOCKMAP_STEP };

	return sg_clocks_add(c, &p);
}

/* By how much point @b misses the line from @a to @c, beyond what their errors explain. */
static uint64_t bend(const struct sg_clock_point *a, const struct sg_clock_point *b,
		     const struct sg_clock_point *c)
{
	uint64_t off = apart(b->host, line(b->guest, a->guest, a->host, c->guest, c->host));
	uint64_t known = plus(b->error, max(a->error, c->error));

	return off > known ? off - known : 0;
}

int sg_clocks_finish(struct sg_clocks *c)
{
	size_t n = 0;

	if (c->finished)
		return 0;
	for (size_t i = 0; i < c->n; i++) {
		const struct sg_clock_point *p = &c->p[i];

		if (n && i + 1 < c->n) {
			uint64_t far = max(p->guest - c->p[n - 1].guest, p[1].guest - p->guest);

			if (plus(max(c->p[n - 1].error, p[1].error), ppm(far, THIN_PPM)) < p->error)
				continue;
		}
		c->p[n++] = *p;
	}
	c->n = n;
	free(c->bend);
	c->bend = calloc(n + 1, sizeof(*c->bend));
	if (!c->bend)
		return -ENOMEM;
	for (size_t i = 1; i + 1 < n; i++)
		c->bend[i] = bend(&c->p[i - 1], &c->p[i], &c->p[i + 1]);
	c->finished = true;
	return 0;
}

void sg_clocks_free(struct sg_clocks *c)
{
	free(c->p);
	free(c->bend);
	memset(c, 0, sizeof(*c));
}

uint64_t sg_clocks_shift(const struct sg_clocks *c)
{
	const struct sg_clock_point *best = c->p;

	for (size_t i = 1; i < c->n; i++)
		if (c->p[i].error < best->error)
			best = &c->p[i];
	return c->n ? best->host - best->guest : 0;
}

/* ---- the map ------------------------------------------------------------- */

/* Index of the last point at or before @v on one of the clocks; 0 when all are behind it. */
static size_t find(const struct sg_clocks *c, uint64_t v, bool host)
{
	size_t lo = 0, hi = c->n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if ((host ? c->p[mid].host : c->p[mid].guest) <= v)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/*
 * By how much a clock can have been set between points @i and @i + 1, too little to be a step: the point before it misses the line of
 * its neighbours by its share of that, and so does the point behind it. What only one of them misses was no step.
 */
static uint64_t jump(const struct sg_clocks *c, size_t i)
{
	uint64_t between = c->p[i + 1].guest - c->p[i].guest, by[2] = { UINT64_MAX, UINT64_MAX };

	for (size_t k = 0; k < 2; k++) {
		size_t at = i + k;
		u128 v;

		if (!at || at + 1 == c->n)
			continue;
		/* to the neighbour on its other side */
		by[k] = k ? c->p[at + 1].guest - c->p[at].guest : c->p[at].guest - c->p[at - 1].guest;
		v = (u128)c->bend[at] * ((u128)between + by[k]) / by[k];
		by[k] = v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
	}
	return c->n < 3 ? 0 : by[0] < by[1] ? by[0] : by[1];
}

static uint64_t bound(const struct sg_clocks *c, size_t i, uint64_t guest)
{
	const struct sg_clock_point *a = &c->p[i], *b = a + 1;
	uint64_t e = max(a->error, b->error), near;

	if (c->bend)
		e = plus(e, max(max(c->bend[i], c->bend[i + 1]), jump(c, i)));
	if (guest >= a->guest && guest <= b->guest) {
		near = guest - a->guest < b->guest - guest ? guest - a->guest : b->guest - guest;
		return plus(e, (near >> 20) * SG_CLOCKS_WANDER + (near != 0));
	}
	/* beyond the points: the line's own slope is only as good as they are */
	near = guest < a->guest ? a->guest - guest : guest - b->guest;
	e = plus(e, (near >> 20) * SG_CLOCKS_WANDER + 1);
	return plus(e, (uint64_t)((u128)near * plus(a->error, b->error) / (b->guest - a->guest)));
}

static bool map(const struct sg_clocks *c, uint64_t v, bool host, uint64_t *ret, uint64_t *ret_error)
{
	const struct sg_clock_point *a, *last = c->n ? &c->p[c->n - 1] : NULL;
	size_t i;

	if (!last || (c->stepped && v > (host ? last->host : last->guest)))
		return false;
	if (c->n == 1) {
		uint64_t from = host ? last->host : last->guest, to = host ? last->guest : last->host;

		*ret = line(v, from, to, from + 1, to + 1);
		*ret_error = plus(last->error, ppm(apart(v, from), SG_CLOCKS_UNKNOWN_PPM));
		return true;
	}
	i = find(c, v, host);
	if (i == c->n - 1)
		i--;
	a = &c->p[i];
	*ret = host ? line(v, a->host, a->guest, a[1].host, a[1].guest)
		    : line(v, a->guest, a->host, a[1].guest, a[1].host);
	*ret_error = bound(c, i, host ? *ret : v) + host;
	return true;
}

bool sg_clocks_host(const struct sg_clocks *c, uint64_t guest, uint64_t *ret, uint64_t *ret_error)
{
	return map(c, guest, false, ret, ret_error);
}

bool sg_clocks_guest(const struct sg_clocks *c, uint64_t host, uint64_t *ret, uint64_t *ret_error)
{
	return map(c, host, true, ret, ret_error);
}

static uint64_t bound_at(const struct sg_clocks *c, uint64_t guest)
{
	uint64_t host, e;

	return map(c, guest, false, &host, &e) ? e : 0;
}

uint64_t sg_clocks_worst(const struct sg_clocks *c, uint64_t begin, uint64_t end)
{
	uint64_t worst;

	if (!c->n)
		return 0;
	begin = begin ? begin : c->p[0].guest;
	end = end ? end : c->p[c->n - 1].guest;
	worst = max(bound_at(c, begin), bound_at(c, end));
	for (size_t i = 0; i + 1 < c->n; i++) {
		uint64_t lo = max(c->p[i].guest, begin),
			 hi = c->p[i + 1].guest < end ? c->p[i + 1].guest : end,
			 mid = c->p[i].guest + (c->p[i + 1].guest - c->p[i].guest) / 2;

		/* between two points it is largest in the middle */
		if (lo <= hi)
			worst = max(worst, bound_at(c, mid < lo ? lo : mid > hi ? hi : mid));
	}
	return worst;
}
