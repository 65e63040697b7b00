/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * System calls of tasks over random programs (sim.c) whose calls are known one by
 * one: counts and failures exact at marks, bounded without cuts there, times those of
 * the blame and of the truth's waits. And any records: nothing breaks.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include "gen_event.h"
#include "model/analysis.h"
#include "out/text.h"
#include "out_case.h"
#include "sim.h"

#ifndef SEEDS
#define SEEDS 60
#endif

struct seen {
	const struct sim *s;
	const struct sg_model *m;
	uint64_t tasks, calls, failed, waits_ns, others, uncertain, wrong;
	bool cut; /* the marks' cuts are in the stream */
};

static const struct sg_taskcall_row *own_row(const struct sg_taskcall_group *g, uint32_t nr)
{
	for (size_t i = 0; i < g->nrow; i++)
		if (g->row[i].own && g->row[i].r.nr == nr)
			return &g->row[i];
	return NULL;
}

static void count_calls(struct seen *x, const struct sg_task *t, const struct sg_taskcall_group *g)
{
	const struct sim_thread_truth *tt = &x->s->truth[t->uid - 1];
	uint64_t cnt[512] = { 0 }, err[512] = { 0 }, off = 0, off_err = 0;

	for (size_t i = 0; i < tt->ncall; i++)
		if (tt->call[i].ts >= t->begin && tt->call[i].ts < t->end) {
			cnt[tt->call[i].nr]++;
			err[tt->call[i].nr] += tt->call[i].failed;
		}
	for (unsigned nr = 0; nr < 512; nr++) {
		const struct sg_taskcall_row *r = own_row(g, nr);
		uint64_t n = r ? r->r.cnt : 0, bad = r ? r->r.err : 0;

		if (x->cut)
			cr_assert(n == cnt[nr] && bad == err[nr],
				  "seed %lu task %lu, call %u: %lu (%lu failed) counted, %lu (%lu) made",
				  x->s->opts.seed, t->id, nr, n, bad, cnt[nr], err[nr]);
		off += n > cnt[nr] ? n - cnt[nr] : cnt[nr] - n;
		off_err += bad > err[nr] ? bad - err[nr] : err[nr] - bad;
		x->calls += cnt[nr];
		x->failed += err[nr];
	}
	cr_assert(off <= t->own_calls_off && off_err <= t->own_calls_off,
		  "seed %lu task %lu: %lu calls and %lu errors are wrong, bound %lu", x->s->opts.seed, t->id,
		  off, off_err, t->own_calls_off);
	cr_assert(!x->cut || !t->own_calls_off);
	x->wrong += off;
	x->uncertain += t->own_calls_off;
}

/* Of calls that wait for one thing only the truth's waits are those of the call. */
static void own_waits(struct seen *x, const struct sg_task *t, const struct sg_taskcall_group *g)
{
	static const struct {
		uint16_t nr, cause;
	} sure[] = { { SYS_nanosleep, SG_C_TIMER_SLEEP },
		     { SYS_futex, SG_C_IPC_FUTEX },
		     { SYS_fsync, SG_C_IO_FSYNC },
		     { SYS_wait4, SG_C_IPC_CHILD } };
	const struct sim_thread_truth *tt = &x->s->truth[t->uid - 1];

	for (size_t k = 0; k < sizeof(sure) / sizeof(*sure); k++) {
		const struct sg_taskcall_row *r = own_row(g, sure[k].nr);
		uint64_t ns = 0;

		for (size_t i = 0; i < tt->n; i++) {
			const struct sim_span *s = &tt->span[i];
			uint64_t lo = s->lo > t->begin ? s->lo : t->begin,
				 hi = s->hi < t->end ? s->hi : t->end;

			if (s->blocked && s->cause == sure[k].cause && lo < hi)
				ns += hi - lo;
		}
		cr_assert_eq(r ? r->r.wait_ns : 0, ns, "seed %lu task %lu, call %u: waited %lu of %lu",
			     x->s->opts.seed, t->id, sure[k].nr, r ? r->r.wait_ns : 0, ns);
		x->waits_ns += ns;
	}
}

