/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include "load/result_json.h"
#include "out/json.h"

void sg_put_u64(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_uint64(v));
}

void sg_put_i64(struct json_object *o, const char *key, int64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

void sg_put_double(struct json_object *o, const char *key, double v)
{
	json_object_object_add(o, key, json_object_new_double(v));
}

void sg_put_text(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, sg_json_text(v));
}

void sg_put_stats(struct json_object *o, const struct sg_stats *s)
{
	sg_put_u64(o, "n", s->n);
	sg_put_u64(o, "mean_ns", s->mean_ns);
	sg_put_u64(o, "min_ns", s->min_ns);
	sg_put_u64(o, "p50_ns", s->p50_ns);
	sg_put_u64(o, "p90_ns", s->p90_ns);
	sg_put_u64(o, "p99_ns", s->p99_ns);
	sg_put_u64(o, "max_ns", s->max_ns);
}

void sg_put_blame(struct json_object *o, struct sg_blame *b)
{
	struct json_object *a = json_object_new_array();
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows(b, &row);

	for (size_t i = 0; i < n; i++) {
		struct json_object *x = json_object_new_object();

		sg_put_text(x, "component", row[i].comp);
		sg_put_text(x, "cause", row[i].cause);
		sg_put_u64(x, "ns", row[i].ns);
		sg_put_u64(x, "count", row[i].cnt);
		json_object_array_add(a, x);
	}
	sg_put_u64(o, "blame_tasks", sg_blame_tasks(b));
	sg_put_u64(o, "blame_total_ns", sg_blame_total(b));
	json_object_object_add(o, "blame", a);
}

void sg_put_rows(struct json_object *o, const struct sg_diff *d)
{
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < d->nrow; i++) {
		struct json_object *row = json_object_new_object();

		sg_put_text(row, "component", d->row[i].comp);
		sg_put_text(row, "cause", d->row[i].cause);
		sg_put_i64(row, "ns", d->row[i].ns);
		json_object_array_add(rows, row);
	}
	json_object_object_add(o, "rows", rows);
}

int sg_put_diff(struct json_object *o, const char *key, struct sg_blame *base, struct sg_blame *b)
{
	struct json_object *x;
	struct sg_diff d;
	int rc;

	if (!base || !b || base == b)
		return 0;
	rc = sg_diff_make(&d, base, b);
	if (rc)
		return rc;
	x = json_object_new_object();
	sg_put_i64(x, "diff_ns", d.diff_ns);
	sg_put_u64(x, "base_mean_ns", d.a_mean_ns);
	sg_put_u64(x, "mean_ns", d.b_mean_ns);
	sg_put_double(x, "explained", sg_diff_explained(&d));
	sg_put_rows(x, &d);
	json_object_object_add(o, key, x);
	sg_diff_free(&d);
	return 0;
}

int sg_put_print(FILE *out, struct json_object *o)
{
	const char *text =
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		return -ENOMEM;
	errno = 0;
	return fprintf(out, "%s\n", text) >= 0 ? 0 : errno ? -errno : -EIO;
}
