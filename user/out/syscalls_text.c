/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* System calls by container and process: tables for people, and JSON. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "model/syscalls.h"
#include "out/json_parts.h"
#include "out/syscall_parts.h"
#include "out/text_table.h"

#define GROUPS_SHOWN 12
#define ROWS_SHOWN   16

static int put_group(FILE *f, const struct sg_syscall_group *g, const struct sg_text_opts *o)
{
	size_t shown = o && o->rows ? o->rows : ROWS_SHOWN;
	struct sg_syscall_row rest = { 0 };
	char a[SG_OWNERS_LABEL], b[SG_ROLE_NAME], name[64];
	struct sg_tab t;
	int ret;

	fprintf(f, "\n%s, %s (%" PRIu64 " program%s):\n", sg_text_clean(a, sizeof(a), g->container),
		sg_text_clean(b, sizeof(b), g->process), g->programs, g->programs == 1 ? "" : "s");
	ret = sg_tab_begin(&t, f, o);
	if (ret)
		return ret;
	sg_sp_columns(&t);
	for (size_t i = 0; i < g->nrow && i < shown; i++)
		sg_sp_cells(&t, 0, &g->row[i], sg_sp_call(name, sizeof(name), g->row[i].nr));
	for (size_t i = shown; i < g->nrow; i++)
		sg_syscall_row_add(&rest, &g->row[i]);
	if (g->nrow > shown) {
		snprintf(name, sizeof(name), "%zu others", g->nrow - shown);
		sg_sp_cells(&t, 0, &rest, name);
	}
	sg_sp_cells(&t, 0, &g->sum, "all");
	ret = sg_tab_end(&t);
	if (!ret)
		sg_sp_told(f, &g->sum);
	return ret;
}

int sg_syscalls_text(struct sg_syscalls *s, FILE *f, const struct sg_text_opts *o)
{
	const struct sg_syscall_group *g;
	size_t n;
	int ret = sg_syscalls_groups(s, &g, &n);

	if (ret)
		return ret;
	fputs("\nsystem calls by container and process, of all threads in scope, inside a task or not\n"
	      "(\"on CPU\" is the call's own kernel code, page faults and interrupts apart)\n",
	      f);
	if (!n)
		fputs("none was recorded\n", f);
	for (size_t i = 0; i < n && i < GROUPS_SHOWN && !ret; i++)
		ret = put_group(f, &g[i], o);
	if (n > GROUPS_SHOWN)
		fprintf(f, "\n%zu more processes; --json shows all\n", n - GROUPS_SHOWN);
	if (sg_syscalls_uncounted(s))
		fprintf(f, "%" PRIu64 " calls are not counted: too many programs\n",
			sg_syscalls_uncounted(s));
	return ret ? ret : ferror(f) ? -EIO : 0;
}

struct json_object *sg_syscalls_json(struct sg_syscalls *s)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	const struct sg_syscall_group *g;
	size_t n;

	if (!o || !list || sg_syscalls_groups(s, &g, &n)) {
		json_object_put(o);
		json_object_put(list);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = sg_sp_sums(&g[i].sum), *rows = json_object_new_array();

		sg_jp_text(v, "container", g[i].container);
		sg_jp_text(v, "process", g[i].process);
		sg_jp_u64(v, "programs", g[i].programs);
		for (size_t k = 0; rows && k < g[i].nrow; k++)
			json_object_array_add(rows, sg_sp_row(&g[i].row[k]));
		sg_jp_add(v, "calls", rows);
		json_object_array_add(list, v);
	}
	sg_jp_add(o, "groups", list);
	sg_jp_u64(o, "uncounted", sg_syscalls_uncounted(s));
	return o;
}
