/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Manual pages, made from the option tables that parse the command line. */
#ifndef SG_DOCS_H
#define SG_DOCS_H

#include <stdio.h>
#include "cmd/cmd.h"

/**
 * sg_docs_man() - write a manual page (roff, section 1)
 * @list:    the commands, ended by a NULL name
 * @command: one of them, or NULL for the page of the program itself
 *
 * Return: 0, -ENOENT when there is no such command, or the write error.
 */
int sg_docs_man(FILE *f, const struct sg_command *list, const char *command);

#endif
