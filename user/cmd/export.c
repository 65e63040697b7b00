/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass export: a recording in the formats of other tools. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd/cmd.h"
#include "cmd/input.h"
#include "out/perfetto.h"
#include "out/speedscope.h"
#include "out/tasks.h"
#include "out/view.h"

enum { OPT_FORMAT = 256, OPT_VIEW, OPT_GROUP };

enum format { FOLDED, SPEEDSCOPE, PERFETTO, JSON, CSV, NFORMAT };
static const char *const format_name[NFORMAT] = { "folded", "speedscope", "perfetto", "json", "csv" };

struct args {
	struct sg_analysis_opts o;
	const char *file, *out;
	int format; /* -1: not given */
	struct sg_view view;
	FILE *f;
	struct sg_sink sink; /* csv, json */
	struct sg_speedscope speedscope;
	struct sg_perfetto *perfetto;
	uint64_t tasks;
	struct sg_view
		partial; /* of tasks that are not whole: shown where there are no others, as in a report */
	uint64_t whole, incomplete;
};

static const struct argp_option options[] = {
	{ "format", OPT_FORMAT, "NAME", 0,
	  "folded: stacks for flamegraph.pl and inferno; speedscope: for speedscope.app; perfetto: for "
	  "ui.perfetto.dev; "
	  "json: every segment of every task; csv: every blame row of every task",
	  1 },
	{ "view", OPT_VIEW, "NAME", 0,
	  "what folded and speedscope show: path (the default), cause, offcpu or oncpu", 1 },
	{ "output", 'o', "FILE", 0, "write to FILE instead of standard output", 1 },
	{ "group", OPT_GROUP, "NAME", 0, "only the tasks of this name", 1 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;
	int kind;

	switch (key) {
	case ARGP_KEY_INIT:
		s->child_inputs[0] = &a->o;
		break;
	case OPT_FORMAT:
		for (a->format = 0; a->format < NFORMAT && strcmp(format_name[a->format], arg); a->format++)
			;
		if (a->format == NFORMAT)
			argp_error(s, "--format is folded, speedscope, perfetto, json or csv, not '%s'", arg);
		break;
	case OPT_VIEW:
		kind = sg_view_kind(arg);
		if (kind < 0)
			argp_error(s, "--view is path, cause, offcpu or oncpu, not '%s'", arg);
		a->view.kind = a->partial.kind = (enum sg_view_kind)kind;
		break;
	case 'o':
		a->out = arg;
		break;
	case OPT_GROUP:
		a->o.only = arg;
		break;
	case ARGP_KEY_ARG:
		if (a->file)
			argp_error(s, "one recording at a time");
		a->file = arg;
		break;
	case ARGP_KEY_END:
		if (!a->file)
			argp_error(s, "say which recording: sandglass export FILE --format folded");
		if (a->format < 0)
			argp_error(s, "say which format: --format folded, speedscope, perfetto, json or csv");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &sg_input_argp, 0, NULL, 20 }, { 0 } };

const struct argp sg_argp_export = {
	options,
	parse,
	"FILE",
	"Write a recording in the format of another tool.\v"
	"Examples:\n"
	"  sandglass export s.sgt --format folded | flamegraph.pl --countname ns > path.svg\n"
	"  sandglass export s.sgt --format folded --view offcpu | inferno-flamegraph > offcpu.svg\n"
	"  sandglass export s.sgt --format speedscope -o s.speedscope.json   open it at speedscope.app\n"
	"  sandglass export s.sgt --format perfetto -o s.pftrace             open it at ui.perfetto.dev\n"
	"  sandglass export s.sgt --format csv -o blame.csv\n\n"
	"Weights are nanoseconds. The views path and cause sum to the latency of the tasks that are recorded "
	"whole (of all, where none is); offcpu holds "
	"every wait of every "
	"recorded thread; oncpu the CPU samples, each weighing one sampling period (or 1 when the recording "
	"does not say it).",
	children,
	NULL,
	NULL
};

/* Sampling period of the recording in ns, 0 when it does not say. */
static uint64_t sample_period(const char *meta)
{
	struct json_object *o = meta ? json_tokener_parse(meta) : NULL, *opt = NULL, *hz = NULL;
	uint64_t v = 0;

	if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "options", &opt) &&
	    json_object_is_type(opt, json_type_object) && json_object_object_get_ex(opt, "sample_hz", &hz))
		v = json_object_get_uint64(hz);
	json_object_put(o);
	return v && v <= 1000000000 ? 1000000000 / v : 0;
}

static void before(void *ctx, struct sg_analysis *an)
{
	struct args *a = ctx;

	a->view.model = sg_analysis_model(an);
	a->speedscope.owners = sg_analysis_owners(an);
	if (a->perfetto)
		sg_perfetto_owners(a->perfetto, sg_analysis_owners(an));
}

