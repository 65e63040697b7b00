/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Interning: raw stacks become STACKREF events; each new stack and frame is sent once before. */
#ifndef SG_INTERN_H
#define SG_INTERN_H

#include "base/err.h"
#include <stdbool.h>
#include "trace/event.h"

struct sg_intern;
typedef int (*sg_emit_fn)(void *ctx, const struct sg_hdr *ev);

int sg_intern_new(struct sg_intern **ret, sg_emit_fn emit, void *ctx);
void sg_intern_free(struct sg_intern *s);
/** sg_intern_stack() - turn @raw into dictionary events and a STACKREF. Bounded: see INTERN_MAX. 0 or what emit returned. */
int sg_intern_stack(struct sg_intern *s, const struct sg_stack *raw);
/** sg_intern_exec() - process @tgid runs another program now. */
void sg_intern_exec(struct sg_intern *s, uint32_t tgid);

#endif
