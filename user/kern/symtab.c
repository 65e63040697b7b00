// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "kern/symtab.h"

int sg_symtab_add(struct sg_symtab *t, uint64_t addr, uint64_t size, const char *name, size_t len)
{
	if (len > SG_SYM_NAME_MAX)
		len = SG_SYM_NAME_MAX;
	if (t->n >= SG_SYMTAB_MAX || t->names_len + len + 1 > UINT32_MAX)
		return -E2BIG;
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		struct sg_sym *big = realloc(t->sym, cap * sizeof(*big));

		if (!big)
			return -ENOMEM;
		t->sym = big;
		t->cap = cap;
	}
	if (t->names_len + len + 1 > t->names_cap) {
		size_t cap = t->names_cap ? t->names_cap * 2 : 8192;
		char *big = realloc(t->names, cap);

		if (!big)
			return -ENOMEM;
		t->names = big;
		t->names_cap = cap;
	}
	t->sym[t->n++] = (struct sg_sym){ addr, size > UINT32_MAX ? UINT32_MAX : (uint32_t)size,
					  (uint32_t)t->names_len };
	memcpy(t->names + t->names_len, name, len);
	t->names[t->names_len + len] = 0;
	t->names_len += len + 1;
	return 0;
}

static int sym_cmp(const void *pa, const void *pb, void *names)
{
	const struct sg_sym *a = pa, *b = pb;
	const char *x = (const char *)names + a->name, *y = (const char *)names + b->name;
	size_t ux, uy;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	if (!a->size != !b->size) /* a label inside no function is worth less than a function */
		return a->size ? -1 : 1;
	ux = strspn(x, "_");
	uy = strspn(y, "_");
	if (ux != uy)
		return ux < uy ? -1 : 1;
	return strcmp(x, y);
}

/* Names are appended in the order of adding. */
static int sym_cmp_last(const void *pa, const void *pb, void *names)
{
	const struct sg_sym *a = pa, *b = pb;

	(void)names;
	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	return a->name > b->name ? -1 : 1;
}

void sg_symtab_finish(struct sg_symtab *t, bool last_wins)
{
	size_t n = 0;
	void *tight;

	if (t->n)
		qsort_r(t->sym, t->n, sizeof(*t->sym), last_wins ? sym_cmp_last : sym_cmp, t->names);
	for (size_t i = 0; i < t->n; i++)
		if (!n || t->sym[n - 1].addr != t->sym[i].addr)
			t->sym[n++] = t->sym[i];
	t->n = n;
	tight = n ? realloc(t->sym, n * sizeof(*t->sym)) : NULL;
	if (tight) {
		t->sym = tight;
		t->cap = n;
	}
	tight = t->names_len ? realloc(t->names, t->names_len) : NULL;
	if (tight) {
		t->names = tight;
		t->names_cap = t->names_len;
	}
}

const struct sg_sym *sg_symtab_find(const struct sg_symtab *t, uint64_t addr)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->sym[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	/* Beyond the end of a function that has one: code without a symbol. */
	if (t->sym[lo - 1].size && addr - t->sym[lo - 1].addr >= t->sym[lo - 1].size)
		return NULL;
	return &t->sym[lo - 1];
}

void sg_symtab_free(struct sg_symtab *t)
{
	free(t->sym);
	free(t->names);
	*t = (struct sg_symtab){ 0 };
}
