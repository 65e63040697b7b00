/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Rows of system calls, as both tables of them print them. Private to user/out. */
#ifndef SG_SYSCALL_PARTS_H
#define SG_SYSCALL_PARTS_H

#include "model/syscalls.h"
#include "out/text_table.h"

/** sg_sp_call() - the name of a call; one that has none, or of the 32-bit ABI, is said as a number */
const char *sg_sp_call(char *buf, size_t cap, uint32_t nr);
/** sg_sp_columns() - the columns that sg_sp_cells() fills */
void sg_sp_columns(struct sg_tab *t);
/** sg_sp_cells() - a new row of @t, whose first of these columns is number @first */
void sg_sp_cells(struct sg_tab *t, size_t first, const struct sg_syscall_row *r, const char *name);
/** sg_sp_told() - a line: what share of the waiting has a name to wait for */
void sg_sp_told(FILE *f, const struct sg_syscall_row *r);
/** sg_sp_sums() - the numbers of a row; sg_sp_row() - the call and its files, too. Caller owns; NULL: no memory. */
struct json_object *sg_sp_sums(const struct sg_syscall_row *r);
struct json_object *sg_sp_row(const struct sg_syscall_row *r);

#endif
