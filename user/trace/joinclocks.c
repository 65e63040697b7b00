/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "trace/joinclocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "trace/rec.h"

int sg_stamps_add(struct sg_stamps *s, const struct sg_clock *c)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		void *m = realloc(s->c, cap * sizeof(*s->c));

		if (!m)
			return -ENOMEM;
		s->c = m;
		s->cap = cap;
	}
	s->c[s->n++] = *c;
	return 0;
}

int sg_stamps_read(struct sg_stamps *s, int fd, struct sg_err *err)
{
	const struct sg_hdr *h;
	struct sg_reader *r;
	int rc = sg_reader_open(&r, fd, err);

	if (rc)
		return rc;
	while ((rc = sg_reader_next(r, &h, err)) > 0)
		if (h->kind == SG_REC_CLOCK && sg_stamps_add(s, (const void *)h)) {
			rc = sg_err_set(err, -ENOMEM, "out of memory for the clocks of the recording");
			break;
		}
	sg_reader_close(r);
	return rc;
}

void sg_stamps_free(struct sg_stamps *s)
{
	free(s->c);
	memset(s, 0, sizeof(*s));
}

/* A host's stamps as (key, its time): the pair around @key, or the nearest one. */
static const struct sg_clock *around(const struct sg_stamps *s, uint64_t tsc)
{
	size_t lo = 0, hi = s->n - 1;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->c[mid].tsc <= tsc)
			lo = mid;
		else
			hi = mid;
	}
	return &s->c[lo];
}

static bool ascending(const struct sg_stamps *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->c[i].tsc ||
		    (i && (s->c[i].tsc <= s->c[i - 1].tsc || s->c[i].h.ts < s->c[i - 1].h.ts)))
			return false;
	return true;
}

/* More than a century: stamps of a recording that was made to be read by nobody. */
#define FAR_NS 4e18

/* How far a stamp's time can be from its reading of the TSC. */
static double stamp_error(const struct sg_clock *c, double per_tick)
{
	return c->width ? (double)c->width / 2 * per_tick + 1 : SG_STAMP_ERROR_NS;
}

/* One stamp of the guest on the host's clock; false: too far from the host's. */
static bool by_tsc(const struct sg_stamps *host, const struct sg_clock *g, struct sg_clock_point *ret)
{
	const struct sg_clock *a = around(host, g->tsc), *b = a + 1;
	double span = (double)(b->h.ts - a->h.ts), per_tick = span / (double)(b->tsc - a->tsc);
	double ns = (double)(int64_t)(g->tsc - a->tsc) * per_tick, far = ns < 0 ? -ns : ns - span, near,
	       error;
	double of_a = stamp_error(a, per_tick), of_b = stamp_error(b, per_tick);

	/* beyond the host's stamps its rate is as good as two of them tell it; between them it may wander */
	near = far > 0 ? far : ns < span - ns ? ns : span - ns;
	error = (of_a > of_b ? of_a : of_b) + stamp_error(g, per_tick) + near / (1 << 20) * SG_CLOCKS_WANDER +
		1;
	error += far > 0 ? far * (of_a + of_b) / (span + 1) : 0;
	if (!(ns > -FAR_NS && ns < FAR_NS && error < FAR_NS))
		return false;
	*ret = (struct sg_clock_point){ .guest = g->h.ts,
					.host = a->h.ts + (uint64_t)(int64_t)ns,
					.error = (uint64_t)error,
					.source = SG_CLOCK_TSC };
	return true;
}

int sg_clocks_by_tsc(const struct sg_stamps *host, const struct sg_stamps *guest, struct sg_clocks *ret)
{
	if (host->n < 2 || !guest->n || !ascending(host))
		return -ENODATA;
	for (size_t i = 0; i < guest->n; i++) {
		struct sg_clock_point p;
		int rc = 0;

		if (!guest->c[i].tsc)
			return -ENODATA;
		if (by_tsc(host, &guest->c[i], &p))
			rc = sg_clocks_add(ret, &p);
		if (rc < 0)
			return rc;
	}
	return ret->n ? sg_clocks_finish(ret) : -ENODATA;
}

int sg_clocks_by_realtime(const struct sg_stamps *host, const struct sg_stamps *guest, uint64_t bound,
			  struct sg_clocks *ret)
{
	uint64_t host_off, worst = 0, error;

	if (!host->n || !guest->n)
		return -ENODATA;
	/* one offset for the host: its CLOCK_REALTIME moves against its CLOCK_MONOTONIC only when it is set */
	host_off = host->c[host->n / 2].realtime_ns - host->c[host->n / 2].h.ts;
	for (size_t i = 0; i < host->n; i++) {
		int64_t d = (int64_t)(host->c[i].realtime_ns - host->c[i].h.ts - host_off);
		uint64_t far = d < 0 ? 0 - (uint64_t)d : (uint64_t)d;

		worst = far > worst ? far : worst;
	}
	if (worst > SG_STAMP_ERROR_NS && worst - SG_STAMP_ERROR_NS > bound)
		return -ERANGE;
	/* the guest agrees with the host's clock as it was then, which that offset may miss by @worst; and two readings */
	error = worst + 2 * SG_STAMP_ERROR_NS;
	error = bound < UINT64_MAX - error ? bound + error : UINT64_MAX;
	for (size_t i = 0; i < guest->n; i++) {
		struct sg_clock_point p = { .guest = guest->c[i].h.ts,
					    .host = guest->c[i].realtime_ns - host_off,
					    .error = error,
					    .source = SG_CLOCK_REALTIME };
		int rc = sg_clocks_add(ret, &p);

		if (rc < 0)
			return rc;
	}
	return sg_clocks_finish(ret);
}

int sg_clocks_by_offset(uint64_t offset, uint64_t begin, uint64_t end, uint64_t error, unsigned source,
			struct sg_clocks *ret)
{
	struct sg_clock_point p[2] = {
		{ .guest = begin, .error = error, .source = (uint16_t)source },
		{ .guest = end > begin ? end : begin + 1, .error = error, .source = (uint16_t)source }
	};
	int rc = 0;

	for (int i = 0; i < 2 && rc >= 0; i++) {
		p[i].host = p[i].guest + offset;
		rc = sg_clocks_add(ret, &p[i]);
	}
	return rc < 0 ? rc : sg_clocks_finish(ret);
}
