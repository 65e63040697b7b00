/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Blame tables and groups, over tasks the model explains from text streams. */
#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/stats.h"
#include "gen_event.h"
#include "model/blame.h"
#include "out_case.h"

struct seen {
	struct sg_blame *all;	 /* every task added to it */
	struct sg_blame *merged; /* every task's own blame merged into it */
	struct sg_group *group;
	uint64_t latency, tasks;
};

static void check_sums(struct sg_blame *b, uint64_t total)
{
	const struct sg_blame_row *row;
	uint64_t leaf = 0, wait = 0;
	size_t n = sg_blame_rows(b, &row);

	for (size_t i = 0; i < n; i++) {
		leaf += row[i].ns;
		cr_assert_leq(row[i].uncertain_ns, row[i].ns);
		if (i)
			cr_assert_geq(row[i - 1].ns, row[i].ns);
	}
	n = sg_blame_wait_rows(b, &row);
	for (size_t i = 0; i < n; i++)
		wait += row[i].ns;
	cr_assert_eq(leaf, total);
	cr_assert_eq(wait, total);
	cr_assert_eq(sg_blame_total(b), total);
}

static int see_task(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct seen *s = ctx;

	s->latency += t->end - t->begin;
	s->tasks++;
	check_sums(tb, t->end - t->begin);
	cr_assert_eq(sg_blame_add(s->all, m, t), 0);
	cr_assert_eq(sg_blame_merge(s->merged, tb), 0);
	cr_assert_eq(sg_group_add(s->group, m, t), 0);
	return 0;
}

static void seen_new(struct seen *s)
{
	memset(s, 0, sizeof(*s));
	cr_assert_eq(sg_blame_new(&s->all), 0);
	cr_assert_eq(sg_blame_new(&s->merged), 0);
	cr_assert_eq(sg_group_new(&s->group, "all"), 0);
}

static void seen_free(struct seen *s)
{
	sg_blame_free(s->all);
	sg_blame_free(s->merged);
	sg_group_free(s->group);
}

static void see_text(struct seen *s, const char *text, enum sg_task_choice tasks)
{
	struct sg_analysis_opts o = { .tasks = tasks, .on_task = see_task, .ctx = s, .slowest = 3 };
	struct sg_analysis *a;

	cr_assert_eq(sg_analysis_new(&a, &o), 0);
	out_case_run(a, text);
	sg_analysis_free(a);
}

static void same_blame(struct sg_blame *a, struct sg_blame *b)
{
	struct sg_evidence ea[SG_EVIDENCE_MAX], eb[SG_EVIDENCE_MAX];
	const struct sg_blame_row *ra, *rb;
	size_t n = sg_blame_rows(a, &ra);

	cr_assert_eq(n, sg_blame_rows(b, &rb));
	for (size_t i = 0; i < n; i++) {
		size_t ne = sg_blame_evidence(a, &ra[i], ea);

		cr_assert_eq(memcmp(&ra[i], &rb[i], sizeof(*ra)), 0, "%s %s", ra[i].comp, ra[i].cause);
		cr_assert_eq(ne, sg_blame_evidence(b, &rb[i], eb));
		for (size_t k = 0; k < ne; k++)
			cr_assert(!strcmp(ea[k].text, eb[k].text) && ea[k].ns == eb[k].ns);
	}
}

Test(blame, every_golden_stream_sums_and_merges_linearly)
{
	glob_t g;

	cr_assert_eq(glob("tests/golden/*.stream", 0, NULL, &g), 0);
	cr_assert_gt(g.gl_pathc, 20);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char *text = out_case_file(g.gl_pathv[i]);
		struct seen s;

		for (int kind = SG_TASKS_AUTO; kind <= SG_TASKS_MARKED; kind++) {
			seen_new(&s);
			see_text(&s, text, kind);
			check_sums(s.all, s.latency);
			check_sums(s.merged, s.latency);
			cr_assert_eq(sg_blame_tasks(s.merged), s.tasks);
			same_blame(s.all, s.merged);
			seen_free(&s);
		}
		free(text);
	}
	globfree(&g);
}

static const char waits[] = "T 7 client birth=0\n"
			    "T 9 server birth=0 f=outscope\n"
			    "A id=0x800000 type=dev text=sda\n"
			    "F id=1 kernel=1 text=\"schedule\\x00[kernel]\"\n"
			    "F id=2 kernel=1 text=\"folio_wait_bit\\x00[kernel]\"\n"
			    "F id=3 kernel=1 text=\"ext4_sync_file\\x00[kernel]\"\n"
			    "G id=1 frames=1,2,3\n"
			    "M 7 b id=1 name=get @100\n"
			    "S 7 c0 100-110 user=10 <=\n"
			    "S 9 c1 115-125 user=10 <S:read.unix@50 w=112 task:7 seq=1 f=outscope\n"
			    "H 9 id=1 type=wait.kern @200\n"
			    "D 9 fd=3 type=reg name=journal.db @205\n"
			    "S 9 c1 205-230 sys.fsync=5/2 user=20 <D:fsync.reg@125 w=200 soft.block dev=8:0 "
			    "svc=60 f=outscope,stack\n"
			    "S 7 c0 240-300 user=60 <S:read.unix@110 w=230 task:9 seq=4 who=9\n"
			    "M 7 e id=1 @300\n";

