/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <stdlib.h>
#include "out/json.h"
#include "base/utf8.h"
#include "out/json_parts.h"

struct json_object *sg_json_text(const char *s)
{
	char *fixed = sg_utf8_fix(s);
	struct json_object *o = fixed ? json_object_new_string(fixed) : NULL;

	free(fixed);
	return o;
}

void sg_jp_add(struct json_object *o, const char *key, struct json_object *v)
{
	if (!o || json_object_object_add_ex(o, key, v, JSON_C_OBJECT_ADD_CONSTANT_KEY))
		json_object_put(v);
}

void sg_jp_text(struct json_object *o, const char *key, const char *text)
{
	sg_jp_add(o, key, sg_json_text(text));
}

void sg_jp_u64(struct json_object *o, const char *key, uint64_t v)
{
	sg_jp_add(o, key, json_object_new_uint64(v));
}

void sg_jp_i64(struct json_object *o, const char *key, int64_t v)
{
	sg_jp_add(o, key, json_object_new_int64(v));
}

void sg_jp_bool(struct json_object *o, const char *key, bool v)
{
	sg_jp_add(o, key, json_object_new_boolean(v));
}

static struct json_object *evidence_of(const struct sg_blame *b, const struct sg_blame_row *row)
{
	struct json_object *list = json_object_new_array();
	struct sg_evidence ev[SG_EVIDENCE_MAX];
	size_t n = sg_blame_evidence(b, row, ev);

