/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The map between a guest's clock and its host's: exact at its points, never back, and never further off than it says. */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include "gen_event.h"
#include "trace/clockmap.h"
#include "trace/joinclocks.h"

#define SECOND 1000000000ull

/* Two clocks whose rates differ and wander, as NTP steers them: by at most a millionth a second. */
struct clocks {
	uint64_t seed;
	double rate, offset; /* host = guest + offset; offset grows by rate */
	uint64_t guest;
};

static uint64_t host_at(const struct clocks *k, uint64_t guest)
{
	return guest + (uint64_t)(int64_t)(k->offset + (double)(guest - k->guest) * k->rate);
}

/* Every second a point, with an error of up to @worst ns that the point tells. */
static void simulate(uint64_t seed, uint64_t worst, struct sg_clocks *c, struct clocks *at, size_t n)
{
	struct clocks k = { .seed = seed, .guest = 5 * SECOND, .offset = 7e12 };

	k.rate = (double)(int64_t)(gen_u64(&k.seed) % 100000 - 50000) * 1e-9;
	for (size_t i = 0; i < n; i++) {
		uint64_t e = gen_u64(&k.seed) % worst + 1;
		struct sg_clock_point p = { .guest = k.guest, .error = e, .source = SG_CLOCK_EXCHANGE };

		at[i] = k;
		p.host = host_at(&k, k.guest) + gen_u64(&k.seed) % (2 * e + 1) - e;
		cr_assert_geq(sg_clocks_add(c, &p), 0);
		k.offset += (double)SECOND * k.rate;
		k.guest += SECOND;
		k.rate += (double)(int64_t)(gen_u64(&k.seed) % 1000 - 500) * 1e-9;
	}
	cr_assert_eq(sg_clocks_finish(c), 0);
}

Test(clockmap, bound_is_never_exceeded)
{
	enum { N = 60 };

	for (uint64_t seed = 1; seed <= 200; seed++) {
		uint64_t last = 0, s = seed * 77, worst = seed % 2 ? 300 : 60000;
		struct sg_clocks c = { 0 };
		struct clocks at[N];

		simulate(seed, worst, &c, at, N);
		cr_assert_not(c.stepped, "seed %lu", seed);
		cr_assert_geq(c.n, 2);
		for (unsigned i = 0; i + 1 < N; i++) {
			uint64_t g = at[i].guest + gen_u64(&s) % SECOND, want = host_at(&at[i], g), host,
				 error;
			uint64_t back, back_error;

			cr_assert(sg_clocks_host(&c, g, &host, &error));
			cr_assert_leq(host > want ? host - want : want - host, error,
				      "seed %lu, second %u: off by %ld, bound %lu", seed, i,
				      (long)(host - want), error);
			cr_assert_geq(host, last, "seed %lu: goes back", seed);
			last = host;
			cr_assert(sg_clocks_guest(&c, host, &back, &back_error));
			cr_assert_leq(back > g ? back - g : g - back, 2, "seed %lu", seed);
			cr_assert_leq(error, back_error + 2);
		}
		/* the bound is of use: no larger than the worst point's and what a second may wander */
		cr_assert_leq(sg_clocks_worst(&c, 0, 0), worst * 3 + 2000, "seed %lu", seed);
		sg_clocks_free(&c);
	}
}

Test(clockmap, exact_at_points_and_monotone)
{
	enum { N = 40 };
	struct sg_clocks c = { 0 };
	struct clocks at[N];
	uint64_t last = 0, host, error;

	simulate(9, 2000, &c, at, N);
	for (size_t i = 0; i < c.n; i++) {
		cr_assert(sg_clocks_host(&c, c.p[i].guest, &host, &error));
		cr_assert_eq(host, c.p[i].host);
		cr_assert_geq(error, c.p[i].error);
	}
	/* beyond both ends as well */
	for (uint64_t g = 0; g < (N + 20) * SECOND; g += SECOND / 16 + 1) {
		cr_assert(sg_clocks_host(&c, g, &host, &error));
		cr_assert_geq(host, last);
		last = host;
	}
	cr_assert(sg_clocks_host(&c, c.p[c.n - 1].guest + 100 * SECOND, &host, &error));
	cr_assert_gt(error, 100 * sg_clocks_worst(&c, 0, 0) / 100,
		     "the bound grows where there are no points");
	sg_clocks_free(&c);
}

