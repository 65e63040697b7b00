/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <math.h>
#include "base/stats.h"

Test(stats, empty_is_zero)
{
	struct sg_stats s;

	sg_stats_of(&s, NULL, 0);
	cr_assert_eq(s.n, 0);
	cr_assert_eq(s.mean_ns, 0);
	cr_assert_eq(s.p99_ns, 0);
}

Test(stats, one_value_is_every_quantile)
{
	uint64_t v[] = { 7 };
	struct sg_stats s;

	sg_stats_of(&s, v, 1);
	cr_assert_eq(s.min_ns, 7);
	cr_assert_eq(s.p50_ns, 7);
	cr_assert_eq(s.p90_ns, 7);
	cr_assert_eq(s.p99_ns, 7);
	cr_assert_eq(s.max_ns, 7);
	cr_assert_eq(s.mean_ns, 7);
}

Test(stats, sorts_and_ranks_without_interpolation)
{
	uint64_t v[100];
	struct sg_stats s;

	for (size_t i = 0; i < 100; i++)
		v[i] = 1000 * (100 - i); /* falling: 100000 .. 1000 */
	sg_stats_of(&s, v, 100);
	cr_assert_eq(s.min_ns, 1000);
	cr_assert_eq(s.p50_ns, 50000);
	cr_assert_eq(s.p90_ns, 90000);
	cr_assert_eq(s.p99_ns, 99000);
	cr_assert_eq(s.max_ns, 100000);
	cr_assert_eq(s.mean_ns, 50500);
}

/* With few values the high quantile is the largest one: nothing is invented between. */
Test(stats, few_values)
{
	uint64_t v[] = { 30, 10, 20 };
	struct sg_stats s;

	sg_stats_of(&s, v, 3);
	cr_assert_eq(s.p50_ns, 20);
	cr_assert_eq(s.p90_ns, 30);
	cr_assert_eq(s.p99_ns, 30);
}

Test(stats, mean_rounds_to_nearest_and_does_not_overflow)
{
	uint64_t a[] = { 1, 2 }, b[] = { 1, 1, 2 }, c[] = { UINT64_MAX, UINT64_MAX, UINT64_MAX - 3 };
	struct sg_stats s;

	sg_stats_of(&s, a, 2);
	cr_assert_eq(s.mean_ns, 2);
	sg_stats_of(&s, b, 3);
	cr_assert_eq(s.mean_ns, 1);
	sg_stats_of(&s, c, 3);
	cr_assert_eq(s.mean_ns, UINT64_MAX - 1);
}

/* The rank is right at and around the sizes where a careless product or a float would slip. */
Test(stats, rank_edges)
{
	uint64_t v[2001];

	for (size_t i = 0; i < 2001; i++)
		v[i] = i + 1;
	cr_assert_eq(sg_stats_rank(v, 1000, 990), 990);
	cr_assert_eq(sg_stats_rank(v, 1001, 990), 991);
	cr_assert_eq(sg_stats_rank(v, 1999, 990), 1980);
	cr_assert_eq(sg_stats_rank(v, 2001, 500), 1001);
	cr_assert_eq(sg_stats_rank(v, 2001, 1000), 2001);
	cr_assert_eq(sg_stats_rank(v, 2001, 1), 3);
	cr_assert_eq(sg_stats_rank(v, 0, 500), 0);
}

Test(stats, spread)
{
	uint64_t v[] = { 90, 110, 100 }, same[] = { 5, 5 }, zero[] = { 0, 0 };

	cr_assert_float_eq(sg_stats_spread(v, 3), 0.2, 1e-12);
	cr_assert_float_eq(sg_stats_spread(same, 2), 0, 1e-12);
	cr_assert_float_eq(sg_stats_spread(zero, 2), 0, 1e-12);
	cr_assert_float_eq(sg_stats_spread(v, 1), 0, 1e-12);
}

Test(stats, ratio_and_median)
{
	double odd[] = { 3, 1, 2 }, even[] = { 4, 1, 3, 2 };

	cr_expect_float_eq(sg_stats_ratio(3, 2), 1.5, 1e-12);
	cr_expect_float_eq(sg_stats_ratio(3, 0), 0, 1e-12);
	cr_expect_float_eq(sg_stats_median(odd, 3), 2, 1e-12);
	cr_expect_float_eq(sg_stats_median(even, 4), 2.5, 1e-12);
	cr_expect_float_eq(sg_stats_median(odd, 0), 0, 1e-12);
}

/* Against a published example: 5 values, t(4) = 2.776. */
Test(stats, half_width_of_the_mean)
{
	double v[] = { 1, 2, 3, 4, 5 }, one[] = { 7 }, mean, many[400];

	cr_expect_float_eq(sg_stats_half(v, 5, &mean), 2.776 * 1.5811388 / 2.2360680, 1e-3);
	cr_expect_float_eq(mean, 3, 1e-12);
	cr_expect(isinf(sg_stats_half(one, 1, &mean)));
	cr_expect_float_eq(mean, 7, 1e-12);
	cr_expect(isinf(sg_stats_half(one, 0, &mean)));
	for (int i = 0; i < 400; i++)
		many[i] = i % 2; /* deviation 0.5006, t(399) = 1.9659 */
	cr_expect_float_eq(sg_stats_half(many, 400, &mean), 1.9659 * 0.500626 / 20, 1e-5);
}
