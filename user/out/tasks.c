/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "model/evidence_text.h"
#include "out/json.h"
#include "out/json_parts.h"
#include "out/tasks.h"

void sg_csv_field(struct sg_sink *out, const char *text)
{
	size_t n = strlen(text);
	bool quote = n && (strpbrk(text, "\",\r\n") || *text == ' ' || text[n - 1] == ' ');
	int32_t c;

	if (quote)
		sg_sink_puts(out, "\"");
	if (n && strchr("=+-@\t\r", *text))
		sg_sink_puts(out, "'");
	for (size_t i = 0, len; i < n; i += len) {
		len = sg_utf8_next(text + i, n - i, &c);
		if (c == '"')
			sg_sink_puts(out, "\"\"");
		else if (c < 0)
			sg_sink_puts(out, "\xef\xbf\xbd");
		else
			sg_sink_write(out, text + i, len);
	}
	if (quote)
		sg_sink_puts(out, "\"");
}

void sg_csv_begin(struct sg_sink *out)
{
	sg_sink_puts(out, "task,id,begin_ns,latency_ns,component,cause,ns,count,uncertain_ns\n");
}

int sg_csv_task(struct sg_sink *out, const struct sg_task *t, struct sg_blame *tb)
{
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows(tb, &row);

	for (size_t i = 0; i < n; i++) {
		sg_csv_field(out, t->name ? t->name : "");
		sg_sink_printf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",", t->id, t->begin,
			       t->end - t->begin);
		sg_csv_field(out, row[i].comp);
		sg_sink_puts(out, ",");
		sg_csv_field(out, row[i].cause);
		sg_sink_printf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", row[i].ns, row[i].cnt,
			       row[i].uncertain_ns);
	}
	return out->err;
}

void sg_segments_begin(struct sg_sink *out)
{
	sg_sink_puts(out, "{\"tasks\":[");
}

void sg_segments_end(struct sg_sink *out)
{
	sg_sink_puts(out, "\n]}\n");
}

static void put_object(struct sg_sink *out, struct json_object *o)
{
	size_t len;
	const char *text = o ? json_object_to_json_string_length(o, SG_JP_FLAGS, &len) : NULL;

	if (text)
		sg_sink_write(out, text, len);
	else
		sg_sink_fail(out, -ENOMEM);
	json_object_put(o);
}

static struct json_object *segment(const struct sg_model *m, const struct sg_task *t, const struct sg_seg *s)
{
	static const struct {
		uint8_t kind;
		const char *key;
	} facts[] = { { SG_EV_WHY, "why" },
		      { SG_EV_SYSCALL, "syscall" },
		      { SG_EV_FILE, "file" },
		      { SG_EV_SOCKET, "socket" },
		      { SG_EV_PIPE, "pipe" },
		      { SG_EV_DEVICE, "device" },
		      { SG_EV_TAKEN, "cpu_taken_by" },
		      { SG_EV_WAKER, "waker" },
		      { SG_EV_STACK, "stack" },
		      { SG_EV_USTACK, "user_stack" },
		      { SG_EV_PROCESS, "thread" },
		      { SG_EV_PATH, "chain" } };
	struct json_object *o = json_object_new_object();
	char text[256], cause[64];
	uint64_t id;

	sg_jp_u64(o, "at_ns", s->lo - t->begin);
	sg_jp_u64(o, "ns", s->hi - s->lo);
	sg_jp_text(o, "component", sg_model_comp(m, s->comp));
	sg_jp_text(o, "cause", sg_cause_name(s->cause, cause, sizeof(cause)));
	sg_jp_text(o, "wait", sg_cause_name(s->wait_cause, cause, sizeof(cause)));
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		unsigned k = facts[i].kind;

		if (!sg_evid_has(m, s, k, &id) || !sg_evid_text(m, s, k, text, sizeof(text)))
			continue;
		sg_jp_text(o, facts[i].key, text);
	}
	if (s->cnt)
		sg_jp_u64(o, "count", s->cnt);
	if (s->forwhom)
		sg_jp_text(o, "for", s->forwhom == SG_FOR_OTHER ? "other" : "unmarked");
	if (s->flags & SG_SEG_CUT)
		sg_jp_bool(o, "prorated", true);
	if (s->flags & SG_SEG_OPEN)
		sg_jp_bool(o, "open", true);
	return o;
}

int sg_segments_task(struct sg_sink *out, const struct sg_model *m, const struct sg_task *t, bool first)
{
	sg_sink_puts(out, first ? "\n{\"name\":" : ",\n{\"name\":");
	put_object(out, sg_json_text(t->name ? t->name : ""));
	sg_sink_printf(out, ",\"id\":%" PRIu64 ",\"begin_ns\":%" PRIu64 ",\"latency_ns\":%" PRIu64, t->id,
		       t->begin, t->end - t->begin);
	sg_sink_printf(out, ",\"incomplete\":%s,\"segments\":[", t->incomplete ? "true" : "false");
	for (size_t i = 0; i < t->nseg && !out->err; i++) {
		sg_sink_puts(out, i ? ",\n" : "\n");
		put_object(out, segment(m, t, &t->seg[i]));
	}
	sg_sink_puts(out, "]}");
	return out->err;
}
