/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "out/syscall_parts.h"

#include <inttypes.h>
#include <string.h>
#include "base/sysnr.h"
#include "out/json_parts.h"

/* A number that has no name, or is of the 32-bit ABI, is said as a number. */
const char *sg_sp_call(char *buf, size_t cap, uint32_t nr)
{
	const char *name = nr & SG_SYSCALL_COMPAT ? NULL : sg_sysnr_name(nr);

	if (name)
		snprintf(buf, cap, "%s", name);
	else if (nr & SG_SYSCALL_COMPAT)
		snprintf(buf, cap, "32-bit nr%" PRIu32, nr & ~SG_SYSCALL_COMPAT);
	else
		snprintf(buf, cap, "nr%" PRIu32, nr);
	return buf;
}

static void cell_u64(struct sg_tab *t, size_t column, uint64_t v, const char *after)
{
	char text[40];

	snprintf(text, sizeof(text), "%" PRIu64 "%s", v, after);
	sg_tab_cell(t, column, text);
}

static void cell_files(struct sg_tab *t, size_t column, const struct sg_syscall_row *r)
{
	char text[250] = "", ns[32];
	size_t len = 0;

	for (size_t i = 0; i < r->nfile && len < sizeof(text) - 1; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s (%s)", i ? ", " : "",
					r->file[i].name, sg_text_ns(ns, sizeof(ns), r->file[i].ns));
	sg_tab_cell(t, column, text);
}

void sg_sp_columns(struct sg_tab *t)
{
	sg_tab_column(t, "system call", 0);
	sg_tab_column(t, "count", SCOLS_FL_RIGHT);
	sg_tab_column(t, "errors", SCOLS_FL_RIGHT);
	sg_tab_column(t, "on CPU", SCOLS_FL_RIGHT);
	sg_tab_column(t, "waiting", SCOLS_FL_RIGHT);
	sg_tab_column(t, "run queue", SCOLS_FL_RIGHT);
	sg_tab_column(t, "mean", SCOLS_FL_RIGHT);
	sg_tab_column(t, "on files, by time of long waits", SCOLS_FL_TRUNC);
}

void sg_sp_cells(struct sg_tab *t, size_t first, const struct sg_syscall_row *r, const char *name)
{
	uint64_t all = sg_syscall_row_ns(r);

	sg_tab_row(t);
	sg_tab_cell(t, first, name);
	cell_u64(t, first + 1, r->cnt, "");
	cell_u64(t, first + 2, r->err, r->err_more ? " or more" : "");
	sg_tab_ns(t, first + 3, r->on_ns);
	sg_tab_ns(t, first + 4, r->wait_ns);
	sg_tab_ns(t, first + 5, r->runq_ns);
	sg_tab_ns(t, first + 6, r->cnt ? all / r->cnt : 0);
	cell_files(t, first + 7, r);
}

void sg_sp_told(FILE *f, const struct sg_syscall_row *r)
{
	char told[32], all[32];

	if (!r->wait_ns)
		return;
	sg_text_ns(told, sizeof(told), r->told_ns);
	sg_text_ns(all, sizeof(all), r->wait_ns);
	fprintf(f,
		"files or sockets are known of %s of %s of waiting (%.0f%%): of waits long enough to be "
		"looked at\n",
		told, all, 100.0 * (double)r->told_ns / (double)r->wait_ns);
}

struct json_object *sg_sp_sums(const struct sg_syscall_row *r)
{
	struct json_object *o = json_object_new_object();

	sg_jp_u64(o, "count", r->cnt);
	sg_jp_u64(o, "errors", r->err);
	if (r->err_more)
		sg_jp_bool(o, "errors_or_more", true);
	sg_jp_u64(o, "on_cpu_ns", r->on_ns);
	sg_jp_u64(o, "waiting_ns", r->wait_ns);
	sg_jp_u64(o, "runq_ns", r->runq_ns);
	sg_jp_u64(o, "waits", r->waits);
	sg_jp_u64(o, "told_ns", r->told_ns);
	return o;
}

struct json_object *sg_sp_row(const struct sg_syscall_row *r)
{
	struct json_object *o = sg_sp_sums(r), *files = json_object_new_array();
	char name[64];

	sg_jp_text(o, "call", sg_sp_call(name, sizeof(name), r->nr));
	sg_jp_u64(o, "nr", r->nr & ~SG_SYSCALL_COMPAT);
	if (r->nr & SG_SYSCALL_COMPAT)
		sg_jp_bool(o, "compat", true);
	for (size_t i = 0; files && i < r->nfile; i++) {
		struct json_object *v = json_object_new_object();

		sg_jp_text(v, "name", r->file[i].name);
		sg_jp_u64(v, "ns", r->file[i].ns);
		sg_jp_u64(v, "count", r->file[i].cnt);
		json_object_array_add(files, v);
	}
	sg_jp_add(o, "files", files);
	return o;
}
