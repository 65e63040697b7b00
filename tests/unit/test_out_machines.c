/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What a report says of a recording's machines: hostile names and descriptions, one machine, a clock that was set. tests/golden has the rest. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "out/machines.h"

static void machine(struct sg_model *m, uint32_t number, const char *text, size_t len)
{
	union {
		struct sg_machine m;
		char room[sizeof(struct sg_machine) + 64];
	} ev = { .m = { .h = { .ts = 1, .kind = SG_REC_MACHINE },
			.number = number,
			.uid_base = number * 100,
			.uid_end = number * 100 + 99,
			.cpu_base = (uint16_t)(number * 8),
			.ncpu = 2,
			.len = (uint16_t)len } };

	memcpy(ev.room + sizeof(ev.m), text, len);
	cr_assert_eq(sg_model_feed(m, &ev.m.h, NULL), 0);
}

static void clock_point(struct sg_model *m, uint64_t guest, uint64_t error, uint16_t source, uint16_t flags)
{
	struct sg_clockmap ev = { .h = { .ts = 1, .kind = SG_REC_CLOCKMAP },
				  .guest_ts = guest,
				  .host_ts = guest + 5,
				  .error_ns = error,
				  .machine = 1,
				  .source = source,
				  .flags = flags };

	cr_assert_eq(sg_model_feed(m, &ev.h, NULL), 0);
}

static int nothing(void *ctx, const struct sg_task *t)
{
	(void)ctx, (void)t;
	return 0;
}

static struct sg_model *model(void)
{
	struct sg_model_opts o = { 0 };
	struct sg_model *m;

	cr_assert_eq(sg_model_new(&m, &o, nothing, NULL), 0);
	return m;
}

static char *text_of(const struct sg_model *m, const char *meta)
{
	struct json_object *o = meta ? json_tokener_parse(meta) : NULL;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert_eq(sg_machines_text(f, m, o), 0);
	fclose(f);
	json_object_put(o);
	return text;
}

Test(machines, one_machine_is_not_told_of)
{
	struct sg_model *m = model();
	char *text = text_of(m, "{\"machines\":[{\"number\":0,\"from\":\"x\"}]}");

	cr_assert_str_eq(text, "");
	cr_assert_null(sg_machines_json(m, NULL));
	free(text);
	sg_model_free(m);
}

Test(machines, whatever_the_description_is)
{
	static const char *const metas[] = {
		NULL,
		"null",
		"[]",
		"{}",
		"{\"machines\":{}}",
		"{\"machines\":[1,null,[],{}]}",
		"{\"machines\":[{\"number\":1,\"from\":{}}]}",
		"{\"machines\":[{\"from\":\"x\"}]}",
	};
	struct sg_model *m = model();
	char *text;

	machine(m, 0, "host\0", 6);
	machine(m, 1,
		"w\x1b[1m\0"
		"6\n1",
		9);
	for (size_t i = 0; i < sizeof(metas) / sizeof(*metas); i++) {
		text = text_of(m, metas[i]);
		cr_assert_str_eq(
			text,
			"machine host: Linux ?\n"
			"machine w?[1m: Linux 6?1; nothing tells of its clock: its tasks are as it saw "
			"them alone\n",
			"%s", metas[i]);
		free(text);
	}
	text = text_of(m, "{\"machines\":[{\"number\":1,\"from\":\"a\\u001b\\nb\"}]}");
	cr_assert(strstr(text, "Linux 6?1, from a??b;"), "%s", text);
	free(text);
	sg_model_free(m);
}

Test(machines, most_points_and_a_clock_that_was_set)
{
	struct sg_model *m = model();
	struct json_object *list, *clock, *v;
	char *text;

	machine(m, 0, "host\0", 6);
	machine(m, 1, "web\0", 5);
	clock_point(m, 1000, 40, SG_CLOCK_EXCHANGE, 0);
	clock_point(m, 2000, 40, SG_CLOCK_EXCHANGE, 0);
	clock_point(m, 3000, 10, SG_CLOCK_TSC, 0);
	clock_point(m, 3000, 10, SG_CLOCK_TSC, SG_CLOCKMAP_STEP);
	text = text_of(m, NULL);
	cr_assert(strstr(text, "its clock by two-way exchange, 3 points (1 by its TSC's offset (KVM's)), 0 "
			       "ns behind the "
			       "host's, true within 41 ns until it was set"),
		  "%s", text);
	free(text);
	list = sg_machines_json(m, NULL);
	cr_assert(json_object_object_get_ex(json_object_array_get_idx(list, 1), "clock", &clock));
	cr_assert(json_object_object_get_ex(clock, "stepped", &v) && json_object_get_boolean(v));
	cr_assert(json_object_object_get_ex(clock, "error_ns", &v));
	cr_assert_eq(json_object_get_int64(v), 41);
	cr_assert(json_object_object_get_ex(clock, "source", &v));
	cr_assert_str_eq(json_object_get_string(v), "exchange");
	json_object_put(list);
	sg_model_free(m);
}
