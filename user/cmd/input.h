/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A recording that a command reads: opened, analysed, with the options that all such commands share. */
#ifndef SG_INPUT_H
#define SG_INPUT_H

#include <argp.h>
#include "model/analysis.h"

struct sg_input {
	const char *path;
	int fd;
	struct sg_reader *reader;
	struct sg_analysis *a;
	bool fell_back; /* no task was found; threads are shown instead */
};

/* Options --tasks, --group-by, --mem-cap; input: struct sg_analysis_opts. */
extern const struct argp sg_input_argp;

/**
 * sg_input_run() - read the whole recording @path ("-": standard input) through an analysis
 * @before: may be NULL; called when the analysis exists and before it reads, each time
 *
 * With SG_TASKS_AUTO and no task found, it reads again with threads as tasks,
 * if the file can be read twice and @o has no callbacks but for tasks.
 * Return: 0 or negative errno with @err. Damage is not an error: sg_input_damage().
 */
int sg_input_run(struct sg_input *in, const char *path, const struct sg_analysis_opts *o,
		 void (*before)(void *ctx, struct sg_analysis *a), struct sg_err *err);
/** sg_input_damage() - sentence about what could not be read, or NULL */
const char *sg_input_damage(const struct sg_input *in);
void sg_input_close(struct sg_input *in);

/** sg_input_fail() - print "NAME: sentence" on standard error; the exit code for @ret */
int sg_input_fail(const char *name, const struct sg_err *err, int ret);

/** sg_output_open() - NULL or "-": standard output; else the file, made with mode 0600; an error if it is one of @in[0..n), which are read */
FILE *sg_output_open(const char *path, const char *const *in, size_t n, struct sg_err *err);
/** sg_output_close() - flush and close; the first error of writing, with @err */
int sg_output_close(FILE *f, const char *path, int ret, struct sg_err *err);

#endif