/* On a CPU and counted: what the blame says, of every component. */
static void agrees(struct seen *x, const struct sg_task *t, const struct sg_taskcall_group *g)
{
	const struct sg_blame_row *row;
	struct sg_blame *b;
	size_t n;

	cr_assert_eq(sg_blame_new(&b), 0);
	cr_assert_eq(sg_blame_add(b, x->m, t), 0);
	n = sg_blame_rows(b, &row);
	for (size_t i = 0; i < n; i++) {
		uint64_t ns = 0, cnt = 0;
		char cause[48];

		/* the end of a thread is no call, though it has a name like one */
		if (strncmp(row[i].cause, "cpu.sys.", 8) != 0 || !strcmp(row[i].cause, "cpu.sys.exit"))
			continue;
		for (size_t k = 0; k < g->nrow; k++) {
			const struct sg_taskcall_row *r = &g->row[k];

			sg_cause_name(SG_KEY_SYSCALL | (r->r.nr & 0x7fff), cause, sizeof(cause));
			if (strcmp(r->comp, row[i].comp) != 0 || strcmp(cause, row[i].cause) != 0)
				continue;
			ns += r->r.on_ns;
			cnt += r->r.cnt;
			x->others += !r->own;
		}
		cr_assert(ns == row[i].ns && cnt == row[i].cnt,
			  "seed %lu task %lu: %s %s %lu ns %lu, not %lu %lu", x->s->opts.seed, t->id,
			  row[i].comp, row[i].cause, ns, cnt, row[i].ns, row[i].cnt);
	}
	sg_blame_free(b);
}

static int on_task(void *ctx, const struct sg_task *t)
{
	struct seen *x = ctx;
	struct sg_taskcall_group g;
	struct sg_taskcalls *c;

	if (t->incomplete)
		return 0;
	cr_assert_eq(sg_taskcalls_new(&c), 0);
	cr_assert_eq(sg_taskcalls_add(c, 3, x->m, t), 0);
	cr_assert_eq(sg_taskcalls_group(c, 3, &g), 0);
	cr_assert_eq(g.tasks, 1);
	cr_assert_leq(g.own.on_ns + g.own.wait_ns + g.own.runq_ns, t->end - t->begin);
	if (!x->s->opts.boxes) {
		count_calls(x, t, &g);
		own_waits(x, t, &g);
	}
	agrees(x, t, &g);
	x->tasks++;
	sg_taskcalls_free(c);
	return 0;
}

static bool at_mark(const struct sim *s, size_t i)
{
	const struct sg_hdr *h = sim_rec(s, i), *n = i + 1 < s->nrec ? sim_rec(s, i + 1) : NULL;

	return n && n->kind == SG_REC_MARK && n->uid == h->uid && n->ts == h->ts;
}

/* @cut: with the cuts at marks; @tick: others come besides. */
static void programs(struct seen *x, bool cut, uint64_t tick)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts o = { .seed = seed,
				      .ncpu = 1 + seed % 5,
				      .nthread = 2 + seed % 11,
				      .max_thread = 80,
				      .length_ns = 2000000,
				      .tick_ns = tick,
				      .mark_percent = 10 + seed % 17,
				      .fork = seed % 3 != 0,
				      .boxes = seed % 4 == 1 };
		struct sg_model_opts mo = { .settle_ns = seed % 2 ? 1ull << 50 : 400000 };
		struct sg_model *m;
		struct sim s;

		sim_run(&s, &o);
		x->s = &s;
		x->cut = cut;
		cr_assert_eq(sg_model_new(&m, &mo, on_task, x), 0);
		x->m = m;
		for (size_t i = 0; i < s.nrec; i++)
			if (cut || sim_rec(&s, i)->kind != SG_REC_SNAP || !at_mark(&s, i))
				cr_assert_eq(sg_model_feed(m, sim_rec(&s, i), NULL), 0);
		cr_assert_eq(sg_model_finish(m, NULL), 0);
		sg_model_free(m);
		sim_free(&s);
	}
}

