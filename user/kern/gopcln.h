/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The table of functions that Go's linker puts into every program (.gopclntab), and
 * that stripping leaves in: all addresses have names. Read where it lies; any content
 * is survived. Layouts: Go 1.16 (0xfffffffa), 1.18 (0xfffffff0), 1.20 and later
 * (0xfffffff1), 64 bit, little endian. Source: src/debug/gosym/pclntab.go of Go. Pure.
 */
#ifndef SG_GOPCLN_H
#define SG_GOPCLN_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define SG_GOPCLN_HEAD	    72	       /* bytes of the longest header */
#define SG_GOPCLN_TEXT	    24	       /* where in it (1.18 and later) the start of the code is told */
#define SG_GOPCLN_FUNCS_MAX (2u << 20) /* functions of one table; a larger one is refused */
#define SG_GOPCLN_NAME_MAX  4096       /* bytes of a name with its NUL; a longer one is no name */

struct sg_gopcln {
	const unsigned char *tab; /* not owned */
	size_t size;
	uint64_t text;	       /* entries count from this address (1.16: 0) */
	uint64_t names, funcs; /* offsets in the table */
	size_t n;	       /* functions */
	unsigned field;	       /* bytes of one field of the function table: 4 (1.16: 8) */
};

/* One function; @name is not terminated by NUL within @len, but behind it. */
struct sg_gofunc {
	uint64_t entry, end; /* addresses as linked; end: of the padding behind it too */
	const char *name;    /* in the table */
	size_t len;
};

/**
 * sg_gopcln_parse() - look at a table's header and its limits
 * @tab: @size bytes, must live as long as @ret
 * @text: start of the code, for position-independent programs, whose table leaves it to a relocation; else 0
 *
 * Return: 0; -ENOTSUP another layout or word size, -EBADMSG the header tells what cannot be, with @err.
 */
int sg_gopcln_parse(struct sg_gopcln *ret, const void *tab, size_t size, uint64_t text, struct sg_err *err);

/** sg_gopcln_func() - function @i (< n, by address). 0, or -EBADMSG: this entry tells what cannot be. */
int sg_gopcln_func(const struct sg_gopcln *g, size_t i, struct sg_gofunc *ret);

/** sg_gopcln_at() - the function that contains @addr (as linked). 0, -ENOENT, -EBADMSG. */
int sg_gopcln_at(const struct sg_gopcln *g, uint64_t addr, struct sg_gofunc *ret);

/** sg_gopcln_named() - the function with this whole name ("main.main"). 0 or -ENOENT. Looks at all. */
int sg_gopcln_named(const struct sg_gopcln *g, const char *name, struct sg_gofunc *ret);

#endif
