/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The report for people: tables and sentences. Names are hostile: control bytes never reach the terminal. Pure. */
#ifndef SG_OUT_TEXT_H
#define SG_OUT_TEXT_H

#include <stdio.h>
#include "model/analysis.h"

struct sg_text_opts {
	bool colour;	   /* the caller knows whether @f is a terminal */
	unsigned width;	   /* columns, 0 = 100 */
	unsigned rows;	   /* blame rows shown, the rest is summed; 0 = 16 */
	unsigned explain;  /* top causes that get evidence and advice; 0 = 3 */
	bool by_wait;	   /* rows by the task's own waits instead of by leaf */
	bool by_component; /* one row per component */
};

/* All return 0 or the first write error. @o may be NULL. */

struct sg_text_head {
	const char *file; /* name of the recording, may be NULL */
	const char *meta; /* JSON texts of the recording, may be NULL */
	const char *end_meta;
	const char *damage; /* sentence, may be NULL */
	struct sg_analysis_info info;
	struct sg_owners *owners;     /* containers that were met, may be NULL */
	struct sg_vmsum *vms;	      /* virtual machines that were met, may be NULL */
	const struct sg_model *model; /* knows the recording's machines, may be NULL */
};
/** sg_text_head() - what was recorded; then what is lost, damaged or could not be seen, before any result */
int sg_text_head(FILE *f, const struct sg_text_head *h, const struct sg_text_opts *o);

/** sg_text_blame() - table component, cause, time, share, count; then evidence and advice of the top causes */
int sg_text_blame(FILE *f, struct sg_blame *b, const struct sg_text_opts *o);
/** sg_text_group() - headline with count and percentiles, then the blame */
int sg_text_group(FILE *f, struct sg_group *g, const struct sg_text_opts *o);
/** sg_text_why_slow() - what the slow ones have that the others don't; one line when there are too few */
int sg_text_why_slow(FILE *f, struct sg_group *g, double q, const struct sg_text_opts *o);
/** sg_text_task() - one task with its path */
int sg_text_task(FILE *f, const struct sg_kept_task *t, const struct sg_text_opts *o);
/** sg_text_order() - the sentences about causes that depend on the order of waiting */
int sg_text_order(FILE *f, const struct sg_order_row *row, size_t n, const struct sg_text_opts *o);
/** sg_text_diff() - the sentence, then the rows. @a, @b: what the sides are called. */
int sg_text_diff(FILE *f, const struct sg_diff *d, const char *a, const char *b,
		 const struct sg_text_opts *o);

/** sg_text_ns() - "1.234 s", "56.7 ms", "8.90 us", "123 ns" into @buf; returns @buf */
const char *sg_text_ns(char *buf, size_t cap, uint64_t ns);
/** sg_text_clean() - @s for a terminal: valid UTF-8 stays, all else becomes '?' ; returns @buf */
const char *sg_text_clean(char *buf, size_t cap, const char *s);

#endif
