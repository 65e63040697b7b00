/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Golden outputs: tests/golden/formats/NAME.stream through every writer, compared
 * byte by byte with NAME.* beside it. SG_UPDATE_GOLDEN=1 writes them anew; read
 * the difference before committing it. tests/golden/run.sh holds the files
 * against the published schemas of the formats.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include "out/json.h"
#include "out/perfetto.h"
#include "out/speedscope.h"
#include "out/tasks.h"
#include "out/text.h"
#include "out/view.h"
#include "out_case.h"

#define META                                                                                       \
	"{\"machine\":{\"kernel\":\"6.1\"},\"command\":[\"make\"],\"options\":{\"sample_hz\":99}," \
	"\"plan\":[{\"name\":\"fault.end\",\"variant\":null,\"without\":\"faults have no outcome\"}]}"

struct golden {
	struct sg_analysis *a;
	struct sg_view view;
	struct sg_speedscope speedscope;
	struct sg_perfetto *perfetto;
	struct sg_json *json;
	struct sg_sink sink;
	uint64_t tasks;
};

static int to_view(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	(void)tb;
	return sg_view_task(&((struct golden *)ctx)->view, m, t);
}

static int to_speedscope(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	(void)tb;
	sg_view_task(&((struct golden *)ctx)->view, m, t);
	return sg_speedscope_task(&((struct golden *)ctx)->speedscope, m, t);
}

static int to_perfetto(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	(void)tb;
	return sg_perfetto_task(((struct golden *)ctx)->perfetto, m, t);
}

static int to_csv(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	(void)m;
	return sg_csv_task(&((struct golden *)ctx)->sink, t, tb);
}

static int to_segments(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct golden *g = ctx;

	(void)tb;
	return sg_segments_task(&g->sink, m, t, !g->tasks++);
}

static int to_json(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	return sg_json_task(((struct golden *)ctx)->json, m, t, tb);
}

static int view_span(void *ctx, const struct sg_span *s)
{
	return sg_view_span(&((struct golden *)ctx)->view, s);
}

static int view_sample(void *ctx, const struct sg_sample *s)
{
	return sg_view_sample(&((struct golden *)ctx)->view, s);
}

static int perfetto_span(void *ctx, const struct sg_span *s)
{
	struct golden *g = ctx;

	return sg_perfetto_span(g->perfetto, g->view.model, s);
}

static void run(struct golden *g, const char *text, struct sg_analysis_opts o)
{
	o.ctx = g;
	o.tasks = SG_TASKS_AUTO;
	o.slowest = 2;
	cr_assert_eq(sg_analysis_new(&g->a, &o), 0);
	g->view.model = sg_analysis_model(g->a);
	g->speedscope.owners = sg_analysis_owners(g->a);
	if (g->perfetto)
		sg_perfetto_owners(g->perfetto, sg_analysis_owners(g->a));
	out_case_run(g->a, text);
}

static void make_report(FILE *f, const char *text)
{
	struct sg_text_head h = { .file = "server.sgt", .meta = META };
	struct sg_kept_task *const *slow;
	struct sg_group *const *grp;
	struct golden g = { 0 };
	size_t n;

	run(&g, text, (struct sg_analysis_opts){ .check_order = true });
	sg_analysis_info(g.a, &h.info);
	cr_assert_eq(sg_text_head(f, &h, NULL), 0);
	n = sg_analysis_groups(g.a, &grp);
	for (size_t i = 0; i < n; i++) {
		const struct sg_order_row *order;
		size_t k = sg_analysis_order(g.a, i, &order);

		fputc('\n', f);
		cr_assert_eq(sg_text_group(f, grp[i], NULL), 0);
		cr_assert_eq(sg_text_why_slow(f, grp[i], 0.9, NULL), 0);
		cr_assert_eq(sg_text_order(f, order, k, NULL), 0);
		k = sg_analysis_slowest(g.a, i, &slow);
		for (size_t s = 0; s < k; s++)
			cr_assert_eq(sg_text_task(f, slow[s], NULL), 0);
	}
	sg_analysis_free(g.a);
}

static void make_json(FILE *f, const char *text)
{
	FILE *spool = tmpfile();
	struct golden g = { 0 };
	struct sg_json_end e = { .meta = META,
				 .end_meta = "{\"perturbation\":{\"own_cpu_ns\":5}}",
				 .quantile = 0.99 };

	cr_assert(spool);
	cr_assert_eq(sg_json_new(&g.json, spool), 0);
	run(&g, text, (struct sg_analysis_opts){ .on_task = to_json });
	e.a = g.a;
	cr_assert_eq(sg_json_end(g.json, f, &e), 0);
	sg_json_free(g.json);
	fclose(spool);
	sg_analysis_free(g.a);
}

