/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Differences: property P14, exactness against rationals, rounding at the end only. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gen_event.h"
#include "model/sums.h"

static void random_sums(uint64_t *seed, struct sg_sums *s)
{
	size_t n = gen_u64(seed) % 12;
	char comp[8], cause[8];

	memset(s, 0, sizeof(*s));
	s->n = 1 + gen_u64(seed) % (gen_u64(seed) % 2 ? 7 : 100000);
	for (size_t i = 0; i < n; i++) {
		snprintf(comp, sizeof(comp), "c%u", (unsigned)(gen_u64(seed) % 3));
		snprintf(cause, sizeof(cause), "x%u", (unsigned)(gen_u64(seed) % 5));
		cr_assert_eq(sg_sums_add(s, comp, cause, gen_u64(seed) >> (8 + gen_u64(seed) % 50)), 0);
	}
	sg_sums_sort(s);
}

static const struct sg_diff_row *row_of(const struct sg_diff *d, const struct sg_diff_row *like)
{
	for (size_t i = 0; i < d->nrow; i++)
		if (!strcmp(d->row[i].comp, like->comp) && !strcmp(d->row[i].cause, like->cause))
			return &d->row[i];
	return NULL;
}

static __int128 sum_of(const struct sg_sums *s, const struct sg_diff_row *r)
{
	for (size_t i = 0; i < s->nrow; i++)
		if (!strcmp(s->row[i].comp, r->comp) && !strcmp(s->row[i].cause, r->cause))
			return s->row[i].ns;
	return 0;
}

Test(diff, rows_sum_are_exact_and_antisymmetric)
{
	uint64_t seed = 20;

	for (int round = 0; round < 20000; round++) {
		uint64_t at = seed;
		struct sg_sums a, b;
		struct sg_diff ab, ba;
		int64_t sum = 0;
		uint64_t sum_a = 0, sum_b = 0;

		random_sums(&seed, &a);
		random_sums(&seed, &b);
		cr_assert_eq(sg_sums_diff(&ab, &a, &b), 0);
		cr_assert_eq(sg_sums_diff(&ba, &b, &a), 0);
		cr_assert_eq(ab.nrow, ba.nrow);
		cr_assert_eq(ab.diff_ns, -ba.diff_ns, "seed %lu", at);
		for (size_t i = 0; i < ab.nrow; i++) {
			const struct sg_diff_row *r = &ab.row[i], *back = row_of(&ba, r);
			__int128 num = sum_of(&b, r) * a.n - sum_of(&a, r) * b.n, den = (__int128)a.n * b.n;
			__int128 off = (__int128)r->ns * den - num;

			sum += r->ns;
			sum_a += r->a_ns;
			sum_b += r->b_ns;
			cr_assert(back);
			cr_assert_eq(back->ns, -r->ns, "seed %lu: %s %s", at, r->comp, r->cause);
			cr_assert(off < den && -off < den, "seed %lu: further than 1 ns from the exact mean",
				  at);
			if (i)
				cr_assert_geq(llabs(ab.row[i - 1].ns), llabs(r->ns));
		}
		cr_assert_eq(sum, ab.diff_ns, "seed %lu", at);
		cr_assert_eq(sum_a, ab.a_mean_ns);
		cr_assert_eq(sum_b, ab.b_mean_ns);
		sg_diff_free(&ab);
		sg_diff_free(&ba);
		sg_sums_free(&a);
		sg_sums_free(&b);
	}
}

Test(diff, of_itself_is_zero)
{
	uint64_t seed = 7;

	for (int round = 0; round < 500; round++) {
		struct sg_sums a;
		struct sg_diff d;

		random_sums(&seed, &a);
		cr_assert_eq(sg_sums_diff(&d, &a, &a), 0);
		cr_assert_eq(d.diff_ns, 0);
		for (size_t i = 0; i < d.nrow; i++)
			cr_assert_eq(d.row[i].ns, 0);
		sg_diff_free(&d);
		sg_sums_free(&a);
	}
}

Test(diff, a_cause_of_one_side_counts_as_nothing_on_the_other)
{
	struct sg_sums a = { .n = 2 }, b = { .n = 3 };
	struct sg_diff d;

	sg_sums_add(&a, "app", "cpu.user", 21);
	sg_sums_add(&b, "app", "mem.swapin", 10);
	sg_sums_sort(&a);
	sg_sums_sort(&b);
	cr_assert_eq(sg_sums_diff(&d, &a, &b), 0);
	/* 10/3 - 21/2 = -7.1667; -10.5 becomes -10 or -11, 3.33 becomes 3 or 4 */
	cr_assert_eq(d.diff_ns, -7);
	cr_assert_eq(d.nrow, 2);
	cr_assert_str_eq(d.row[0].cause, "cpu.user");
	cr_assert_eq(d.row[0].ns + d.row[1].ns, -7);
	cr_assert_eq(d.row[1].a_ns, 0);
	sg_diff_free(&d);
	sg_sums_free(&a);
	sg_sums_free(&b);
}

Test(diff, an_empty_side_is_no_data)
{
	struct sg_sums a = { .n = 0 }, b = { .n = 1 };
	struct sg_diff d;

	cr_assert_eq(sg_sums_diff(&d, &a, &b), -ENODATA);
	cr_assert_eq(sg_sums_diff(&d, &b, &a), -ENODATA);
}

Test(diff, rounding_is_half_away_from_zero_and_mirrored)
{
	static const struct {
		int64_t num[3], den, total, out[3];
	} cases[] = {
		{ { 1, 1, 1 }, 2, 2, { 1, 1, 0 } },   { { -1, -1, -1 }, 2, -2, { -1, -1, 0 } },
		{ { 1, 0, 0 }, 2, 1, { 1, 0, 0 } },   { { -1, 0, 0 }, 2, -1, { -1, 0, 0 } },
		{ { 1, 0, 0 }, 3, 0, { 0, 0, 0 } },   { { 5, -5, 0 }, 3, 0, { 2, -2, 0 } },
		{ { -5, 5, 0 }, 3, 0, { -2, 2, 0 } }, { { 9, 0, 9 }, 4, 5, { 3, 0, 2 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		__int128 num[3] = { cases[i].num[0], cases[i].num[1], cases[i].num[2] };
		int64_t out[3];

		cr_expect_eq(sg_round_sums(num, cases[i].den, 3, out), cases[i].total, "case %zu", i);
		for (int k = 0; k < 3; k++)
			cr_expect_eq(out[k], cases[i].out[k], "case %zu: %ld", i, out[k]);
	}
}

Test(diff, sums_near_the_limits_do_not_overflow)
{
	struct sg_sums a = { .n = UINT32_MAX }, b = { .n = UINT32_MAX - 1 };
	struct sg_diff d;

	sg_sums_add(&a, "app", "cpu.user", UINT64_MAX / 2);
	sg_sums_add(&b, "app", "cpu.user", UINT64_MAX / 2 - 1);
	sg_sums_add(&b, "app", "io.block", UINT64_MAX / 4);
	sg_sums_sort(&b);
	cr_assert_eq(sg_sums_diff(&d, &a, &b), 0);
	cr_assert_eq(d.a_mean_ns, (UINT64_MAX / 2 + UINT32_MAX / 2) / UINT32_MAX);
	cr_assert_eq(d.row[0].ns + d.row[1].ns, d.diff_ns);
	sg_diff_free(&d);
	a.n = 1ull << 33;
	cr_assert_eq(sg_sums_diff(&d, &a, &b), -EOVERFLOW);
	sg_sums_free(&a);
	sg_sums_free(&b);
}