/* What is said of the whole is true of every instant: behind the last point, and where only one is known. */
Test(clockmap, worst_is_of_every_instant)
{
	for (unsigned long seed = 1; seed <= 50; seed++) {
		struct sg_clocks c = { 0 };
		struct clocks at[40];
		uint64_t begin = (seed % 20) * SECOND, end = (20 + seed % 30) * SECOND, worst, most = 0, host,
			 error;

		simulate(seed, 2000, &c, at, seed % 5 ? 40 : 1);
		worst = sg_clocks_worst(&c, begin + 1, end);
		for (uint64_t g = begin + 1; g <= end; g += SECOND / 64) {
			cr_assert(sg_clocks_host(&c, g, &host, &error));
			cr_assert_leq(error, worst, "seed %lu: %lu, not %lu", seed, error, worst);
			most = error > most ? error : most;
		}
		cr_assert_leq(worst, most + most / 50 + 100, "seed %lu: no larger than it has to be", seed);
		sg_clocks_free(&c);
	}
	cr_assert_eq(sg_clocks_worst(&(struct sg_clocks){ 0 }, 0, SECOND), 0);
}

Test(clockmap, few_points)
{
	struct sg_clock_point p = { .guest = 10 * SECOND, .host = 12 * SECOND, .error = 50 };
	struct sg_clocks c = { 0 };
	uint64_t v, e;

	cr_assert_not(sg_clocks_host(&c, 5, &v, &e), "no point, no map");
	cr_assert_eq(sg_clocks_shift(&c), 0);
	cr_assert_eq(sg_clocks_add(&c, &p), 1);
	cr_assert(sg_clocks_host(&c, 11 * SECOND, &v, &e));
	cr_assert_eq(v, 13 * SECOND);
	cr_assert_eq(e, 50 + SG_CLOCKS_UNKNOWN_PPM * 1000, "the rate is not known");
	cr_assert(sg_clocks_guest(&c, 12 * SECOND, &v, &e));
	cr_assert_eq(v, 10 * SECOND);
	cr_assert_eq(e, 50);
	sg_clocks_free(&c);
}

Test(clockmap, step_voids_what_follows)
{
	for (int flagged = 0; flagged < 2; flagged++)
		for (int back = 0; back < 2; back++) {
			struct sg_clocks c = { 0 };
			uint64_t v, e;

			for (unsigned i = 0; i < 20; i++) {
				struct sg_clock_point p = { .guest = (i + 1) * SECOND, .error = 100 };

				p.host = p.guest + 5 * SECOND;
				if (i >= 10 && !flagged)
					p.host += back ? -3 * SECOND : SECOND / 100;
				if (i == 10 && flagged)
					p.flags = SG_CLOCKMAP_STEP;
				cr_assert_eq(sg_clocks_add(&c, &p), i < 10);
			}
			cr_assert(c.stepped);
			cr_assert_eq(sg_clocks_finish(&c), 0);
			cr_assert(sg_clocks_host(&c, 10 * SECOND, &v, &e));
			cr_assert_not(sg_clocks_host(&c, 10 * SECOND + 1, &v, &e));
			cr_assert_not(sg_clocks_guest(&c, 15 * SECOND + 1, &v, &e));
			sg_clocks_free(&c);
		}
}

/* Too little for a step: then it is in the bound, before and behind it, wherever between two points it was, and however far these are. */
Test(clockmap, a_small_step_is_within_the_bound)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		uint64_t s = seed, at, v, e, want, g = SECOND;
		int64_t set = (int64_t)(gen_u64(&s) % 800000) - 400000;
		unsigned behind = (unsigned)(gen_u64(&s) % 10);
		struct sg_clocks c = { 0 };

		at = 0;
		for (unsigned i = 0; i < 12; i++) {
			uint64_t next = g + SECOND / 2 + gen_u64(&s) % SECOND;
			struct sg_clock_point p = { .guest = g, .error = 60, .source = SG_CLOCK_TSC };

			p.host = g + 5 * SECOND + (uint64_t)(at ? set : 0) + gen_u64(&s) % 121 - 60;
			cr_assert_eq(sg_clocks_add(&c, &p), 1);
			if (i == behind)
				at = g + gen_u64(&s) % (next - g);
			g = next;
		}
		cr_assert_not(c.stepped);
		cr_assert_eq(sg_clocks_finish(&c), 0);
		for (uint64_t t = SECOND; t < g - SECOND; t += SECOND / 50) {
			want = t + 5 * SECOND + (uint64_t)(t > at ? set : 0);
			cr_assert(sg_clocks_host(&c, t, &v, &e));
			/* what is within the points' own errors is not seen: four of them, of points evenly spread */
			cr_assert_leq(v > want ? v - want : want - v, e + 16 * 60,
				      "seed %lu: set by %ld, %lu off, told %lu", seed, (long)set,
				      v > want ? v - want : want - v, e);
		}
		cr_assert_leq(sg_clocks_worst(&c, 0, 0), 4u * 400000u, "seed %lu", seed);
		sg_clocks_free(&c);
	}
}

