/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The task workload's results for programs: docs/bench-task.md names the members. */
#include <errno.h>
#include <string.h>
#include "load/load_json.h"
#include "load/task_sums.h"

static void put_stats(struct json_object *o, const struct sg_task_sum *s)
{
	sg_lj_u64(o, "n", s->latency.n);
	sg_lj_u64(o, "mean_ns", s->latency.mean_ns);
	sg_lj_u64(o, "min_ns", s->latency.min_ns);
	sg_lj_u64(o, "p50_ns", s->latency.p50_ns);
	sg_lj_u64(o, "p90_ns", s->latency.p90_ns);
	sg_lj_u64(o, "p99_ns", s->latency.p99_ns);
	sg_lj_u64(o, "max_ns", s->latency.max_ns);
	sg_lj_u64(o, "write_mean_ns", s->write.mean_ns);
	sg_lj_u64(o, "majflt", s->majflt);
}

static void put_memory(struct json_object *o, const struct sg_diff *d)
{
	sg_lj_i64(o, "memory_ns", sg_task_memory_ns(d));
	sg_lj_i64(o, "swap_ns", sg_task_swap_ns(d));
}

static int put_level(struct json_object *levels, const struct sg_task_result *r, unsigned i)
{
	const struct sg_task_level *l = &r->level[i], *base = &r->level[r->base];
	struct json_object *o = json_object_new_object(), *servers = json_object_new_array();
	struct sg_task_sum s;
	int rc = sg_task_sum(&s, l, SG_ALL_SERVERS);

	json_object_array_add(levels, o);
	sg_lj_u64(o, "pressure", l->pressure);
	put_stats(o, &s);
	json_object_object_add(o, "spread", json_object_new_double(sg_task_spread(l, r->opts.servers)));
	sg_lj_u64(o, "swapin_pages", l->swapin_pages);
	sg_lj_u64(o, "swapout_pages", l->swapout_pages);
	sg_lj_u64(o, "swap_bytes", l->mem.swap_bytes);
	if (l->file[0])
		sg_lj_text(o, "recording", l->file);
	sg_lj_u64(o, "lost", l->lost);
	sg_lj_u64(o, "missing", l->missing);
	sg_lj_blame(o, l->blame);
	if (!rc)
		rc = sg_lj_slowdown(o, base->blame, l->blame, put_memory);
	for (int k = 0; k < (int)r->opts.servers && !rc; k++) {
		struct json_object *one = json_object_new_object();
		char name[24];

		json_object_array_add(servers, one);
		snprintf(name, sizeof(name), "server%d", k);
		sg_lj_text(one, "name", name);
		rc = sg_task_sum(&s, l, k);
		put_stats(one, &s);
		sg_lj_blame(one, l->server_blame[k]);
		if (!rc)
			rc = sg_lj_slowdown(one, base->server_blame[k], l->server_blame[k], put_memory);
	}
	json_object_object_add(o, "servers", servers);
	return rc;
}

struct json_object *sg_task_json_object(const struct sg_task_result *r, int *ret_rc)
{
	struct json_object *o = json_object_new_object(), *levels = json_object_new_array();
	int rc = 0;

	sg_lj_text(o, "bench", "task");
	sg_lj_text(o, "env", r->opts.env->name);
	sg_lj_text(o, "server", r->opts.node ? "node" : "native");
	if (!r->opts.node)
		sg_lj_text(o, "write_mode", sg_write_mode_names[r->opts.mode]);
	sg_lj_text(o, "hog", sg_hog_kind_names[sg_hog_kind_resolve(r->opts.hog)]);
	sg_lj_u64(o, "hog_bytes", r->opts.hog_bytes);
	sg_lj_u64(o, "rounds", r->opts.rounds);
	sg_lj_u64(o, "writes", r->opts.writes);
	sg_lj_u64(o, "memory_bytes", r->opts.memory_bytes);
	sg_lj_u64(o, "swap_size_bytes", r->opts.swap_bytes);
	sg_lj_u64(o, "base_pressure", r->level[r->base].pressure);
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

	return sg_lj_print(out, o, rc);
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
	sg_lj_text(o, "env", r->opts.env->name);
	sg_lj_u64(o, "pressure", b->pressure);
	if (sa.latency.mean_ns)
		json_object_object_add(
			o, "ratio",
			json_object_new_double((double)sb.latency.mean_ns / (double)sa.latency.mean_ns));
	return sg_lj_slowdown(o, a->blame, b->blame, put_memory);
}

int sg_task_envs_json(FILE *out, const struct sg_task_envs *e)
{
	struct json_object *o = json_object_new_object(), *envs = json_object_new_array(),
			   *against = json_object_new_array();
	int rc = 0;

	sg_lj_text(o, "bench", "task");
	sg_lj_text(o, "base", e->r[0].opts.env->name);
	json_object_object_add(o, "environments", envs);
	json_object_object_add(o, "against", against);
	for (unsigned k = 0; k < e->n && !rc; k++) {
		struct json_object *one = sg_task_json_object(&e->r[k], &rc);

		if (one)
			json_object_array_add(envs, one);
		for (unsigned i = 0; k && i < e->r[k].nlevel && i < e->r[0].nlevel && !rc; i++)
			rc = put_against(against, &e->r[0], &e->r[k], i);
	}
	return sg_lj_print(out, o, rc);
}
