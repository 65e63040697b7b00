/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The report for people, and the small writers: SVG, CSV, folded frames, UTF-8, sinks. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "gen_event.h"
#include "out/sink.h"
#include "out/stacks.h"
#include "out/svg.h"
#include "out/tasks.h"
#include "out/text.h"
#include "out_case.h"

Test(text, times_have_three_digits_and_a_unit)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0 ns" },
		{ 999, "999 ns" },
		{ 1000, "1.00 us" },
		{ 12345, "12.3 us" },
		{ 123456, "123 us" },
		{ 999999, "1000 us" },
		{ 1000000, "1.00 ms" },
		{ 99950000, "100 ms" },
		{ 1234567890, "1.23 s" },
		{ 59999000000, "60.0 s" },
		{ 1234567890123, "1235 s" },
		{ UINT64_MAX, "18446744074 s" },
	};
	char buf[32];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_expect_str_eq(sg_text_ns(buf, sizeof(buf), cases[i].ns), cases[i].text, "%lu: %s",
				 cases[i].ns, buf);
}

static bool is_clean(const char *s)
{
	size_t n = strlen(s);
	int32_t c;

	for (size_t i = 0; i < n;) {
		i += sg_utf8_next(s + i, n - i, &c);
		if (c < 0 || (sg_utf8_is_control(c) && c != '\n'))
			return false;
	}
	return true;
}

static void random_bytes(uint64_t *seed, char *buf, size_t cap)
{
	size_t n = gen_u64(seed) % cap;

	for (size_t i = 0; i < n; i++)
		do
			buf[i] = gen_u64(seed) % 4 ? (char)gen_u64(seed)
						   : "\xe2\x80\xae\"<&;\n\x1b,"[gen_u64(seed) % 10];
		while (!buf[i]);
	buf[n] = 0;
}

Test(text, no_byte_of_a_name_reaches_the_terminal_as_control)
{
	uint64_t seed = 11;
	char name[64], buf[64];

	for (int i = 0; i < 20000; i++) {
		random_bytes(&seed, name, sizeof(name));
		sg_text_clean(buf, 1 + gen_u64(&seed) % sizeof(buf), name);
		cr_assert(is_clean(buf));
		cr_assert_leq(strlen(buf), strlen(name));
	}
	cr_assert_str_eq(sg_text_clean(buf, sizeof(buf), "a\x1b[31mb\xff\xc3\xa9"), "a?[31mb?\xc3\xa9");
}

Test(utf8, only_shortest_forms_of_scalar_values_are_valid)
{
	static const struct {
		const char *s;
		int32_t c;
		size_t len;
	} cases[] = {
		{ "a", 'a', 1 },
		{ "\xc3\xa9", 0xe9, 2 },
		{ "\xe2\x82\xac", 0x20ac, 3 },
		{ "\xf0\x9f\x98\x80", 0x1f600, 4 },
		{ "\xc0\x80", -1, 1 },
		{ "\xc1\xbf", -1, 1 },
		{ "\xe0\x80\x80", -1, 1 },
		{ "\xed\xa0\x80", -1, 1 },
		{ "\xf4\x90\x80\x80", -1, 1 },
		{ "\xf5\x80\x80\x80", -1, 1 },
		{ "\x80", -1, 1 },
		{ "\xe2\x82", -1, 1 },
		{ "\xf4\x8f\xbf\xbf", 0x10ffff, 4 },
	};
	int32_t c;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cr_expect_eq(sg_utf8_next(cases[i].s, strlen(cases[i].s), &c), cases[i].len, "case %zu", i);
		cr_expect_eq(c, cases[i].c, "case %zu", i);
	}
}

static const char stream[] = "T 7 \"a\\x1b[31mpp\\xff\" birth=0\n"
			     "M 7 b id=1 name=\"na\\x07me\" @100\n"
			     "S 7 c0 100-150 user=30 sys.read=20/4 <=\n"
			     "S 7 c0 250-300 user=50 <S:read.fifo@150 w=240 hard seq=3\n"
			     "M 7 e id=1 @300\n";

