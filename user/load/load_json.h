/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What the workloads' results have in common as JSON: blames, differences, the document itself. Private to user/load. */
#ifndef SG_LOAD_JSON_H
#define SG_LOAD_JSON_H

#include <json-c/json.h>
#include <stdio.h>
#include "model/blame.h"

/* Keys must be literals; @v of text may be hostile bytes. */
void sg_lj_u64(struct json_object *o, const char *key, uint64_t v);
void sg_lj_i64(struct json_object *o, const char *key, int64_t v);
void sg_lj_double(struct json_object *o, const char *key, double v);
void sg_lj_text(struct json_object *o, const char *key, const char *v);

/** sg_lj_blame() - blame_tasks, blame_total_ns and blame: its rows add up to the total, exactly. NULL: nothing. */
void sg_lj_blame(struct json_object *o, struct sg_blame *b);

/**
 * sg_lj_slowdown() - member "slowdown": means per task; the rows add up to diff_ns
 * @more: adds what else is known of the difference, before the rows; or NULL
 *
 * Nothing when one of the two is absent or both are one. Return: 0 or negative errno.
 */
int sg_lj_slowdown(struct json_object *o, struct sg_blame *base, struct sg_blame *b,
		   void (*more)(struct json_object *o, const struct sg_diff *d));

/** sg_lj_print() - @o, which is freed, as a document; @rc of making it goes first. 0, @rc or -EIO. */
int sg_lj_print(FILE *out, struct json_object *o, int rc);

#endif
