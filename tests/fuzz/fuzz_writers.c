/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Hostile names through every writer; what comes out is read back. The input is
 * cut at NUL bytes into names: of a thread, a task, a file, a symbol, a module.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "model/analysis.h"
#include "out/json.h"
#include "out/perfetto.h"
#include "out/speedscope.h"
#include "out/svg.h"
#include "out/tasks.h"
#include "out/text.h"
#include "out/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                  \
	do {                                                                                      \
		if (!(x)) {                                                                       \
			fprintf(stderr, "%s:%d: Assertion failed: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

enum { THREAD, TASK, FILE_NAME, SYMBOL, MODULE, NNAME };

struct names {
	char text[NNAME][256];
};

static void cut(struct names *n, const uint8_t *data, size_t size)
{
	memset(n, 0, sizeof(*n));
	for (int i = 0; i < NNAME && size; i++) {
		size_t len = strnlen((const char *)data, size);

		memcpy(n->text[i], data, len < 255 ? len : 255);
		len += len < size;
		data += len;
		size -= len;
	}
}

/* ---- one task with a long wait, as events ---------------------------------- */
static void feed(struct sg_analysis *a, void *ev)
{
	CHECK(sg_analysis_feed(a, ev, NULL) == 0);
}

#define HDR(k, t) .h = { .kind = SG_REC_##k, .ts = (t), .uid = 7 }

static void feed_frame(struct sg_analysis *a, const struct names *n)
{
	union {
		struct sg_frame f;
		char bytes[700];
	} u = { .f = { .h = { .kind = SG_REC_FRAME, .ts = 2 }, .id = 1 } };
	union {
		struct sg_stackdef s;
		char bytes[40];
	} d = { .s = { .h = { .kind = SG_REC_STACKDEF, .ts = 2 }, .id = 1, .n = 1 } };
	size_t len = strlen(n->text[SYMBOL]), mod = strlen(n->text[MODULE]);

	memcpy(u.bytes + sizeof(u.f), n->text[SYMBOL], len + 1);
	memcpy(u.bytes + sizeof(u.f) + len + 1, n->text[MODULE], mod);
	u.f.len = (uint16_t)(len + 1 + mod);
	memcpy(d.bytes + sizeof(d.s), &(uint32_t){ 1 }, 4);
	feed(a, &u);
	feed(a, &d);
}

/* A virtual machine of the task's process, called so; its text may be cut anywhere. */
static void feed_vm(struct sg_analysis *a, const struct names *n)
{
	union {
		struct sg_vm v;
		char bytes[700];
	} u = { .v = { .h = { .kind = SG_REC_VM, .ts = 3 }, .tgid = 7, .vcpus = 2 } };
	struct sg_balloon b = { HDR(BALLOON, 4), .tgid = 7, .what = SG_BALLOON_ACTUAL };
	size_t len = strlen(n->text[SYMBOL]), mod = strlen(n->text[MODULE]);

	memcpy(u.v.text, n->text[SYMBOL], len + 1);
	memcpy(u.v.text + len + 1, n->text[MODULE], mod);
	u.v.len = (uint16_t)(len + 1 + mod);
	b.value = len << 20;
	feed(a, &u);
	feed(a, &b);
}

static void feed_all(struct sg_analysis *a, const struct names *n)
{
	struct sg_thread th = { HDR(THREAD, 1), .tid = 7, .tgid = 7, .flags = SG_TF_INSCOPE };
	struct sg_mark b = { HDR(MARK, 100), .id = 1, .type = SG_MARK_BEGIN, .src = SG_MSRC_USDT };
	struct sg_mark e = { HDR(MARK, 300), .id = 1, .type = SG_MARK_END, .src = SG_MSRC_USDT, .seq = 1 };
	struct sg_stackref k = { HDR(STACKREF, 250), .id = 1, .type = SG_STK_WAIT_KERN };
	struct sg_detail d = { HDR(DETAIL, 260), .fdtype = SG_FD_REG, .fd = 3 };
	union {
		struct sg_slice s;
		char bytes[256];
	} s = { .s = { HDR(SLICE, 300), .in = 260, .prev_out = 100, .wake = 250, .stop = SG_STOP_DISK,
		       .wkind = SG_K_SYSCALL, .nr = 74, .wctx = SG_WCTX_SOFT, .wvec = 4,
		       .wsrc = SG_WSRC_BLOCK, .flags = SG_SF_INSCOPE | SG_SF_STACK, .fdtype = SG_FD_REG,
		       .npair = 1 } };
	struct sg_pair p = { .key = SG_C_CPU_USER, .cnt = 1, .ns = 40 };

	snprintf(th.comm, sizeof(th.comm), "%s", n->text[THREAD]);
	memcpy(b.name, n->text[TASK], sizeof(b.name) - 1);
	memcpy(d.name, n->text[FILE_NAME], sizeof(d.name)); /* may lack its NUL */
	memcpy(s.bytes + sizeof(s.s), &p, sizeof(p));
	feed(a, &th);
	feed_frame(a, n);
	feed_vm(a, n);
	feed(a, &b);
	feed(a, &k);
	feed(a, &d);
	feed(a, &s);
	feed(a, &e);
	CHECK(sg_analysis_finish(a, NULL) == 0);
}

/* ---- what comes out --------------------------------------------------------- */
struct mem {
	FILE *f;
	char *text;
	size_t len;
};

static void mem_open(struct mem *m)
{
	m->f = open_memstream(&m->text, &m->len);
	CHECK(m->f);
}

static void mem_done(struct mem *m)
{
	fclose(m->f);
	m->f = NULL;
}

static void check_clean(const struct mem *m, const char *but)
{
	int32_t c;

	CHECK(strlen(m->text) == m->len);
	for (size_t i = 0; i < m->len;) {
		i += sg_utf8_next(m->text + i, m->len - i, &c);
		CHECK(c >= 0);
		CHECK(!sg_utf8_is_control(c) || (c < 128 && strchr(but, c)));
	}
}

static uint64_t check_json(const struct mem *m)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o, *v;
	uint64_t n = 0;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tok, m->text, (int)m->len);
	CHECK(o && json_tokener_get_error(tok) == json_tokener_success);
	if (json_object_object_get_ex(o, "tasks", &v))
		n = json_object_array_length(v);
	json_object_put(o);
	json_tokener_free(tok);
	return n;
}

static void check_folded(const struct mem *m)
{
	uint64_t sum = 0;

	check_clean(m, "\n");
	for (char *line = m->text, *next; *line; line = next) {
		char *blank = strchr(line, ' '), *end;

		CHECK(blank && blank > line);
		sum += strtoull(blank + 1, &end, 10);
		CHECK(end > blank + 1 && *end == '\n');
		CHECK(!memmem(line, (size_t)(blank - line), ";;", 2) && *line != ';' && blank[-1] != ';');
		next = end + 1;
	}
	CHECK(sum == 200);
}

struct writers {
	struct sg_json *json;
	struct sg_view view;
	struct sg_speedscope speedscope;
	struct sg_perfetto *perfetto;
	struct sg_sink csv, segments;
	uint64_t tasks;
};

static int on_task(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct writers *w = ctx;

	CHECK(sg_json_task(w->json, m, t, tb) == 0);
	CHECK(sg_view_task(&w->view, m, t) == 0);
	CHECK(sg_speedscope_task(&w->speedscope, m, t) == 0);
	CHECK(sg_perfetto_task(w->perfetto, m, t) == 0);
	CHECK(sg_csv_task(&w->csv, t, tb) == 0);
	CHECK(sg_segments_task(&w->segments, m, t, !w->tasks++) == 0);
	return 0;
}

static void check_text(struct sg_analysis *a)
{
	struct sg_kept_task *const *slow;
	struct sg_taskcall_group calls;
	struct sg_group_stats stats;
	struct sg_group *const *g;
	struct mem m;

	mem_open(&m);
	CHECK(sg_analysis_groups(a, &g) == 1);
	CHECK(sg_text_group(m.f, g[0], NULL) == 0);
	sg_group_stats(g[0], &stats);
	CHECK(sg_analysis_calls(a, 0, &calls) == 0);
	CHECK(sg_taskcalls_text(&calls, stats.name, m.f, NULL) == 0);
	CHECK(sg_analysis_slowest(a, 0, &slow) == 1);
	CHECK(sg_text_task(m.f, slow[0], NULL) == 0);
	CHECK(sg_vmsum_text(sg_analysis_vms(a), m.f) == 0);
	mem_done(&m);
	check_clean(&m, "\n");
	free(m.text);
}

static void check_svg(const struct names *n)
{
	const char *x[] = { n->text[0], n->text[1] }, *series[] = { n->text[2] };
	double v[] = { 1, -2 };
	struct sg_chart c = { .title = n->text[3],
			      .x_title = n->text[4],
			      .y_title = n->text[0],
			      .note = n->text[1],
			      .nx = 2,
			      .x = x,
			      .nseries = 1,
			      .series = series,
			      .value = v };
	struct mem m;

	mem_open(&m);
	CHECK(sg_svg_write(m.f, &c) == 0);
	mem_done(&m);
	check_clean(&m, "\n");
	for (const char *p = m.text; (p = strpbrk(p, "<&")); p++)
		CHECK(*p == '<' ? strchr("/strlcp", p[1]) != NULL
				: !strncmp(p, "&lt;", 4) || !strncmp(p, "&gt;", 4) ||
					  !strncmp(p, "&amp;", 5) || !strncmp(p, "&quot;", 6));
	free(m.text);
}

/* Quotes balance outside of and inside fields: an even number in all. */
static void check_csv(const struct mem *m)
{
	size_t quotes = 0, rows = 0;

	for (size_t i = 0; i < m->len; i++) {
		quotes += m->text[i] == '"';
		rows += m->text[i] == '\n' && quotes % 2 == 0;
	}
	CHECK(quotes % 2 == 0);
	CHECK(rows >= 2 && rows <= 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { JSON, FOLDED, SPEED, PERF, CSV, SEGMENTS, NOUT };
	struct sg_json_end end = { .quantile = 0.99, .calls = true };
	struct sg_analysis_opts o = { .on_task = on_task, .calls = true };
	struct mem m[NOUT], spool;
	struct sg_analysis *a;
	struct writers w = { 0 };
	struct names n;
	char spooled[65536];

	cut(&n, data, size);
	end.meta = end.damage = n.text[TASK];
	for (int i = 0; i < NOUT; i++)
		mem_open(&m[i]);
	spool.f = fmemopen(spooled, sizeof(spooled), "w+");
	CHECK(spool.f && sg_json_new(&w.json, spool.f) == 0);
	CHECK(sg_perfetto_new(&w.perfetto, m[PERF].f) == 0);
	sg_speedscope_begin(&w.speedscope, m[SPEED].f);
	sg_sink_init(&w.csv, m[CSV].f);
	sg_csv_begin(&w.csv);
	sg_sink_init(&w.segments, m[SEGMENTS].f);
	sg_segments_begin(&w.segments);
	o.ctx = &w;
	CHECK(sg_analysis_new(&a, &o) == 0);
	feed_all(a, &n);
	CHECK(w.tasks == 1);
	end.a = a;
	CHECK(sg_json_end(w.json, m[JSON].f, &end) == 0);
	CHECK(sg_speedscope_stacks(&w.speedscope, &w.view.stacks, n.text[TASK], false) == 0);
	CHECK(sg_speedscope_end(&w.speedscope, n.text[TASK]) == 0);
	CHECK(sg_folded_write(m[FOLDED].f, &w.view.stacks) == 0);
	CHECK(sg_perfetto_end(w.perfetto) == 0);
	sg_segments_end(&w.segments);
	for (int i = 0; i < NOUT; i++)
		mem_done(&m[i]);
	CHECK(check_json(&m[JSON]) == 1 && check_json(&m[SEGMENTS]) == 1);
	check_json(&m[SPEED]);
	check_folded(&m[FOLDED]);
	check_csv(&m[CSV]);
	check_text(a);
	check_svg(&n);
	for (int i = 0; i < NOUT; i++)
		free(m[i].text);
	sg_view_free(&w.view);
	sg_json_free(w.json);
	sg_analysis_free(a);
	fclose(spool.f);
	return 0;
}
