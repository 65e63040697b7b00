/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* System calls by container and process: tables for people, and JSON. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/sysnr.h"
#include "model/syscalls.h"
#include "out/json_parts.h"
#include "out/text_table.h"

#define GROUPS_SHOWN 12
#define ROWS_SHOWN   16

/* A number that has no name, or is of the 32-bit ABI, is said as a number. */
static const char *call_name(char *buf, size_t cap, uint32_t nr)
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

static void cell_ns(struct sg_tab *t, size_t column, uint64_t ns)
{
	char text[32];

	sg_tab_cell(t, column, ns ? sg_text_ns(text, sizeof(text), ns) : "-");
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

static void put_row(struct sg_tab *t, const struct sg_syscall_row *r, const char *name)
{
	uint64_t all = r->on_ns + r->wait_ns + r->runq_ns;

	sg_tab_row(t);
	sg_tab_cell(t, 0, name);
	cell_u64(t, 1, r->cnt, "");
	cell_u64(t, 2, r->err, r->err_more ? " or more" : "");
	cell_ns(t, 3, r->on_ns);
	cell_ns(t, 4, r->wait_ns);
	cell_ns(t, 5, r->runq_ns);
	cell_ns(t, 6, r->cnt ? all / r->cnt : 0);
	cell_files(t, 7, r);
}

static void sum_rest(struct sg_syscall_row *to, const struct sg_syscall_row *r)
{
	to->cnt += r->cnt;
	to->err += r->err;
	to->err_more |= r->err_more;
	to->on_ns += r->on_ns;
	to->wait_ns += r->wait_ns;
	to->runq_ns += r->runq_ns;
}

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
	sg_tab_column(&t, "system call", 0);
	sg_tab_column(&t, "count", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "errors", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "on CPU", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "waiting", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "run queue", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "mean", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "on files, by time of long waits", SCOLS_FL_TRUNC);
	for (size_t i = 0; i < g->nrow && i < shown; i++)
		put_row(&t, &g->row[i], call_name(name, sizeof(name), g->row[i].nr));
	for (size_t i = shown; i < g->nrow; i++)
		sum_rest(&rest, &g->row[i]);
	if (g->nrow > shown) {
		snprintf(name, sizeof(name), "%zu others", g->nrow - shown);
		put_row(&t, &rest, name);
	}
	put_row(&t, &g->sum, "all");
	return sg_tab_end(&t);
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

static struct json_object *sums_object(const struct sg_syscall_row *r)
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
	return o;
}

static struct json_object *row_object(const struct sg_syscall_row *r)
{
	struct json_object *o = sums_object(r), *files = json_object_new_array();
	char name[64];

	sg_jp_text(o, "call", call_name(name, sizeof(name), r->nr));
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
		struct json_object *v = sums_object(&g[i].sum), *rows = json_object_new_array();

		sg_jp_text(v, "container", g[i].container);
		sg_jp_text(v, "process", g[i].process);
		sg_jp_u64(v, "programs", g[i].programs);
		for (size_t k = 0; rows && k < g[i].nrow; k++)
			json_object_array_add(rows, row_object(&g[i].row[k]));
		sg_jp_add(v, "calls", rows);
		json_object_array_add(list, v);
	}
	sg_jp_add(o, "groups", list);
	sg_jp_u64(o, "uncounted", sg_syscalls_uncounted(s));
	return o;
}
