/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The CPU workload: the same jobs, one or several at the same time, recorded and explained. See docs/bench-cpu.md. */
#ifndef SG_CPU_H
#define SG_CPU_H

#include <stdbool.h>
#include <stdio.h>
#include "load/cpu_job.h"
#include "load/cpu_runner.h"
#include "load/told.h"
#include "model/blame.h"
#include "out/view.h"

#define SG_CPU_ENVS   8
#define SG_CPU_COUNTS 16
#define SG_CPU_ROUNDS 1000

/* Each job on one CPU, by its number; or each on all of them. */
#define SG_CPU_PIN_LIST(X) X(NO, "no") X(YES, "yes") X(BOTH, "both")
enum sg_cpu_pin {
#define SG_X(sym, name) SG_CPU_PIN_##sym,
	SG_CPU_PIN_LIST(SG_X)
#undef SG_X
		SG_CPU_PIN_MAX,
};
/** sg_cpu_pin_find() - value called @name, or -EINVAL */
int sg_cpu_pin_find(const char *name);

struct sg_cpu_opts {
	unsigned nenv, njob, ncount, ncpu;
	const struct sg_cpu_env_name *env[SG_CPU_ENVS];
	enum sg_cpu_job job[SG_CPU_JOB_MAX];
	unsigned count[SG_CPU_COUNTS]; /* jobs at the same time, rising; none: see sg_cpu_defaults() */
	unsigned cpu
		[CPU_SETSIZE]; /* pinned, job i runs on cpu[i]; else all on all; none: see sg_cpu_defaults() */
	enum sg_cpu_pin pin;
	struct sg_cpu_size size;
	struct sg_vms_ask vm; /* in a result: as they ran */
	unsigned rounds;
	bool record;
	const char *dir;
	int sigfd; /* signals that mean "stop" */
	sg_progress_fn progress;
	void *ctx;
};

/* One job. */
struct sg_cpu_time {
	uint32_t round, place;
	struct sg_cpu_life life;
};

/* Time in which the jobs' processes were ready to run and had no CPU, by who had the one that they then got. */
struct sg_cpu_queue {
	uint64_t jobs_ns;   /* behind another job of the combination */
	uint64_t others_ns; /* behind somebody else */
	uint64_t nobody_ns; /* it was idle, or nobody was seen */
};

/* CPU time of the CPUs that the jobs may use, while they ran. */
struct sg_cpu_share {
	uint64_t jobs_ns, vmm_ns, kernel_ns, others_ns;
	uint64_t all_ns; /* time times CPUs: what is left of it was idle */
};

/* CPU time of a part of a virtual machine's monitor, on all CPUs. */
struct sg_cpu_part {
	char comp[40], cause[48];
	uint64_t ns;
};
#define SG_CPU_PARTS 128

/* One combination, measured. The blame is NULL without a recording. */
struct sg_cpu_combo {
	unsigned env, job, count; /* indices into the options */
	bool pinned;
	struct sg_cpu_time *time;
	size_t ntime, cap;
	uint64_t missing; /* jobs that the recordings have no whole task of */
	struct sg_blame *blame;
	struct sg_cpu_queue queue;
	struct sg_cpu_share share;
	struct sg_cpu_part part[SG_CPU_PARTS]; /* those beyond are in the last */
	size_t npart;
	struct sg_told told;
	struct sg_view path, cause; /* folded stacks */
};

struct sg_cpu_result {
	struct sg_cpu_opts opts;
	unsigned base; /* index of the environment that the others are compared with */
	uint64_t lost; /* records */
	size_t ncombo;
	struct sg_cpu_combo *combo; /* by environment, job, pinned, count */
};

/**
 * sg_cpu_parse_envs(), _jobs() - the options' lists, comma-separated
 *
 * 0 or negative errno with @err, one sentence without the option's name.
 */
int sg_cpu_parse_envs(struct sg_cpu_opts *o, const char *text, struct sg_err *err);
int sg_cpu_parse_jobs(struct sg_cpu_opts *o, const char *text, struct sg_err *err);

/**
 * sg_cpu_defaults() - fill in what was not said, from the CPUs that this process may use (@allowed)
 *
 * All of them, in order, and as many jobs at the same time as there are, and one less. 0, or negative errno with @err
 * when what was said does not fit: a CPU that is not allowed, more jobs than CPUs.
 */
int sg_cpu_defaults(struct sg_cpu_opts *o, const cpu_set_t *allowed, struct sg_err *err);

/** sg_cpu_set() - CPUs of place @i of a combination */
void sg_cpu_set(const struct sg_cpu_opts *o, bool pinned, unsigned i, cpu_set_t *ret);

/** sg_cpu_task() - name of a combination's tasks ("host/bzip2/2/pinned"), and beginning of its files' names (@sep '.') */
const char *sg_cpu_task(char *buf, size_t cap, const struct sg_cpu_opts *o, const struct sg_cpu_combo *c,
			char sep);

/** sg_cpu_combos() - make the result's combinations, all empty; 0 or -ENOMEM */
int sg_cpu_combos(struct sg_cpu_result *r);

/**
 * sg_cpu_run() - run all of it; everything it made but the results in the folder is gone when it returns
 * @ret: filled as far as it got, also on failure; free with sg_cpu_free()
 */
int sg_cpu_run(struct sg_cpu_result *ret, const struct sg_cpu_opts *opts, struct sg_err *err);
void sg_cpu_free(struct sg_cpu_result *r);

/** sg_cpu_explain() - add the tasks of round @round, recorded in @path, to the combinations' blames, shares and stacks */
int sg_cpu_explain(struct sg_cpu_result *r, uint32_t round, const char *path, struct sg_err *err);

/* For people (sentence, tables; all rows of all differences), for programs, each job; folded stacks and charts into the folder. */
int sg_cpu_text(FILE *out, const struct sg_cpu_result *r);
int sg_cpu_differences(FILE *out, const struct sg_cpu_result *r);
int sg_cpu_json(FILE *out, const struct sg_cpu_result *r);
int sg_cpu_times(FILE *out, const struct sg_cpu_result *r);
int sg_cpu_folded(const struct sg_cpu_result *r, struct sg_err *err);
int sg_cpu_plot(const struct sg_cpu_result *r, struct sg_err *err);

#endif
