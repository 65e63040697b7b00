/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Tasks one by one, as they are explained: a CSV of blame rows, a JSON of segments. Pure. */
#ifndef SG_TASKS_H
#define SG_TASKS_H

#include "model/blame.h"
#include "out/sink.h"

/*
 * CSV (RFC 4180, UTF-8, LF): task,id,begin_ns,latency_ns,component,cause,ns,count,uncertain_ns
 * A text that a spreadsheet would take for a formula (=, +, -, @) gets a leading apostrophe.
 */
void sg_csv_begin(struct sg_sink *out);
int sg_csv_task(struct sg_sink *out, const struct sg_task *t, struct sg_blame *tb);
/** sg_csv_field() - one field, quoted where it must be */
void sg_csv_field(struct sg_sink *out, const char *text);

/* JSON: {"tasks":[{"name","id","begin_ns","latency_ns","segments":[{"at_ns","ns","component","cause",...}]}]} */
void sg_segments_begin(struct sg_sink *out);
int sg_segments_task(struct sg_sink *out, const struct sg_model *m, const struct sg_task *t, bool first);
void sg_segments_end(struct sg_sink *out);

#endif
