/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include "base/parse.h"

#define SEC 1000000000ull

Test(parse, u64)
{
	uint64_t v = 99;

	cr_assert_eq(sg_parse_u64("0", 0, 10, &v), 0);
	cr_assert_eq(v, 0);
	cr_assert_eq(sg_parse_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
	cr_assert_eq(v, UINT64_MAX);
	cr_assert_eq(sg_parse_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
	cr_assert_eq(sg_parse_u64("11", 0, 10, &v), -ERANGE);
	cr_assert_eq(sg_parse_u64("1", 2, 10, &v), -ERANGE);
	for (const char *const *t =
		     (const char *const[]){ "", " 1", "1 ", "+1", "-1", "0x10", "1e3", "one", NULL };
	     *t; t++)
		cr_assert_eq(sg_parse_u64(*t, 0, 10, &v), -EINVAL, "%s", *t);
	cr_assert_eq(v, UINT64_MAX, "untouched on failure");
}

Test(parse, size)
{
	const struct {
		const char *text;
		uint64_t v;
	} ok[] = {
		{ "1", 1 },
		{ "4096", 4096 },
		{ "64K", 65536 },
		{ "64k", 65536 },
		{ "256M", 256ull << 20 },
		{ "1.5G", 3ull << 29 },
		{ "2GiB", 2ull << 30 },
		{ "2GB", 2ull << 30 },
		{ "1T", 1ull << 40 },
		{ "0.5K", 512 },
		{ "7B", 7 },
	};
	uint64_t v = 0;

	for (size_t i = 0; i < sizeof(ok) / sizeof(ok[0]); i++) {
		cr_assert_eq(sg_parse_size(ok[i].text, &v), 0, "%s", ok[i].text);
		cr_assert_eq(v, ok[i].v, "%s", ok[i].text);
	}
	for (const char *const *t = (const char *const[]){ "", "0", "0M", "M", "1.M", ".5M", "1MM", "1 M",
							   "-1M", "1.0000001G", NULL };
	     *t; t++)
		cr_assert_eq(sg_parse_size(*t, &v), -EINVAL, "%s", *t);
	cr_assert_eq(sg_parse_size("99999999999T", &v), -ERANGE);
	cr_assert_eq(sg_parse_size("18446744073709551615G", &v), -ERANGE);
}

Test(parse, duration)
{
	uint64_t v = 0;

	cr_assert_eq(sg_parse_duration("10s", SEC, &v), 0);
	cr_assert_eq(v, 10 * SEC);
	cr_assert_eq(sg_parse_duration("10", SEC, &v), 0);
	cr_assert_eq(v, 10 * SEC);
	cr_assert_eq(sg_parse_duration("1.5ms", SEC, &v), 0);
	cr_assert_eq(v, 1500000);
	cr_assert_eq(sg_parse_duration("50", 1000, &v), 0);
	cr_assert_eq(v, 50000);
	cr_assert_eq(sg_parse_duration("2m", SEC, &v), 0);
	cr_assert_eq(v, 120 * SEC);
	cr_assert_eq(sg_parse_duration("1h", SEC, &v), 0);
	cr_assert_eq(v, 3600 * SEC);
	cr_assert_eq(sg_parse_duration("0.1ns", SEC, &v), -EINVAL);
	cr_assert_eq(sg_parse_duration("0s", SEC, &v), -EINVAL);
	cr_assert_eq(sg_parse_duration("1sec", SEC, &v), -EINVAL);
	cr_assert_eq(sg_parse_duration("99999999h", SEC, &v), -ERANGE);
}

Test(parse, list)
{
	unsigned v[4];

	cr_assert_eq(sg_parse_list("0,2,4", 64, v, 4), 3);
	cr_assert(v[0] == 0 && v[1] == 2 && v[2] == 4);
	cr_assert_eq(sg_parse_list("7", 64, v, 4), 1);
	cr_assert_eq(sg_parse_list("", 64, v, 4), -EINVAL);
	cr_assert_eq(sg_parse_list("1,", 64, v, 4), -EINVAL);
	cr_assert_eq(sg_parse_list("1,,2", 64, v, 4), -EINVAL);
	cr_assert_eq(sg_parse_list("1 2", 64, v, 4), -EINVAL);
	cr_assert_eq(sg_parse_list("65", 64, v, 4), -ERANGE);
	cr_assert_eq(sg_parse_list("1,2,1", 64, v, 4), -EEXIST);
	cr_assert_eq(sg_parse_list("1,2,3,4,5", 64, v, 4), -E2BIG);
}

Test(parse, words)
{
	const char *list = "ab,,toolong,c", *end = "", *none = NULL;
	bool too_long;
	char w[4];

	cr_assert(sg_parse_word(&list, w, sizeof(w), &too_long) && !too_long);
	cr_expect_str_eq(w, "ab");
	cr_assert(sg_parse_word(&list, w, sizeof(w), &too_long) && !too_long);
	cr_expect_str_eq(w, "");
	cr_assert(sg_parse_word(&list, w, sizeof(w), &too_long) && too_long);
	cr_expect_str_eq(w, "");
	cr_assert(sg_parse_word(&list, w, sizeof(w), &too_long) && !too_long);
	cr_expect_str_eq(w, "c");
	cr_expect(!sg_parse_word(&list, w, sizeof(w), &too_long));
	cr_assert(sg_parse_word(&end, w, sizeof(w), &too_long));
	cr_expect_str_eq(w, "");
	cr_expect(!sg_parse_word(&none, w, sizeof(w), &too_long));
}
