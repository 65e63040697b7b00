/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "out/text.h"
#include "out/text_table.h"

const char *sg_text_ns(char *buf, size_t cap, uint64_t ns)
{
	static const struct {
		uint64_t ns;
		const char *unit;
	} units[] = { { 1000000000, "s" }, { 1000000, "ms" }, { 1000, "us" } };

	for (size_t i = 0; i < 3; i++) {
		uint64_t u = units[i].ns;

		if (ns < u)
			continue;
		if (ns / u >= 1000)
			snprintf(buf, cap, "%" PRIu64 " %s", ns / u + (ns % u >= u / 2), units[i].unit);
		else
			snprintf(buf, cap, "%#.3g %s", (double)ns / (double)u, units[i].unit);
		/* 999.9 rounds to "1.00e+03" with %g: the next unit says it better */
		if (strchr(buf, 'e'))
			snprintf(buf, cap, "1000 %s", units[i].unit);
		char *dot = strstr(buf, ". ");

		if (dot)
			memmove(dot, dot + 1, strlen(dot));
		return buf;
	}
	snprintf(buf, cap, "%" PRIu64 " ns", ns);
	return buf;
}

const char *sg_text_clean(char *buf, size_t cap, const char *s)
{
	return sg_utf8_clean(buf, cap, s, strlen(s));
}

static const struct sg_text_opts defaults;

static unsigned or_else(unsigned v, unsigned otherwise)
{
	return v ? v : otherwise;
}

/* How much of the row: a time, or for functions the share of so many samples, an estimate. */
static const char *evidence_size(char *buf, size_t cap, const struct sg_evidence *e)
{
	if (!e->of)
		return sg_text_ns(buf, cap, e->ns);
	snprintf(buf, cap, "%.0f%% of %" PRIu64 " sample%s", 100.0 * (double)e->samples / (double)e->of,
		 e->of, e->of == 1 ? "" : "s");
	return buf;
}

/* Not what the time hangs on, but what is to be known of it: a line of its own. */
static bool is_sentence(const struct sg_evidence *e)
{
	return !strncmp(e->kind, "go-", 3);
}

/* Evidence of one row as a line: "syscall read (1.2 ms); function main.parse < main.main (34% of 41 samples)". */
static void print_evidence(FILE *f, const struct sg_blame *b, const struct sg_blame_row *row)
{
	struct sg_evidence ev[SG_EVIDENCE_MAX];
	size_t n = sg_blame_evidence(b, row, ev);
	char clean[400], t[64];
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (is_sentence(&ev[i]))
			continue;
		fprintf(f, "%s%s %s (%s)", any ? "; " : "      ", ev[i].kind,
			sg_text_clean(clean, sizeof(clean), ev[i].text), evidence_size(t, sizeof(t), &ev[i]));
		any = true;
	}
	if (any)
		fputc('\n', f);
	for (size_t i = 0; i < n; i++)
		if (is_sentence(&ev[i]))
			fprintf(f, "      of which %s %s\n", evidence_size(t, sizeof(t), &ev[i]),
				sg_text_clean(clean, sizeof(clean), ev[i].text));
}

static void table_row(struct sg_tab *t, const char *comp, const char *cause, uint64_t ns, uint64_t total,
		      uint64_t cnt)
{
	char text[32];

	sg_tab_row(t);
	sg_tab_cell(t, 0, comp);
	sg_tab_cell(t, 1, cause);
	sg_tab_cell(t, 2, sg_text_ns(text, sizeof(text), ns));
	snprintf(text, sizeof(text), "%.1f%%", total ? 100.0 * (double)ns / (double)total : 0.0);
	sg_tab_cell(t, 3, text);
	snprintf(text, sizeof(text), "%" PRIu64, cnt);
	sg_tab_cell(t, 4, cnt ? text : "");
}

static int print_table(FILE *f, const struct sg_blame_row *row, size_t n, uint64_t total,
		       const struct sg_text_opts *o)
{
	size_t show = or_else(o->rows, 16);
	struct sg_blame_row rest = { 0 };
	struct sg_tab t;
	int ret = sg_tab_begin(&t, f, o);

	if (ret)
		return ret;
	if (n <= show + 1) /* a row alone in the rest is shown itself */
		show = n;
	sg_tab_column(&t, "component", 0);
	sg_tab_column(&t, o->by_component ? "" : "cause", 0);
	sg_tab_column(&t, "time", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "share", SCOLS_FL_RIGHT);
	sg_tab_column(&t, "count", SCOLS_FL_RIGHT);
	for (size_t i = 0; i < show; i++) {
		table_row(&t, row[i].comp, row[i].cause, row[i].ns, total, row[i].cnt);
		if (o->colour && i < or_else(o->explain, 3))
			sg_tab_emphasise(&t);
	}
	for (size_t i = show; i < n; i++) {
		rest.ns += row[i].ns;
		rest.cnt += row[i].cnt;
	}
	if (show < n) {
		snprintf(rest.comp, sizeof(rest.comp), "%zu others", n - show);
		table_row(&t, rest.comp, "", rest.ns, total, rest.cnt);
	}
	return sg_tab_end(&t);
}

static int by_time(const void *a, const void *b)
{
	const struct sg_blame_row *x = a, *y = b;

	return x->ns != y->ns ? (x->ns < y->ns ? 1 : -1) : strcmp(x->comp, y->comp);
}

