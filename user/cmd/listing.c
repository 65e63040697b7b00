/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include "cmd/listing.h"
#include "out/text.h"

int sg_listing_begin(struct libscols_table **ret, const struct sg_listing_column *column, size_t n)
{
	struct libscols_table *t = *ret = scols_new_table();

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		scols_table_new_column(t, column[i].head, column[i].flags & SCOLS_FL_TRUNC ? 0.1 : 1,
				       column[i].flags);
	return 0;
}

int sg_listing_row(struct libscols_table *t, const char *const *text, size_t n)
{
	struct libscols_line *l = scols_table_new_line(t, NULL);
	char clean[1100];
	int r = l ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < n; i++)
		r = scols_line_set_data(l, i, sg_text_clean(clean, sizeof(clean), *text[i] ? text[i] : "-"));
	return r;
}

int sg_listing_end(struct libscols_table *t, int r)
{
	if (!r)
		r = scols_print_table(t);
	scols_unref_table(t);
	if (!r && (fflush(stdout) || ferror(stdout)))
		r = -EIO;
	return r;
}

int sg_listing_json(const char *key, struct json_object *list, int flags)
{
	struct json_object *o = json_object_new_object();
	const char *s;
	int r = -ENOMEM;

	json_object_object_add(o, key, list);
	s = json_object_to_json_string_ext(o, flags | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (s)
		r = puts(s) < 0 || fflush(stdout) ? -EIO : 0;
	json_object_put(o);
	return r;
}
