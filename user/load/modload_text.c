/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The module-load workload's results for people. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "load/because.h"
#include "load/modload_sums.h"
#include "out/text.h"

#define ROWS_KEPT 40

static const char *runtime_of(const struct sg_modload_result *r, const struct sg_modload_combo *c)
{
	return r->opts.runtime[c->runtime]->name;
}

/* "1 container", "4 containers at once" */
static const char *containers(char *buf, size_t cap, unsigned n)
{
	snprintf(buf, cap, n == 1 ? "%u container" : "%u containers at once", n);
	return buf;
}

static int table_row(FILE *out, const struct sg_modload_result *r, const struct sg_modload_combo *c)
{
	const struct sg_modload_combo *base = sg_modload_base(r, c);
	char t[4][32], bare[32] = "-";
	struct sg_modload_sum s, b, other = { 0 };
	int rc = sg_modload_sum(&s, c, r->opts.record);

	if (!rc)
		rc = sg_modload_sum(&b, base, r->opts.record);
	if (!rc && r->opts.record)
		rc = sg_modload_sum(&other, c, false);
	if (rc)
		return rc;
	if (other.latency.n)
		sg_text_ns(bare, sizeof(bare), other.latency.mean_ns);
	fprintf(out, "%-14s %10u  %-12s %5zu %10s %10s %7.2f %10s %7.2f %11s\n", runtime_of(r, c),
		r->opts.count[c->count], r->opts.module[c->module].name, s.latency.n,
		sg_text_ns(t[0], sizeof(t[0]), s.latency.mean_ns),
		sg_text_ns(t[1], sizeof(t[1]), s.latency.p50_ns),
		sg_stats_ratio(s.latency.mean_ns, b.latency.mean_ns),
		sg_text_ns(t[2], sizeof(t[2]), s.require.p50_ns),
		sg_stats_ratio(s.require.p50_ns, b.require.p50_ns), bare);
	return 0;
}

static int table(FILE *out, const struct sg_modload_result *r)
{
	const char *base = r->opts.runtime[r->base]->name;
	int rc = 0;

	fprintf(out, "\n%-14s %10s  %-12s %5s %10s %10s %7s %10s %7s %11s\n", "", "", "", "", "client's", "",
		"x", "require()", "x", "mean, not");
	fprintf(out, "%-14s %10s  %-12s %5s %10s %10s %7s %10s %7s %11s\n", "runtime", "containers", "module",
		"loads", "mean", "p50", base, "p50", base, "recorded");
	for (size_t i = 0; i < r->ncombo && !rc; i++)
		rc = table_row(out, r, &r->combo[i]);
	return rc;
}

static int ratios(FILE *out, const struct sg_modload_result *r)
{
	struct sg_modload_sum s, b;
	char n[40];
	int rc = 0;

	if (r->opts.nruntime > 1)
		fprintf(out, "\n");
	for (size_t i = 0; i < r->ncombo && !rc; i++) {
		const struct sg_modload_combo *c = &r->combo[i];

		if (c->runtime == r->base)
			continue;
		rc = sg_modload_sum(&s, c, r->opts.record);
		if (!rc)
			rc = sg_modload_sum(&b, sg_modload_base(r, c), r->opts.record);
		if (rc)
			break;
		fprintf(out, "%s, %s, %s: x%.2f of %s: ", runtime_of(r, c),
			containers(n, sizeof(n), r->opts.count[c->count]), r->opts.module[c->module].name,
			sg_stats_ratio(s.latency.mean_ns, b.latency.mean_ns), r->opts.runtime[r->base]->name);
		rc = sg_because(out, sg_modload_base(r, c)->blame, c->blame);
	}
	return rc;
}

/* The answer in a sentence: the combination that is furthest from its base. */
static int headline(FILE *out, const struct sg_modload_result *r)
{
	const struct sg_modload_combo *worst = NULL;
	struct sg_modload_sum s, b, ws = { 0 }, wb = { 0 };
	char t0[32], t1[32], n[40];
	double most = 0;
	int rc = 0;

	for (size_t i = 0; i < r->ncombo && !rc; i++) {
		double x;

		rc = sg_modload_sum(&s, &r->combo[i], r->opts.record);
		if (!rc)
			rc = sg_modload_sum(&b, sg_modload_base(r, &r->combo[i]), r->opts.record);
		x = rc ? 0 : sg_stats_ratio(s.latency.mean_ns, b.latency.mean_ns);
		if (x > most) {
			most = x;
			worst = &r->combo[i];
			ws = s;
			wb = b;
		}
	}
	if (rc || !worst)
		return rc ? rc : -ENODATA;
	fprintf(out, "Loading %s in %s under %s took %s on average%s", r->opts.module[worst->module].name,
		containers(n, sizeof(n), r->opts.count[worst->count]), runtime_of(r, worst),
		sg_text_ns(t0, sizeof(t0), ws.latency.mean_ns),
		r->opts.cold ? " with the modules out of the page cache" : "");
	if (worst->runtime == r->base) {
		fprintf(out, ".\n");
		return 0;
	}
	fprintf(out, ", %.2f times the %s of %s: ", most, sg_text_ns(t1, sizeof(t1), wb.latency.mean_ns),
		r->opts.runtime[r->base]->name);
	return sg_because(out, sg_modload_base(r, worst)->blame, worst->blame);
}

