/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "load/load_json.h"

#include <errno.h>
#include "out/json.h"

void sg_lj_u64(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_uint64(v));
}

void sg_lj_i64(struct json_object *o, const char *key, int64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

void sg_lj_double(struct json_object *o, const char *key, double v)
{
	json_object_object_add(o, key, json_object_new_double(v));
}

void sg_lj_text(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, sg_json_text(v));
}

void sg_lj_blame(struct json_object *o, struct sg_blame *b)
{
	struct json_object *a = b ? json_object_new_array() : NULL;
	const struct sg_blame_row *row;
	size_t n = b ? sg_blame_rows(b, &row) : 0;

	if (!b)
		return;
	for (size_t i = 0; i < n; i++) {
		struct json_object *x = json_object_new_object();

		sg_lj_text(x, "component", row[i].comp);
		sg_lj_text(x, "cause", row[i].cause);
		sg_lj_u64(x, "ns", row[i].ns);
		sg_lj_u64(x, "count", row[i].cnt);
		json_object_array_add(a, x);
	}
	sg_lj_u64(o, "blame_tasks", sg_blame_tasks(b));
	sg_lj_u64(o, "blame_total_ns", sg_blame_total(b));
	json_object_object_add(o, "blame", a);
}

int sg_lj_slowdown(struct json_object *o, struct sg_blame *base, struct sg_blame *b,
		   void (*more)(struct json_object *o, const struct sg_diff *d))
{
	struct json_object *x, *rows;
	struct sg_diff d;
	int rc;

	if (!base || !b || base == b)
		return 0;
	rc = sg_diff_make(&d, base, b);
	if (rc)
		return rc;
	x = json_object_new_object();
	rows = json_object_new_array();
	sg_lj_i64(x, "diff_ns", d.diff_ns);
	sg_lj_u64(x, "base_mean_ns", d.a_mean_ns);
	sg_lj_u64(x, "mean_ns", d.b_mean_ns);
	if (more)
		more(x, &d);
	for (size_t i = 0; i < d.nrow; i++) {
		struct json_object *row = json_object_new_object();

		sg_lj_text(row, "component", d.row[i].comp);
		sg_lj_text(row, "cause", d.row[i].cause);
		sg_lj_i64(row, "ns", d.row[i].ns);
		json_object_array_add(rows, row);
	}
	json_object_object_add(x, "rows", rows);
	json_object_object_add(o, "slowdown", x);
	sg_diff_free(&d);
	return 0;
}

int sg_lj_print(FILE *out, struct json_object *o, int rc)
{
	const int form = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE;
	const char *text = !rc && o ? json_object_to_json_string_ext(o, form) : NULL;

	if (!rc && (!text || fprintf(out, "%s\n", text) < 0))
		rc = -EIO;
	json_object_put(o);
	return rc;
}
