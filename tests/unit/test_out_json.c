/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The --json contract: read back with a JSON parser, sums exact, any name. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "gen_event.h"
#include "out/json.h"
#include "out_case.h"

static struct json_object *get(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v = NULL;

	cr_assert(json_object_object_get_ex(o, key, &v), "no member %s", key);
	cr_assert_eq(json_object_get_type(v), type, "%s is a %s", key,
		     json_type_to_name(json_object_get_type(v)));
	return v;
}

static uint64_t sum_ns(struct json_object *rows)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < json_object_array_length(rows); i++)
		sum += json_object_get_uint64(get(json_object_array_get_idx(rows, i), "ns", json_type_int));
	return sum;
}

static struct json_object *report(const char *stream, struct sg_json_end *e, char **ret_text)
{
	struct sg_analysis_opts o = { .on_task = sg_json_task, .slowest = 2, .check_order = true };
	FILE *spool = tmpfile();
	struct json_object *doc;
	struct json_tokener *tok = json_tokener_new();
	struct sg_analysis *a;
	struct out_case c;
	struct sg_json *j;

	cr_assert(spool);
	cr_assert_eq(sg_json_new(&j, spool), 0);
	o.ctx = j;
	cr_assert_eq(sg_analysis_new(&a, &o), 0);
	out_case_run(a, stream);
	e->a = a;
	cr_assert_eq(sg_json_end(j, out_open(&c), e), 0);
	out_close(&c);
	/* Strict: no trailing comma, no single quotes; UTF-8 checked below. */
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	doc = json_tokener_parse_ex(tok, c.text, (int)c.len);
	cr_assert_eq(json_tokener_get_error(tok), json_tokener_success, "%s: %.200s",
		     json_tokener_error_desc(json_tokener_get_error(tok)), c.text);
	json_tokener_free(tok);
	sg_analysis_free(a);
	sg_json_free(j);
	fclose(spool);
	if (ret_text)
		*ret_text = c.text;
	else
		free(c.text);
	return doc;
}

static const char two_tasks[] = "T 7 sh birth=0 f=root\n"
				"M 7 exec name=make src=proc @100\n"
				"M 7 b id=1 name=step @120\n"
				"S 7 c0 120-150 user=20 sys.read=10/4 <=\n"
				"S 7 c0 250-300 user=50 <S:read.fifo@150 w=240 hard seq=3\n"
				"M 7 e id=1 @300\n"
				"M 7 exit status=3 src=proc @400\n"
				"S 7 c0 300-400 user=100 <=\n"
				"X 7 @410\n";

Test(json, the_contract_holds)
{
	struct sg_json_end e = { .quantile = 0.99,
				 .meta = "{\"plan\":[{\"name\":\"p\"}],\"target\":\"x\"}",
				 .end_meta = "{\"perturbation\":{\"n\":1}}",
				 .damage = "cut \xff short" };
	struct json_object *doc = report(two_tasks, &e, NULL), *tasks, *t, *groups;

	tasks = get(doc, "tasks", json_type_array);
	cr_assert_eq(json_object_array_length(tasks), 2);
	/* The command comes first, though it ended last. */
	t = json_object_array_get_idx(tasks, 0);
	cr_assert_str_eq(json_object_get_string(get(t, "name", json_type_string)), "make");
	cr_assert(json_object_get_boolean(get(t, "command", json_type_boolean)));
	cr_assert_eq(json_object_get_uint64(get(t, "status", json_type_int)), 3);
	for (size_t i = 0; i < 2; i++) {
		struct json_object *row;
		uint64_t latency;

		t = json_object_array_get_idx(tasks, i);
		latency = json_object_get_uint64(get(t, "latency_ns", json_type_int));
		cr_assert_eq(sum_ns(get(t, "blame", json_type_array)), latency);
		cr_assert_eq(sum_ns(get(t, "by_wait", json_type_array)), latency);
		get(t, "begin_ns", json_type_int);
		get(t, "prorated_ns", json_type_int);
		get(t, "uncertain_ns", json_type_int);
		get(t, "incomplete", json_type_boolean);
		row = json_object_array_get_idx(get(t, "blame", json_type_array), 0);
		get(row, "component", json_type_string);
		get(row, "cause", json_type_string);
		get(row, "count", json_type_int);
		get(row, "evidence", json_type_array);
		get(row, "advice", json_type_string);
	}
	groups = get(doc, "groups", json_type_array);
	cr_assert_eq(json_object_array_length(groups), 2);
	cr_assert_str_eq(
		json_object_get_string(get(json_object_array_get_idx(groups, 0), "name", json_type_string)),
		"make");
	cr_assert_eq(json_object_get_uint64(get(doc, "lost", json_type_int)), 0);
	cr_assert_eq(json_object_array_length(get(doc, "plan", json_type_array)), 1);
	get(get(doc, "perturbation", json_type_object), "n", json_type_int);
	cr_assert_str_eq(json_object_get_string(get(doc, "damage", json_type_string)),
			 "cut \xef\xbf\xbd short");
	cr_assert(!json_object_object_get_ex(get(doc, "recording", json_type_object), "plan", NULL));
	json_object_put(doc);
}

