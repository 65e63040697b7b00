/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The task workload's results for people. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "load/task_sums.h"
#include "out/text.h"

#define MIB ((uint64_t)1024 * 1024)

/* "+1.23 s", "-4.5 ms" */
static const char *signed_ns(char *buf, size_t cap, int64_t ns)
{
	char t[32];

	snprintf(buf, cap, "%s%s", ns < 0 ? "-" : "+",
		 sg_text_ns(t, sizeof(t), ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns));
	return buf;
}

/* The answer in a sentence: how much slower, and what most of it is. */
static int headline(FILE *out, const struct sg_task_result *r, const struct sg_task_level *l)
{
	const struct sg_task_level *base = &r->level[r->base];
	char t0[32], t1[32], t2[32];
	struct sg_task_sum a, b;
	int64_t memory_ns, swap_ns;
	struct sg_diff d;
	int rc = sg_task_sum(&a, base, SG_ALL_SERVERS);

	if (!rc)
		rc = sg_task_sum(&b, l, SG_ALL_SERVERS);
	if (rc)
		return rc;
	fprintf(out, "At pressure %u a request took %s on average", l->pressure,
		sg_text_ns(t0, sizeof(t0), b.latency.mean_ns));
	if (l == base) {
		fprintf(out, ".\n");
		return 0;
	}
	fprintf(out, ", %.1f times the %s at pressure %u",
		(double)b.latency.mean_ns / (double)(a.latency.mean_ns ? a.latency.mean_ns : 1),
		sg_text_ns(t1, sizeof(t1), a.latency.mean_ns), base->pressure);
	if (!l->blame || !base->blame) {
		fprintf(out, "; nothing was recorded, so the cause is not known.\n");
		return 0;
	}
	rc = sg_diff_make(&d, base->blame, l->blame);
	if (rc)
		return rc;
	memory_ns = sg_task_memory_ns(&d);
	swap_ns = sg_task_swap_ns(&d);
	fprintf(out, ": %s", signed_ns(t0, sizeof(t0), d.diff_ns));
	if (l->missing || base->missing)
		fprintf(out, " in the requests that were recorded whole");
	if (d.diff_ns > 0 && memory_ns > 0)
		fprintf(out, ". Memory pressure is %.0f %% of that (%s), swapping itself %.0f %% (%s)",
			100.0 * (double)memory_ns / (double)d.diff_ns, signed_ns(t1, sizeof(t1), memory_ns),
			100.0 * (double)swap_ns / (double)d.diff_ns, signed_ns(t2, sizeof(t2), swap_ns));
	fprintf(out, "; the largest causes are");
	for (size_t i = 0; i < d.nrow && i < 3; i++) {
		char comp[64], cause[64];

		fprintf(out, "%s %s %s %s", i ? "," : "", sg_text_clean(comp, sizeof(comp), d.row[i].comp),
			sg_text_clean(cause, sizeof(cause), d.row[i].cause),
			signed_ns(t1, sizeof(t1), d.row[i].ns));
	}
	fprintf(out, ".\n");
	sg_diff_free(&d);
	return 0;
}

static int server_row(FILE *out, const struct sg_task_level *l, int server)
{
	char name[24] = "all", t[5][32];
	struct sg_task_sum s;
	int rc = sg_task_sum(&s, l, server);

	if (rc)
		return rc;
	if (server != SG_ALL_SERVERS)
		snprintf(name, sizeof(name), "server%d", server);
	fprintf(out, "%8u  %-10s %8zu %10s %10s %10s %10s %10" PRIu64 "\n", l->pressure, name, s.latency.n,
		sg_text_ns(t[0], sizeof(t[0]), s.latency.mean_ns),
		sg_text_ns(t[1], sizeof(t[1]), s.latency.p50_ns),
		sg_text_ns(t[2], sizeof(t[2]), s.latency.p99_ns),
		sg_text_ns(t[3], sizeof(t[3]), s.write.mean_ns), s.majflt);
	return 0;
}