static const struct sg_blame_row *find(struct sg_blame *b, const char *comp, const char *cause)
{
	const struct sg_blame_row *row;
	size_t n = sg_blame_rows(b, &row);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(row[i].comp, comp) && !strcmp(row[i].cause, cause))
			return &row[i];
	cr_assert(0, "no row %s %s", comp, cause);
	return NULL;
}

static void has_evidence(struct sg_blame *b, const char *comp, const char *cause, const char *kind,
			 const char *text, uint64_t ns)
{
	struct sg_evidence ev[SG_EVIDENCE_MAX];
	size_t n = sg_blame_evidence(b, find(b, comp, cause), ev);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(ev[i].kind, kind) && !strcmp(ev[i].text, text)) {
			cr_assert_eq(ev[i].ns, ns, "%s %s: %lu", kind, text, ev[i].ns);
			return;
		}
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "  %s: %s %lu\n", ev[i].kind, ev[i].text, ev[i].ns);
	cr_assert(0, "%s %s has no evidence %s: %s", comp, cause, kind, text);
}

Test(blame, evidence_says_what_a_row_hangs_on)
{
	const struct sg_blame_row *row;
	struct sg_evidence ev[SG_EVIDENCE_MAX];
	struct seen s;
	size_t n;

	seen_new(&s);
	see_text(&s, waits, SG_TASKS_AUTO);
	cr_assert_eq(find(s.all, "server", "io.fsync")->ns, 75);
	has_evidence(s.all, "server", "io.fsync", "syscall", "fsync", 75);
	has_evidence(s.all, "server", "io.fsync", "device", "sda", 75);
	has_evidence(s.all, "server", "io.fsync", "file", "journal.db", 75);
	has_evidence(s.all, "server", "io.fsync", "stack", "folio_wait_bit < ext4_sync_file", 75);
	has_evidence(s.all, "server", "io.fsync", "process", "server", 75);
	has_evidence(s.all, "server", "io.fsync", "path", "app:client [ipc.socket] server", 75);
	cr_assert_eq(find(s.all, "server", "cpu.sys.fsync")->cnt, 2);
	n = sg_blame_wait_rows(s.all, &row);
	for (size_t i = 0; i < n && strcmp(row->cause, "ipc.socket"); i++)
		row++;
	cr_assert_str_eq(row->comp, "app");
	cr_assert_eq(row->ns, 120);
	cr_assert_eq(row->cnt, 1, "one wait, whatever happened inside it");
	cr_assert_gt(sg_blame_evidence(s.all, row, ev), 0);
	cr_assert_str_eq(ev[0].kind, "inside");
	cr_assert_str_eq(ev[0].text, "server io.fsync");
	cr_assert_eq(ev[0].ns, 75);
	seen_free(&s);
}

Test(blame, clear_forgets_everything)
{
	struct seen s;

	seen_new(&s);
	see_text(&s, waits, SG_TASKS_AUTO);
	sg_blame_clear(s.all);
	cr_assert_eq(sg_blame_total(s.all), 0);
	cr_assert_eq(sg_blame_rows(s.all, &(const struct sg_blame_row *){ NULL }), 0);
	cr_assert_eq(sg_blame_merge(s.all, s.merged), 0);
	same_blame(s.all, s.merged);
	seen_free(&s);
}

Test(blame, segments_that_do_not_tile_are_refused)
{
	static const struct sg_seg gap[] = { { .lo = 0, .hi = 5, .cause = 1 },
					     { .lo = 6, .hi = 9, .cause = 1 } };
	static const struct sg_seg empty[] = { { .lo = 0, .hi = 0, .cause = 1 },
					       { .lo = 0, .hi = 9, .cause = 1 } };
	static const struct sg_seg brief[] = { { .lo = 0, .hi = 5, .cause = 1 } };
	static const struct {
		const struct sg_seg *seg;
		size_t n;
	} cases[] = { { gap, 2 }, { empty, 2 }, { brief, 1 }, { NULL, 0 } };
	struct sg_model_opts o = { 0 };
	struct sg_model *m;
	struct sg_blame *b;

	cr_assert_eq(sg_model_new(&m, &o, NULL, NULL), 0);
	cr_assert_eq(sg_blame_new(&b), 0);
	for (size_t i = 0; i < 4; i++) {
		struct sg_task t = {
			.name = "x", .begin = 0, .end = 9, .seg = cases[i].seg, .nseg = cases[i].n
		};

		cr_assert_eq(sg_blame_add(b, m, &t), -EINVAL, "case %zu", i);
	}
	cr_assert_eq(sg_blame_total(b), 0);
	sg_blame_free(b);
	sg_model_free(m);
}