Test(text, a_blame_shows_every_nanosecond_and_no_control)
{
	struct sg_analysis_opts o = { .tasks = SG_TASKS_MARKED };
	struct sg_kept_task *const *slow;
	struct sg_group *const *g;
	struct sg_analysis *a;
	struct out_case c;
	char *text;

	cr_assert_eq(sg_analysis_new(&a, &o), 0);
	out_case_run(a, stream);
	cr_assert_eq(sg_analysis_groups(a, &g), 1);
	cr_assert_eq(sg_text_group(out_open(&c), g[0], NULL), 0);
	cr_assert_eq(sg_analysis_slowest(a, 0, &slow), 1);
	cr_assert_eq(sg_text_task(c.f, slow[0], NULL), 0);
	text = out_close(&c);
	cr_assert(is_clean(text), "%s", text);
	cr_assert(strstr(text, "na?me: 200 ns"), "%s", text);
	cr_assert(strstr(text, "app        cpu.user      80 ns  40.0%"), "%s", text);
	cr_assert(strstr(text, sg_blame_advice("ipc.pipe")), "%s", text);
	cr_assert(strstr(text, "at 50 ns"), "%s", text);
	free(text);
	sg_analysis_free(a);
}

Test(text, rows_beyond_the_limit_are_summed_not_dropped)
{
	struct sg_analysis_opts o = { .tasks = SG_TASKS_MARKED };
	struct sg_text_opts t = { .rows = 2 };
	struct sg_group *const *g;
	struct sg_analysis *a;
	struct out_case c;
	char *text;

	cr_assert_eq(sg_analysis_new(&a, &o), 0);
	out_case_run(a, stream);
	sg_analysis_groups(a, &g);
	cr_assert_eq(sg_text_blame(out_open(&c), sg_group_blame(g[0]), &t), 0);
	text = out_close(&c);
	cr_assert(strstr(text, "2 others"), "%s", text);
	cr_assert(strstr(text, "30 ns  15.0%"), "%s", text); /* 20 in read, 10 on the run queue */
	free(text);
	sg_analysis_free(a);
}

/* ---- SVG: well-formed, whatever the names --------------------------------- */
static const char *tag_end(const char *p)
{
	for (char quote = 0; *p; p++) {
		if (quote)
			quote = *p == quote ? 0 : quote;
		else if (*p == '"')
			quote = '"';
		else if (*p == '>')
			return p;
		else
			cr_assert_neq(*p, '<');
	}
	cr_assert(0, "a tag has no end");
	return p;
}

static void check_xml(const char *p)
{
	char open[16][16];
	size_t depth = 0, len;

	cr_assert(is_clean(p));
	while (*p) {
		if (*p == '&') {
			cr_assert(!strncmp(p, "&lt;", 4) || !strncmp(p, "&gt;", 4) ||
				  !strncmp(p, "&amp;", 5) || !strncmp(p, "&quot;", 6));
			p++;
		} else if (*p != '<') {
			cr_assert_neq(*p, '>');
			p++;
		} else if (p[1] == '/') {
			cr_assert_gt(depth, 0);
			len = strlen(open[--depth]);
			cr_assert_eq(strncmp(p + 2, open[depth], len), 0);
			p = tag_end(p + 1) + 1;
		} else {
			const char *end = tag_end(p + 1);

			if (end[-1] != '/') {
				cr_assert_lt(depth, 16);
				for (len = 0; isalpha(p[1 + len]) && len < 15; len++)
					open[depth][len] = p[1 + len];
				open[depth++][len] = 0;
			}
			p = end + 1;
		}
	}
	cr_assert_eq(depth, 0);
}