static int times_table(FILE *out, const struct sg_task_result *r)
{
	int rc = 0;

	fprintf(out, "\n%8s  %-10s %8s %10s %10s %10s %10s %10s\n", "pressure", "server", "requests", "mean",
		"p50", "p99", "writes", "maj.faults");
	for (unsigned i = 0; i < r->nlevel && !rc; i++) {
		const struct sg_task_level *l = &r->level[i];

		for (int s = 0; s < (int)r->opts.servers && !rc; s++)
			rc = server_row(out, l, s);
		if (!rc)
			rc = server_row(out, l, SG_ALL_SERVERS);
		fprintf(out,
			"%8s  the servers' means are %.1f %% apart; pages swapped in %" PRIu64
			", out %" PRIu64 " (machine-wide); in swap at the end %" PRIu64 " MiB\n",
			"", 100 * sg_task_spread(l, r->opts.servers), l->swapin_pages, l->swapout_pages,
			l->mem.swap_bytes / MIB);
	}
	return rc;
}

static int differences(FILE *out, const struct sg_task_result *r)
{
	const struct sg_task_level *base = &r->level[r->base];
	struct sg_text_opts o = { .rows = 12 };
	char a[32], b[32];
	int rc = 0;

	for (unsigned i = 0; i < r->nlevel && !rc; i++) {
		const struct sg_task_level *l = &r->level[i];
		struct sg_diff d;

		if (l == base || !l->blame || !base->blame)
			continue;
		rc = sg_diff_make(&d, base->blame, l->blame);
		if (rc)
			return rc;
		snprintf(a, sizeof(a), "pressure %u", base->pressure);
		snprintf(b, sizeof(b), "pressure %u", l->pressure);
		fprintf(out, "\n");
		rc = sg_text_diff(out, &d, a, b, &o);
		sg_diff_free(&d);
	}
	return rc;
}

/* Hogs that fit beside the servers are no pressure: what the level then shows is something else. */
static void too_roomy(FILE *out, const struct sg_task_result *r, const struct sg_task_level *l)
{
	if (!l->pressure || !l->mem.swap_known || l->mem.swap_bytes)
		return;
	fprintf(out,
		"%s, pressure %u: no memory pressure: the hogs fit beside the servers (%" PRIu64
		" MiB of %" PRIu64 " MiB, and nothing in swap); --memory or more hogs make it tighter\n",
		r->opts.env->name, l->pressure, l->mem.anon_bytes / MIB, r->opts.memory_bytes / MIB);
}

void sg_task_caveats(FILE *out, const struct sg_task_result *r)
{
	char where[64];

	for (unsigned i = 0; i < r->nlevel; i++) {
		const struct sg_task_level *l = &r->level[i];

		if (l->lost)
			fprintf(out,
				"%s, pressure %u: %" PRIu64
				" records were lost; their time is unknown.lost\n",
				r->opts.env->name, l->pressure, l->lost);
		if (l->missing)
			fprintf(out,
				"%s, pressure %u: %" PRIu64
				" of %zu requests are not whole in the recording and not explained\n",
				r->opts.env->name, l->pressure, l->missing, l->ntime);
		snprintf(where, sizeof(where), "%s, pressure %u", r->opts.env->name, l->pressure);
		if (l->told.asked)
			sg_told_text(out, &l->told, where, "request", l->ntime);
		too_roomy(out, r, l);
	}
}

int sg_task_text(FILE *out, const struct sg_task_result *r)
{
	const struct sg_task_level *worst = NULL;
	uint64_t worst_ns = 0;
	struct sg_task_sum s;
	int rc = 0;

	/* the sentence is about the slowest level */
	for (unsigned i = 0; i < r->nlevel && !rc; i++) {
		rc = sg_task_sum(&s, &r->level[i], SG_ALL_SERVERS);
		if (!worst || s.latency.mean_ns > worst_ns) {
			worst = &r->level[i];
			worst_ns = s.latency.mean_ns;
		}
	}
	if (rc || !worst)
		return rc ? rc : -ENODATA;
	rc = headline(out, r, worst);
	if (!rc)
		rc = times_table(out, r);
	if (!rc)
		rc = differences(out, r);
	if (rc)
		return rc;
	sg_task_caveats(out, r);
	return ferror(out) ? -EIO : 0;
}
