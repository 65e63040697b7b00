/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Why one group of a workload's tasks took longer than another, in one sentence. */
#ifndef SG_BECAUSE_H
#define SG_BECAUSE_H

#include <stdio.h>
#include "model/blame.h"

/**
 * sg_because() - "+329 ms: +41 % sentry trap.ptrace, ...; explained 99.1 %" and a line break
 * @a, @b: blames of both, or NULL: nothing was recorded, which is then said
 *
 * Shares keep their sign: what makes @b slower is above zero. Write errors are kept by @out. 0 or -ENOMEM.
 */
int sg_because(FILE *out, struct sg_blame *a, struct sg_blame *b);

#endif
