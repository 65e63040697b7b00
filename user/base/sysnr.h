/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Names of system calls: the one table, x86-64. */
#ifndef SG_SYSNR_H
#define SG_SYSNR_H

#include <stddef.h>

/** sg_sysnr_name() - name of system call @nr, NULL when unknown */
const char *sg_sysnr_name(unsigned nr);

/** sg_sysnr_find() - number of the system call called @name (@len bytes, no NUL needed), or -1 */
int sg_sysnr_find(const char *name, size_t len);

#endif
