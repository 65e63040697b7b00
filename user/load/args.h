/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* An argument list that grows: what a workload starts its parts with. */
#ifndef SG_ARGS_H
#define SG_ARGS_H

#include <stdbool.h>
#include <stddef.h>

struct sg_args {
	char **v; /* ends with NULL */
	size_t n, cap;
	bool failed; /* out of memory: do not use */
};

/** sg_arg() - append one argument; failure is kept in @a */
void sg_arg(struct sg_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sg_args_free(struct sg_args *a);

#endif
