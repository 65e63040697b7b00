/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* System calls of sandboxes' guests: tables for people, and JSON. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "model/gofer.h"
#include "model/guestcalls.h"
#include "out/json_parts.h"
#include "out/text_table.h"

#define BOXES_SHOWN 12
#define ROWS_SHOWN  24

static const struct {
	const char *name, *what;
} seen_texts[SG_SEEN_MAX] = {
#define SG_X(id, sym, name, what) [id] = { name, what },
	SG_GUEST_SEEN_LIST(SG_X)
#undef SG_X
}, part_texts[SG_PART_MAX] = {
#define SG_X(id, sym, name, what) [id] = { name, what },
	SG_GUEST_PART_LIST(SG_X)
#undef SG_X
};

static const char *msg_name(char *buf, size_t cap, const struct sg_guest_msg *m)
{
	const char *name = sg_gofer_name(m->is_9p, m->word);

	if (name)
		snprintf(buf, cap, "%s", name);
	else
		snprintf(buf, cap, "type %u", m->word);
	return buf;
}

/* Probes and trace points count beside the default source: columns only where they saw something. */
static bool has_beside(const struct sg_guest_sandbox *b)
{
	return b->sum.seen[SG_SEEN_UPROBE] || b->sum.seen[SG_SEEN_TRACE];
}

static void put_row(struct sg_tab *t, const struct sg_guest_sandbox *b, const struct sg_guest_row *r,
		    const char *name)
{
	size_t c = 0;

	sg_tab_row(t);
	sg_tab_cell(t, c++, name);
	sg_tab_u64(t, c++, r->seen[SG_SEEN_STOP] + r->seen[SG_SEEN_TRAP]);
	if (has_beside(b)) {
		sg_tab_u64(t, c++, r->seen[SG_SEEN_UPROBE]);
		sg_tab_u64(t, c++, r->seen[SG_SEEN_TRACE]);
	}
	sg_tab_ns(t, c++, r->total_ns);
	sg_tab_ns(t, c++, r->mean_ns);
	sg_tab_ns(t, c++, r->p99_ns);
	for (size_t i = 0; i < SG_PART_MAX; i++)
		sg_tab_ns(t, c++, r->part_ns[i]);
}

static void rest_add(struct sg_guest_row *to, const struct sg_guest_row *r)
{
	to->cnt += r->cnt;
	to->total_ns += r->total_ns;
	for (size_t i = 0; i < SG_SEEN_MAX; i++)
		to->seen[i] += r->seen[i];
	for (size_t i = 0; i < SG_PART_MAX; i++)
		to->part_ns[i] += r->part_ns[i];
	to->mean_ns = to->explained ? to->total_ns / to->explained : to->cnt ? to->total_ns / to->cnt : 0;
}

static int put_calls(FILE *f, const struct sg_guest_sandbox *b, const struct sg_text_opts *o)
{
	size_t shown = o && o->rows ? o->rows : ROWS_SHOWN;
	struct sg_guest_row rest = { 0 };
	char name[64];
	struct sg_tab t;
	int ret = sg_tab_begin(&t, f, o);

	if (ret)
		return ret;
	sg_tab_column(&t, "call", 0);
	sg_tab_column(&t, "count", SCOLS_FL_RIGHT);
	if (has_beside(b)) {
		sg_tab_column(&t, "by probes", SCOLS_FL_RIGHT);
		sg_tab_column(&t, "by trace", SCOLS_FL_RIGHT);
	}
	sg_tab_column(&t, "total", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "mean", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "p99", SCOLS_FL_RIGHT);
	for (size_t i = 0; i < SG_PART_MAX; i++)
		sg_tab_column(&t, part_texts[i].name, SCOLS_FL_RIGHT);
	for (size_t i = 0; i < b->nrow && i < shown; i++)
		put_row(&t, b, &b->row[i], sg_guest_call_name(name, sizeof(name), b->row[i].nr));
	for (size_t i = shown; i < b->nrow; i++)
		rest_add(&rest, &b->row[i]);
	if (b->nrow > shown) {
		snprintf(name, sizeof(name), "%zu others", b->nrow - shown);
		put_row(&t, b, &rest, name);
	}
	put_row(&t, b, &b->sum, "all");
	return sg_tab_end(&t);
}

