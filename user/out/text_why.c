/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The parts of the report that compare: slow with usual tasks, A with B; and single paths. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "out/text.h"
#include "out/text_table.h"

static uint64_t size_of(int64_t ns)
{
	return ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
}

static const char *signed_ns(char *buf, size_t cap, int64_t ns)
{
	char t[32];

	snprintf(buf, cap, "%c%s", ns < 0 ? '-' : '+', sg_text_ns(t, sizeof(t), size_of(ns)));
	return ns ? buf : "0 ns";
}

int sg_text_why_slow(FILE *f, struct sg_group *g, double q, const struct sg_text_opts *o)
{
	size_t show = o && o->rows ? o->rows : 8, i;
	char t[40], text[40];
	struct sg_why_slow w;
	int64_t rest = 0;
	struct sg_tab tab;
	int ret = sg_group_why_slow(g, q, &w);

	if (ret == -ENODATA) {
		fputs("too few tasks to compare slow ones with usual ones\n", f);
		return ferror(f) ? -EIO : 0;
	}
	if (!ret)
		ret = sg_tab_begin(&tab, f, o);
	if (ret)
		return ret;
	fprintf(f,
		"what the slow ones (%" PRIu64 " around the %g%% quantile) have that the usual %" PRIu64
		" (25..75%%) don't: %s\n",
		w.band_n, q * 100, w.middle_n, signed_ns(t, sizeof(t), w.diff_ns));
	sg_tab_column(&tab, "component", 0);
	sg_tab_column(&tab, "cause", 0);
	sg_tab_column(&tab, "more", SCOLS_FL_RIGHT);
	for (i = 0; i < w.nrow && i < show && w.row[i].ns; i++) {
		sg_tab_row(&tab);
		sg_tab_cell(&tab, 0, w.row[i].comp);
		sg_tab_cell(&tab, 1, w.row[i].cause);
		sg_tab_cell(&tab, 2, signed_ns(t, sizeof(t), w.row[i].ns));
	}
	for (size_t k = i; k < w.nrow; k++)
		rest += w.row[k].ns;
	if (rest) {
		sg_tab_row(&tab);
		snprintf(text, sizeof(text), "%zu others", w.nrow - i);
		sg_tab_cell(&tab, 0, text);
		sg_tab_cell(&tab, 2, signed_ns(t, sizeof(t), rest));
	}
	ret = sg_tab_end(&tab);
	if (!ret && w.residual_ns)
		fprintf(f, "(the quantile itself is %s from the mean of its band)\n",
			signed_ns(t, sizeof(t), w.residual_ns));
	return ret ? ret : ferror(f) ? -EIO : 0;
}

int sg_text_task(FILE *f, const struct sg_kept_task *t, const struct sg_text_opts *o)
{
	char name[200], at[32], ns[32], hint[240], chain[200];
	bool colour = o && o->colour;

	fprintf(f, "%s%s%s id %" PRIu64 ": %s%s%s\n", colour ? "\033[1m" : "",
		sg_text_clean(name, sizeof(name), *t->name ? t->name : "(no name)"), colour ? "\033[0m" : "",
		t->id, sg_text_ns(ns, sizeof(ns), t->end - t->begin), t->incomplete ? ", incomplete" : "",
		t->detached ? ", its path never reached the thread that began it" : "");
	for (size_t i = 0; i < t->nstep; i++) {
		const struct sg_step *s = &t->step[i];

		fprintf(f, "  at %-9s %-9s %s %s", sg_text_ns(at, sizeof(at), s->at_ns),
			sg_text_ns(ns, sizeof(ns), s->ns), sg_text_clean(name, sizeof(name), s->comp),
			s->cause);
		if (*s->hint)
			fprintf(f, ": %s", sg_text_clean(hint, sizeof(hint), s->hint));
		if (*s->chain)
			fprintf(f, "  {%s}", sg_text_clean(chain, sizeof(chain), s->chain));
		fputc('\n', f);
	}
	if (t->rest_n)
		fprintf(f, "  and %s in %" PRIu64 " shorter steps\n", sg_text_ns(ns, sizeof(ns), t->rest_ns),
			t->rest_n);
	return ferror(f) ? -EIO : 0;
}

int sg_text_order(FILE *f, const struct sg_order_row *row, size_t n, const struct sg_text_opts *o)
{
	char comp[80], a[32], b[32];

	(void)o;
	for (size_t i = 0; i < n; i++)
		fprintf(f,
			"%s %s depends on the order in which the task waited: %s on the path, %s on the "
			"critical "
			"chain\n",
			sg_text_clean(comp, sizeof(comp), row[i].comp), row[i].cause,
			sg_text_ns(a, sizeof(a), row[i].path_ns),
			sg_text_ns(b, sizeof(b), row[i].critical_ns));
	return ferror(f) ? -EIO : 0;
}