static int on_task(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct args *a = ctx;
	struct sg_view *v = t->incomplete ? &a->partial : &a->view;
	int ret = 0;

	*(t->incomplete ? &a->incomplete : &a->whole) += 1;
	switch ((enum format)a->format) {
	case FOLDED:
		return sg_view_task(v, m, t);
	case SPEEDSCOPE:
		ret = sg_view_task(v, m, t);
		return ret || a->view.kind != SG_VIEW_PATH ? ret : sg_speedscope_task(&a->speedscope, m, t);
	case PERFETTO:
		return sg_perfetto_task(a->perfetto, m, t);
	case JSON:
		return sg_segments_task(&a->sink, m, t, !a->tasks++);
	case CSV:
		return sg_csv_task(&a->sink, t, tb);
	case NFORMAT:
		break;
	}
	return 0;
}

static int on_span(void *ctx, const struct sg_span *s)
{
	struct args *a = ctx;

	if (a->format == PERFETTO)
		return sg_perfetto_span(a->perfetto, a->view.model, s);
	return sg_view_span(&a->view, s);
}

static int on_sample(void *ctx, const struct sg_sample *s)
{
	return sg_view_sample(&((struct args *)ctx)->view, s);
}

static int begin(struct args *a)
{
	bool stacks = a->format == FOLDED || a->format == SPEEDSCOPE;

	sg_sink_init(&a->sink, a->f);
	a->o.on_task = on_task;
	a->o.ctx = a;
	if (a->format == PERFETTO || (stacks && a->view.kind == SG_VIEW_OFFCPU))
		a->o.on_span = on_span;
	if (stacks && a->view.kind == SG_VIEW_ONCPU)
		a->o.on_sample = on_sample;
	switch ((enum format)a->format) {
	case SPEEDSCOPE:
		sg_speedscope_begin(&a->speedscope, a->f);
		return a->speedscope.out.err;
	case PERFETTO:
		return sg_perfetto_new(&a->perfetto, a->f);
	case JSON:
		sg_segments_begin(&a->sink);
		break;
	case CSV:
		sg_csv_begin(&a->sink);
		break;
	default:
		break;
	}
	return a->sink.err;
}

/* The stacks to be written; what they leave out is said. */
static struct sg_stacks *stacks_of(struct args *a)
{
	bool tasks = a->view.kind == SG_VIEW_PATH || a->view.kind == SG_VIEW_CAUSE;

	if (tasks && a->whole && a->incomplete)
		fprintf(stderr,
			"sandglass export: left out, as from a report's table: %" PRIu64
			" %s not recorded whole\n",
			a->incomplete, a->incomplete == 1 ? "task" : "tasks");
	return tasks && !a->whole ? &a->partial.stacks : &a->view.stacks;
}

/* What is written after the last event. Samples are weighted only now: the recording has been read. */
static int end(struct args *a, const char *meta)
{
	uint64_t period = a->view.kind == SG_VIEW_ONCPU ? sample_period(meta) : 0;
	int ret = 0;

	for (size_t i = 0; period && i < a->view.stacks.n; i++)
		a->view.stacks.node[i].weight *= period;
	switch ((enum format)a->format) {
	case FOLDED:
		return sg_folded_write(a->f, stacks_of(a));
	case SPEEDSCOPE:
		sg_speedscope_stacks(&a->speedscope, stacks_of(a), "all",
				     a->view.kind == SG_VIEW_ONCPU && !period);
		return sg_speedscope_end(&a->speedscope, a->file);
	case PERFETTO:
		ret = sg_perfetto_end(a->perfetto);
		a->perfetto = NULL;
		return ret;
	case JSON:
		sg_segments_end(&a->sink);
		break;
	default:
		break;
	}
	return sg_sink_end(&a->sink);
}

int sg_cmd_export(int argc, char **argv)
{
	static const char name[] = "sandglass export";
	struct args a = { .format = -1 };
	struct sg_input in = { .fd = -1 };
	struct sg_err err = { 0 };
	int ret, code = SG_EXIT_OK;

	argv[0] = (char *)name;
	argp_err_exit_status = SG_EXIT_USAGE;
	argp_parse(&sg_argp_export, argc, argv, 0, NULL, &a);
	a.f = sg_output_open(a.out, &a.file, 1, &err);
	ret = a.f ? begin(&a) : err.code;
	if (!ret)
		ret = sg_input_run(&in, a.file, &a.o, before, &err);
	if (ret && a.f && ferror(a.f)) /* what stopped the reading */
		err = (struct sg_err){ 0 };
	if (!ret)
		ret = end(&a, sg_reader_meta(in.reader));
	if (a.f)
		ret = sg_output_close(a.f, a.out, ret, &err);
	sg_perfetto_end(a.perfetto);
	sg_view_free(&a.view);
	sg_view_free(&a.partial);
	if (ret) {
		code = sg_input_fail(name, &err, ret);
	} else if (sg_input_damage(&in)) {
		fprintf(stderr, "%s: %s: %s\n", name, a.file, sg_input_damage(&in));
		code = SG_EXIT_FAIL;
	}
	sg_input_close(&in);
	return code;
}
