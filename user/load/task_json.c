/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The task workload's results for programs: docs/bench-task.md names the members. */
#include <errno.h>
#include <string.h>
#include "load/result_json.h"
#include "load/task_sums.h"

static void put_stats(struct json_object *o, const struct sg_task_sum *s)
{
	sg_put_stats(o, &s->latency);
	sg_jp_u64(o, "write_mean_ns", s->write.mean_ns);
	sg_jp_u64(o, "majflt", s->majflt);
}

static int put_diff(struct json_object *o, struct sg_blame *base, struct sg_blame *b)
{
	struct json_object *x;
	struct sg_diff d;
	int rc;

	if (!base || !b || base == b)
		return 0;
	rc = sg_diff_make(&d, base, b);
	if (rc)
		return rc;
	x = sg_diff_object(&d);
	json_object_object_add(x, "memory_ns", json_object_new_int64(sg_task_memory_ns(&d)));
	json_object_object_add(x, "swap_ns", json_object_new_int64(sg_task_swap_ns(&d)));
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
	sg_jp_u64(o, "pressure", l->pressure);
	put_stats(o, &s);
	json_object_object_add(o, "spread", json_object_new_double(sg_task_spread(l, r->opts.servers)));
	sg_jp_u64(o, "swapin_pages", l->swapin_pages);
	sg_jp_u64(o, "swapout_pages", l->swapout_pages);
	sg_jp_u64(o, "anon_bytes", l->mem.anon_bytes);
	sg_jp_u64(o, "swap_bytes", l->mem.swap_bytes);
	if (l->file[0])
		sg_jp_text(o, "recording", l->file);
	sg_jp_u64(o, "lost", l->lost);
	sg_jp_u64(o, "missing", l->missing);
	if (l->told.asked)
		sg_jp_add(o, "inside", sg_told_json(&l->told, "requests"));
	if (l->blame)
		sg_put_blame(o, l->blame);
	if (!rc)
		rc = put_diff(o, base->blame, l->blame);
	for (int k = 0; k < (int)r->opts.servers && !rc; k++) {
		struct json_object *one = json_object_new_object();
		char name[24];

		json_object_array_add(servers, one);
		snprintf(name, sizeof(name), "server%d", k);
		sg_jp_text(one, "name", name);
		rc = sg_task_sum(&s, l, k);
		put_stats(one, &s);
		if (l->server_blame[k])
			sg_put_blame(one, l->server_blame[k]);
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

	sg_jp_text(o, "bench", "task");
	sg_jp_text(o, "env", r->opts.env->name);
	sg_jp_text(o, "server", r->opts.node ? "node" : "native");
	if (!r->opts.node)
		sg_jp_text(o, "write_mode", sg_write_mode_names[r->opts.mode]);
	sg_jp_text(o, "hog", sg_hog_kind_names[sg_hog_kind_resolve(r->opts.hog)]);
	sg_jp_u64(o, "hog_bytes", r->opts.hog_bytes);
	sg_jp_u64(o, "rounds", r->opts.rounds);
	sg_jp_u64(o, "writes", r->opts.writes);
	sg_jp_u64(o, "memory_bytes", r->opts.memory_bytes);
	if (r->opts.env->vm) {
		sg_jp_text(o, "accel", sg_accel_names[r->opts.accel]);
		sg_jp_u64(o, "vm_memory_bytes", r->opts.vm_memory_bytes);
		sg_jp_u64(o, "vcpus", r->opts.vcpus);
	}
	sg_jp_u64(o, "swap_size_bytes", r->opts.swap_bytes);
	sg_jp_u64(o, "base_pressure", r->level[r->base].pressure);
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

	if (!rc)
		rc = sg_put_print(out, o);
	json_object_put(o);
	return rc;
}

/* One level of one environment beside the same level of the base: means per request; the rows add up to diff_ns. */
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
	sg_jp_text(o, "env", r->opts.env->name);
	sg_jp_u64(o, "pressure", b->pressure);
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
	int rc = 0;

	sg_jp_text(o, "bench", "task");
	sg_jp_text(o, "base", e->r[e->base].opts.env->name);
	json_object_object_add(o, "environments", envs);
	json_object_object_add(o, "against", against);
	for (unsigned k = 0; k < e->n && !rc; k++) {
		struct json_object *one = sg_task_json_object(&e->r[k], &rc);

		if (one)
			json_object_array_add(envs, one);
		for (unsigned i = 0; k != e->base && i < e->r[k].nlevel && i < e->r[e->base].nlevel && !rc;
		     i++)
			rc = put_against(against, &e->r[e->base], &e->r[k], i);
	}
	if (!rc)
		rc = sg_put_print(out, o);
	json_object_put(o);
	return rc;
}
