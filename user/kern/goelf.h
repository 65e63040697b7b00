/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Go's table of functions in an ELF file, and the code of a function. Files are hostile: any content is survived. */
#ifndef SG_GOELF_H
#define SG_GOELF_H

#include <libelf.h>
#include "kern/gocode.h"
#include "kern/gopcln.h"

#define SG_GOELF_TABLE_MAX (128u << 20) /* bytes; a larger table is refused */

/**
 * sg_goelf_table() - the table of an open ELF file
 * @elf: opened for reading and not mapped, so that a file truncated meanwhile gives an error, not SIGBUS;
 *       owns the bytes that @ret looks at
 *
 * Return: 0; -ENOENT no Go program, -ENOTSUP, -EBADMSG with @err.
 */
int sg_goelf_table(struct sg_gopcln *ret, Elf *elf, struct sg_err *err);

/**
 * sg_gopcln_rets() - offsets in the file of function @name: entry, and each return
 *
 * Return: 0; -ENOENT no such function; else as sg_gocode_points(), with @err.
 */
int sg_gopcln_rets(Elf *elf, const struct sg_gopcln *g, const char *name, struct sg_gopoints *ret,
		   struct sg_err *err);

#endif