/* "openat caused WalkStat 100, OpenAt 100" */
static void put_caused(FILE *f, const struct sg_guest_sandbox *b, size_t most)
{
	char name[64];

	for (size_t i = 0; i < b->nrow && i < most; i++) {
		const struct sg_guest_row *r = &b->row[i];

		for (size_t k = 0; k < r->nmsg; k++) {
			if (!k)
				fprintf(f, "  %s caused ", sg_guest_call_name(name, sizeof(name), r->nr));
			fprintf(f, "%s%s %" PRIu64, k ? ", " : "", msg_name(name, sizeof(name), &r->msg[k]),
				r->msg[k].cnt);
		}
		if (r->nmsg)
			fputc('\n', f);
	}
	if (b->msg_apart)
		fprintf(f,
			"  %" PRIu64 " messages belong to no call that was seen, or may belong to several\n",
			b->msg_apart);
}

static int put_messages(FILE *f, const struct sg_guest_sandbox *b, const struct sg_text_opts *o)
{
	char name[64];
	struct sg_tab t;
	uint64_t count = 0, waits = 0;
	bool seen = false;
	int ret;

	for (size_t i = 0; i < b->nmsg; i++)
		seen |= b->msg[i].seen;
	if (!b->nmsg)
		return 0;
	fputs("\nGofer messages\n", f);
	ret = sg_tab_begin(&t, f, o);
	if (ret)
		return ret;
	sg_tab_column(&t, "message", 0);
	sg_tab_column(&t, "protocol", 0);
	sg_tab_column(&t, "count", SCOLS_FL_RIGHT);
	if (seen)
		sg_tab_column(&t, "by probes", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "waited for", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "waiting", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "mean", SCOLS_FL_RIGHT);
	for (size_t i = 0; i < b->nmsg; i++) {
		const struct sg_guest_msg *m = &b->msg[i];
		size_t c = seen ? 4 : 3;

		count += m->cnt;
		waits += m->waits;
		sg_tab_row(&t);
		sg_tab_cell(&t, 0, msg_name(name, sizeof(name), &b->msg[i]));
		sg_tab_cell(&t, 1, b->msg[i].is_9p ? "9P" : "LISAFS");
		sg_tab_u64(&t, 2, b->msg[i].cnt);
		if (seen)
			sg_tab_u64(&t, 3, b->msg[i].seen);
		sg_tab_u64(&t, c, m->waits);
		sg_tab_ns(&t, c + 1, m->wait_ns);
		sg_tab_ns(&t, c + 2, m->waits ? m->wait_ns / m->waits : 0);
	}
	ret = sg_tab_end(&t);
	if (!ret && count > waits)
		fprintf(f,
			"  the time of %" PRIu64 " of %" PRIu64
			" messages is not known: the Sentry did not block for their answers, it spun\n",
			count - waits, count);
	if (!ret)
		put_caused(f, b, o && o->rows ? o->rows : ROWS_SHOWN);
	return ret;
}

/* Which sources were on, and what they leave out: never a guess at how much. */
static void put_sources(FILE *f, const struct sg_guest_sandbox *b)
{
	for (size_t i = 0; i < SG_SEEN_MAX; i++)
		if (b->sum.seen[i])
			fprintf(f, "seen by %s: %" PRIu64 " (%s)\n", seen_texts[i].name, b->sum.seen[i],
				seen_texts[i].what);
	if (b->sum.seen[SG_SEEN_TRAP] && !has_beside(b))
		fputs("not seen: calls from places that systrap has patched make no trap; how many there "
		      "were is "
		      "not known.\nrunsc trace (record --gvisor-trace) and probes in the Sentry see them\n",
		      f);
	if (b->trace_dropped)
		fprintf(f,
			"gVisor dropped %" PRIu64
			" of its trace messages: what runsc trace counts is too few\n",
			b->trace_dropped);
	if (b->sum.total_ns && !b->sum.explained)
		fputs("where the time went is not known: no call could be followed\n", f);
}

static int put_box(FILE *f, const struct sg_guest_sandbox *b, const struct sg_text_opts *o)
{
	char a[SG_OWNERS_LABEL], c[40], t[32];
	int ret;

	fprintf(f, "\nguest system calls of %s", sg_text_clean(a, sizeof(a), b->container));
	if (*b->platform)
		fprintf(f, " (%s)", sg_text_clean(c, sizeof(c), b->platform));
	fprintf(f, ": %" PRIu64 " calls, %s\n", b->sum.cnt, sg_text_ns(t, sizeof(t), b->sum.total_ns));
	put_sources(f, b);
	ret = put_calls(f, b, o);
	return ret ? ret : put_messages(f, b, o);
}

