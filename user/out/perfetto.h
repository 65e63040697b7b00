/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Perfetto traces: threads as tracks with their slices and waits, an arrow from
 * each waker to the wakee, tasks as tracks with their path. Streams packet by
 * packet. Pure.
 */
#ifndef SG_PERFETTO_H
#define SG_PERFETTO_H

#include <stdio.h>
#include "model/containers.h"
#include "model/model.h"

struct sg_perfetto;

int sg_perfetto_new(struct sg_perfetto **ret, FILE *f);
/** sg_perfetto_owners() - threads are named with their containers from now on; @owners must outlive @p */
void sg_perfetto_owners(struct sg_perfetto *p, const struct sg_owners *owners);
/** sg_perfetto_span(), _task() - callbacks of the analysis; on every track times never fall and slices nest */
int sg_perfetto_span(struct sg_perfetto *p, const struct sg_model *m, const struct sg_span *s);
int sg_perfetto_task(struct sg_perfetto *p, const struct sg_model *m, const struct sg_task *t);
/** sg_perfetto_end() - flush and free; the first error */
int sg_perfetto_end(struct sg_perfetto *p);

#endif
