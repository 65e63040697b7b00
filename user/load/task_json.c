/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The task workload's results for programs: docs/bench-task.md names the members. */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include "load/task_sums.h"
#include "out/json.h"

static void put_u64(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_uint64(v));
}

static void put_text(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, sg_json_text(v));
}

static void put_stats(struct json_object *o, const struct sg_task_sum *s)
{
	put_u64(o, "n", s->latency.n);
	put_u64(o, "mean_ns", s->latency.mean_ns);
	put_u64(o, "min_ns", s->latency.min_ns);
	put_u64(o, "p50_ns", s->latency.p50_ns);
	put_u64(o, "p90_ns", s->latency.p90_ns);
	put_u64(o, "p99_ns", s->latency.p99_ns);
	put_u64(o, "max_ns", s->latency.max_ns);
	put_u64(o, "write_mean_ns", s->write.mean_ns);
	put_u64(o, "majflt", s->majflt);
}

static struct json_object *blame_rows(struct sg_blame *b)
{
	struct json_object *a = json_object_new_array();
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows(b, &row);

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		put_text(o, "component", row[i].comp);
		put_text(o, "cause", row[i].cause);
		put_u64(o, "ns", row[i].ns);
		put_u64(o, "count", row[i].cnt);
		json_object_array_add(a, o);
	}
	return a;
}

/* Sums over all requests: the rows of "blame" add up to "blame_total_ns", exactly. */
static void put_blame(struct json_object *o, struct sg_blame *b)
{
	if (!b)
		return;
	put_u64(o, "blame_tasks", sg_blame_tasks(b));
	put_u64(o, "blame_total_ns", sg_blame_total(b));
	json_object_object_add(o, "blame", blame_rows(b));
}

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
	json_object_object_add(x, "diff_ns", json_object_new_int64(d.diff_ns));
	put_u64(x, "base_mean_ns", d.a_mean_ns);
	put_u64(x, "mean_ns", d.b_mean_ns);
	json_object_object_add(x, "memory_ns", json_object_new_int64(sg_task_memory_ns(&d)));
	json_object_object_add(x, "swap_ns", json_object_new_int64(sg_task_swap_ns(&d)));
	for (size_t i = 0; i < d.nrow; i++) {
		struct json_object *row = json_object_new_object();

		put_text(row, "component", d.row[i].comp);
		put_text(row, "cause", d.row[i].cause);
		json_object_object_add(row, "ns", json_object_new_int64(d.row[i].ns));
		json_object_array_add(rows, row);
	}
	json_object_object_add(x, "rows", rows);
	json_object_object_add(o, "slowdown", x);
	sg_diff_free(&d);
	return 0;
}

static int put_level(struct json_object *levels, const struct sg_task_result *r, unsigned i)
{
	const struct sg_task_level *l = &r->level[i], *base = &r->level[r->base];
	struct json_object *o = json_object_new_object(), *servers = json_object_new_array();
	struct sg_task_sum s;
	int rc = sg_task_sum(&s, l, SG_ALL_SERVERS);

	json_object_array_add(levels, o);
	put_u64(o, "pressure", l->pressure);
	put_stats(o, &s);
	json_object_object_add(o, "spread", json_object_new_double(sg_task_spread(l, r->opts.servers)));
	put_u64(o, "swapin_pages", l->swapin_pages);
	put_u64(o, "swapout_pages", l->swapout_pages);
	put_u64(o, "swap_bytes", l->mem.swap_bytes);
	if (l->file[0])
		put_text(o, "recording", l->file);
	put_u64(o, "lost", l->lost);
	put_u64(o, "missing", l->missing);
	put_blame(o, l->blame);
	if (!rc)
		rc = put_diff(o, base->blame, l->blame);
	for (int k = 0; k < (int)r->opts.servers && !rc; k++) {
		struct json_object *one = json_object_new_object();
		char name[24];

		json_object_array_add(servers, one);
		snprintf(name, sizeof(name), "server%d", k);
		put_text(one, "name", name);
		rc = sg_task_sum(&s, l, k);
		put_stats(one, &s);
		put_blame(one, l->server_blame[k]);
		if (!rc)
			rc = put_diff(one, base->server_blame[k], l->server_blame[k]);
	}
	json_object_object_add(o, "servers", servers);
	return rc;
}

