/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Functions of the kernel and its modules, from the text of /proc/kallsyms. */
#ifndef SG_KALLSYMS_H
#define SG_KALLSYMS_H

#include <stdbool.h>
#include <stdio.h>
#include "kern/symtab.h"

struct sg_kallsyms {
	struct sg_symtab tab; /* a name is followed by its module's, both ended by NUL */
	bool hidden;	      /* addresses were all zero: kptr_restrict */
};

/** sg_kallsyms_read() - read the whole of @f. Return: 0, -ENOMEM, -ENOENT when no function was in it. */
int sg_kallsyms_read(struct sg_kallsyms *ret, FILE *f);

/** sg_kallsyms_find() - function and module ("[kernel]" for the kernel itself); NULL when unknown */
const char *sg_kallsyms_find(const struct sg_kallsyms *k, uint64_t addr, const char **ret_mod);
void sg_kallsyms_free(struct sg_kallsyms *k);

#define SG_KALLSYMS_ASK_MAX 8
/**
 * sg_kallsyms_addresses() - of the running kernel's symbols @names (modules' too), in one pass
 * @ret: @n addresses; 0: none (data has one only with CONFIG_KALLSYMS_ALL), several, or hidden
 *
 * Return: 0, -E2BIG for more than SG_KALLSYMS_ASK_MAX names (@ret is as it was), negative errno when there is no list: all are 0 then.
 */
int sg_kallsyms_addresses(const char *const names[], uint64_t ret[], size_t n);

#endif