/* Long labels of many places take turns on two lines; where they have room they stand on one. */
Test(svg, labels_do_not_run_into_each_other)
{
	const char *const name[] = { "docker-in-kvm 0", "docker-in-kvm 1" };
	const char *x[12], *series[] = { "a" };
	double v[12];
	struct out_case o;

	for (size_t i = 0; i < 12; i++) {
		x[i] = name[i % 2];
		v[i] = 1;
	}
	for (size_t n = 2; n <= 12; n += 10) {
		struct sg_chart c = { .kind = SG_CHART_BARS,
				      .title = "t",
				      .nx = n,
				      .x = x,
				      .nseries = 1,
				      .series = series,
				      .value = v };
		double y[2] = { 0, 0 };
		char *svg, *at;

		cr_assert_eq(sg_svg_write(out_open(&o), &c), 0);
		svg = out_close(&o);
		for (int i = 0; i < 2; i++) {
			at = strstr(svg, name[i]);
			while (at > svg && strncmp(at, " y=\"", 4))
				at--;
			cr_assert_eq(sscanf(at, " y=\"%lf", &y[i]), 1, "%s", svg);
		}
		cr_expect_float_eq(y[1] - y[0], n == 2 ? 0 : 14, 1e-6);
		free(svg);
	}
}

Test(svg, every_kind_is_well_formed_with_any_text_and_value)
{
	uint64_t seed = 5;
	char text[12][40];
	const char *x[5], *series[4];
	double v[20];

	for (int round = 0; round < 3000; round++) {
		struct sg_chart c = { .kind = gen_u64(&seed) % 3,
				      .title = text[9],
				      .x_title = text[10],
				      .y_title = text[11],
				      .nx = 1 + gen_u64(&seed) % 5,
				      .x = x,
				      .series = series,
				      .nseries = 1 + gen_u64(&seed) % 4,
				      .value = v,
				      .note = text[0] };
		struct out_case o;
		char *svg;

		for (int i = 0; i < 12; i++)
			random_bytes(&seed, text[i], sizeof(text[i]));
		for (int i = 0; i < 5; i++)
			x[i] = text[i];
		for (int i = 0; i < 4; i++)
			series[i] = text[5 + i];
		for (int i = 0; i < 20; i++) {
			static const double odd[] = {
				0, -1, NAN, INFINITY, -INFINITY, 1e308, -1e308, 1e-308
			};
			uint64_t k = gen_u64(&seed) % 16;

			v[i] = k < 8 ? odd[k] : (double)(int64_t)gen_u64(&seed) / 1e12;
		}
		cr_assert_eq(sg_svg_write(out_open(&o), &c), 0);
		svg = out_close(&o);
		check_xml(svg);
		cr_assert(!strstr(svg, "nan") || strstr(text[0], "nan"), "%s", svg);
		free(svg);
	}
}

Test(svg, bars_have_the_heights_of_their_values)
{
	static const char *const x[] = { "0", "1" }, *const series[] = { "a", "b" };
	static const double v[] = { 50, 100, 25, 0 };
	struct sg_chart c = { .kind = SG_CHART_STACKED,
			      .title = "t",
			      .nx = 2,
			      .x = x,
			      .nseries = 2,
			      .series = series,
			      .value = v };
	struct out_case o;
	char *svg;

	cr_assert_eq(sg_svg_write(out_open(&o), &c), 0);
	svg = out_close(&o);
	/* 320 points for 0..100: 50 is 160 high, 25 on top of it 80, 100 is 320, 0 is absent */
	cr_assert(strstr(svg, "height=\"160.00\"") && strstr(svg, "height=\"80.00\"") &&
		  strstr(svg, "height=\"320.00\""));
	cr_assert(strstr(svg, "<title>b, 0: 25</title>") && !strstr(svg, "<title>b, 1"));
	free(svg);
	c.nx = 0;
	cr_assert_eq(sg_svg_write(stderr, &c), -EINVAL);
}