struct json_object *sg_task_json_object(const struct sg_task_result *r, int *ret_rc)
{
	struct json_object *o = json_object_new_object(), *levels = json_object_new_array();
	int rc = 0;

	put_text(o, "bench", "task");
	put_text(o, "env", r->opts.env->name);
	put_text(o, "server", r->opts.node ? "node" : "native");
	if (!r->opts.node)
		put_text(o, "write_mode", sg_write_mode_names[r->opts.mode]);
	put_text(o, "hog", sg_hog_kind_names[sg_hog_kind_resolve(r->opts.hog)]);
	put_u64(o, "hog_bytes", r->opts.hog_bytes);
	put_u64(o, "rounds", r->opts.rounds);
	put_u64(o, "writes", r->opts.writes);
	put_u64(o, "memory_bytes", r->opts.memory_bytes);
	if (r->opts.env->vm) {
		put_text(o, "accel", sg_accel_names[r->opts.accel]);
		put_u64(o, "vm_memory_bytes", r->opts.vm_memory_bytes);
		put_u64(o, "vcpus", r->opts.vcpus);
	}
	put_u64(o, "swap_size_bytes", r->opts.swap_bytes);
	put_u64(o, "base_pressure", r->level[r->base].pressure);
	json_object_object_add(o, "levels", levels);
	for (unsigned i = 0; i < r->nlevel && !rc; i++)
		rc = put_level(levels, r, i);
	*ret_rc = rc;
	if (!rc)
		return o;
	json_object_put(o);
	return NULL;
}

int sg_task_json(FILE *out, const struct sg_task_result *r)
{
	int rc = 0;
	struct json_object *o = sg_task_json_object(r, &rc);
	const char *text = o ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
									 JSON_C_TO_STRING_NOSLASHESCAPE)
			     : NULL;

	if (!rc && (!text || fprintf(out, "%s\n", text) < 0))
		rc = -EIO;
	json_object_put(o);
	return rc;
}

/* One level of one environment beside the same level of the first: means per request; the rows add up to diff_ns. */
static int put_against(struct json_object *list, const struct sg_task_result *base,
		       const struct sg_task_result *r, unsigned i)
{
	struct sg_task_level *a = (struct sg_task_level *)(uintptr_t)&base->level[i];
	struct sg_task_level *b = (struct sg_task_level *)(uintptr_t)&r->level[i];
	struct json_object *o = json_object_new_object();
	struct sg_task_sum sa, sb;
	int rc = sg_task_sum(&sa, a, SG_ALL_SERVERS);

	json_object_array_add(list, o);
	if (!rc)
		rc = sg_task_sum(&sb, b, SG_ALL_SERVERS);
	if (rc)
		return rc;
	put_text(o, "env", r->opts.env->name);
	put_u64(o, "pressure", b->pressure);
	if (sa.latency.mean_ns)
		json_object_object_add(
			o, "ratio",
			json_object_new_double((double)sb.latency.mean_ns / (double)sa.latency.mean_ns));
	return put_diff(o, a->blame, b->blame);
}

int sg_task_envs_json(FILE *out, const struct sg_task_envs *e)
{
	struct json_object *o = json_object_new_object(), *envs = json_object_new_array(),
			   *against = json_object_new_array();
	const char *text;
	int rc = 0;

	put_text(o, "bench", "task");
	put_text(o, "base", e->r[0].opts.env->name);
	json_object_object_add(o, "environments", envs);
	json_object_object_add(o, "against", against);
	for (unsigned k = 0; k < e->n && !rc; k++) {
		struct json_object *one = sg_task_json_object(&e->r[k], &rc);

		if (one)
			json_object_array_add(envs, one);
		for (unsigned i = 0; k && i < e->r[k].nlevel && i < e->r[0].nlevel && !rc; i++)
			rc = put_against(against, &e->r[0], &e->r[k], i);
	}
	text = rc ? NULL
		  : json_object_to_json_string_ext(o,
						   JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!rc && (!text || fprintf(out, "%s\n", text) < 0))
		rc = -EIO;
	json_object_put(o);
	return rc;
}