	for (size_t i = 0; list && i < n; i++) {
		struct json_object *o = json_object_new_object();

		sg_jp_text(o, "kind", ev[i].kind);
		sg_jp_text(o, "text", ev[i].text);
		sg_jp_u64(o, "ns", ev[i].ns);
		if (ev[i].of) { /* an estimate from samples, and from how many */
			sg_jp_u64(o, "samples", ev[i].samples);
			sg_jp_u64(o, "of_samples", ev[i].of);
		}
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *sg_jp_rows(struct sg_blame *b, const struct sg_blame_row *row, size_t n, bool full)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < n; i++) {
		struct json_object *o = json_object_new_object();

		sg_jp_text(o, "component", row[i].comp);
		sg_jp_text(o, "cause", row[i].cause);
		sg_jp_u64(o, "ns", row[i].ns);
		sg_jp_u64(o, "count", row[i].cnt);
		if (full) {
			sg_jp_u64(o, "uncertain_ns", row[i].uncertain_ns);
			sg_jp_add(o, "evidence", evidence_of(b, &row[i]));
			sg_jp_text(o, "advice", sg_blame_advice(row[i].cause));
		}
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *steps_of(const struct sg_kept_task *t)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < t->nstep; i++) {
		const struct sg_step *s = &t->step[i];
		struct json_object *o = json_object_new_object();

		sg_jp_u64(o, "at_ns", s->at_ns);
		sg_jp_u64(o, "ns", s->ns);
		sg_jp_text(o, "component", s->comp);
		sg_jp_text(o, "cause", s->cause);
		if (*s->chain)
			sg_jp_text(o, "chain", s->chain);
		if (*s->hint)
			sg_jp_text(o, "hint", s->hint);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *slowest_of(struct sg_analysis *a, size_t i)
{
	struct json_object *list = json_object_new_array();
	struct sg_kept_task *const *t;
	size_t n = sg_analysis_slowest(a, i, &t);

	for (size_t k = 0; list && k < n; k++) {
		struct json_object *o = json_object_new_object();

		sg_jp_u64(o, "id", t[k]->id);
		sg_jp_u64(o, "begin_ns", t[k]->begin);
		sg_jp_u64(o, "latency_ns", t[k]->end - t[k]->begin);
		sg_jp_bool(o, "incomplete", t[k]->incomplete);
		sg_jp_add(o, "path", steps_of(t[k]));
		sg_jp_u64(o, "shorter_steps_ns", t[k]->rest_ns);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *why_of(struct sg_group *g, double quantile)
{
	struct json_object *o, *rows;
	struct sg_why_slow w;

	if (sg_group_why_slow(g, quantile, &w))
		return NULL;
	o = json_object_new_object();
	rows = json_object_new_array();
	sg_jp_add(o, "quantile", json_object_new_double(quantile));
	sg_jp_u64(o, "band_tasks", w.band_n);
	sg_jp_u64(o, "middle_tasks", w.middle_n);
	sg_jp_i64(o, "diff_ns", w.diff_ns);
	sg_jp_i64(o, "residual_ns", w.residual_ns);
	for (size_t i = 0; rows && i < w.nrow; i++) {
		struct json_object *r = json_object_new_object();

		sg_jp_text(r, "component", w.row[i].comp);
		sg_jp_text(r, "cause", w.row[i].cause);
		sg_jp_i64(r, "ns", w.row[i].ns);
		json_object_array_add(rows, r);
	}
	sg_jp_add(o, "rows", rows);
	return o;
}

static struct json_object *order_of(struct sg_analysis *a, size_t i)
{
	struct json_object *list = json_object_new_array();
	const struct sg_order_row *row;
	size_t n = sg_analysis_order(a, i, &row);

	for (size_t k = 0; list && k < n; k++) {
		struct json_object *o = json_object_new_object();

		sg_jp_text(o, "component", row[k].comp);
		sg_jp_text(o, "cause", row[k].cause);
		sg_jp_u64(o, "path_ns", row[k].path_ns);
		sg_jp_u64(o, "critical_ns", row[k].critical_ns);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *sg_jp_group(struct sg_analysis *a, size_t i, struct sg_group *g, double quantile)
{
	struct json_object *o = json_object_new_object(), *why;
	struct sg_blame *b = sg_group_blame(g);
	const struct sg_blame_row *row;
	struct sg_blame_sums sums;
	struct sg_group_stats s;
	size_t n;

	sg_group_stats(g, &s);
	sg_blame_sums(b, &sums);
	sg_jp_text(o, "name", s.name);
	sg_jp_u64(o, "tasks", s.n);
	sg_jp_u64(o, "incomplete", s.incomplete);
	sg_jp_u64(o, "sampled", s.kept);
	sg_jp_u64(o, "total_ns", sums.total_ns);
	sg_jp_u64(o, "mean_ns", s.mean_ns);
	sg_jp_u64(o, "p50_ns", s.p50_ns);
	sg_jp_u64(o, "p90_ns", s.p90_ns);
	sg_jp_u64(o, "p99_ns", s.p99_ns);
	sg_jp_u64(o, "max_ns", s.max_ns);
	sg_jp_u64(o, "prorated_ns", sums.prorated_ns);
	sg_jp_u64(o, "uncertain_ns", sums.uncertain_ns);
	if (sums.inside_ns)
		sg_jp_u64(o, "inside_ns", sums.inside_ns);
	if (sums.fused_ns || sums.inside_ns) {
		sg_jp_u64(o, "fused_ns", sums.fused_ns);
		sg_jp_u64(o, "ambiguous_ns", sums.ambiguous_ns);
	}
	sg_jp_u64(o, "other_tasks_ns", sums.other_ns);
	n = sg_blame_rows(b, &row);
	sg_jp_add(o, "blame", sg_jp_rows(b, row, n, true));
	n = sg_blame_wait_rows(b, &row);
	sg_jp_add(o, "by_wait", sg_jp_rows(b, row, n, false));
	sg_jp_add(o, "slowest", slowest_of(a, i));
	why = why_of(g, quantile);
	if (why)
		sg_jp_add(o, "why_slow", why);
	sg_jp_add(o, "order_dependent", order_of(a, i));
	return o;
}

struct json_object *sg_jp_containers(struct sg_owners *owners)
{
	struct json_object *list = json_object_new_array();
	const struct sg_owner_container *const *c;
	size_t n = sg_owners_list(owners, &c);

	for (size_t i = 0; list && i < n; i++) {
		struct json_object *o = json_object_new_object();

		sg_jp_text(o, "id", c[i]->id);
		sg_jp_text(o, "name", c[i]->name);
		sg_jp_text(o, "image", c[i]->image);
		sg_jp_text(o, "runtime", c[i]->runtime);
		sg_jp_text(o, "platform", c[i]->platform);
		sg_jp_u64(o, "cgroup", c[i]->cgroup);
		sg_jp_u64(o, "pid", c[i]->pid);
		sg_jp_bool(o, "in_scope", c[i]->in_scope);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *sg_jp_model(const struct sg_analysis_info *info)
{
	struct json_object *o = json_object_new_object();
	const struct sg_model_stats *s = &info->model;

	sg_jp_u64(o, "events", info->events);
	sg_jp_u64(o, "first_ns", info->first_ts);
	sg_jp_u64(o, "last_ns", info->last_ts);
	sg_jp_u64(o, "tasks", info->tasks);
	sg_jp_u64(o, "tasks_in_other_names", info->groups_folded);
	sg_jp_u64(o, "slices", s->slices);
	if (s->fused_ns || s->clock_violations) {
		sg_jp_u64(o, "fused_ns", s->fused_ns);
		sg_jp_u64(o, "clock_violations", s->clock_violations);
	}
	sg_jp_u64(o, "holes", s->holes);
	sg_jp_u64(o, "torn", s->torn);
	sg_jp_u64(o, "late", s->late);
	sg_jp_u64(o, "no_waker", s->no_waker);
	sg_jp_u64(o, "steps", s->steps);
	sg_jp_u64(o, "memo_hits", s->memo_hits);
	sg_jp_u64(o, "mem_peak_bytes", s->mem_peak_bytes);
	return o;
}
