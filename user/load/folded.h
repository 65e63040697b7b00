/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Folded stacks of a workload's recording, by this program's own export. */
#ifndef SG_LOAD_FOLDED_H
#define SG_LOAD_FOLDED_H

#include <stdbool.h>
#include "base/err.h"

/**
 * sg_folded_export() - `SELF export IN --format folded --view VIEW --tasks marked` into @out (mode 0600)
 * @append: after what is there; equal lines of a folded file add up
 *
 * -EINTR when @sigfd is readable.
 */
int sg_folded_export(const char *self, const char *in, const char *out, const char *view, bool append,
		     int sigfd, struct sg_err *err);

#endif
