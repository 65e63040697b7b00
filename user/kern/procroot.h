/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Files as another process sees them: inside its root and mount namespace. */
#ifndef SG_PROCROOT_H
#define SG_PROCROOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * sg_procroot_open() - open a regular file at @path inside the root of @pid
 *
 * No link leads out of that root, and nothing but a regular file is opened: the
 * process may be hostile. Return: descriptor, or negative errno.
 */
int sg_procroot_open(pid_t pid, const char *path);

/** sg_procroot_foreign() - does @pid live in another mount namespace, or below another root? */
bool sg_procroot_foreign(pid_t pid);

/** sg_procroot_nspid() - the process's id as it sees itself, for files named after it; @pid when not known */
pid_t sg_procroot_nspid(pid_t pid);

#endif
