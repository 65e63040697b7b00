/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Pieces of the JSON documents as json-c objects. For user/out, and for the results of workloads. */
#ifndef SG_JSON_PARTS_H
#define SG_JSON_PARTS_H

#include <json-c/json.h>
#include "model/analysis.h"

#define SG_JP_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* All take @o, which may be NULL after a failed allocation; keys must be literals. */
void sg_jp_add(struct json_object *o, const char *key, struct json_object *v);
void sg_jp_text(struct json_object *o, const char *key, const char *text);
void sg_jp_u64(struct json_object *o, const char *key, uint64_t v);
void sg_jp_i64(struct json_object *o, const char *key, int64_t v);
void sg_jp_bool(struct json_object *o, const char *key, bool v);

/** sg_jp_rows() - blame rows; @full adds evidence and advice */
struct json_object *sg_jp_rows(struct sg_blame *b, const struct sg_blame_row *row, size_t n, bool full);
/** sg_jp_group() - group number @i: percentiles, blame, slowest tasks, why they are slow */
struct json_object *sg_jp_group(struct sg_analysis *a, size_t i, struct sg_group *g, double quantile);
/** sg_jp_containers() - the containers that were met, an empty list if there were none */
struct json_object *sg_jp_containers(struct sg_owners *owners);
struct json_object *sg_jp_model(const struct sg_analysis_info *info);

#endif
