/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass bench cpu: the options, and the results into its folder and onto the screen. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "cmd/bench.h"

#define ROUNDS_DEFAULT	  5
#define SIZE_DEFAULT	  (6ull << 20)
#define POSITIONS_DEFAULT 2

enum { OPT_JOB = 1024, OPT_JOBS, OPT_PIN, OPT_CPUS, OPT_SIZE, OPT_POSITIONS };

#define SG_X(sym, name, program, package, summary) name ": " summary "; "
static const struct argp_option options[] = {
	{ "job", OPT_JOB, "LIST", 0, "what runs. " SG_CPU_JOB_LIST(SG_X) "all of them by default", 1 },
	{ "jobs", OPT_JOBS, "LIST", 0,
	  "how many of the same job run at the same time (default: as many as there are CPUs, and one less)",
	  1 },
	{ "pin", OPT_PIN, "yes|no|both", 0, "each job on one CPU, or each on all (default both)", 1 },
	{ "cpus", OPT_CPUS, "LIST", 0,
	  "their CPUs, e.g. 0-3: pinned, the first job runs on the first of them and so on; a CPU named "
	  "twice is shared by two "
	  "(default: all that this process may use)",
	  1 },
	{ "size", OPT_SIZE, "SIZE", 0, "of bzip2's input (default 6M)", 1 },
	{ "positions", OPT_POSITIONS, "N", 0, "that gobmk goes through (default 2)", 1 },
	{ 0 },
};
#undef SG_X

static void jobs(struct argp_state *s, const char *text, struct sg_cpu_opts *o)
{
	int n = sg_parse_list(text, SG_CPU_JOBS_MAX, o->count, SG_CPU_COUNTS);

	for (int i = 0; i < n; i++)
		if (!o->count[i])
			n = -ERANGE;
	if (n < 0)
		argp_error(s, "--jobs takes up to %d different numbers from 1 to %d, like 3,4, not '%s'",
			   SG_CPU_COUNTS, SG_CPU_JOBS_MAX, text);
	else
		o->ncount = (unsigned)n;
}

static void cpus(struct argp_state *s, const char *text, struct sg_cpu_opts *o)
{
	int n = sg_parse_cpus(text, CPU_SETSIZE, o->cpu, SG_CPU_JOBS_MAX);

	if (n < 0)
		argp_error(s, "--cpus takes numbers of CPUs and ranges of them, like 0-3,6, not '%s'", text);
	else
		o->ncpu = (unsigned)n;
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct sg_bench_args *a = s->input;
	struct sg_cpu_opts *o = &a->cpu;
	struct sg_err err = { 0 };
	uint64_t v = 0;

	if (key >= OPT_JOB && key <= OPT_POSITIONS)
		a->given[SG_BENCH_cpu] = options[key - OPT_JOB].name;
	switch (key) {
	case OPT_JOB:
		if (sg_cpu_parse_jobs(o, arg, &err))
			argp_error(s, "--job: %s; there is: bzip2, gobmk", err.msg);
		return 0;
	case OPT_JOBS:
		jobs(s, arg, o);
		return 0;
	case OPT_PIN:
		o->pin = (enum sg_cpu_pin)sg_bench_word(s, "pin", arg, sg_cpu_pin_find, "no, yes, both");
		return 0;
	case OPT_CPUS:
		cpus(s, arg, o);
		return 0;
	case OPT_SIZE:
		if (sg_parse_size(arg, &o->size.input_bytes) || o->size.input_bytes < 4096 ||
		    o->size.input_bytes > 1ull << 32)
			argp_error(s, "--size takes a size from 4K to 4G, like 6M, not '%s'", arg);
		return 0;
	case OPT_POSITIONS:
		sg_bench_number(s, "positions", arg, 1, 10000, &v);
		o->size.positions = (unsigned)v;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp sg_bench_cpu_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };

void sg_bench_cpu_defaults(struct sg_bench_args *a)
{
	struct sg_cpu_opts *o = &a->cpu;

	*o = (struct sg_cpu_opts){ .pin = SG_CPU_PIN_BOTH,
				   .size = { .input_bytes = SIZE_DEFAULT, .positions = POSITIONS_DEFAULT } };
	sg_cpu_parse_envs(o, "host", NULL);
	for (unsigned i = 0; i < SG_CPU_JOB_MAX; i++)
		o->job[o->njob++] = (enum sg_cpu_job)i;
}

void sg_bench_cpu_check(struct argp_state *s, struct sg_bench_args *a)
{
	struct sg_err err = { 0 };
	bool machines = false;

	if (a->envs && sg_cpu_parse_envs(&a->cpu, a->envs, &err))
		argp_error(s, "--env: %s", err.msg);
	for (unsigned e = 0; e < a->cpu.nenv; e++)
		machines |= a->cpu.env[e]->env->parts != NULL;
	sg_bench_inside_check(s, a, machines, 0);
	if (a->rounds > SG_CPU_ROUNDS)
		argp_error(s, "--rounds: bench cpu runs at most %d", SG_CPU_ROUNDS);
}

static int write_json(FILE *f, const void *r)
{
	return sg_cpu_json(f, r);
}

static int write_times(FILE *f, const void *r)
{
	return sg_cpu_times(f, r);
}

static int write_differences(FILE *f, const void *r)
{
	return sg_cpu_differences(f, r);
}

static int store(const struct sg_cpu_result *r, struct sg_err *err)
{
	int rc = sg_result_file(r->opts.dir, "result.json", write_json, r, err);

	if (!rc)
		rc = sg_result_file(r->opts.dir, "times.tsv", write_times, r, err);
	if (!rc && r->opts.record)
		rc = sg_result_file(r->opts.dir, "differences.txt", write_differences, r, err);
	if (!rc)
		rc = sg_cpu_folded(r, err);
	return rc ? rc : sg_cpu_plot(r, err);
}

static int show(const struct sg_cpu_result *r, bool json, struct sg_err *err)
{
	int rc = json ? sg_cpu_json(stdout, r) : sg_cpu_text(stdout, r);

	if (!rc && !json)
		printf("\nin %s: result.json, times.tsv, times.svg%s\n", r->opts.dir,
		       r->opts.record ? ", causes.JOB.svg, differences.txt (all rows), rN.sgt (recordings: "
					"sandglass report, "
					"diff --group), *.{path,cause}.folded (for flamegraph.pl)"
				      : "");
	if (!rc && fflush(stdout))
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot print the result: %s", strerror(-rc)) : 0;
}

int sg_bench_cpu_run(struct sg_bench_args *a, struct sg_err *err)
{
	struct sg_cpu_opts *o = &a->cpu;
	struct sg_cpu_result r;
	int rc;

	o->rounds = a->rounds ? (unsigned)a->rounds : ROUNDS_DEFAULT;
	o->dir = a->dir ? a->dir : "bench-cpu";
	o->vm = a->vm;
	o->record = !a->no_record;
	o->sigfd = a->sigfd;
	o->progress = sg_bench_progress;
	o->ctx = (void *)(uintptr_t) "cpu";
	rc = sg_cpu_run(&r, o, err);
	if (!rc)
		rc = store(&r, err);
	if (!rc)
		rc = show(&r, a->json, err);
	sg_cpu_free(&r);
	return rc;
}
