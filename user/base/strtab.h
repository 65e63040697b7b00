/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Strings interned to dense ids 0, 1, 2 ... */
#ifndef SG_STRTAB_H
#define SG_STRTAB_H

#include <stddef.h>
#include <stdint.h>

/* All zero is an empty table. */
struct sg_strtab {
	char **str;
	uint64_t *hash;
	size_t n, cap;
	uint32_t *slot; /* id + 1, 0 = free */
	size_t nslot;
	uint64_t bytes; /* of the strings */
};

/** sg_strtab_id() - id of @s; -ENOMEM when out of memory */
int64_t sg_strtab_id(struct sg_strtab *t, const char *s);
/** sg_strtab_idn() - the same for @len bytes, which must hold no NUL */
int64_t sg_strtab_idn(struct sg_strtab *t, const char *s, size_t len);
/** sg_strtab_find() - id of @s, or -ENOENT */
int64_t sg_strtab_find(const struct sg_strtab *t, const char *s);
static inline const char *sg_strtab_str(const struct sg_strtab *t, uint32_t id)
{
	return t->str[id];
}
void sg_strtab_clear(struct sg_strtab *t);
void sg_strtab_free(struct sg_strtab *t);

#endif
