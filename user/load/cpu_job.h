/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The CPU workload's jobs: what they run, and the input they need. The same input gives the same work, always. */
#ifndef SG_CPU_JOB_H
#define SG_CPU_JOB_H

#include <stdio.h>
#include "load/cpu_env.h"

/* X(symbol, name, program, Debian package, what it is) */
#define SG_CPU_JOB_LIST(X)                                                                    \
	X(BZIP2, "bzip2", "bzip2", "bzip2", "Debian's bzip2 -9 on a generated text (--size)") \
	X(GOBMK, "gobmk", "gnugo", "gnugo",                                                   \
	  "GNU Go finds moves for both sides in fixed positions (--positions)")
enum sg_cpu_job {
#define SG_X(sym, name, program, package, summary) SG_CPU_JOB_##sym,
	SG_CPU_JOB_LIST(SG_X)
#undef SG_X
		SG_CPU_JOB_MAX,
};
extern const struct sg_cpu_program sg_cpu_programs[SG_CPU_JOB_MAX]; /* .job is the job's name */

/** sg_cpu_job_find() - the job called @name, or -EINVAL */
int sg_cpu_job_find(const char *name);

/* Positions that are shipped: a SGF each. gobmk goes through them from the first, again and again. */
extern const char *const sg_cpu_position[]; /* ends with NULL */
#define SG_CPU_POSITIONS 5

struct sg_cpu_size {
	uint64_t input_bytes; /* of bzip2's input */
	unsigned positions;   /* of gobmk */
};

/** sg_cpu_input() - the first @n bytes of the generated text to @f: words of a made-up language. 0 or negative errno. */
int sg_cpu_input(FILE *f, uint64_t n);

/**
 * sg_cpu_script() - what gobmk is told (GTP), for a place that has the positions' files in @data
 *
 * 0 or negative errno.
 */
int sg_cpu_script(FILE *f, const char *data, unsigned positions);

/* Where an environment's places see the input. */
struct sg_cpu_where {
	const char *env;  /* name of the environment */
	const char *data; /* the folder's path there */
};

/**
 * sg_cpu_job_setup() - the job's files into the folder @data, each told to @guard before
 * @where: of @n environments; a script with paths in it is made for each
 *
 * 0 or negative errno with @err.
 */
int sg_cpu_job_setup(enum sg_cpu_job job, const struct sg_cpu_size *size, const char *data,
		     const struct sg_cpu_where *where, unsigned n, struct sg_guard *guard,
		     struct sg_err *err);

/** sg_cpu_job_args() - its command line there */
void sg_cpu_job_args(enum sg_cpu_job job, const struct sg_cpu_where *where, struct sg_args *ret);

/**
 * sg_cpu_job_check() - is this what the job writes to standard output when all of its work is done?
 * @text: the whole of it; bzip2: nothing is looked at
 *
 * 0, or -EPROTO with @err.
 */
int sg_cpu_job_check(enum sg_cpu_job job, const struct sg_cpu_size *size, const char *text,
		     struct sg_err *err);

#endif
