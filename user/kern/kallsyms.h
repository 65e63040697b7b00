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
/** sg_kallsyms_address() - of the running kernel's function @name (modules too); 0: none, several, or hidden */
uint64_t sg_kallsyms_address(const char *name);

#endif
