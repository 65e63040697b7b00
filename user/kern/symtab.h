/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A sorted table of functions: address, size, name. Filled once, then asked. */
#ifndef SG_SYMTAB_H
#define SG_SYMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_SYM_NAME_MAX 511	   /* bytes of a name kept */
#define SG_SYMTAB_MAX	(2u << 20) /* functions of one table; more are dropped */

struct sg_sym {
	uint64_t addr;
	uint32_t size; /* 0: up to the next symbol */
	uint32_t name; /* offset into names */
};

/* All zero is an empty table. */
struct sg_symtab {
	struct sg_sym *sym;
	size_t n, cap;
	char *names;
	size_t names_len, names_cap;
};

/**
 * sg_symtab_add() - one function; @len bytes of @name are kept up to SG_SYM_NAME_MAX
 *
 * Return: 0, -ENOMEM, -E2BIG when the table is full.
 */
int sg_symtab_add(struct sg_symtab *t, uint64_t addr, uint64_t size, const char *name, size_t len);

/**
 * sg_symtab_finish() - sort, and keep one name per address
 * @last_wins: the one added last (code that replaced other code); else the one
 *             that has a size and the fewest leading underscores
 */
void sg_symtab_finish(struct sg_symtab *t, bool last_wins);

/** sg_symtab_find() - the function that contains @addr, or NULL. Only after finish. */
const struct sg_sym *sg_symtab_find(const struct sg_symtab *t, uint64_t addr);
static inline const char *sg_symtab_name(const struct sg_symtab *t, const struct sg_sym *s)
{
	return s ? t->names + s->name : NULL;
}
void sg_symtab_free(struct sg_symtab *t);

#endif