Test(json, metadata_that_is_no_json_is_left_out)
{
	static const char *const bad[] = { NULL, "", "{", "[1]", "7", "{\"plan\":{},\"perturbation\":[]}" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct sg_json_end e = { .quantile = 0.99, .meta = bad[i], .end_meta = bad[i] };
		struct json_object *doc = report(two_tasks, &e, NULL);

		cr_assert_eq(json_object_array_length(get(doc, "plan", json_type_array)), 0);
		get(doc, "perturbation", json_type_object);
		json_object_put(doc);
	}
}

Test(json, nothing_recorded_is_still_a_document)
{
	struct sg_json_end e = { .quantile = 0.99 };
	struct json_object *doc = report("", &e, NULL);

	cr_assert_eq(json_object_array_length(get(doc, "tasks", json_type_array)), 0);
	cr_assert_eq(json_object_array_length(get(doc, "groups", json_type_array)), 0);
	json_object_put(doc);
}

Test(json, any_bytes_of_a_name_make_valid_text)
{
	uint64_t seed = 17;

	for (int round = 0; round < 400; round++) {
		struct sg_json_end e = { .quantile = 0.99 };
		struct json_object *doc;
		char stream[1000], name[200], *text, raw[40], *fixed;
		size_t n = 1 + gen_u64(&seed) % 30, o = 0;
		int32_t c;

		for (size_t i = 0; i < n; i++) {
			raw[i] = (char)(1 + gen_u64(&seed) % 255);
			o += (size_t)snprintf(name + o, sizeof(name) - o, "\\x%02x", (unsigned char)raw[i]);
		}
		raw[n] = 0;
		snprintf(stream, sizeof(stream),
			 "T 7 \"%.60s\" birth=0\nM 7 b id=1 name=\"%s\" @100\nS 7 c0 100-150 user=50 <=\nM 7 "
			 "e id=1 @150\n",
			 name, name);
		doc = report(stream, &e, &text);
		for (size_t i = 0, len = strlen(text); i < len;) {
			i += sg_utf8_next(text + i, len - i, &c);
			cr_assert(c >= 0x20 || c == '\n');
		}
		fixed = sg_utf8_fix(raw);
		cr_assert_str_eq(json_object_get_string(
					 get(json_object_array_get_idx(get(doc, "tasks", json_type_array), 0),
					     "name", json_type_string)),
				 fixed);
		free(fixed);
		free(text);
		json_object_put(doc);
	}
}

Test(json, a_full_disk_is_an_error)
{
	struct sg_analysis_opts o = { 0 };
	FILE *spool = tmpfile(), *full = fopen("/dev/full", "we");
	struct sg_json_end e = { .quantile = 0.99 };
	struct sg_analysis *a;
	struct sg_json *j;

	cr_assert(spool && full);
	cr_assert_eq(sg_json_new(&j, spool), 0);
	o.on_task = sg_json_task;
	o.ctx = j;
	cr_assert_eq(sg_analysis_new(&a, &o), 0);
	out_case_run(a, two_tasks);
	e.a = a;
	cr_assert_lt(sg_json_end(j, full, &e), 0);
	sg_analysis_free(a);
	sg_json_free(j);
	fclose(spool);
	fclose(full);
}

Test(json, a_difference_sums)
{
	struct sg_diff_row rows[] = { { "app", "mem.swapin", 7, 1, 8 }, { "a\xff", "cpu.user", -2, 5, 3 } };
	struct sg_diff d = { .diff_ns = 5, .a_mean_ns = 6, .b_mean_ns = 11, .nrow = 2, .row = rows };
	struct json_object *doc, *r;
	struct out_case c;
	int64_t sum = 0;

	cr_assert_eq(sg_json_diff(out_open(&c), &d, "A", "B\x01"), 0);
	doc = json_tokener_parse(out_close(&c));
	cr_assert(doc, "%s", c.text);
	r = get(doc, "rows", json_type_array);
	for (size_t i = 0; i < 2; i++)
		sum += json_object_get_int64(get(json_object_array_get_idx(r, i), "ns", json_type_int));
	cr_assert_eq(sum, json_object_get_int64(get(doc, "diff_ns", json_type_int)));
	json_object_put(doc);
	free(c.text);
}