Test(clockmap, noise_is_no_step)
{
	struct sg_clocks c = { 0 };
	struct sg_clock_point p[] = { { .guest = SECOND, .host = SECOND + 400, .error = 500 },
				      { .guest = SECOND + 100, .host = SECOND + 50, .error = 500 },
				      { .guest = 2 * SECOND, .host = 2 * SECOND, .error = 90000 },
				      { .guest = 3 * SECOND, .host = 3 * SECOND, .error = 500 } };

	cr_assert_eq(sg_clocks_add(&c, &p[0]), 1);
	cr_assert_eq(sg_clocks_add(&c, &p[1]), 0, "going back within the error: left out");
	cr_assert_eq(sg_clocks_add(&c, &p[2]), 1);
	cr_assert_eq(sg_clocks_add(&c, &p[3]), 1);
	cr_assert_not(c.stepped);
	cr_assert_eq(sg_clocks_finish(&c), 0);
	cr_assert_eq(c.n, 2, "a point that only widens the bound is left out");
	sg_clocks_free(&c);
}

/* What a hostile recording may hold: no arithmetic goes wrong, nothing goes back. */
Test(clockmap, any_numbers)
{
	uint64_t s = 4711;

	for (unsigned round = 0; round < 3000; round++) {
		struct sg_clocks c = { 0 };
		uint64_t last = 0, v, e;

		for (unsigned i = 0; i < 8; i++) {
			struct sg_clock_point p = { .guest = gen_value(&s, 8),
						    .host = gen_value(&s, 8),
						    .error = gen_value(&s, 8) };

			cr_assert_geq(sg_clocks_add(&c, &p), 0);
		}
		cr_assert_eq(sg_clocks_finish(&c), 0);
		for (unsigned i = 0; i <= 64; i++) {
			uint64_t g = i ? UINT64_MAX >> (64 - i) : 0;

			if (!sg_clocks_host(&c, g, &v, &e))
				continue;
			cr_assert_geq(v, last);
			last = v;
		}
		sg_clocks_worst(&c, 0, 0);
		sg_clocks_shift(&c);
		sg_clocks_free(&c);
	}
}

/*
 * A stamp whose clock is slow to read (no TSC for it: ACPI's timer, in a guest an exit) lies anywhere between its two readings of the
 * TSC: the bound is what was measured, of either machine, and not what it usually is.
 */
Test(clockmap, slow_stamps_widen_the_bound)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		uint64_t s = seed, slow_host = seed % 2 ? 200 : 90000, slow_guest = seed % 3 ? 150000 : 300,
			 v, e, want;
		struct sg_stamps host = { 0 }, guest = { 0 };
		struct sg_clocks c = { 0 };

		for (unsigned i = 0; i < 10; i++) {
			uint64_t t = (100 + i) * SECOND, h = gen_u64(&s) % (slow_host + 1),
				 g = gen_u64(&s) % (slow_guest + 1);
			struct sg_clock of_host = { .h = { .ts = t + h }, .tsc = 3 * t + 3 * slow_host / 2 },
					of_guest = { .h = { .ts = t + g - 5 * SECOND },
						     .tsc = 3 * t + 3 * slow_guest / 2 };

			of_host.width = 3 * slow_host;
			of_guest.width = 3 * slow_guest;
			cr_assert_eq(sg_stamps_add(&host, &of_host), 0);
			cr_assert_eq(sg_stamps_add(&guest, &of_guest), 0);
		}
		cr_assert_eq(sg_clocks_by_tsc(&host, &guest, &c), 0);
		for (uint64_t t = 96 * SECOND; t < 104 * SECOND; t += SECOND / 3) {
			want = t + 5 * SECOND;
			cr_assert(sg_clocks_host(&c, t, &v, &e));
			cr_assert_leq(v > want ? v - want : want - v, e, "seed %lu", seed);
		}
		cr_assert_leq(sg_clocks_worst(&c, 0, 0), 2 * (slow_host + slow_guest) + 2000, "seed %lu",
			      seed);
		sg_clocks_free(&c);
		sg_stamps_free(&host);
		sg_stamps_free(&guest);
	}
}