Test(blame, advice_is_of_the_longest_listed_prefix)
{
	cr_assert_str_eq(sg_blame_advice("mem.swapin.zram"), sg_blame_advice("mem.swapin"));
	cr_assert_str_eq(sg_blame_advice("cpu.sys.read"), sg_blame_advice("cpu.sys"));
	cr_assert_str_neq(sg_blame_advice("cpu.sys.exit"), sg_blame_advice("cpu.sys"));
	cr_assert_str_neq(sg_blame_advice("unknown.lost"), sg_blame_advice("unknown"));
	cr_assert_str_eq(sg_blame_advice("cpu.system"), sg_blame_advice("no.such.cause"));
	cr_assert_str_eq(sg_blame_advice(""), "none known");
	cr_assert_str_eq(sg_blame_meaning("cpu.user"), "running the program's own code");
}

/* Literal tasks on one real thread: latency = user + fault time, chosen by the caller. */
struct maker {
	struct sg_model *m;
	struct sg_group *g;
};

static void make_task(struct maker *k, uint64_t user, uint64_t fault, bool incomplete)
{
	struct sg_seg seg[] = { { .lo = 1000,
				  .hi = 1000 + user,
				  .uid = 7,
				  .cause = SG_C_CPU_USER,
				  .wait_cause = SG_C_CPU_USER,
				  .nr = 0xffff,
				  .cnt = 1 },
				{ .lo = 1000 + user,
				  .hi = 1000 + user + fault,
				  .uid = 7,
				  .cause = SG_C_CPU_FAULT,
				  .wait_cause = SG_C_CPU_FAULT,
				  .nr = 0xffff,
				  .cnt = 1 } };
	struct sg_task t = { .name = "job",
			     .uid = 7,
			     .begin = 1000,
			     .end = 1000 + user + fault,
			     .seg = seg,
			     .nseg = fault ? 2 : 1,
			     .incomplete = incomplete };

	cr_assert_eq(sg_group_add(k->g, k->m, &t), 0);
}

static void maker_new(struct maker *k)
{
	struct sg_model_opts o = { 0 };

	cr_assert_eq(sg_model_new(&k->m, &o, NULL, NULL), 0);
	cr_assert_eq(sg_group_new(&k->g, "job"), 0);
}

static void maker_free(struct maker *k)
{
	sg_group_free(k->g);
	sg_model_free(k->m);
}

Test(group, percentiles_are_nearest_rank_and_exact)
{
	uint64_t v[1000], seed = 3;
	struct sg_group_stats s;
	struct sg_stats want;
	struct maker k;

	maker_new(&k);
	for (size_t i = 0; i < 1000; i++) {
		v[i] = 1 + gen_u64(&seed) % 100000;
		make_task(&k, v[i], 0, false);
	}
	sg_stats_of(&want, v, 1000);
	sg_group_stats(k.g, &s);
	cr_assert_eq(s.n, 1000);
	cr_assert_eq(s.kept, 1000);
	cr_assert_eq(s.p50_ns, want.p50_ns);
	cr_assert_eq(s.p90_ns, want.p90_ns);
	cr_assert_eq(s.p99_ns, want.p99_ns);
	cr_assert_eq(s.max_ns, want.max_ns);
	maker_free(&k);
}

Test(group, incomplete_tasks_count_only_when_there_are_no_others)
{
	struct sg_group_stats s;
	struct maker k;

	maker_new(&k);
	make_task(&k, 1000000, 0, true);
	sg_group_stats(k.g, &s);
	cr_assert(s.n == 0 && s.incomplete == 1 && s.max_ns == 1000000);
	cr_assert_eq(sg_blame_total(sg_group_blame(k.g)), 1000000);
	make_task(&k, 10, 0, false);
	sg_group_stats(k.g, &s);
	cr_assert(s.n == 1 && s.incomplete == 1 && s.max_ns == 10 && s.p99_ns == 10);
	cr_assert_eq(sg_blame_total(sg_group_blame(k.g)), 10);
	maker_free(&k);
}