Test(taskcalls, exact_at_marks)
{
	struct seen x = { 0 };

	programs(&x, true, 0);
	cr_log_info("%lu tasks, %lu calls, %lu failed", x.tasks, x.calls, x.failed);
	cr_assert_gt(x.tasks, 500, "only %lu tasks", x.tasks);
	cr_assert_gt(x.calls, 10 * x.tasks / 4);
	cr_assert_gt(x.failed, x.calls / 4, "%lu of %lu failed", x.failed, x.calls);
	cr_assert_gt(x.waits_ns, 0);
	cr_assert_gt(x.others, 100, "threads waited for made hardly a call");
}

Test(taskcalls, exact_with_ticks)
{
	struct seen x = { 0 };

	programs(&x, true, 3000);
	cr_assert_gt(x.calls, 1000);
}

/* Without the cuts of the marks counts are divided with the time: off by what is said at most. */
Test(taskcalls, bounded_without_cuts)
{
	struct seen x = { 0 };

	programs(&x, false, 0);
	cr_assert_gt(x.calls, 1000);
	cr_log_info("%lu calls, %lu counted wrongly, bound %lu", x.calls, x.wrong, x.uncertain);
	cr_assert_gt(x.wrong, 0, "the cuts decided nothing");
}

/* Complete and incomplete tasks apart; groups apart; numbers beyond are refused. */
static int put(void *ctx, const struct sg_hdr *ev)
{
	return sg_analysis_feed(ctx, ev, NULL);
}

static void analyse(struct sg_analysis **a, const char *text)
{
	struct sg_analysis_opts o = { .calls = true };
	struct sg_err err = { 0 };

	cr_assert_eq(sg_analysis_new(a, &o), 0);
	cr_assert_eq(sg_text_parse(text, strlen(text), put, NULL, *a, &err), 0, "%s", err.msg);
	cr_assert_eq(sg_analysis_finish(*a, &err), 0);
}

static const char two_groups[] =
	"T 7 node birth=0 / T 8 node birth=0\n"
	"M 7 b id=1 name=a @100 / S 7 100-150 sys.read=40/4!3 user=10 <=\n"
	"D 7 name=x type=reg @200 / S 7 200-210 sys.read=10/1 <B:read.reg@150 w=190 soft.block >D:syscall\n"
	"M 7 e id=1 @210\n"
	"M 7 b id=2 name=bb @210 / S 7 210-300 sys.nr900=80/2!65535 user=10 <= / M 7 e id=2 @300\n"
	"M 8 b id=3 name=a @310 / S 8 310-400 sys.close=90/9 <=\n";

Test(taskcalls, groups_as_the_report_prints_them)
{
	struct sg_text_opts opts = { .width = 120 };
	struct sg_taskcall_group g;
	struct sg_group *const *list;
	struct sg_group_stats st;
	struct json_object *doc, *v = NULL;
	struct sg_analysis *a;
	struct out_case c;
	char *text;
	size_t n;

	analyse(&a, two_groups);
	n = sg_analysis_groups(a, &list);
	cr_assert_eq(n, 2);
	for (size_t i = 0; i < n; i++) {
		sg_group_stats(list[i], &st);
		cr_assert_eq(sg_analysis_calls(a, i, &g), 0);
		cr_assert_eq(g.tasks, 1, "%s has %lu", st.name, g.tasks);
		cr_assert_eq(g.nrow, 1);
		if (strcmp(st.name, "a")) {
			cr_expect_eq(g.row[0].r.nr, 900);
			cr_expect_eq(g.row[0].r.err, 65535);
			cr_expect(g.row[0].r.err_more);
			continue;
		}
		cr_expect_eq(g.row[0].r.nr, SYS_read, "the task that never ended is not among them");
		cr_expect_eq(g.row[0].r.cnt, 5);
		cr_expect_eq(g.row[0].r.err, 3);
		cr_expect_eq(g.row[0].r.on_ns, 50);
		cr_expect_eq(g.row[0].r.wait_ns, 40);
		cr_expect_eq(g.row[0].r.told_ns, 40);
		cr_expect_eq(g.row[0].r.runq_ns, 10);
		cr_expect_eq(g.row[0].r.waits, 1);
		cr_assert_eq(g.row[0].r.nfile, 1);
		cr_expect_str_eq(g.row[0].r.file[0].name, "x");
		cr_assert_eq(sg_taskcalls_text(&g, st.name, out_open(&c), &opts), 0);
		text = out_close(&c);
		cr_expect(strstr(text, "system calls of a (1 task):"), "%s", text);
		cr_expect(strstr(text, "40 ns of 40 ns of waiting (100%)"), "%s", text);
		free(text);
		doc = sg_taskcalls_json(&g);
		cr_assert(doc && json_object_object_get_ex(doc, "calls", &v));
		cr_expect_eq(json_object_array_length(v), 1);
		json_object_put(doc);
	}
	cr_expect_eq(sg_analysis_calls(a, 0, &g), 0);
	sg_analysis_free(a);
}

