/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "out/json.h"
#include "out/json_parts.h"
#include "out/machines.h"
#include "out/sink.h"

struct sg_json {
	FILE *spool;
	struct sg_sink sink;
	char *root; /* the command of run/record comes first in the document, though it ends last */
	bool any;
};

int sg_json_new(struct sg_json **ret, FILE *spool)
{
	struct sg_json *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->spool = spool;
	sg_sink_init(&j->sink, spool);
	*ret = j;
	return 0;
}

void sg_json_free(struct sg_json *j)
{
	if (!j)
		return;
	free(j->root);
	free(j);
}

static struct json_object *task_object(const struct sg_task *t, struct sg_blame *tb)
{
	struct json_object *o = json_object_new_object();
	const struct sg_blame_row *row;
	size_t n;

	sg_jp_text(o, "name", t->name ? t->name : "");
	sg_jp_u64(o, "id", t->id);
	sg_jp_u64(o, "begin_ns", t->begin);
	sg_jp_u64(o, "latency_ns", t->end - t->begin);
	sg_jp_u64(o, "status", t->status);
	n = sg_blame_rows(tb, &row);
	sg_jp_add(o, "blame", sg_jp_rows(tb, row, n, true));
	n = sg_blame_wait_rows(tb, &row);
	sg_jp_add(o, "by_wait", sg_jp_rows(tb, row, n, false));
	sg_jp_u64(o, "prorated_ns", t->prorated_ns);
	sg_jp_u64(o, "uncertain_ns", t->uncertain_ns);
	if (t->inside_ns)
		sg_jp_u64(o, "inside_ns", t->inside_ns);
	if (t->fused_ns || t->inside_ns) {
		sg_jp_u64(o, "fused_ns", t->fused_ns);
		sg_jp_u64(o, "ambiguous_ns", t->ambiguous_ns);
	}
	sg_jp_bool(o, "incomplete", t->incomplete);
	sg_jp_bool(o, "detached", t->detached);
	sg_jp_bool(o, "command", t->root);
	return o;
}

int sg_json_task(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct sg_json *j = ctx;
	struct json_object *o = task_object(t, tb);
	size_t len;
	const char *text = o ? json_object_to_json_string_length(o, SG_JP_FLAGS, &len) : NULL;

	(void)m;
	if (!text) {
		sg_sink_fail(&j->sink, -ENOMEM);
	} else if (t->root && !j->root) {
		j->root = strdup(text);
		if (!j->root)
			sg_sink_fail(&j->sink, -ENOMEM);
	} else {
		sg_sink_puts(&j->sink, j->any ? ",\n" : "");
		sg_sink_write(&j->sink, text, len);
		j->any = true;
	}
	json_object_put(o);
	return j->sink.err;
}

static void copy_spool(struct sg_json *j, struct sg_sink *out)
{
	char buf[65536];
	size_t n;

	if (sg_sink_end(&j->sink)) {
		sg_sink_fail(out, j->sink.err);
		return;
	}
	rewind(j->spool);
	while ((n = fread(buf, 1, sizeof(buf), j->spool)) > 0)
		sg_sink_write(out, buf, n);
	if (ferror(j->spool))
		sg_sink_fail(out, -EIO);
}

static void put_member(struct sg_sink *out, const char *key, struct json_object *o)
{
	size_t len;
	const char *text = json_object_to_json_string_length(o, SG_JP_FLAGS, &len);

	if (!text) {
		sg_sink_fail(out, -ENOMEM);
	} else {
		sg_sink_printf(out, ",\n\"%s\":", key);
		sg_sink_write(out, text, len);
	}
	json_object_put(o);
}

/* Member @key of a JSON text of the recording, or an empty value of the right type. */
static struct json_object *from_meta(const char *meta, const char *key, enum json_type type)
{
	struct json_object *o = meta ? json_tokener_parse(meta) : NULL, *v = NULL;

	if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) &&
	    json_object_is_type(v, type))
		json_object_get(v);
	else
		v = type == json_type_array ? json_object_new_array() : json_object_new_object();
	json_object_put(o);
	return v;
}

/* What the recording says of itself, but the plan, which has its own place. */
static struct json_object *head_of(const char *meta)
{
	struct json_object *o = meta ? json_tokener_parse(meta) : NULL;

	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return json_object_new_object();
	}
	json_object_object_del(o, "plan");
	return o;
}

static void put_machines(struct sg_sink *out, const struct sg_json_end *e)
{
	struct json_object *meta = e->meta ? json_tokener_parse(e->meta) : NULL;
	struct json_object *list = sg_machines_json(sg_analysis_model(e->a), meta);

	if (list)
		put_member(out, "machines", list);
	json_object_put(meta);
}