/* The host's wall clock is set within the bound, and the guest's follows or does not: no point is off by more than it says. */
Test(clockmap, a_wall_clock_that_was_set)
{
	const uint64_t bound = 1000000;

	for (int set = -950000; set <= 950000; set += 950000)
		for (int off = -950000; off <= 950000; off += 475000)
			for (unsigned at = 0; at < 10; at++) {
				struct sg_stamps host = { 0 }, guest = { 0 };
				struct sg_clocks c = { 0 };

				for (unsigned i = 0; i < 10; i++) {
					uint64_t t = (100 + i) * SECOND;
					uint64_t wall = t + 1000 * SECOND + (uint64_t)(i >= at ? set : 0);
					struct sg_clock h = { .h = { .ts = t }, .realtime_ns = wall };
					struct sg_clock g = { .h = { .ts = t - 5 * SECOND },
							      .realtime_ns = wall + (uint64_t)off };

					cr_assert_eq(sg_stamps_add(&host, &h), 0);
					cr_assert_eq(sg_stamps_add(&guest, &g), 0);
				}
				cr_assert_eq(sg_clocks_by_realtime(&host, &guest, bound, &c), 0);
				for (size_t i = 0; i < c.n; i++) {
					int64_t d = (int64_t)(c.p[i].host - c.p[i].guest - 5 * SECOND);

					cr_assert_leq((uint64_t)llabs(d), c.p[i].error,
						      "set by %d at stamp %u, guest off by %d: %" PRId64
						      " ns off, told within %" PRIu64,
						      set, at, off, d, c.p[i].error);
				}
				sg_stamps_free(&host);
				sg_stamps_free(&guest);
				sg_clocks_free(&c);
			}
}

/* Recordings made apart: one TSC of 3 ticks a ns, the guest's clock 5 s behind, its wall clock 2 ms off. */
Test(clockmap, from_the_stamps_of_two_recordings)
{
	struct sg_stamps host = { 0 }, guest = { 0 };
	uint64_t v, e;

	for (unsigned i = 0; i < 10; i++) {
		uint64_t t = (100 + i) * SECOND;
		struct sg_clock h = { .h = { .ts = t }, .realtime_ns = t + 1000 * SECOND, .tsc = 3 * t };
		struct sg_clock g = { .h = { .ts = t - 5 * SECOND + 300000000 },
				      .realtime_ns = t + 300000000 + 1000 * SECOND + 2000000,
				      .tsc = 3 * (t + 300000000) };

		cr_assert_eq(sg_stamps_add(&host, &h), 0);
		cr_assert_eq(sg_stamps_add(&guest, &g), 0);
	}
	for (int how = 0; how < 3; how++) {
		struct sg_clocks c = { 0 };

		cr_assert_eq(how == 0	? sg_clocks_by_tsc(&host, &guest, &c)
			     : how == 1 ? sg_clocks_by_realtime(&host, &guest, 3000000, &c)
					: sg_clocks_by_offset(5 * SECOND, 95 * SECOND, 105 * SECOND, 10,
							      SG_CLOCK_GIVEN, &c),
			     0);
		for (uint64_t t = 96 * SECOND; t < 104 * SECOND; t += SECOND / 3) {
			cr_assert(sg_clocks_host(&c, t, &v, &e));
			cr_assert_leq(v > t + 5 * SECOND ? v - t - 5 * SECOND : t + 5 * SECOND - v, e,
				      "way %d", how);
		}
		cr_assert_leq(sg_clocks_worst(&c, 0, 0), how == 1 ? 3003000 : 6000);
		sg_clocks_free(&c);
	}
	{
		struct sg_clocks c = { 0 };

		/* the host's wall clock is set behind the guest's last stamp: whose half is the true one? */
		for (unsigned i = 4; i < 10; i++)
			host.c[i].realtime_ns += 50000000;
		cr_assert_eq(sg_clocks_by_realtime(&host, &guest, 3000000, &c), -ERANGE);
		cr_assert_eq(c.n, 0);
		cr_assert_eq(sg_clocks_by_realtime(&host, &guest, 60000000, &c), 0,
			     "no more than agreed upon");
		cr_assert_eq(c.p[0].error, 60000000 + 50000000 + 2 * SG_STAMP_ERROR_NS);
		sg_clocks_free(&c);
		memset(&c, 0, sizeof(c));
		guest.c[3].tsc = 0;
		cr_assert_eq(sg_clocks_by_tsc(&host, &guest, &c), -ENODATA, "a machine without a TSC");
		sg_clocks_free(&c);
		guest.c[3].tsc = UINT64_MAX / 3;
		host.n = 1;
		cr_assert_eq(sg_clocks_by_tsc(&host, &guest, &c), -ENODATA);
		sg_clocks_free(&c);
	}
	sg_stamps_free(&host);
	sg_stamps_free(&guest);
}