/* ---- CSV ------------------------------------------------------------------ */
Test(csv, any_field_is_read_back_as_it_was)
{
	uint64_t seed = 9;
	char name[40], back[200];

	for (int round = 0; round < 20000; round++) {
		struct sg_sink s;
		struct out_case o;
		char *text, *p, *fixed;
		size_t n = 0;

		random_bytes(&seed, name, sizeof(name));
		sg_sink_init(&s, out_open(&o));
		sg_csv_field(&s, name);
		cr_assert_eq(sg_sink_end(&s), 0);
		p = text = out_close(&o);
		if (*p == '"') { /* RFC 4180: doubled quotes inside, nothing after the closing one */
			for (p++; *p && !(p[0] == '"' && p[1] != '"'); p++) {
				p += *p == '"';
				back[n++] = *p;
			}
			cr_assert_str_eq(p, "\"");
		} else {
			cr_assert_eq(strcspn(p, "\",\r\n"), strlen(p));
			n = strlen(strcpy(back, p));
		}
		back[n] = 0;
		fixed = sg_utf8_fix(name);
		cr_assert(fixed);
		if (*name && strchr("=+-@\t\r", *name))
			cr_assert(back[0] == '\'' && !strcmp(back + 1, fixed));
		else
			cr_assert_str_eq(back, fixed);
		free(fixed);
		free(text);
	}
}

/* ---- folded --------------------------------------------------------------- */
Test(folded, frames_keep_to_the_syntax)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "a;b", "a:b" },
		{ "a b\tc\nd", "a_b_c_d" },
		{ "", "-" },
		{ "\x1b\xff", "??" },
		{ "std::map<int, x>::at(x) const", "std::map<int,_x>::at(x)_const" },
		{ "\xc3\xa9", "\xc3\xa9" },
		{ "\xc2\xa0", "_" },
	};
	uint64_t seed = 4;
	char buf[64], name[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sg_folded_frame(buf, sizeof(buf), cases[i].in);
		cr_expect_str_eq(buf, cases[i].out);
	}
	for (int i = 0; i < 20000; i++) {
		random_bytes(&seed, name, sizeof(name));
		sg_folded_frame(buf, 3 + gen_u64(&seed) % 60, name);
		cr_assert(*buf && is_clean(buf) && !strpbrk(buf, "; \n\t"));
	}
}

Test(folded, lines_are_in_byte_order_with_64_bit_weights)
{
	struct sg_stacks s = { 0 };
	struct out_case o;
	char *text;

	sg_stacks_add(&s, sg_stacks_child(&s, sg_stacks_child(&s, 0, "b"), "z"), UINT64_MAX - 1);
	sg_stacks_add(&s, sg_stacks_child(&s, sg_stacks_child(&s, 0, "b"), "a"), 1);
	sg_stacks_add(&s, sg_stacks_child(&s, 0, "b"), 2);
	sg_stacks_add(&s, sg_stacks_child(&s, 0, "a b"), 3);
	sg_stacks_add(&s, sg_stacks_child(&s, sg_stacks_child(&s, 0, "b"), "a"), 4);
	sg_stacks_child(&s, 0, "nothing");
	cr_assert_eq(sg_folded_write(out_open(&o), &s), 0);
	text = out_close(&o);
	cr_assert_str_eq(text, "a_b 3\nb 2\nb;a 5\nb;z 18446744073709551614\n");
	free(text);
	sg_stacks_free(&s);
	cr_assert_eq(sg_folded_write(out_open(&o), &s), 0); /* nothing at all is an empty file */
	text = out_close(&o);
	cr_assert_str_eq(text, "");
	free(text);
}

/* ---- sinks ---------------------------------------------------------------- */
Test(sink, the_first_error_stays)
{
	FILE *f = fopen("/dev/full", "we");
	struct sg_sink s;

	cr_assert(f);
	sg_sink_init(&s, f);
	sg_sink_puts(&s, "x");
	cr_assert_eq(sg_sink_end(&s), -ENOSPC);
	sg_sink_fail(&s, -EINVAL);
	sg_sink_printf(&s, "%d", 1);
	cr_assert_eq(sg_sink_end(&s), -ENOSPC);
	fclose(f);
}
