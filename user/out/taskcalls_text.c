/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* System calls of the tasks of a group: a table for people, and JSON. */
#include "model/taskcalls.h"

#include <errno.h>
#include <inttypes.h>
#include "out/json_parts.h"
#include "out/syscall_parts.h"

#define ROWS_SHOWN 16

static void put_row(struct sg_tab *t, const struct sg_syscall_row *r, const char *whose, const char *name)
{
	sg_sp_cells(t, 1, r, name);
	sg_tab_cell(t, 0, whose);
}

/* The rows of one kind, own or not, and what is left of them. */
static void put_rows(struct sg_tab *t, const struct sg_taskcall_group *g, bool own, size_t shown)
{
	struct sg_syscall_row rest = { 0 };
	char whose[48], name[64];
	size_t n = 0;

	for (size_t i = 0; i < g->nrow; i++) {
		const struct sg_taskcall_row *r = &g->row[i];

		if (r->own != own)
			continue;
		if (n++ >= shown) {
			sg_syscall_row_add(&rest, &r->r);
			continue;
		}
		snprintf(whose, sizeof(whose), "%s%s", own ? "" : "+ ", r->comp);
		put_row(t, &r->r, whose, sg_sp_call(name, sizeof(name), r->r.nr));
	}
	if (n > shown) {
		snprintf(name, sizeof(name), "%zu others", n - shown);
		put_row(t, &rest, own ? "" : "+", name);
	}
	if (n > 1)
		put_row(t, own ? &g->own : &g->others, own ? "" : "+", "all");
}

int sg_taskcalls_text(const struct sg_taskcall_group *g, const char *name, FILE *f,
		      const struct sg_text_opts *o)
{
	size_t shown = o && o->rows ? o->rows : ROWS_SHOWN;
	bool others = g->nrow && !g->row[g->nrow - 1].own;
	char clean[64];
	struct sg_tab t;
	int ret;

	fprintf(f, "\nsystem calls of %s (%" PRIu64 " task%s):\n", sg_text_clean(clean, sizeof(clean), name),
		g->tasks, g->tasks == 1 ? "" : "s");
	if (!g->nrow) {
		fputs("none: neither by the tasks' own threads nor by those they waited for\n", f);
		return ferror(f) ? -EIO : 0;
	}
	ret = sg_tab_begin(&t, f, o);
	if (ret)
		return ret;
	sg_tab_column(&t, "whose", 0);
	sg_sp_columns(&t);
	put_rows(&t, g, true, shown);
	put_rows(&t, g, false, shown);
	ret = sg_tab_end(&t);
	if (ret)
		return ret;
	if (others)
		fputs("+: by threads that the task waited for, inside the waiting of its own calls; what "
		      "they had to "
		      "wait for a third one is that one's\n",
		      f);
	sg_sp_told(f, &g->own);
	if (g->own_off || g->others_off)
		fprintf(f,
			"at most %" PRIu64 " of its own and %" PRIu64
			" of the others' calls are counted wrongly: slices that go on "
			"beyond it and have no cut there\n",
			g->own_off, g->others_off);
	return ferror(f) ? -EIO : 0;
}

struct json_object *sg_taskcalls_json(const struct sg_taskcall_group *g)
{
	struct json_object *o = json_object_new_object(), *rows = json_object_new_array();

	sg_jp_u64(o, "tasks", g->tasks);
	sg_jp_u64(o, "own_count_uncertain", g->own_off);
	sg_jp_u64(o, "others_count_uncertain", g->others_off);
	sg_jp_add(o, "own", sg_sp_sums(&g->own));
	sg_jp_add(o, "others", sg_sp_sums(&g->others));
	for (size_t i = 0; rows && i < g->nrow; i++) {
		struct json_object *v = sg_sp_row(&g->row[i].r);

		sg_jp_text(v, "component", g->row[i].comp);
		sg_jp_bool(v, "own", g->row[i].own);
		json_object_array_add(rows, v);
	}
	sg_jp_add(o, "calls", rows);
	return o;
}
