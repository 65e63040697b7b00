/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A thin coat over libsmartcols: cells are cleaned, the first error sticks. Private to user/out. */
#ifndef SG_TEXT_TABLE_H
#define SG_TEXT_TABLE_H

#include <libsmartcols/libsmartcols.h>
#include "out/text.h"

struct sg_tab {
	struct libscols_table *t;
	struct libscols_line *line;
	FILE *f;
	int err;
};

int sg_tab_begin(struct sg_tab *t, FILE *f, const struct sg_text_opts *o);
void sg_tab_column(struct sg_tab *t, const char *name, int flags);
void sg_tab_row(struct sg_tab *t);
void sg_tab_cell(struct sg_tab *t, size_t column, const char *text);
void sg_tab_u64(struct sg_tab *t, size_t column, uint64_t v);
/** sg_tab_ns() - a time in the unit that suits it; "-" for none */
void sg_tab_ns(struct sg_tab *t, size_t column, uint64_t ns);
void sg_tab_emphasise(struct sg_tab *t);
/** sg_tab_end() - print and free; the first error of all calls */
int sg_tab_end(struct sg_tab *t);

#endif
