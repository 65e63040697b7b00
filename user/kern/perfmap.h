/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Names of code that a program made at run time, as it tells them in /tmp/perf-PID.map. */
#ifndef SG_PERFMAP_H
#define SG_PERFMAP_H

#include <stdio.h>
#include "kern/symtab.h"

/** sg_perfmap_read() - lines "start size name" of @f; others are left out. 0 or -ENOMEM. */
int sg_perfmap_read(struct sg_symtab *ret, FILE *f);

#endif