/* Rows summed per component. NULL when out of memory. */
static struct sg_blame_row *by_component(const struct sg_blame_row *row, size_t n, size_t *ret_n)
{
	struct sg_blame_row *sum = calloc(n + 1, sizeof(*sum));
	size_t k, m = 0;

	for (size_t i = 0; sum && i < n; i++) {
		for (k = 0; k < m && strcmp(sum[k].comp, row[i].comp); k++)
			;
		if (k == m)
			memcpy(sum[m++].comp, row[i].comp, sizeof(row[i].comp));
		sum[k].ns += row[i].ns;
		sum[k].cnt += row[i].cnt;
	}
	if (sum)
		qsort(sum, m, sizeof(*sum), by_time);
	*ret_n = m;
	return sum;
}

static int print_components(FILE *f, const struct sg_blame_row *row, size_t n, uint64_t total,
			    const struct sg_text_opts *o)
{
	size_t m;
	struct sg_blame_row *sum = by_component(row, n, &m);
	int ret = sum ? print_table(f, sum, m, total, o) : -ENOMEM;

	free(sum);
	return ret;
}

int sg_text_blame(FILE *f, struct sg_blame *b, const struct sg_text_opts *o)
{
	const struct sg_blame_row *row;
	struct sg_blame_sums s;
	char comp[80], t[32];
	size_t n;
	int ret;

	o = o ? o : &defaults;
	n = o->by_wait ? sg_blame_wait_rows(b, &row) : sg_blame_rows(b, &row);
	sg_blame_sums(b, &s);
	if (o->by_component)
		ret = print_components(f, row, n, s.total_ns, o);
	else
		ret = print_table(f, row, n, s.total_ns, o);
	if (ret)
		return ret;
	if (s.other_ns)
		fprintf(f, "of which %s queued behind other tasks\n", sg_text_ns(t, sizeof(t), s.other_ns));
	if (s.uncertain_ns)
		fprintf(f,
			"up to %s of it may stand in a neighbouring row (slices cut between two records)\n",
			sg_text_ns(t, sizeof(t), s.uncertain_ns));
	if (s.inside_ns)
		fprintf(f, "%s of it was told by the guest that did it%s",
			sg_text_ns(t, sizeof(t), s.inside_ns), s.fused_ns ? "\n" : "");
	if (s.fused_ns)
		fprintf(f, "%s of it in the guest was looked at from the host",
			sg_text_ns(t, sizeof(t), s.fused_ns));
	if (s.fused_ns || s.inside_ns) {
		if (s.ambiguous_ns)
			fprintf(f,
				"; %s may be the guest's or the host's, or another thread's: the error of "
				"their clocks, or interrupts of several threads",
				sg_text_ns(t, sizeof(t), s.ambiguous_ns));
		fputc('\n', f);
	}
	if (s.open_ns)
		fprintf(f, "%s of it was still going on when the recording ended\n",
			sg_text_ns(t, sizeof(t), s.open_ns));
	if (n)
		fputc('\n', f);
	for (size_t i = 0; i < n && i < or_else(o->explain, 3); i++) {
		/* A small cause needs no advice. */
		if (i && row[i].ns < s.total_ns / 50)
			break;
		fprintf(f, "  %s %s: %s\n", sg_text_clean(comp, sizeof(comp), row[i].comp), row[i].cause,
			sg_blame_meaning(row[i].cause));
		print_evidence(f, b, &row[i]);
		fprintf(f, "      -> %s\n", sg_blame_advice(row[i].cause));
	}
	return ferror(f) ? -EIO : 0;
}

int sg_text_group(FILE *f, struct sg_group *g, const struct sg_text_opts *o)
{
	struct sg_group_stats s;
	char name[200], a[32], b[32], c[32], d[32], e[32];

	o = o ? o : &defaults;
	sg_group_stats(g, &s);
	fprintf(f, "%s%s%s: ", o->colour ? "\033[1m" : "", sg_text_clean(name, sizeof(name), s.name),
		o->colour ? "\033[0m" : "");
	if (s.n > 1 || (!s.n && s.incomplete > 1))
		fprintf(f, "%" PRIu64 " tasks, mean %s, p50 %s, p90 %s, p99 %s, max %s",
			s.n ? s.n : s.incomplete, sg_text_ns(a, sizeof(a), s.mean_ns),
			sg_text_ns(b, sizeof(b), s.p50_ns), sg_text_ns(c, sizeof(c), s.p90_ns),
			sg_text_ns(d, sizeof(d), s.p99_ns), sg_text_ns(e, sizeof(e), s.max_ns));
	else
		fprintf(f, "%s", sg_text_ns(a, sizeof(a), s.max_ns));
	if (!s.n && s.incomplete)
		fprintf(f, ", all incomplete: marks were lost, or the recording began or ended inside");
	else if (s.incomplete)
		fprintf(f, "; %" PRIu64 " more incomplete, not counted", s.incomplete);
	fputc('\n', f);
	if (s.n && s.kept < s.n)
		fprintf(f, "(percentiles from a random sample of %" PRIu64 " of them)\n", s.kept);
	return sg_text_blame(f, sg_group_blame(g), o);
}