Test(taskcalls, incomplete_only_alone)
{
	struct sg_taskcall_group g;
	struct sg_group *const *list;
	struct sg_analysis *a;

	analyse(&a, "T 8 node birth=0 / M 8 b id=3 name=a @310 / S 8 310-400 sys.close=90/9 <=\n");
	cr_assert_eq(sg_analysis_groups(a, &list), 1);
	cr_assert_eq(sg_analysis_calls(a, 0, &g), 0);
	cr_assert_eq(g.nrow, 1);
	cr_expect_eq(g.row[0].r.cnt, 9);
	sg_analysis_free(a);
}

Test(taskcalls, a_number_of_a_group_has_a_limit)
{
	struct sg_task t = { 0 };
	struct sg_taskcall_group g;
	struct sg_taskcalls *c;

	cr_assert_eq(sg_taskcalls_new(&c), 0);
	cr_expect_eq(sg_taskcalls_add(c, SG_TASKCALLS_GROUPS, NULL, &t), -EINVAL);
	cr_expect_eq(sg_taskcalls_group(c, SG_TASKCALLS_GROUPS, &g), 0);
	cr_expect_eq(g.nrow, 0);
	sg_taskcalls_free(c);
}

/* Any records: nothing breaks, rows sum to the sums, no control byte in the text. */
Test(taskcalls, hostile_records)
{
	struct sg_analysis_opts o = { .calls = true, .mem_cap = 16 << 20 };
	static union gen_event ev;
	struct sg_group *const *list;
	struct sg_analysis *a;
	struct out_case c;
	uint64_t seed = 11;
	size_t n;

	cr_assert_eq(sg_analysis_new(&a, &o), 0);
	for (int i = 0; i < 30000; i++) {
		unsigned kind = i % 3 ? SG_REC_SLICE : gen_kinds[(i / 3) % sizeof(gen_kinds)];

		gen_event(&seed, kind, &ev);
		ev.h.uid %= 40;
		ev.h.ts = (uint64_t)i * 1000;
		if (kind == SG_REC_SLICE && i % 5)
			ev.slice.in = ev.h.ts - 500;
		cr_assert_eq(sg_analysis_feed(a, &ev.h, NULL), 0);
	}
	cr_assert_eq(sg_analysis_finish(a, NULL), 0);
	n = sg_analysis_groups(a, &list);
	cr_assert_gt(n, 0);
	for (size_t i = 0; i < n; i++) {
		struct sg_taskcall_group g;
		uint64_t cnt = 0;
		char *text;

		cr_assert_eq(sg_analysis_calls(a, i, &g), 0);
		for (size_t k = 0; k < g.nrow; k++)
			cnt += g.row[k].r.cnt;
		cr_assert_eq(cnt, g.own.cnt + g.others.cnt);
		cr_assert_eq(sg_taskcalls_text(&g, "a\033b", out_open(&c), NULL), 0);
		text = out_close(&c);
		for (size_t k = 0; text[k]; k++)
			cr_assert(text[k] == '\n' || (unsigned char)text[k] >= ' ', "byte %d", text[k]);
		free(text);
	}
	sg_analysis_free(a);
}
