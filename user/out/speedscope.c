/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "out/json.h"
#include "out/json_parts.h"
#include "out/nest.h"
#include "out/speedscope.h"

static void put_text(struct sg_sink *out, const char *text)
{
	struct json_object *o = sg_json_text(text);
	const char *quoted = o ? json_object_to_json_string_ext(o, SG_JP_FLAGS) : NULL;

	if (quoted)
		sg_sink_puts(out, quoted);
	else
		sg_sink_fail(out, -ENOMEM);
	json_object_put(o);
}

void sg_speedscope_begin(struct sg_speedscope *w, FILE *f)
{
	*w = (struct sg_speedscope){ 0 };
	sg_sink_init(&w->out, f);
	sg_sink_puts(&w->out, "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
			      "\"exporter\":\"sandglass " SG_VERSION "\",\n\"profiles\":[");
}

static void profile_begin(struct sg_speedscope *w, const char *name, uint64_t end, bool counts)
{
	sg_sink_puts(&w->out, w->profiles++ ? ",\n" : "\n");
	sg_sink_puts(&w->out, "{\"type\":\"evented\",\"name\":");
	put_text(&w->out, name);
	sg_sink_printf(&w->out, ",\"unit\":\"%s\",\"startValue\":0,\"endValue\":%" PRIu64 ",\"events\":[",
		       counts ? "none" : "nanoseconds", end);
}

struct events {
	struct sg_speedscope *w;
	uint64_t begin;
	bool any;
};

static void event(void *ctx, bool opens, uint32_t frame, uint64_t at)
{
	struct events *e = ctx;

	sg_sink_printf(&e->w->out, "%s{\"type\":\"%c\",\"frame\":%" PRIu32 ",\"at\":%" PRIu64 "}",
		       e->any ? "," : "", opens ? 'O' : 'C', frame, at - e->begin);
	e->any = true;
}

/* "request", "guest in web": with the container of the thread that began it, if told. */
static void task_name(const struct sg_speedscope *w, const struct sg_task *t, char *buf, size_t cap)
{
	const struct sg_owner_container *c = NULL;
	char label[SG_OWNERS_LABEL];
	uint64_t cgroup = 0;

	if (w->owners) {
		uint32_t program = sg_owners_proc(w->owners, t->begin_uid ? t->begin_uid : t->uid);

		cgroup = sg_owners_proc_at(w->owners, program)->cgroup;
		c = cgroup ? sg_owners_container(w->owners, cgroup) : NULL;
	}
	snprintf(buf, cap, "%s%s%s", t->name ? t->name : "", c ? " in " : "",
		 c ? sg_owners_label(w->owners, cgroup, label) : "");
}

int sg_speedscope_task(struct sg_speedscope *w, const struct sg_model *m, const struct sg_task *t)
{
	struct events e = { .w = w, .begin = t->begin };
	char name[SG_MARK_NAME + SG_OWNERS_LABEL + 8];
	struct sg_nest *n;

	if (w->profiles >= SG_SPEEDSCOPE_TASKS) {
		w->left_out++;
		return w->out.err;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->frame = &w->frame;
	n->fn = event;
	n->ctx = &e;
	task_name(w, t, name, sizeof(name));
	profile_begin(w, name, t->end - t->begin, false);
	sg_sink_fail(&w->out, sg_nest_task(n, m, t));
	sg_sink_puts(&w->out, "]}");
	free(n);
	return w->out.err;
}

int sg_speedscope_stacks(struct sg_speedscope *w, struct sg_stacks *s, const char *name, bool counts)
{
	struct events e = { .w = w };
	uint32_t at = 0, *path = calloc(s->n + 1, sizeof(*path));
	size_t depth = 0;
	uint64_t now = 0;

	if (!path || sg_stacks_sort(s)) {
		free(path);
		return -ENOMEM;
	}
	profile_begin(w, name, sg_stacks_total(s), counts);
	at = s->n ? s->node[0].child : 0;
	while (at) {
		int64_t id = sg_strtab_id(&w->frame, sg_strtab_str(&s->frame, s->node[at].frame));

		if (id < 0)
			sg_sink_fail(&w->out, -ENOMEM);
		path[depth++] = at;
		event(&e, true, (uint32_t)id, now);
		now += s->node[at].weight;
		if (s->node[at].child) {
			at = s->node[at].child;
			continue;
		}
		for (at = 0; depth && !at; depth--) {
			uint32_t done = path[depth - 1];

			id = sg_strtab_id(&w->frame, sg_strtab_str(&s->frame, s->node[done].frame));
			event(&e, false, (uint32_t)id, now);
			at = s->node[done].next;
		}
	}
	sg_sink_puts(&w->out, "]}");
	free(path);
	return w->out.err;
}

int sg_speedscope_end(struct sg_speedscope *w, const char *name)
{
	struct sg_sink *out = &w->out;

	sg_sink_printf(out, "],\n\"activeProfileIndex\":%zu,\n\"name\":", w->profiles ? w->profiles - 1 : 0);
	put_text(out, name);
	sg_sink_puts(out, ",\n\"shared\":{\"frames\":[");
	for (size_t i = 0; i < w->frame.n && !out->err; i++) {
		sg_sink_puts(out, i ? ",\n{\"name\":" : "\n{\"name\":");
		put_text(out, sg_strtab_str(&w->frame, i));
		sg_sink_puts(out, "}");
	}
	sg_sink_puts(out, "]}}\n");
	sg_strtab_free(&w->frame);
	return sg_sink_end(out);
}
