/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The threads of virtual machines that are no vCPUs: tables for people, and JSON. */
#include <inttypes.h>
#include <string.h>
#include "model/vmthreads.h"
#include "out/json_parts.h"
#include "out/text_table.h"

#define THREADS_SHOWN 8
#define WAITS_SHOWN   3

static const char *cause_name(uint16_t cause, char *buf, size_t cap)
{
	return cause ? sg_cause_name(cause, buf, cap) : "others";
}

/* "ipc.event 1.20 s, io.block 30.0 ms" */
static void put_waits(struct sg_tab *t, size_t column, const struct sg_vmwork *w)
{
	char text[256] = "", cause[48], ns[32];
	size_t len = 0;

	for (size_t i = 0; i < w->nwait && i < WAITS_SHOWN && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s", i ? ", " : "",
					cause_name(w->wait[i].cause, cause, sizeof(cause)),
					sg_text_ns(ns, sizeof(ns), w->wait[i].ns));
	sg_tab_cell(t, column, *text ? text : "-");
}

/* The columns that all rows have, from number @at on. @quota: there is a column for it. */
static void put_work(struct sg_tab *t, size_t at, const struct sg_vmwork *w, bool quota)
{
	sg_tab_ns(t, at++, w->seen_ns);
	sg_tab_ns(t, at++, w->cpu_ns);
	sg_tab_ns(t, at++, w->runq_ns);
	if (quota)
		sg_tab_ns(t, at++, w->throttle_ns);
	sg_tab_ns(t, at++, w->disk_ns);
	sg_tab_ns(t, at++, w->wait_ns);
	sg_tab_ns(t, at++, w->unknown_ns);
	put_waits(t, at, w);
}

static void columns(struct sg_tab *t, bool quota)
{
	sg_tab_column(t, "seen for", SCOLS_FL_RIGHT);
	sg_tab_column(t, "on a CPU", SCOLS_FL_RIGHT);
	sg_tab_column(t, "no CPU", SCOLS_FL_RIGHT);
	if (quota)
		sg_tab_column(t, "quota", SCOLS_FL_RIGHT);
	sg_tab_column(t, "disk", SCOLS_FL_RIGHT);
	sg_tab_column(t, "other waits", SCOLS_FL_RIGHT);
	sg_tab_column(t, "unknown", SCOLS_FL_RIGHT);
	sg_tab_column(t, "waits most for", 0);
}

static int put_parts(const struct sg_vmrest *r, FILE *f, bool quota, const struct sg_text_opts *o)
{
	struct sg_tab t;
	int ret = sg_tab_begin(&t, f, o);

	if (ret)
		return ret;
	sg_tab_column(&t, "component", 0);
	sg_tab_column(&t, "threads", SCOLS_FL_RIGHT);
	columns(&t, quota);
	for (size_t i = 0; i < r->npart; i++) {
		sg_tab_row(&t);
		sg_tab_cell(&t, 0, r->part[i].part);
		sg_tab_u64(&t, 1, r->part[i].w.threads);
		put_work(&t, 2, &r->part[i].w, quota);
	}
	return sg_tab_end(&t);
}

static int put_threads(const struct sg_vmrest *r, FILE *f, bool quota, const struct sg_text_opts *o)
{
	struct sg_tab t;
	int ret = sg_tab_begin(&t, f, o);

	if (ret)
		return ret;
	sg_tab_column(&t, "thread", 0);
	sg_tab_column(&t, "number", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "component", 0);
	columns(&t, quota);
	for (size_t i = 0; i < r->nthread && i < THREADS_SHOWN; i++) {
		sg_tab_row(&t);
		sg_tab_cell(&t, 0, r->thread[i].comm);
		sg_tab_u64(&t, 1, r->thread[i].tid);
		sg_tab_cell(&t, 2, r->thread[i].part);
		put_work(&t, 3, &r->thread[i].w, quota);
	}
	return sg_tab_end(&t);
}

int sg_vmrest_text(const struct sg_vmrest *r, FILE *f, const struct sg_text_opts *o)
{
	uint64_t left = r->others.threads, cpu_ns = r->others.cpu_ns;
	bool quota = false;
	char ns[32];
	int ret;

	if (!r->nthread)
		return 0;
	for (size_t i = 0; i < r->npart; i++)
		quota |= r->part[i].w.throttle_ns != 0;
	fputs("\nthe machine's other threads:\n", f);
	ret = put_parts(r, f, quota, o);
	fputc('\n', f);
	if (!ret)
		ret = put_threads(r, f, quota, o);
	for (size_t i = THREADS_SHOWN; i < r->nthread; i++, left++)
		cpu_ns += r->thread[i].w.cpu_ns;
	if (left)
		fprintf(f, "%" PRIu64 " more threads, which were on a CPU for %s together\n", left,
			sg_text_ns(ns, sizeof(ns), cpu_ns));
	return ret;
}

/* ---- JSON ------------------------------------------------------------------------------ */
static struct json_object *waits_array(const struct sg_vmwork *w)
{
	struct json_object *a = json_object_new_array();
	char cause[48];

	for (size_t i = 0; a && i < w->nwait; i++) {
		struct json_object *o = json_object_new_object();

		sg_jp_text(o, "cause", cause_name(w->wait[i].cause, cause, sizeof(cause)));
		sg_jp_u64(o, "ns", w->wait[i].ns);
		sg_jp_u64(o, "count", w->wait[i].cnt);
		json_object_array_add(a, o);
	}
	return a;
}

static void work_add(struct json_object *o, const struct sg_vmwork *w)
{
	sg_jp_u64(o, "total_ns", w->seen_ns);
#define X(field) sg_jp_u64(o, #field, w->field);
	SG_VMTHREAD_PARTS(X)
#undef X
	sg_jp_add(o, "waits", waits_array(w));
}

static struct json_object *sum_object(const char *part, const struct sg_vmwork *w)
{
	struct json_object *o = json_object_new_object();

	if (part)
		sg_jp_text(o, "component", part);
	sg_jp_u64(o, "threads", w->threads);
	work_add(o, w);
	return o;
}

static struct json_object *thread_object(const struct sg_vmthread *t)
{
	struct json_object *o = json_object_new_object();

	sg_jp_u64(o, "tid", t->tid);
	sg_jp_text(o, "comm", t->comm);
	sg_jp_text(o, "component", t->part);
	work_add(o, &t->w);
	return o;
}

struct json_object *sg_vmrest_json(const struct sg_vmrest *r)
{
	struct json_object *o = json_object_new_object(), *parts = json_object_new_array(),
			   *rows = json_object_new_array();

	for (size_t i = 0; parts && i < r->npart; i++)
		json_object_array_add(parts, sum_object(r->part[i].part, &r->part[i].w));
	for (size_t i = 0; rows && i < r->nthread; i++)
		json_object_array_add(rows, thread_object(&r->thread[i]));
	sg_jp_add(o, "components", parts);
	sg_jp_add(o, "rows", rows);
	sg_jp_add(o, "others", sum_object(NULL, &r->others));
	return o;
}
