/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include "out/machines.h"
#include "out/text.h"
#include "out/text_table.h"

#define CONTAINERS_SHOWN 16
#define ID_SHOWN	 12

static struct json_object *parse_object(const char *text)
{
	struct json_object *o = text ? json_tokener_parse(text) : NULL;

	if (json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return NULL;
}

/* Text of o.key or o.key.sub; "" when absent. Lives as long as @o. */
static const char *text_of(struct json_object *o, const char *key, const char *sub)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &v))
		return "";
	if (sub)
		return text_of(v, sub, NULL);
	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static void print_command(FILE *f, struct json_object *meta)
{
	struct json_object *argv = NULL;
	char clean[200];
	size_t n;

	if (!json_object_object_get_ex(meta, "command", &argv) || !json_object_is_type(argv, json_type_array))
		argv = NULL;
	n = argv ? json_object_array_length(argv) : 0;
	for (size_t i = 0; i < n && i < 12; i++) {
		const char *a = json_object_get_string(json_object_array_get_idx(argv, i));

		fprintf(f, "%s%s", i ? " " : "", sg_text_clean(clean, sizeof(clean), a ? a : ""));
	}
	if (n > 12)
		fputs(" ...", f);
	if (!n)
		fputs(sg_text_clean(clean, sizeof(clean), text_of(meta, "target", NULL)), f);
}

static void print_gaps(FILE *f, struct json_object *meta)
{
	struct json_object *plan = NULL;
	const char *last = "";
	char name[80], why[400];

	if (!json_object_object_get_ex(meta, "plan", &plan) || !json_object_is_type(plan, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(plan); i++) {
		struct json_object *row = json_object_array_get_idx(plan, i);
		const char *without = text_of(row, "without", NULL);

		if (!strcmp(text_of(row, "reason", NULL), "not asked for"))
			continue; /* the recorder's word for a probe this request had no use for */
		/* The two ends of one thing lack the same. */
		if (*without && strcmp(without, last))
			fprintf(f, "not seen: %s (probe %s is off)\n",
				sg_text_clean(why, sizeof(why), without),
				sg_text_clean(name, sizeof(name), text_of(row, "name", NULL)));
		last = without;
	}
}

static int print_containers(FILE *f, struct sg_owners *owners, const struct sg_text_opts *o)
{
	const struct sg_owner_container *const *c;
	size_t n = owners ? sg_owners_list(owners, &c) : 0;
	char id[ID_SHOWN + 1];
	struct sg_tab t;
	int ret;

	/* others are on the machine, but not in the recording */
	while (n && !c[n - 1]->in_scope)
		n--;
	if (!n)
		return 0;
	fputc('\n', f);
	ret = sg_tab_begin(&t, f, o);
	if (ret)
		return ret;
	sg_tab_column(&t, "container", 0);
	sg_tab_column(&t, "id", 0);
	sg_tab_column(&t, "image", 0);
	sg_tab_column(&t, "runtime", 0);
	sg_tab_column(&t, "platform", 0);
	for (size_t i = 0; i < n && i < CONTAINERS_SHOWN; i++) {
		snprintf(id, sizeof(id), "%s", c[i]->id);
		sg_tab_row(&t);
		sg_tab_cell(&t, 0, *c[i]->name ? c[i]->name : "-");
		sg_tab_cell(&t, 1, *id ? id : "-");
		sg_tab_cell(&t, 2, *c[i]->image ? c[i]->image : "-");
		sg_tab_cell(&t, 3, *c[i]->runtime ? c[i]->runtime : "-");
		sg_tab_cell(&t, 4, *c[i]->platform ? c[i]->platform : "-");
	}
	ret = sg_tab_end(&t);
	if (!ret && n > CONTAINERS_SHOWN)
		fprintf(f, "and %zu containers more\n", n - CONTAINERS_SHOWN);
	return ret;
}

int sg_text_head(FILE *f, const struct sg_text_head *h, const struct sg_text_opts *o)
{
	struct json_object *meta = parse_object(h->meta);
	const struct sg_model_stats *s = &h->info.model;
	char clean[300], t[32];
	int ret;

	fputs("recording", f);
	if (h->file)
		fprintf(f, " %s", sg_text_clean(clean, sizeof(clean), h->file));
	if (meta) {
		fputs(": ", f);
		print_command(f, meta);
		fprintf(f, "; Linux %s",
			sg_text_clean(clean, sizeof(clean), text_of(meta, "machine", "kernel")));
	}
	fprintf(f, "; %s, %" PRIu64 " slices, %" PRIu64 " task%s explained\n",
		sg_text_ns(t, sizeof(t), h->info.last_ts - h->info.first_ts), s->slices, h->info.tasks,
		h->info.tasks == 1 ? "" : "s");
	if (h->damage)
		fprintf(f, "damaged: %s\n", sg_text_clean(clean, sizeof(clean), h->damage));
	if (s->lost)
		fprintf(f, "lost: %" PRIu64 " records; the time they would have explained is unknown.lost\n",
			s->lost);
	if (s->torn)
		fprintf(f, "%" PRIu64 " slices whose times did not add up: the rest of each is unknown\n",
			s->torn);
	if (s->holes)
		fprintf(f, "%" PRIu64 " time%s the kernel reported no switch: unknown\n", s->holes,
			s->holes == 1 ? "" : "s");
	if (s->late)
		fprintf(f, "%" PRIu64 " records came too late to be used\n", s->late);
	if (h->info.groups_folded)
		fprintf(f, "too many task names: %" PRIu64 " tasks stand under \"(other names)\"\n",
			h->info.groups_folded);
	print_gaps(f, meta);
	ret = h->model ? sg_machines_text(f, h->model, meta) : 0;
	json_object_put(meta);
	if (!ret)
		ret = print_containers(f, h->owners, o);
	if (!ret && h->vms)
		ret = sg_vmsum_text(h->vms, f);
	return ret ? ret : ferror(f) ? -EIO : 0;
}
