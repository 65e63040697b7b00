/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Other programs that this one needs: where they are, and what they say. */
#ifndef SG_TOOL_H
#define SG_TOOL_H

#include <stddef.h>
#include "base/err.h"

/* Where programs of root are, whatever PATH says. */
#define SG_TOOL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/**
 * sg_tool_find() - path of program @name: in PATH, else in SG_TOOL_PATH
 * @package: the Debian package that has it, for the sentence
 * Return: 0 with @ret (PATH_MAX bytes), -ENOENT.
 */
int sg_tool_find(const char *name, const char *package, char *ret, struct sg_err *err);

/**
 * sg_tool_run() - run to the end, its standard output into @ret
 * @ret: malloc'd, NUL-terminated; may be NULL. At most 16 MiB are kept.
 *
 * Return: exit status (128 + signal); the last of its standard error is @err's sentence when that is not 0.
 * -ETIMEDOUT after @timeout_ms, -EINTR when a signal that means "stop" (INT, TERM, HUP, QUIT) is blocked and waits: it is
 * killed then, and the signal stays; other negative errno when it cannot be started.
 */
int sg_tool_run(const char *name, char *const argv[], int timeout_ms, char **ret, struct sg_err *err);

#endif