int sg_guestcalls_text(struct sg_guestcalls *g, FILE *f, const struct sg_text_opts *o)
{
	const struct sg_guest_sandbox *b;
	size_t n;
	int ret = sg_guestcalls_list(g, &b, &n);

	if (!ret && !n)
		fputs("\nno system call of a sandbox's guest was seen: no gVisor sandbox was recorded, or "
		      "record "
		      "was not told to look\n",
		      f);
	for (size_t i = 0; i < n && i < BOXES_SHOWN && !ret; i++)
		ret = put_box(f, &b[i], o);
	if (!ret && n) {
		fputs("\nthe parts of a call's time, which sum to its total:\n", f);
		for (size_t i = 0; i < SG_PART_MAX; i++)
			fprintf(f, "  %-11s  %s\n", part_texts[i].name, part_texts[i].what);
	}
	if (n > BOXES_SHOWN)
		fprintf(f, "%zu more sandboxes; --json shows all\n", n - BOXES_SHOWN);
	return ret ? ret : ferror(f) ? -EIO : 0;
}

/* @waits: of all messages of a Gofer, not of those that one call caused. */
static struct json_object *messages_of(const struct sg_guest_msg *m, size_t n, bool waits)
{
	struct json_object *list = json_object_new_array();
	char name[64];

	for (size_t i = 0; list && i < n; i++) {
		struct json_object *o = json_object_new_object();

		sg_jp_text(o, "message", msg_name(name, sizeof(name), &m[i]));
		sg_jp_u64(o, "type", m[i].is_9p ? m[i].word & 0xff : m[i].word);
		sg_jp_text(o, "protocol", m[i].is_9p ? "9P" : "LISAFS");
		sg_jp_u64(o, "count", m[i].cnt);
		sg_jp_u64(o, "by_probes", m[i].seen);
		if (waits) {
			sg_jp_u64(o, "waits", m[i].waits);
			sg_jp_u64(o, "waiting_ns", m[i].wait_ns);
		}
		json_object_array_add(list, o);
	}
	return list;
}

static void sums_members(struct json_object *o, const struct sg_guest_row *r)
{
	static const char *const seen_keys[] = { "by_stops", "by_traps", "by_probes", "by_trace" };
	static const char *const part_keys[] = { "trap_ns", "sentry_ns", "gofer_ns", "host_ns", "other_ns" };

	sg_jp_u64(o, "count", r->cnt);
	for (size_t i = 0; i < SG_SEEN_MAX; i++)
		sg_jp_u64(o, seen_keys[i], r->seen[i]);
	sg_jp_u64(o, "total_ns", r->total_ns);
	sg_jp_u64(o, "mean_ns", r->mean_ns);
	sg_jp_u64(o, "max_ns", r->max_ns);
	for (size_t i = 0; i < SG_PART_MAX; i++)
		sg_jp_u64(o, part_keys[i], r->part_ns[i]);
	sg_jp_u64(o, "waits_explained", r->explained);
}

static struct json_object *box_object(const struct sg_guest_sandbox *b)
{
	static const char *const timed[] = { "stops", "traps", "probes", "trace" };
	struct json_object *o = json_object_new_object(), *rows = json_object_new_array();
	char name[64];

	sg_jp_text(o, "container", b->container);
	sg_jp_text(o, "platform", b->platform);
	sums_members(o, &b->sum);
	for (size_t i = 0; rows && i < b->nrow; i++) {
		const struct sg_guest_row *r = &b->row[i];
		struct json_object *v = json_object_new_object();

		sg_jp_text(v, "call", sg_guest_call_name(name, sizeof(name), r->nr));
		sg_jp_u64(v, "nr", r->nr);
		sums_members(v, r);
		sg_jp_text(v, "times_of", timed[r->timed]);
		sg_jp_u64(v, "p99_ns", r->p99_ns);
		sg_jp_u64(v, "sampled", r->sampled);
		sg_jp_add(v, "messages", messages_of(r->msg, r->nmsg, false));
		json_object_array_add(rows, v);
	}
	sg_jp_add(o, "calls", rows);
	sg_jp_add(o, "gofer_messages", messages_of(b->msg, b->nmsg, true));
	sg_jp_u64(o, "messages_apart", b->msg_apart);
	sg_jp_u64(o, "trace_dropped", b->trace_dropped);
	return o;
}

struct json_object *sg_guestcalls_json(struct sg_guestcalls *g)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	const struct sg_guest_sandbox *b;
	size_t n;

	if (!o || !list || sg_guestcalls_list(g, &b, &n)) {
		json_object_put(o);
		json_object_put(list);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, box_object(&b[i]));
	sg_jp_add(o, "sandboxes", list);
	return o;
}
