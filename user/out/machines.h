/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The machines of a recording of several, and how far each guest's clock can be trusted: a line each for people, and JSON. Pure. */
#ifndef SG_OUT_MACHINES_H
#define SG_OUT_MACHINES_H

#include <stdio.h>
#include "model/model.h"

struct json_object;

/**
 * sg_machines_text() - a line each, the host's first; nothing of a recording of one machine
 * @meta: the recording's description, parsed: where each came from; may be NULL
 */
int sg_machines_text(FILE *f, const struct sg_model *m, struct json_object *meta);
/** sg_machines_json() - a list of all; caller owns; NULL: one machine only, or no memory */
struct json_object *sg_machines_json(const struct sg_model *m, struct json_object *meta);

#endif
