/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include "out/text_table.h"

int sg_tab_begin(struct sg_tab *t, FILE *f, const struct sg_text_opts *o)
{
	*t = (struct sg_tab){ .f = f, .t = scols_new_table() };
	if (!t->t)
		return -ENOMEM;
	scols_table_set_stream(t->t, f);
	scols_table_set_column_separator(t->t, "  ");
	scols_table_enable_colors(t->t, o && o->colour);
	/* The width is the caller's word: a table in a pipe must not depend on a terminal. */
	scols_table_set_termforce(t->t, SCOLS_TERMFORCE_ALWAYS);
	scols_table_set_termwidth(t->t, o && o->width ? o->width : 100);
	return 0;
}

void sg_tab_column(struct sg_tab *t, const char *name, int flags)
{
	/* Width hint 1: as wide as its cells. */
	if (!t->err && !scols_table_new_column(t->t, name, 1, flags))
		t->err = -ENOMEM;
}

void sg_tab_row(struct sg_tab *t)
{
	t->line = t->err ? NULL : scols_table_new_line(t->t, NULL);
	if (!t->line && !t->err)
		t->err = -ENOMEM;
}

void sg_tab_cell(struct sg_tab *t, size_t column, const char *text)
{
	char clean[256];

	if (!t->err)
		t->err = scols_line_set_data(t->line, column, sg_text_clean(clean, sizeof(clean), text));
}

void sg_tab_u64(struct sg_tab *t, size_t column, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	sg_tab_cell(t, column, text);
}

void sg_tab_ns(struct sg_tab *t, size_t column, uint64_t ns)
{
	char text[32];

	sg_tab_cell(t, column, ns ? sg_text_ns(text, sizeof(text), ns) : "-");
}

void sg_tab_emphasise(struct sg_tab *t)
{
	if (!t->err)
		t->err = scols_line_set_color(t->line, "bold");
}

int sg_tab_end(struct sg_tab *t)
{
	int ret = t->err;

	if (!ret)
		ret = scols_print_table(t->t);
	scols_unref_table(t->t);
	if (!ret && ferror(t->f))
		ret = -EIO;
	return ret;
}
