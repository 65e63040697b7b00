/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The --json contract of run, report and diff: see docs/json.md. Tasks are
 * written to a spool as they are explained, so any number of them fits. Pure.
 */
#ifndef SG_OUT_JSON_H
#define SG_OUT_JSON_H

#include <stdio.h>
#include "model/analysis.h"

struct sg_json;

/** sg_json_new() - @spool: read-write stream (tmpfile()) for the tasks, owned by the caller until sg_json_free() */
int sg_json_new(struct sg_json **ret, FILE *spool);
void sg_json_free(struct sg_json *j);
/** sg_json_task() - of type sg_analysis_task_fn, with struct sg_json as context */
int sg_json_task(void *j, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb);

struct sg_json_end {
	struct sg_analysis *a;
	const char *meta; /* JSON texts of the recording, may be NULL; not JSON: ignored */
	const char *end_meta;
	const char *damage;	   /* sentence, may be NULL */
	double quantile;	   /* of "why_slow", e.g. 0.99 */
	bool calls;		   /* groups have "syscalls": the analysis keeps them */
	struct json_object *extra; /* more members of the top level, may be NULL; not consumed */
};
/** sg_json_end() - the whole document to @f: {"tasks":[...],"groups":[...],"lost":..,"plan":[..],"perturbation":{..}} */
int sg_json_end(struct sg_json *j, FILE *f, const struct sg_json_end *e);

/** sg_json_diff() - a difference as one JSON document */
int sg_json_diff(FILE *f, const struct sg_diff *d, const char *a, const char *b);

/** sg_json_text() - @s as a JSON string object: invalid UTF-8 becomes U+FFFD. NULL when out of memory. */
struct json_object *sg_json_text(const char *s);

#endif
