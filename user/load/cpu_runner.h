/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The CPU workload's runner: a process that starts the jobs of a combination at the same time and waits for them. When
 * a recorder is wanted, it is the recorder's command, so that a recording has begun when the runner says that it is ready.
 * Orders come by its standard input, answers go to its standard output: lines of text.
 */
#ifndef SG_CPU_RUNNER_H
#define SG_CPU_RUNNER_H

#include <stdio.h>
#include "load/cpu_env.h"

#define SG_CPU_JOBS_MAX 1024 /* at the same time */

/* One job's life, as the runner saw it. */
struct sg_cpu_life {
	uint64_t pid, begin_ns,
		end_ns;		   /* CLOCK_MONOTONIC: before it was started, and when its end was known */
	uint64_t user_ns, sys_ns;  /* of CPU time, as the kernel tells at its end */
	uint64_t switches, majflt; /* involuntary switches, major faults */
};

/** sg_cpu_life_print(), _parse() - as one line, without a line break; -EPROTO when it is none */
void sg_cpu_life_print(char *buf, size_t cap, const struct sg_cpu_life *l);
int sg_cpu_life_parse(const char *line, struct sg_cpu_life *ret);

/** sg_cpu_runner_main() - the runner: until its input ends; -EPROTO with @err for orders it does not understand */
int sg_cpu_runner_main(FILE *in, FILE *out, struct sg_err *err);

/** sg_cpu_runner_gone() - a sentence about the runner, or its recorder, that ended although it was needed; -EIO */
int sg_cpu_runner_gone(struct sg_child *c, struct sg_err *err);

/**
 * sg_cpu_runner_order() - let the runner @c run @n jobs at the same time, and wait for all
 * @task: name of their tasks in the recording; id of their marks follow each other from @id on
 * @start: how to start each; @cpus: where those with .affinity may run
 * @ret: @n places
 *
 * 0, -EINTR when @sigfd is readable, or another negative errno; @err has a sentence. A job that fails is a failure.
 */
int sg_cpu_runner_order(struct sg_child *c, const char *task, uint64_t id, const struct sg_cpu_start *start,
			const cpu_set_t *cpus, unsigned n, int sigfd, struct sg_cpu_life *ret,
			struct sg_err *err);

#endif
