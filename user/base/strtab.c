/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/strtab.h"

static uint64_t hash_bytes(const char *s, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3ull;
	h ^= h >> 29;
	h *= 0xd6e8feb86659fd93ull;
	return h ^ h >> 32;
}

static int grow_slots(struct sg_strtab *t)
{
	size_t n = t->nslot ? t->nslot * 2 : 64;
	uint32_t *slot = calloc(n, sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	for (size_t id = 0; id < t->n; id++) {
		size_t i = t->hash[id] & (n - 1);

		while (slot[i])
			i = (i + 1) & (n - 1);
		slot[i] = id + 1;
	}
	free(t->slot);
	t->slot = slot;
	t->nslot = n;
	return 0;
}

static int grow_strings(struct sg_strtab *t)
{
	size_t cap = t->cap ? t->cap * 2 : 32;
	char **str = realloc(t->str, cap * sizeof(*str));
	uint64_t *hash;

	if (!str)
		return -ENOMEM;
	t->str = str;
	hash = realloc(t->hash, cap * sizeof(*hash));
	if (!hash)
		return -ENOMEM;
	t->hash = hash;
	t->cap = cap;
	return 0;
}

int64_t sg_strtab_idn(struct sg_strtab *t, const char *s, size_t len)
{
	uint64_t h = hash_bytes(s, len);
	size_t i;

	if ((t->n + 1) * 2 > t->nslot && grow_slots(t))
		return -ENOMEM;
	for (i = h & (t->nslot - 1); t->slot[i]; i = (i + 1) & (t->nslot - 1)) {
		uint32_t id = t->slot[i] - 1;

		if (t->hash[id] == h && !strncmp(t->str[id], s, len) && !t->str[id][len])
			return id;
	}
	if (t->n >= INT32_MAX || (t->n == t->cap && grow_strings(t)))
		return -ENOMEM;
	t->str[t->n] = strndup(s, len);
	if (!t->str[t->n])
		return -ENOMEM;
	t->hash[t->n] = h;
	t->slot[i] = t->n + 1;
	t->bytes += len + 1;
	return t->n++;
}

int64_t sg_strtab_find(const struct sg_strtab *t, const char *s)
{
	uint64_t h = hash_bytes(s, strlen(s));

	for (size_t i = h & (t->nslot - 1); t->nslot && t->slot[i]; i = (i + 1) & (t->nslot - 1)) {
		uint32_t id = t->slot[i] - 1;

		if (t->hash[id] == h && !strcmp(t->str[id], s))
			return id;
	}
	return -ENOENT;
}

int64_t sg_strtab_id(struct sg_strtab *t, const char *s)
{
	return sg_strtab_idn(t, s, strlen(s));
}

void sg_strtab_clear(struct sg_strtab *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->str[i]);
	t->n = 0;
	t->bytes = 0;
	if (t->nslot)
		memset(t->slot, 0, t->nslot * sizeof(*t->slot));
}

void sg_strtab_free(struct sg_strtab *t)
{
	sg_strtab_clear(t);
	free(t->str);
	free(t->hash);
	free(t->slot);
	memset(t, 0, sizeof(*t));
}
