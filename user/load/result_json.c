/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include "load/result_json.h"
#include "out/json.h"

void sg_put_double(struct json_object *o, const char *key, double v)
{
	json_object_object_add(o, key, json_object_new_double(v));
}

void sg_put_stats(struct json_object *o, const struct sg_stats *s)
{
	sg_jp_u64(o, "n", s->n);
	sg_jp_u64(o, "mean_ns", s->mean_ns);
	sg_jp_u64(o, "min_ns", s->min_ns);
	sg_jp_u64(o, "p50_ns", s->p50_ns);
	sg_jp_u64(o, "p90_ns", s->p90_ns);
	sg_jp_u64(o, "p99_ns", s->p99_ns);
	sg_jp_u64(o, "max_ns", s->max_ns);
}

void sg_put_blame(struct json_object *o, struct sg_blame *b)
{
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows(b, &row);

	sg_jp_u64(o, "blame_tasks", sg_blame_tasks(b));
	sg_jp_u64(o, "blame_total_ns", sg_blame_total(b));
	sg_jp_add(o, "blame", sg_jp_rows(b, row, n, false));
}

static void put_rows(struct json_object *o, const struct sg_diff *d)
{
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < d->nrow; i++) {
		struct json_object *row = json_object_new_object();

		sg_jp_text(row, "component", d->row[i].comp);
		sg_jp_text(row, "cause", d->row[i].cause);
		sg_jp_i64(row, "ns", d->row[i].ns);
		json_object_array_add(rows, row);
	}
	json_object_object_add(o, "rows", rows);
}

struct json_object *sg_diff_object(const struct sg_diff *d)
{
	struct json_object *x = json_object_new_object();

	sg_jp_i64(x, "diff_ns", d->diff_ns);
	sg_jp_u64(x, "base_mean_ns", d->a_mean_ns);
	sg_jp_u64(x, "mean_ns", d->b_mean_ns);
	sg_put_double(x, "explained", sg_diff_explained(d));
	put_rows(x, d);
	return x;
}

int sg_put_diff(struct json_object *o, const char *key, struct sg_blame *base, struct sg_blame *b)
{
	struct sg_diff d;
	int rc;

	if (!base || !b || base == b)
		return 0;
	rc = sg_diff_make(&d, base, b);
	if (rc)
		return rc;
	json_object_object_add(o, key, sg_diff_object(&d));
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
