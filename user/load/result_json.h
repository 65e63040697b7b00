/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Members that the results of all workloads have, as JSON. Their names are in docs/json.md. */
#ifndef SG_RESULT_JSON_H
#define SG_RESULT_JSON_H

#include <json-c/json.h>
#include <stdio.h>
#include "base/stats.h"
#include "model/blame.h"
#include "out/json_parts.h"

/** sg_put_double() - add one member; the others are in out/json_parts.h */
void sg_put_double(struct json_object *o, const char *key, double v);

/** sg_put_stats() - the members n, mean_ns, min_ns, p50_ns, p90_ns, p99_ns, max_ns */
void sg_put_stats(struct json_object *o, const struct sg_stats *s);

/** sg_put_blame() - blame_tasks, blame_total_ns, blame[]: sums over all tasks, whose rows add up to the total exactly */
void sg_put_blame(struct json_object *o, struct sg_blame *b);

/**
 * sg_diff_object() - a difference: diff_ns, base_mean_ns, mean_ns, explained, and rows[], whose means per task add up to
 * diff_ns
 */
struct json_object *sg_diff_object(const struct sg_diff *d);

/**
 * sg_put_diff() - the difference between two blames as member @key
 *
 * Nothing when one is NULL or both are the same. 0 or -ENOMEM.
 */
int sg_put_diff(struct json_object *o, const char *key, struct sg_blame *base, struct sg_blame *b);

/** sg_put_print() - write @o and a line break; 0 or negative errno */
int sg_put_print(FILE *out, struct json_object *o);

#endif