/* "B is 1.84x A (12.3 ms -> 22.6 ms): +41% app mem.swapin, +12% app io.block" */
static void diff_sentence(FILE *f, const struct sg_diff *d, const char *a, const char *b)
{
	char ca[120], cb[120], ta[32], tb[32], comp[80];
	size_t said = 0;

	sg_text_clean(ca, sizeof(ca), a);
	sg_text_clean(cb, sizeof(cb), b);
	sg_text_ns(ta, sizeof(ta), d->a_mean_ns);
	sg_text_ns(tb, sizeof(tb), d->b_mean_ns);
	if (!d->a_mean_ns) {
		fprintf(f, "%s takes %s, %s takes no time", cb, tb, ca);
	} else if (!d->diff_ns) {
		fprintf(f, "%s takes as long as %s (%s)", cb, ca, ta);
	} else {
		fprintf(f, "%s is %.2fx %s (%s -> %s)", cb, (double)d->b_mean_ns / (double)d->a_mean_ns, ca,
			ta, tb);
	}
	for (size_t i = 0; i < d->nrow && said < 3 && d->a_mean_ns; i++) {
		double share = 100.0 * (double)d->row[i].ns / (double)d->a_mean_ns;

		if (fabs(share) < 1)
			break;
		fprintf(f, "%s%+.0f%% %s %s", said++ ? ", " : ": ", share,
			sg_text_clean(comp, sizeof(comp), d->row[i].comp), d->row[i].cause);
	}
	fputc('\n', f);
}

int sg_text_diff(FILE *f, const struct sg_diff *d, const char *a, const char *b, const struct sg_text_opts *o)
{
	size_t show = o && o->rows ? o->rows : 20, i;
	int64_t rest = 0;
	char t[40], text[40];
	struct sg_tab tab;
	int ret;

	diff_sentence(f, d, a, b);
	ret = sg_tab_begin(&tab, f, o);
	if (ret)
		return ret;
	sg_tab_column(&tab, "component", 0);
	sg_tab_column(&tab, "cause", 0);
	sg_tab_column(&tab, "A", SCOLS_FL_RIGHT);
	sg_tab_column(&tab, "B", SCOLS_FL_RIGHT);
	sg_tab_column(&tab, "B - A", SCOLS_FL_RIGHT);
	sg_tab_column(&tab, "of A", SCOLS_FL_RIGHT);
	for (i = 0; i < d->nrow && i < show; i++) {
		sg_tab_row(&tab);
		sg_tab_cell(&tab, 0, d->row[i].comp);
		sg_tab_cell(&tab, 1, d->row[i].cause);
		sg_tab_cell(&tab, 2, sg_text_ns(t, sizeof(t), d->row[i].a_ns));
		sg_tab_cell(&tab, 3, sg_text_ns(t, sizeof(t), d->row[i].b_ns));
		sg_tab_cell(&tab, 4, signed_ns(t, sizeof(t), d->row[i].ns));
		snprintf(text, sizeof(text), "%+.1f%%",
			 d->a_mean_ns ? 100.0 * (double)d->row[i].ns / (double)d->a_mean_ns : 0.0);
		sg_tab_cell(&tab, 5, d->a_mean_ns ? text : "");
	}
	for (size_t k = i; k < d->nrow; k++)
		rest += d->row[k].ns;
	if (i < d->nrow) {
		sg_tab_row(&tab);
		snprintf(text, sizeof(text), "%zu others", d->nrow - i);
		sg_tab_cell(&tab, 0, text);
		sg_tab_cell(&tab, 4, signed_ns(t, sizeof(t), rest));
	}
	sg_tab_row(&tab);
	sg_tab_cell(&tab, 0, "all");
	sg_tab_cell(&tab, 2, sg_text_ns(t, sizeof(t), d->a_mean_ns));
	sg_tab_cell(&tab, 3, sg_text_ns(t, sizeof(t), d->b_mean_ns));
	sg_tab_cell(&tab, 4, signed_ns(t, sizeof(t), d->diff_ns));
	ret = sg_tab_end(&tab);
	if (!ret && d->residual_ns)
		fprintf(f, "(and %s between the quantiles and the means of their bands)\n",
			signed_ns(t, sizeof(t), d->residual_ns));
	return ret ? ret : ferror(f) ? -EIO : 0;
}