static void make_folded(FILE *f, const char *text, enum sg_view_kind kind)
{
	struct golden g = { .view = { .kind = kind, .sample_ns = 10101010 } };

	run(&g, text,
	    (struct sg_analysis_opts){ .on_task = to_view, .on_span = view_span, .on_sample = view_sample });
	cr_assert_eq(sg_folded_write(f, &g.view.stacks), 0);
	sg_view_free(&g.view);
	sg_analysis_free(g.a);
}

static void make_path(FILE *f, const char *text)
{
	make_folded(f, text, SG_VIEW_PATH);
}

static void make_cause(FILE *f, const char *text)
{
	make_folded(f, text, SG_VIEW_CAUSE);
}

static void make_offcpu(FILE *f, const char *text)
{
	make_folded(f, text, SG_VIEW_OFFCPU);
}

static void make_oncpu(FILE *f, const char *text)
{
	make_folded(f, text, SG_VIEW_ONCPU);
}

static void make_speedscope(FILE *f, const char *text)
{
	struct golden g = { .view = { .kind = SG_VIEW_PATH } };

	sg_speedscope_begin(&g.speedscope, f);
	run(&g, text, (struct sg_analysis_opts){ .on_task = to_speedscope });
	cr_assert_eq(sg_speedscope_stacks(&g.speedscope, &g.view.stacks, "all", false), 0);
	cr_assert_eq(sg_speedscope_end(&g.speedscope, "server"), 0);
	sg_view_free(&g.view);
	sg_analysis_free(g.a);
}

static void make_perfetto(FILE *f, const char *text)
{
	struct golden g = { 0 };

	cr_assert_eq(sg_perfetto_new(&g.perfetto, f), 0);
	run(&g, text, (struct sg_analysis_opts){ .on_task = to_perfetto, .on_span = perfetto_span });
	cr_assert_eq(sg_perfetto_end(g.perfetto), 0);
	sg_analysis_free(g.a);
}

static void make_csv(FILE *f, const char *text)
{
	struct golden g = { 0 };

	sg_sink_init(&g.sink, f);
	sg_csv_begin(&g.sink);
	run(&g, text, (struct sg_analysis_opts){ .on_task = to_csv });
	cr_assert_eq(sg_sink_end(&g.sink), 0);
	sg_analysis_free(g.a);
}

static void make_segments(FILE *f, const char *text)
{
	struct golden g = { 0 };

	sg_sink_init(&g.sink, f);
	sg_segments_begin(&g.sink);
	run(&g, text, (struct sg_analysis_opts){ .on_task = to_segments });
	sg_segments_end(&g.sink);
	cr_assert_eq(sg_sink_end(&g.sink), 0);
	sg_analysis_free(g.a);
}

static const struct {
	const char *ext;
	void (*make)(FILE *f, const char *text);
} formats[] = {
	{ "report.txt", make_report },
	{ "report.json", make_json },
	{ "path.folded", make_path },
	{ "cause.folded", make_cause },
	{ "offcpu.folded", make_offcpu },
	{ "oncpu.folded", make_oncpu },
	{ "speedscope.json", make_speedscope },
	{ "pftrace", make_perfetto },
	{ "csv", make_csv },
	{ "segments.json", make_segments },
};

static void compare(const char *path, const struct out_case *o)
{
	const char *update = getenv("SG_UPDATE_GOLDEN");
	FILE *f = fopen(path, update && *update == '1' ? "we" : "re");
	char *want;
	size_t n;

	cr_assert(f, "%s is missing; SG_UPDATE_GOLDEN=1 makes it", path);
	if (update && *update == '1') {
		cr_assert_eq(fwrite(o->text, 1, o->len, f), o->len);
		cr_assert_eq(fclose(f), 0);
		return;
	}
	want = calloc(1, o->len + 2);
	n = fread(want, 1, o->len + 1, f);
	fclose(f);
	for (size_t i = 0; i < o->len && i < n; i++)
		cr_assert_eq(want[i], o->text[i], "%s: byte %zu: want ...%.60s, have ...%.60s", path, i,
			     want + i, o->text + i);
	cr_assert_eq(n, o->len, "%s: length", path);
	free(want);
}

Test(golden, every_format_gives_the_bytes_it_gave)
{
	glob_t g;

	cr_assert_eq(glob("tests/golden/formats/*.stream", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char *text = out_case_file(g.gl_pathv[i]);
		int base = (int)(strrchr(g.gl_pathv[i], '.') - g.gl_pathv[i]);

		for (size_t k = 0; k < sizeof(formats) / sizeof(*formats); k++) {
			struct out_case o;
			char path[300];

			snprintf(path, sizeof(path), "%.*s.%s", base, g.gl_pathv[i], formats[k].ext);
			formats[k].make(out_open(&o), text);
			out_close(&o);
			compare(path, &o);
			free(o.text);
		}
		free(text);
	}
	globfree(&g);
}
