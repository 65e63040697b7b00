/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass bench: what its workloads' commands have in common. */
#ifndef SG_CMD_BENCH_H
#define SG_CMD_BENCH_H

#include <stdbool.h>
#include "cmd/cmd.h"
#include "load/cpu.h"
#include "load/modload.h"
#include "load/task.h"

#define SG_BENCH_WRITES_MAX 1000000000ull
#define SG_BENCH_ROUNDS_MAX 1000000

/* X(word, suffix of its functions and its options' argp) */
#define SG_BENCH_LIST(X) X("task", task) X("modload", modload) X("cpu", cpu)
enum sg_bench_kind {
#define SG_X(word, fn) SG_BENCH_##fn,
	SG_BENCH_LIST(SG_X)
#undef SG_X
		SG_BENCH_MAX,
};

/* What the words of the command line say. */
struct sg_bench_args {
	int what; /* enum sg_bench_kind, -1: not said yet */
	bool json, no_record;
	uint64_t rounds; /* 0: the workload's default */
	const char *dir; /* NULL: the workload's default */
	int sigfd;
	const char *envs; /* --env as it was said, for the workload's check; NULL: its default */
	const char *given[SG_BENCH_MAX]; /* an option that only this workload has, as far as one was given */
	struct sg_vms_ask vm;
	const char *given_vm; /* one of the virtual machines' options, as far as one was given */
	struct sg_task_opts task;
	const struct sg_task_env *env[SG_TASK_ENVS_MAX];
	unsigned nenv;
	struct sg_modload_opts modload;
	struct sg_cpu_opts cpu;
};

/*
 * A workload: its options (the input is struct sg_bench_args), what they are before the
 * first word, a check after the last, and the run that prints its result. The run's
 * negative errno has its sentence in @err; -EINTR when a signal stopped it.
 */
#define SG_X(word, fn)                                                             \
	extern const struct argp sg_bench_##fn##_argp;                             \
	void sg_bench_##fn##_defaults(struct sg_bench_args *a);                    \
	void sg_bench_##fn##_check(struct argp_state *s, struct sg_bench_args *a); \
	int sg_bench_##fn##_run(struct sg_bench_args *a, struct sg_err *err);
SG_BENCH_LIST(SG_X)
#undef SG_X

/* Options of the virtual machines, of all workloads that have them; into struct sg_bench_args.vm */
extern const struct argp sg_bench_vm_argp;

/** sg_bench_inside_check() - an argp error when --inside was given and can't be; @machines: are there any; @n: at once, 0: not known yet */
void sg_bench_inside_check(struct argp_state *s, const struct sg_bench_args *a, bool machines, unsigned n);

/** sg_bench_size() - @text as a size from 1M, or an argp error that names the option */
void sg_bench_size(struct argp_state *s, const char *name, const char *text, uint64_t *ret);
/** sg_bench_number() - @text as a number, or an argp error that names the option */
void sg_bench_number(struct argp_state *s, const char *name, const char *text, uint64_t min, uint64_t max,
		     uint64_t *ret);
/** sg_bench_word() - what @find makes of @text, or an argp error that lists @words */
int sg_bench_word(struct argp_state *s, const char *name, const char *text, int (*find)(const char *),
		  const char *words);

/** sg_bench_progress() - a line of progress to standard error; @ctx: the workload's word */
void sg_bench_progress(void *ctx, const char *text);

/** sg_bench_part() - true when @argv asks for a process of a workload; its exit code in @ret */
bool sg_bench_part(int argc, char **argv, int *ret);

#endif
