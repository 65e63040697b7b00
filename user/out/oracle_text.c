// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* The kernel's own figures beside ours: for people and as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "model/oracle.h"

/* A thread's name is the user's bytes: what could drive a terminal becomes '?'. */
static void thread_name(const struct sg_oracle_row *r, char *buf, size_t cap)
{
	size_t n;

	if (!r->uid) {
		snprintf(buf, cap, "all threads");
		return;
	}
	n = (size_t)snprintf(buf, cap, "%.16s/%" PRIu32, r->comm, r->tid);
	for (size_t i = 0; i < n && i < cap - 1; i++)
		if ((unsigned char)buf[i] < 0x20 || (unsigned char)buf[i] >= 0x7f)
			buf[i] = '?';
}

static const char *amount(char *buf, size_t cap, unsigned quantity, uint64_t v)
{
	if (!strcmp(sg_oracle_unit(quantity), "ns"))
		snprintf(buf, cap, "%" PRIu64 ".%06" PRIu64 " ms", v / 1000000, v % 1000000);
	else
		snprintf(buf, cap, "%" PRIu64, v);
	return buf;
}

static const char *difference(char *buf, size_t cap, const struct sg_oracle_row *r)
{
	uint64_t d = r->diff < 0 ? 0 - (uint64_t)r->diff : (uint64_t)r->diff;
	char abs[40];

	amount(abs, sizeof(abs), r->quantity, d);
	if (r->kernel)
		snprintf(buf, cap, "%c%s (%+.2f %%)", r->diff < 0 ? '-' : '+', abs,
			 100.0 * (r->diff < 0 ? -(double)d : (double)d) / (double)r->kernel);
	else
		snprintf(buf, cap, "%c%s", r->diff < 0 ? '-' : '+', abs);
	return buf;
}

static void text_row(const struct sg_oracle_row *r, FILE *f)
{
	char ours[40], kern[40], diff[80], off[40];

	fprintf(f, "  %-13s %18s %18s  %-30s %s", sg_oracle_name(r->quantity),
		amount(ours, sizeof(ours), r->quantity, r->ours),
		amount(kern, sizeof(kern), r->quantity, r->kernel), difference(diff, sizeof(diff), r),
		r->off ? "UNEXPLAINED " : "agrees");
	if (r->off)
		fputs(amount(off, sizeof(off), r->quantity, r->off), f);
	fputc('\n', f);
}

int sg_oracle_text(struct sg_oracle *o, FILE *f)
{
	const struct sg_oracle_row *row;
	struct sg_oracle_stats st;
	size_t n = sg_oracle_rows(o, &row);

	sg_oracle_stats(o, &st);
	fprintf(f,
		"Compared with the kernel's own accounting: %" PRIu64
		" threads whose whole life is in the recording\n",
		st.compared);
	if (st.before || st.lost || st.unfinished)
		fprintf(f,
			"Not compared: %" PRIu64 " older than the recording, %" PRIu64
			" with records missing, %" PRIu64 " not ended in it\n",
			st.before, st.lost, st.unfinished);
	if (st.late)
		fputs("The command's own thread was forked before the recording: the kernel's figures hold a "
		      "little more\n",
		      f);
	if (st.absurd)
		fprintf(f,
			"%" PRIu64 " threads have a delay longer than their life, left out: accounting was "
			"switched on while they waited\n",
			st.absurd);
	if (st.compared && st.delays_off)
		fputs("Delays are not compared: kernel.task_delayacct was 0 (sysctl kernel.task_delayacct=1 "
		      "switches it on)\n",
		      f);
	for (size_t i = 0; i < n; i++) {
		char name[64];

		if (!i || row[i].uid != row[i - 1].uid) {
			thread_name(&row[i], name, sizeof(name));
			fprintf(f, "\n%-15s %18s %18s  %-30s\n", name, "ours", "the kernel's", "difference");
		}
		text_row(&row[i], f);
	}
	if (n)
		fputs("\nWhat the kernel's figures leave out, or count besides:\n", f);
	for (unsigned q = 0; n && q < SG_ORACLE_MAX; q++)
		if (!st.delays_off || q < SG_ORACLE_SWAPIN)
			fprintf(f, "  %-13s %s: %s\n", sg_oracle_name(q), sg_oracle_field(q),
				sg_oracle_leaves_out(q));
	return fflush(f) || ferror(f) ? -(errno ? errno : EIO) : 0;
}

static struct json_object *json_row(const struct sg_oracle_row *r)
{
	struct json_object *o = json_object_new_object();
	char name[64];

	if (!o)
		return NULL;
	thread_name(r, name, sizeof(name));
	json_object_object_add(o, "thread", json_object_new_string(name));
	json_object_object_add(o, "tid", json_object_new_int64(r->tid));
	json_object_object_add(o, "tgid", json_object_new_int64(r->tgid));
	json_object_object_add(o, "quantity", json_object_new_string(sg_oracle_name(r->quantity)));
	json_object_object_add(o, "unit", json_object_new_string(sg_oracle_unit(r->quantity)));
	json_object_object_add(o, "field", json_object_new_string(sg_oracle_field(r->quantity)));
	json_object_object_add(o, "ours", json_object_new_uint64(r->ours));
	json_object_object_add(o, "kernel", json_object_new_uint64(r->kernel));
	json_object_object_add(o, "difference", json_object_new_int64(r->diff));
	json_object_object_add(o, "low", json_object_new_uint64(r->lo));
	json_object_object_add(o, "high", r->hi == UINT64_MAX ? NULL : json_object_new_uint64(r->hi));
	json_object_object_add(o, "unexplained", json_object_new_uint64(r->off));
	json_object_object_add(o, "leaves_out", json_object_new_string(sg_oracle_leaves_out(r->quantity)));
	return o;
}

int sg_oracle_json(struct sg_oracle *o, FILE *f)
{
	struct json_object *top = json_object_new_object(), *rows = json_object_new_array();
	const struct sg_oracle_row *row;
	struct sg_oracle_stats st;
	size_t n = sg_oracle_rows(o, &row);
	const char *s;
	int ret = -ENOMEM;

	if (!top || !rows)
		goto out;
	for (size_t i = 0; i < n; i++) {
		struct json_object *r = json_row(&row[i]);

		if (!r || json_object_array_add(rows, r)) {
			json_object_put(r);
			goto out;
		}
	}
	sg_oracle_stats(o, &st);
	json_object_object_add(top, "compared", json_object_new_uint64(st.compared));
	json_object_object_add(top, "late", json_object_new_uint64(st.late));
	json_object_object_add(top, "before", json_object_new_uint64(st.before));
	json_object_object_add(top, "absurd", json_object_new_uint64(st.absurd));
	json_object_object_add(top, "lost", json_object_new_uint64(st.lost));
	json_object_object_add(top, "unfinished", json_object_new_uint64(st.unfinished));
	json_object_object_add(top, "delays_off", json_object_new_boolean(st.delays_off));
	json_object_object_add(top, "rows", rows);
	rows = NULL;
	s = json_object_to_json_string_ext(top, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (s) {
		errno = 0;
		ret = fputs(s, f) < 0 || fputc('\n', f) < 0 || fflush(f) ? -(errno ? errno : EIO) : 0;
	}
out:
	json_object_put(rows);
	json_object_put(top);
	return ret;
}
