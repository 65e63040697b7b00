/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What a command lists (containers, virtual machines), on standard output: a table for people, or JSON. */
#ifndef SG_LISTING_H
#define SG_LISTING_H

#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stddef.h>

struct sg_listing_column {
	const char *head;
	int flags; /* of libsmartcols; SCOLS_FL_TRUNC: gives way where the terminal is too narrow */
};

/** sg_listing_begin() - a table with these columns; 0 with @ret, which sg_listing_end() frees, or -ENOMEM */
int sg_listing_begin(struct libscols_table **ret, const struct sg_listing_column *column, size_t n);
/** sg_listing_row() - one line of @n cells; control bytes of @text do not reach the terminal, "" is "-". 0 or negative errno */
int sg_listing_row(struct libscols_table *t, const char *const *text, size_t n);
/** sg_listing_end() - print the table if @r is 0, free it; @r, or what failed */
int sg_listing_end(struct libscols_table *t, int r);

/**
 * sg_listing_json() - print {"@key": @list}
 * @list:  consumed
 * @flags: of json-c: JSON_C_TO_STRING_PRETTY, or JSON_C_TO_STRING_PLAIN for one line
 *
 * Return: 0, -ENOMEM, -EIO.
 */
int sg_listing_json(const char *key, struct json_object *list, int flags);

#endif
