/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Which of a runsc's trace points a session takes. No I/O here. */
#ifndef SG_GVTRACE_POINTS_H
#define SG_GVTRACE_POINTS_H

#include <stddef.h>
#include "base/err.h"

/**
 * sg_gvpoints_config() - configuration of a session ("runsc trace create --config")
 * @metadata: what "runsc trace metadata" prints; modified
 * @endpoint: path of the socket to send to
 * @ret:      malloc'd JSON
 * @ret_cnt:  number of points in it; may be NULL
 *
 * Two messages a call: the enter by number (cheapest), the exit by name where there is one, for its path, else by
 * number. close and execve also enter by name: at the exit their path is gone.
 * Return: 0; -EPROTO when @metadata lists no system calls, -ENOMEM.
 */
int sg_gvpoints_config(char *metadata, const char *endpoint, char **ret, size_t *ret_cnt, struct sg_err *err);

#endif
