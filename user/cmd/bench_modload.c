/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass bench modload: the options, and the results into its folder and onto the screen. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "cmd/bench.h"

#define ROUNDS_DEFAULT	 5
#define RUNTIMES_DEFAULT "runc,runsc-ptrace,runsc-systrap,runsc-lisafs"
#define MODULES_DEFAULT	 "lodash,express,react"

enum { OPT_RUNTIME = 768, OPT_CONTAINERS, OPT_MODULES, OPT_COLD, OPT_PAIRS, OPT_SOURCES };

#define SG_X(name, suite, args, summary) name ": " summary "; "
static const struct argp_option options[] = {
	{ "runtime", OPT_RUNTIME, "LIST", 0,
	  "runtimes (default " RUNTIMES_DEFAULT
	  "). " SG_SANDBOX_RUNTIME_LIST(SG_X) "ratios are to runc, or to the first",
	  1 },
	{ "containers", OPT_CONTAINERS, "LIST", 0, "containers that load at the same time (default 1,2,4,8)",
	  1 },
	{ "modules", OPT_MODULES, "LIST", 0, "modules, as npm names them (default " MODULES_DEFAULT ")", 1 },
	{ "cold", OPT_COLD, NULL, 0, "drop the modules from the page cache before every load", 1 },
	{ "pairs", OPT_PAIRS, "WHERE", 0,
	  "run rounds a second time without recording, for its price: first (at the lowest number of "
	  "containers; the "
	  "default), all or none",
	  1 },
	{ "sources", OPT_SOURCES, "LIST", 0,
	  "whose price the pairs tell: default, and of gVisor's guests trace (record --gvisor-trace) and "
	  "uprobes "
	  "(--gvisor-uprobes; rounds take 7 s longer, as probes go into Sentries only that are up); each is "
	  "one more run of every round (default: default)",
	  1 },
	{ 0 },
};
#undef SG_X

static void containers(struct argp_state *s, const char *text, struct sg_modload_opts *o)
{
	int n = sg_parse_list(text, SG_MODCLIENT_MAX, o->count, SG_MODLOAD_COUNTS);

	for (int i = 0; i < n; i++)
		if (!o->count[i])
			n = -ERANGE;
	if (n < 0)
		argp_error(s,
			   "--containers takes up to %d different numbers from 1 to %d, like 1,2,4, not '%s'",
			   SG_MODLOAD_COUNTS, SG_MODCLIENT_MAX, text);
	else
		o->ncount = (unsigned)n;
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct sg_bench_args *a = s->input;
	struct sg_modload_opts *o = &a->modload;
	struct sg_err err = { 0 };

	if (key >= OPT_RUNTIME && key <= OPT_SOURCES)
		a->given[SG_BENCH_modload] = options[key - OPT_RUNTIME].name;
	switch (key) {
	case OPT_RUNTIME:
		if (sg_modload_parse_runtimes(o, arg, &err))
			argp_error(s, "--runtime: %s", err.msg);
		return 0;
	case OPT_CONTAINERS:
		containers(s, arg, o);
		return 0;
	case OPT_MODULES:
		if (sg_modload_parse_modules(o, arg, &err))
			argp_error(s, "--modules: %s", err.msg);
		return 0;
	case OPT_COLD:
		o->cold = true;
		return 0;
	case OPT_PAIRS:
		o->pairs = (enum sg_modload_pairs)sg_bench_word(s, "pairs", arg, sg_modload_pairs_find,
								"first, all, none");
		return 0;
	case OPT_SOURCES:
		if (sg_modload_parse_sources(o, arg, &err))
			argp_error(s, "--sources: %s", err.msg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp sg_bench_modload_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };

void sg_bench_modload_defaults(struct sg_bench_args *a)
{
	struct sg_modload_opts *o = &a->modload;

	*o = (struct sg_modload_opts){ .ncount = 4, .count = { 1, 2, 4, 8 } };
	sg_modload_parse_runtimes(o, RUNTIMES_DEFAULT, NULL);
	sg_modload_parse_modules(o, MODULES_DEFAULT, NULL);
}

void sg_bench_modload_check(struct argp_state *s, struct sg_bench_args *a)
{
	const struct sg_modload_opts *o = &a->modload;

	if (a->envs)
		argp_error(
			s,
			"--env is no option of bench modload: --runtime says where the modules are loaded");
	if (a->rounds > SG_MODLOAD_ROUNDS)
		argp_error(s, "--rounds: bench modload runs at most %d", SG_MODLOAD_ROUNDS);
	if (o->sources >> (SG_SOURCE_DEFAULT + 1) && (a->no_record || o->pairs == SG_PAIRS_NONE))
		argp_error(s, "--sources: a price needs rounds with and without recording: no --no-record, "
			      "no --pairs none");
}

static int write_json(FILE *f, const void *r)
{
	return sg_modload_json(f, r);
}

static int write_times(FILE *f, const void *r)
{
	return sg_modload_times(f, r);
}

static int write_differences(FILE *f, const void *r)
{
	return sg_modload_differences(f, r);
}

static int store(const struct sg_modload_result *r, struct sg_err *err)
{
	int rc = sg_result_file(r->opts.dir, "result.json", write_json, r, err);

	if (!rc)
		rc = sg_result_file(r->opts.dir, "times.tsv", write_times, r, err);
	if (!rc && r->opts.record)
		rc = sg_result_file(r->opts.dir, "differences.txt", write_differences, r, err);
	return rc ? rc : sg_modload_plot(r, err);
}

static int show(const struct sg_modload_result *r, bool json, struct sg_err *err)
{
	int rc = json ? sg_modload_json(stdout, r) : sg_modload_text(stdout, r);

	if (!rc && !json)
		printf("\nin %s: result.json, times.tsv, times.svg, ratios.svg%s\n", r->opts.dir,
		       r->opts.record ? ", causes.MODULE.svg, differences.txt (all rows), *.sgt (recordings: "
					"sandglass report), *.{path,cause}.folded (for flamegraph.pl)"
				      : "");
	if (!rc && fflush(stdout))
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot print the result: %s", strerror(-rc)) : 0;
}

int sg_bench_modload_run(struct sg_bench_args *a, struct sg_err *err)
{
	struct sg_modload_opts *o = &a->modload;
	struct sg_modload_result r;
	int rc;

	o->rounds = a->rounds ? (unsigned)a->rounds : ROUNDS_DEFAULT;
	o->dir = a->dir ? a->dir : "bench-modload";
	o->record = !a->no_record;
	o->sigfd = a->sigfd;
	o->progress = sg_bench_progress;
	o->ctx = (void *)(uintptr_t) "modload";
	rc = sg_modload_run(&r, o, err);
	if (!rc)
		rc = store(&r, err);
	if (!rc)
		rc = show(&r, a->json, err);
	sg_modload_free(&r);
	return rc;
}
