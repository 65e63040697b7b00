/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The module-load workload's results for programs: docs/bench-modload.md names the members. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "load/modload_sums.h"
#include "out/json.h"

static void put_u64(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_uint64(v));
}

static void put_i64(struct json_object *o, const char *key, int64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

static void put_double(struct json_object *o, const char *key, double v)
{
	json_object_object_add(o, key, json_object_new_double(v));
}

static void put_text(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, sg_json_text(v));
}

static struct json_object *stats(const struct sg_stats *s)
{
	struct json_object *o = json_object_new_object();

	put_u64(o, "n", s->n);
	put_u64(o, "mean_ns", s->mean_ns);
	put_u64(o, "min_ns", s->min_ns);
	put_u64(o, "p50_ns", s->p50_ns);
	put_u64(o, "p90_ns", s->p90_ns);
	put_u64(o, "p99_ns", s->p99_ns);
	put_u64(o, "max_ns", s->max_ns);
	return o;
}

/* Sums over all loads: the rows of "blame" add up to "blame_total_ns", exactly. */
static void put_blame(struct json_object *o, struct sg_blame *b)
{
	struct json_object *a = json_object_new_array();
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows(b, &row);

	for (size_t i = 0; i < n; i++) {
		struct json_object *x = json_object_new_object();

		put_text(x, "component", row[i].comp);
		put_text(x, "cause", row[i].cause);
		put_u64(x, "ns", row[i].ns);
		put_u64(x, "count", row[i].cnt);
		json_object_array_add(a, x);
	}
	put_u64(o, "blame_tasks", sg_blame_tasks(b));
	put_u64(o, "blame_total_ns", sg_blame_total(b));
	json_object_object_add(o, "blame", a);
}

/* Means per load: the rows add up to diff_ns. */
static int put_diff(struct json_object *o, struct sg_blame *base, struct sg_blame *b)
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
	put_i64(x, "diff_ns", d.diff_ns);
	put_u64(x, "base_mean_ns", d.a_mean_ns);
	put_u64(x, "mean_ns", d.b_mean_ns);
	put_double(x, "explained", sg_modload_explained(&d));
	for (size_t i = 0; i < d.nrow; i++) {
		struct json_object *row = json_object_new_object();

		put_text(row, "component", d.row[i].comp);
		put_text(row, "cause", d.row[i].cause);
		put_i64(row, "ns", d.row[i].ns);
		json_object_array_add(rows, row);
	}
	json_object_object_add(x, "rows", rows);
	json_object_object_add(o, "slowdown", x);
	sg_diff_free(&d);
	return 0;
}

static int put_prices(struct json_object *o, const struct sg_modload_result *r,
		      const struct sg_modload_combo *c)
{
	struct json_object *list = json_object_new_array();

	for (unsigned s = SG_SOURCE_DEFAULT; s < SG_SOURCES_MAX; s++) {
		struct sg_modload_price p;
		struct json_object *v;
		int rc = sg_modload_price(&p, c, (enum sg_modload_source)s, r->opts.rounds);

		if (rc) {
			json_object_put(list);
			return rc;
		}
		if (!p.pairs)
			continue;
		if (s == SG_SOURCE_DEFAULT) {
			put_u64(o, "pairs", p.pairs);
			put_double(o, "recording_cost", p.cost);
		}
		v = json_object_new_object();
		put_text(v, "source", sg_modload_sources_names[s]);
		put_u64(v, "pairs", p.pairs);
		put_double(v, "cost", p.cost);
		put_double(v, "added", p.added);
		put_u64(v, "guest_calls", c->seen[s]);
		json_object_array_add(list, v);
	}
	json_object_object_add(o, "sources", list);
	return 0;
}

static void put_files(struct json_object *o, const struct sg_modload_result *r,
		      const struct sg_modload_combo *c)
{
	struct json_object *a = json_object_new_array();
	char name[64], file[96];

	sg_modload_task(name, sizeof(name), &r->opts, c, '.');
	for (unsigned i = 0; i < r->opts.rounds; i++) {
		snprintf(file, sizeof(file), "%s.r%u.sgt", name, i);
		json_object_array_add(a, json_object_new_string(file));
	}
	json_object_object_add(o, "recordings", a);
}

static int put_combo(struct json_object *list, const struct sg_modload_result *r,
		     const struct sg_modload_combo *c)
{
	const struct sg_modload_combo *base = sg_modload_base(r, c);
	struct json_object *o = json_object_new_object();
	struct sg_modload_sum s, b, bare;
	int rc = sg_modload_sum(&s, c, r->opts.record);

	json_object_array_add(list, o);
	if (!rc)
		rc = sg_modload_sum(&b, base, r->opts.record);
	if (!rc)
		rc = sg_modload_sum(&bare, c, false);
	if (rc)
		return rc;
	put_text(o, "runtime", r->opts.runtime[c->runtime]->name);
	put_u64(o, "containers", r->opts.count[c->count]);
	put_text(o, "module", r->opts.module[c->module].name);
	json_object_object_add(o, "client", stats(&s.latency));
	json_object_object_add(o, "require", stats(&s.require));
	put_double(o, "ratio", sg_modload_ratio(s.latency.mean_ns, b.latency.mean_ns));
	put_double(o, "require_ratio", sg_modload_ratio(s.require.p50_ns, b.require.p50_ns));
	if (!r->opts.record)
		return 0;
	if (bare.latency.n) {
		json_object_object_add(o, "client_not_recorded", stats(&bare.latency));
		json_object_object_add(o, "require_not_recorded", stats(&bare.require));
	}
	rc = put_prices(o, r, c);
	put_files(o, r, c);
	put_u64(o, "lost", c->lost);
	put_u64(o, "missing", c->missing);
	if (c->blame)
		put_blame(o, c->blame);
	return rc ? rc : put_diff(o, base->blame, c->blame);
}

int sg_modload_json(FILE *out, const struct sg_modload_result *r)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	const char *text;
	int rc = 0;

	put_text(o, "bench", "modload");
	put_text(o, "base", r->opts.runtime[r->base]->name);
	put_u64(o, "rounds", r->opts.rounds);
	json_object_object_add(o, "cold", json_object_new_boolean(r->opts.cold));
	json_object_object_add(o, "recorded", json_object_new_boolean(r->opts.record));
	json_object_object_add(o, "combinations", list);
	for (size_t i = 0; i < r->ncombo && !rc; i++)
		rc = put_combo(list, r, &r->combo[i]);
	text = rc ? NULL
		  : json_object_to_json_string_ext(o,
						   JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!rc && (!text || fprintf(out, "%s\n", text) < 0))
		rc = -EIO;
	json_object_put(o);
	return rc;
}