static int price_of(FILE *out, const struct sg_modload_result *r, const struct sg_modload_combo *c,
		    enum sg_modload_source source)
{
	static const char *const option[SG_SOURCES_MAX] = {
#define SG_X(sym, name, option, src) option,
		SG_SOURCES_LIST(SG_X)
#undef SG_X
	};
	struct sg_modload_price p;
	char k[40];
	int rc = sg_modload_price(&p, c, source, r->opts.rounds);

	if (rc || !p.pairs)
		return rc;
	fprintf(out, "%s, %s, %s: recording%s%s costs %+.1f %% (median of %zu pair%s", runtime_of(r, c),
		containers(k, sizeof(k), r->opts.count[c->count]), r->opts.module[c->module].name,
		option[source] ? " with " : "", option[source] ? option[source] : "", 100 * p.cost, p.pairs,
		p.pairs == 1 ? "" : "s");
	if (option[source])
		fprintf(out,
			"), %+.1f %% on top of the default source's (%" PRIu64 " calls of guests told a load",
			100 * p.added, c->seen[source] / (p.pairs * r->opts.count[c->count]));
	fputs(option[source] && !c->seen[source] ? "): it told nothing, so this is no price of it\n" : ")\n",
	      out);
	return 0;
}

static int price(FILE *out, const struct sg_modload_result *r)
{
	int rc = 0;

	for (size_t i = 0; i < r->ncombo; i++)
		for (unsigned s = SG_SOURCE_DEFAULT; s < SG_SOURCES_MAX && !rc; s++)
			rc = price_of(out, r, &r->combo[i], (enum sg_modload_source)s);
	return rc;
}

static void caveats(FILE *out, const struct sg_modload_result *r)
{
	for (size_t i = 0; i < r->ncombo; i++) {
		const struct sg_modload_combo *c = &r->combo[i];
		char name[64];

		sg_modload_task(name, sizeof(name), &r->opts, c, '/');
		if (c->lost)
			fprintf(out, "%s: %" PRIu64 " records were lost; their time is unknown.lost\n", name,
				c->lost);
		if (c->missing)
			fprintf(out,
				"%s: %" PRIu64 " loads are not whole in the recordings and not explained\n",
				name, c->missing);
	}
}

int sg_modload_text(FILE *out, const struct sg_modload_result *r)
{
	int rc = headline(out, r);

	if (!rc)
		rc = table(out, r);
	if (!rc)
		rc = ratios(out, r);
	if (!rc && r->opts.record && r->opts.pairs != SG_PAIRS_NONE) {
		fprintf(out, "\n");
		rc = price(out, r);
	}
	if (rc)
		return rc;
	caveats(out, r);
	return ferror(out) ? -EIO : 0;
}

int sg_modload_differences(FILE *out, const struct sg_modload_result *r)
{
	struct sg_text_opts o = { .rows = ROWS_KEPT };
	char a[64], b[64];
	int rc = 0;

	for (size_t i = 0; i < r->ncombo && !rc; i++) {
		const struct sg_modload_combo *c = &r->combo[i], *base = sg_modload_base(r, c);
		struct sg_diff d;

		if (c == base || !c->blame || !base->blame)
			continue;
		rc = sg_diff_make(&d, base->blame, c->blame);
		if (rc)
			return rc;
		rc = sg_text_diff(out, &d, sg_modload_task(a, sizeof(a), &r->opts, base, '/'),
				  sg_modload_task(b, sizeof(b), &r->opts, c, '/'), &o);
		fprintf(out, "\n");
		sg_diff_free(&d);
	}
	return rc ? rc : ferror(out) ? -EIO : 0;
}

int sg_modload_times(FILE *out, const struct sg_modload_result *r)
{
	fprintf(out,
		"runtime\tcontainers\tmodule\tround\trecorded\tcontainer\tlatency_ns\trequire_ns\tsource\n");
	for (size_t i = 0; i < r->ncombo; i++) {
		const struct sg_modload_combo *c = &r->combo[i];

		for (size_t k = 0; k < c->ntime; k++)
			fprintf(out,
				"%s\t%u\t%s\t%" PRIu32 "\t%d\t%" PRIu32 "\t%" PRIu64 "\t%" PRIu64 "\t%s\n",
				runtime_of(r, c), r->opts.count[c->count], r->opts.module[c->module].name,
				c->time[k].round, c->time[k].source != SG_SOURCE_NONE, c->time[k].container,
				c->time[k].t.latency_ns, c->time[k].t.require_ns,
				sg_modload_sources_names[c->time[k].source]);
	}
	return ferror(out) ? -EIO : 0;
}