static void put_groups(struct sg_sink *out, const struct sg_json_end *e)
{
	struct sg_group *const *g;
	size_t n = sg_analysis_groups(e->a, &g);

	sg_sink_puts(out, ",\n\"groups\":[");
	for (size_t i = 0; i < n && !out->err; i++) {
		struct json_object *o = sg_jp_group(e->a, i, g[i], e->quantile);
		struct sg_taskcall_group calls;
		const char *text;
		size_t len;

		if (e->calls && !sg_analysis_calls(e->a, i, &calls))
			sg_jp_add(o, "syscalls", sg_taskcalls_json(&calls));
		text = o ? json_object_to_json_string_length(o, SG_JP_FLAGS, &len) : NULL;
		if (!text) {
			sg_sink_fail(out, -ENOMEM);
		} else {
			sg_sink_puts(out, i ? ",\n" : "\n");
			sg_sink_write(out, text, len);
		}
		json_object_put(o);
	}
	sg_sink_puts(out, "]");
}

int sg_json_end(struct sg_json *j, FILE *f, const struct sg_json_end *e)
{
	const struct sg_owner_container *const *containers;
	const struct sg_vmsum_row *const *vms;
	struct sg_analysis_info info;
	struct sg_sink out;

	sg_sink_init(&out, f);
	sg_analysis_info(e->a, &info);
	sg_sink_puts(&out, "{\"tasks\":[\n");
	if (j->root) {
		sg_sink_puts(&out, j->root);
		sg_sink_puts(&out, j->any ? ",\n" : "");
	}
	copy_spool(j, &out);
	sg_sink_puts(&out, "]");
	put_groups(&out, e);
	sg_sink_printf(&out, ",\n\"lost\":%llu", (unsigned long long)info.model.lost);
	if (e->damage)
		put_member(&out, "damage", sg_json_text(e->damage));
	put_member(&out, "model", sg_jp_model(&info));
	if (sg_owners_list(sg_analysis_owners(e->a), &containers))
		put_member(&out, "containers", sg_jp_containers(sg_analysis_owners(e->a)));
	if (sg_vmsum_rows(sg_analysis_vms(e->a), &vms))
		put_member(&out, "vms", sg_vmsum_json(sg_analysis_vms(e->a)));
	put_machines(&out, e);
	put_member(&out, "plan", from_meta(e->meta, "plan", json_type_array));
	put_member(&out, "perturbation", from_meta(e->end_meta, "perturbation", json_type_object));
	put_member(&out, "recording", head_of(e->meta));
	if (e->extra) {
		json_object_object_foreach(e->extra, key, v) put_member(&out, key, json_object_get(v));
	}
	sg_sink_puts(&out, "}\n");
	return sg_sink_end(&out);
}

int sg_json_diff(FILE *f, const struct sg_diff *d, const char *a, const char *b)
{
	struct json_object *o = json_object_new_object(), *rows = json_object_new_array();
	struct sg_sink out;
	size_t len;
	const char *text;

	sg_sink_init(&out, f);
	sg_jp_text(o, "a", a);
	sg_jp_text(o, "b", b);
	sg_jp_u64(o, "a_mean_ns", d->a_mean_ns);
	sg_jp_u64(o, "b_mean_ns", d->b_mean_ns);
	sg_jp_u64(o, "a_tasks", d->a_n);
	sg_jp_u64(o, "b_tasks", d->b_n);
	sg_jp_i64(o, "diff_ns", d->diff_ns);
	sg_jp_i64(o, "residual_ns", d->residual_ns);
	for (size_t i = 0; i < d->nrow; i++) {
		struct json_object *r = json_object_new_object();

		sg_jp_text(r, "component", d->row[i].comp);
		sg_jp_text(r, "cause", d->row[i].cause);
		sg_jp_i64(r, "ns", d->row[i].ns);
		sg_jp_u64(r, "a_ns", d->row[i].a_ns);
		sg_jp_u64(r, "b_ns", d->row[i].b_ns);
		json_object_array_add(rows, r);
	}
	sg_jp_add(o, "rows", rows);
	text = json_object_to_json_string_length(o, SG_JP_FLAGS, &len);
	if (text)
		sg_sink_write(&out, text, len);
	else
		sg_sink_fail(&out, -ENOMEM);
	sg_sink_puts(&out, "\n");
	json_object_put(o);
	return sg_sink_end(&out);
}
