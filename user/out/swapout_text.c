/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include "model/swapout.h"
#include "out/json.h"
#include "out/text.h"

#define VICTIMS_SHOWN 8

/* The kernel's count over the recording, from the recording's closing block; false when it is not there. */
static bool kernel_pages(const char *end_meta, uint64_t *ret)
{
	struct json_object *m = end_meta ? json_tokener_parse(end_meta) : NULL, *v = NULL, *p = NULL;
	bool ok = m && json_object_object_get_ex(m, "vmstat", &v) &&
		  json_object_object_get_ex(v, "pswpout", &p);

	if (ok)
		*ret = json_object_get_uint64(p);
	json_object_put(m);
	return ok;
}

int sg_swapouts_text(struct sg_swapouts *s, const char *end_meta, FILE *f)
{
	const struct sg_swapout_row *r;
	uint64_t total, kernel;
	size_t n = sg_swapouts_rows(s, &r, &total);
	char name[40];

	if (!total)
		return 0;
	fprintf(f, "\nswapped out: %" PRIu64 " pages", total);
	if (kernel_pages(end_meta, &kernel))
		fprintf(f,
			"; the kernel counts %" PRIu64
			" (pswpout leaves out pages of zeros, and what stays in zswap)",
			kernel);
	fputc('\n', f);
	for (size_t i = 0; i < n && i < VICTIMS_SHOWN; i++)
		fprintf(f, "  %12" PRIu64 "  %s (process %" PRIu32 ")\n", r[i].pages,
			sg_text_clean(name, sizeof(name), r[i].comm[0] ? r[i].comm : "?"), r[i].tgid);
	if (n > VICTIMS_SHOWN)
		fprintf(f, "  and %zu processes more\n", n - VICTIMS_SHOWN);
	return ferror(f) ? -EIO : 0;
}

struct json_object *sg_swapouts_json(struct sg_swapouts *s, const char *end_meta)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();
	const struct sg_swapout_row *r;
	uint64_t total, kernel;
	size_t n = sg_swapouts_rows(s, &r, &total);

	if (!o || !a) {
		json_object_put(o);
		json_object_put(a);
		return NULL;
	}
	json_object_object_add(o, "pages", json_object_new_uint64(total));
	if (kernel_pages(end_meta, &kernel))
		json_object_object_add(o, "kernel_pages", json_object_new_uint64(kernel));
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_new_object();

		json_object_object_add(v, "process", sg_json_text(r[i].comm));
		json_object_object_add(v, "tgid", json_object_new_uint64(r[i].tgid));
		json_object_object_add(v, "pages", json_object_new_uint64(r[i].pages));
		json_object_array_add(a, v);
	}
	json_object_object_add(o, "victims", a);
	return o;
}
