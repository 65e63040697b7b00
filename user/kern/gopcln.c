/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/gopcln.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define MAGIC_116 0xfffffffau
#define MAGIC_118 0xfffffff0u
#define MAGIC_120 0xfffffff1u
#define HEAD_FIX  8 /* magic, two zeros, instruction quantum, bytes of a pointer */

static uint64_t get(const struct sg_gopcln *g, uint64_t at, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, g->tab + at, bytes);
	return v;
}

/* Do @bytes bytes at @at lie in the table? */
static bool inside(const struct sg_gopcln *g, uint64_t at, uint64_t bytes)
{
	return at <= g->size && bytes <= g->size - at;
}

int sg_gopcln_parse(struct sg_gopcln *ret, const void *tab, size_t size, uint64_t text, struct sg_err *err)
{
	struct sg_gopcln g = { .tab = tab, .size = size };
	uint64_t magic, n;
	unsigned at = HEAD_FIX;

	if (size < SG_GOPCLN_HEAD)
		return sg_err_set(err, -EBADMSG, "Go's function table ends in its header");
	magic = get(&g, 0, 4);
	if (magic != MAGIC_116 && magic != MAGIC_118 && magic != MAGIC_120)
		return sg_err_set(err, -ENOTSUP, "Go's function table has a layout that is not known (0x%x)",
				  (unsigned)magic);
	if (g.tab[4] || g.tab[5] || g.tab[7] != 8)
		return sg_err_set(err, -ENOTSUP, "Go's function table is not of a 64-bit program");
	n = get(&g, at, 8);
	at += 16; /* and the number of files */
	g.field = magic == MAGIC_116 ? 8 : 4;
	if (magic != MAGIC_116) {
		g.text = get(&g, at, 8);
		g.text = g.text ? g.text : text;
		at += 8;
	}
	g.names = get(&g, at, 8);
	g.funcs = get(&g, at + 32, 8); /* behind units, files and line tables */
	/* n entries and the end of the last function's code */
	if (n > SG_GOPCLN_FUNCS_MAX || g.names >= size || !inside(&g, g.funcs, n * 2 * g.field + g.field))
		return sg_err_set(err, -EBADMSG, "Go's function table tells of more than is in it");
	g.n = n;
	*ret = g;
	return 0;
}

/* Address of entry @i; @i == n: the end of the code. */
static uint64_t entry_at(const struct sg_gopcln *g, size_t i)
{
	return g->text + get(g, g->funcs + (uint64_t)i * 2 * g->field, g->field);
}

int sg_gopcln_func(const struct sg_gopcln *g, size_t i, struct sg_gofunc *ret)
{
	uint64_t at, off, name, room;
	const char *s, *nul;

	if (i >= g->n)
		return -EBADMSG;
	off = get(g, g->funcs + ((uint64_t)i * 2 + 1) * g->field, g->field);
	/* What is told of a function: its entry again, then where its name is. */
	if (off > g->size || !inside(g, g->funcs + off, g->field + 4))
		return -EBADMSG;
	at = g->funcs + off + g->field;
	name = get(g, at, 4);
	if (name >= g->size - g->names)
		return -EBADMSG;
	s = (const char *)g->tab + g->names + name;
	room = g->size - g->names - name;
	nul = memchr(s, 0, room < SG_GOPCLN_NAME_MAX ? room : SG_GOPCLN_NAME_MAX);
	ret->entry = entry_at(g, i);
	ret->end = entry_at(g, i + 1);
	if (!nul || ret->end < ret->entry)
		return -EBADMSG;
	ret->name = s;
	ret->len = (size_t)(nul - s);
	return 0;
}

int sg_gopcln_at(const struct sg_gopcln *g, uint64_t addr, struct sg_gofunc *ret)
{
	size_t lo = 0, hi = g->n;
	int err;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (entry_at(g, mid) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return -ENOENT;
	err = sg_gopcln_func(g, lo - 1, ret);
	if (err)
		return err;
	return addr < ret->end ? 0 : -ENOENT;
}

int sg_gopcln_named(const struct sg_gopcln *g, const char *name, struct sg_gofunc *ret)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < g->n; i++)
		if (!sg_gopcln_func(g, i, ret) && ret->len == len && !memcmp(ret->name, name, len))
			return 0;
	return -ENOENT;
}
