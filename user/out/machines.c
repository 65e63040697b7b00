/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "out/machines.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include "out/json.h"
#include "out/json_parts.h"
#include "out/text.h"

static const struct {
	const char *word, *text;
} source[SG_CLOCK_MAX] = {
	[SG_CLOCK_TSC] = { "tsc", "its TSC's offset (KVM's)" },
	[SG_CLOCK_EXCHANGE] = { "exchange", "two-way exchange" },
	[SG_CLOCK_REALTIME] = { "realtime", "CLOCK_REALTIME" },
	[SG_CLOCK_GIVEN] = { "given", "an offset that was given" },
};

/* Of most points; 0: nothing tells of it. */
static unsigned source_of(const struct sg_model_clock *c)
{
	unsigned best = 0;

	for (unsigned i = 1; i < SG_CLOCK_MAX; i++)
		if (c->by[i] > c->by[best])
			best = i;
	return best;
}

/* What the description says of machine @number under "from". "" unknown; lives as long as @meta. */
static const char *from_of(struct json_object *meta, uint32_t number)
{
	struct json_object *list, *v;

	if (!json_object_is_type(meta, json_type_object) ||
	    !json_object_object_get_ex(meta, "machines", &list) ||
	    !json_object_is_type(list, json_type_array))
		return "";
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "number", &v) &&
		    json_object_get_int64(v) == number && json_object_object_get_ex(o, "from", &v) &&
		    json_object_is_type(v, json_type_string))
			return json_object_get_string(v);
	}
	return "";
}

static void put_clock(FILE *f, const struct sg_model_clock *c, uint64_t shift)
{
	unsigned s = source_of(c);
	char t[32];

	if (!s) {
		fputs("; nothing tells of its clock: its tasks are as it saw them alone", f);
		return;
	}
	fprintf(f, "; its clock by %s, %zu point%s", source[s].text, c->points, c->points == 1 ? "" : "s");
	for (unsigned i = 1; i < SG_CLOCK_MAX; i++)
		if (i != s && c->by[i])
			fprintf(f, " (%zu by %s)", c->by[i], source[i].text);
	fprintf(f, ", %s %s the host's, true within %" PRIu64 " ns",
		sg_text_ns(t, sizeof(t), (int64_t)shift < 0 ? 0 - shift : shift),
		(int64_t)shift < 0 ? "ahead of" : "behind", c->error_ns);
	if (s == SG_CLOCK_GIVEN)
		fputs(" if that is exact", f);
	if (c->stepped)
		fputs(" until it was set, and unknown from there on", f);
	if (c->fused_ns || c->violations)
		fprintf(f,
			"; %" PRIu64
			" clock violation%s, %s left open by that bound, or by several threads' interrupts",
			c->violations, c->violations == 1 ? "" : "s",
			sg_text_ns(t, sizeof(t), c->ambiguous_ns));
}

int sg_machines_text(FILE *f, const struct sg_model *m, struct json_object *meta)
{
	const struct sg_machines *ms = sg_model_machines(m);
	char clean[300];

	for (unsigned i = 0; i < SG_MACHINE_MAX && ms->n; i++) {
		const struct sg_machine_info *mi = &ms->m[i];
		const char *from = from_of(meta, i);
		struct sg_model_clock c;

		if (!mi->known)
			continue;
		fprintf(f, "machine %s", sg_text_clean(clean, sizeof(clean), mi->name));
		fprintf(f, ": Linux %s", *mi->kernel ? sg_text_clean(clean, sizeof(clean), mi->kernel) : "?");
		if (*from)
			fprintf(f, ", from %s", sg_text_clean(clean, sizeof(clean), from));
		if (i) {
			sg_model_clock(m, i, &c);
			put_clock(f, &c, mi->shift);
		}
		fputc('\n', f);
	}
	return ferror(f) ? -EIO : 0;
}

static struct json_object *clock_json(const struct sg_model_clock *c, uint64_t shift)
{
	struct json_object *o = json_object_new_object(), *by = json_object_new_object();
	unsigned s = source_of(c);

	for (unsigned i = 1; i < SG_CLOCK_MAX; i++)
		if (c->by[i])
			sg_jp_u64(by, source[i].word, c->by[i]);
	sg_jp_text(o, "source", s ? source[s].word : "");
	sg_jp_u64(o, "points", c->points);
	sg_jp_add(o, "points_by", by);
	sg_jp_i64(o, "shift_ns", (int64_t)shift);
	sg_jp_u64(o, "error_ns", c->error_ns);
	sg_jp_bool(o, "stepped", c->stepped);
	sg_jp_u64(o, "violations", c->violations);
	sg_jp_u64(o, "fused_ns", c->fused_ns);
	sg_jp_u64(o, "ambiguous_ns", c->ambiguous_ns);
	return o;
}

struct json_object *sg_machines_json(const struct sg_model *m, struct json_object *meta)
{
	const struct sg_machines *ms = sg_model_machines(m);
	struct json_object *list = ms->n ? json_object_new_array() : NULL;

	for (unsigned i = 0; list && i < SG_MACHINE_MAX; i++) {
		struct json_object *o = ms->m[i].known ? json_object_new_object() : NULL;
		struct sg_model_clock c;

		if (!o)
			continue;
		sg_jp_u64(o, "number", i);
		sg_jp_text(o, "name", ms->m[i].name);
		sg_jp_text(o, "kernel", ms->m[i].kernel);
		sg_jp_text(o, "from", from_of(meta, i));
		if (i) {
			sg_model_clock(m, i, &c);
			sg_jp_add(o, "clock", clock_json(&c, ms->m[i].shift));
		}
		json_object_array_add(list, o);
	}
	return list;
}