Test(group, slow_ones_are_explained_exactly)
{
	struct sg_group_stats s;
	struct sg_why_slow w;
	int64_t sum = 0;
	struct maker k;

	maker_new(&k);
	cr_assert_eq(sg_group_why_slow(k.g, 0.99, &w), -ENODATA);
	/* Usual ones: 100 + i % 3 user. Five slow ones of 200: 500 + i of faults more. */
	for (uint64_t i = 0; i < 200; i++)
		make_task(&k, 100 + i % 3, i % 40 == 0 ? 500 + i : 0, false);
	sg_group_stats(k.g, &s);
	cr_assert_eq(sg_group_why_slow(k.g, 0.99, &w), 0);
	cr_assert_eq(sg_group_why_slow(k.g, 0.5, &w), -EINVAL);
	cr_assert_eq(sg_group_why_slow(k.g, 1.0, &w), -EINVAL);
	cr_assert_eq(sg_group_why_slow(k.g, 0.99, &w), 0);
	for (size_t i = 0; i < w.nrow; i++)
		sum += w.row[i].ns;
	cr_assert_eq(sum, w.diff_ns);
	cr_assert_str_eq(w.row[0].cause, "cpu.fault");
	/* ranks 197 and 198 of 200: i = 80 and 120 */
	cr_assert_eq(w.band_n, 2);
	cr_assert_eq(w.middle_n, 100);
	cr_assert_eq(w.row[0].ns, 600);
	cr_assert_eq((int64_t)s.p99_ns - w.residual_ns, 100 + 600 + 1, "%ld", w.residual_ns);
	maker_free(&k);
}

Test(group, a_sample_keeps_sums_exact_and_quantiles_within_the_stated_bound)
{
	const uint64_t n = 20000, limit = 2000;
	struct sg_group_stats s;
	uint64_t total = 0;
	struct maker k;

	maker_new(&k);
	sg_group_limit(k.g, limit, 1 << 20);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t ns = 1 + (i * 7919) % n; /* each of 1..n once, in a scattered order */

		make_task(&k, ns, 0, false);
		total += ns;
	}
	sg_group_stats(k.g, &s);
	cr_assert_eq(s.n, n);
	cr_assert_eq(s.kept, limit);
	cr_assert_eq(s.max_ns, n);
	cr_assert_eq(s.mean_ns, total / n);
	cr_assert_eq(sg_blame_total(sg_group_blame(k.g)), total);
	/* 4 * sqrt(q (1 - q) / kept) of n: 0.0089 at 0.99, 0.045 at 0.5 */
	cr_assert_float_eq((double)s.p99_ns / (double)n, 0.99, 0.0089, "%lu", s.p99_ns);
	cr_assert_float_eq((double)s.p50_ns / (double)n, 0.50, 0.045, "%lu", s.p50_ns);
	sg_group_limit(k.g, limit, 500);
	sg_group_stats(k.g, &s);
	cr_assert_leq(s.kept, 500);
	cr_assert_geq(s.kept, 250);
	maker_free(&k);
}

Test(group, bands_differ_exactly_with_their_residual)
{
	struct sg_group_stats sa, sb;
	struct maker a, b;
	struct sg_diff d;
	int64_t sum = 0;

	maker_new(&a);
	maker_new(&b);
	for (uint64_t i = 0; i < 300; i++) {
		make_task(&a, 1000 + i, i % 7, false);
		make_task(&b, 900 + 3 * i, i * i / 100, false);
	}
	cr_assert_eq(sg_diff_bands(&d, a.g, b.g, 0.9), 0);
	sg_group_stats(a.g, &sa);
	sg_group_stats(b.g, &sb);
	for (size_t i = 0; i < d.nrow; i++)
		sum += d.row[i].ns;
	cr_assert_eq(sum, d.diff_ns);
	cr_assert_eq(d.diff_ns + d.residual_ns, (int64_t)(sb.p90_ns - sa.p90_ns));
	sg_diff_free(&d);
	maker_free(&a);
	maker_free(&b);
}

Test(group, merging_is_linear_in_means)
{
	struct sg_blame *both;
	struct maker a, b;
	struct sg_diff d;

	maker_new(&a);
	maker_new(&b);
	for (uint64_t i = 0; i < 10; i++) {
		make_task(&a, 1000, 10 * i, false);
		make_task(&b, 3000, 50, false);
	}
	cr_assert_eq(sg_blame_new(&both), 0);
	sg_blame_merge(both, sg_group_blame(a.g));
	sg_blame_merge(both, sg_group_blame(b.g));
	cr_assert_eq(sg_blame_tasks(both), 20);
	cr_assert_eq(sg_diff_make(&d, sg_group_blame(a.g), both), 0);
	cr_assert_eq(d.row[0].ns, 1000); /* half of 3000 - 1000 */
	sg_diff_free(&d);
	sg_blame_free(both);
	maker_free(&a);
	maker_free(&b);
}
