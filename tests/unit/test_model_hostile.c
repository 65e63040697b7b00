/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Anything may come in: random records of valid shape, programs with broken
 * fields, memory caps. Tasks must tile, nothing may crash or run away.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gen_event.h"
#include "model_dump.h"
#include "sim.h"

static const struct sg_model_opts variants[] = {
	{ 0 },
	{ .procs = true, .threads = true },
	{ .mem_cap = 20000 },
	{ .critical = true },
	{ .no_prune = true, .no_memo = true, .settle_ns = 1 },
	{ .settle_ns = UINT64_MAX },
	{ .guest = true },
	{ .guest_procs = true, .settle_ns = 500 },
	{ .guest = true, .guest_procs = true, .procs = true, .mem_cap = 20000 },
};
#define NVARIANT (sizeof(variants) / sizeof(*variants))

/* Keys that only sandboxes have, stops at guests' calls and whatever a note may say. */
static void tame_boxes(uint64_t *rng, struct sg_slice *s)
{
	static const uint16_t bits[] = { SG_KEY_GUEST, SG_KEY_EMULATED, SG_KEY_FLIPCALL, SG_KEY_SYSCALL };
	static const uint16_t nr[] = { 0, 15, 39, 60, 61, 101, 202, 231, 247, 0x1fff };

	s->arg = sim_rand(rng) % 3;
	s->nr = nr[sim_rand(rng) % 10];
	s->flags |= sim_rand(rng) % 4 ? SG_SF_INSCOPE : 0;
	if (!(sim_rand(rng) % 3)) {
		s->stop = SG_STOP_TRACED;
		s->wkind = sim_rand(rng) % 4 ? SG_K_GUESTCALL : sim_rand(rng) % 3;
	}
	for (unsigned i = 0; i < s->npair; i++)
		if (sim_rand(rng) % 2)
			s->pair[i].key = bits[sim_rand(rng) % 4] | nr[sim_rand(rng) % 10];
}

static void tame_role(uint64_t *rng, struct sg_role *r)
{
	static const char *const names[] = { "sentry", "gofer", "stub", "stub", "db", "" };

	r->tgid = 1 + sim_rand(rng) % 4;
	r->sandbox = sim_rand(rng) % 3;
	memset(r->name, 0, sizeof(r->name));
	strcpy(r->name, names[sim_rand(rng) % 6]);
}

static void tame_guest(uint64_t *rng, struct sg_guest *g, uint64_t now)
{
	g->begin = sim_rand(rng) % 4 ? now - sim_rand(rng) % 400 : now + sim_rand(rng) % 10;
	g->what = sim_rand(rng) % 8 ? SG_GUEST_CALL : sim_rand(rng) % 4;
	g->src = sim_rand(rng) % 8 ? SG_GSRC_TRAP : sim_rand(rng) % 5;
	g->nr = sim_rand(rng) % 400;
}

/* Small numbers, so that threads, times and tasks of random records meet. */
static void tame(uint64_t *rng, union gen_event *e, uint64_t now)
{
	e->h.ts = now;
	e->h.uid = sim_rand(rng) % 8;
	if (e->h.kind == SG_REC_SLICE) {
		struct sg_slice *s = &e->slice;

		s->in = now - sim_rand(rng) % 50;
		s->prev_out = s->in - sim_rand(rng) % 100;
		s->wake = s->in - sim_rand(rng) % 60;
		s->waker = sim_rand(rng) % 8;
		s->raiser = sim_rand(rng) % 8;
		s->work_by = sim_rand(rng) % 8;
		s->work_queued = s->in - sim_rand(rng) % 200;
		s->stop = sim_rand(rng) % 16;
		s->wctx = sim_rand(rng) % 6;
		s->sysseq = sim_rand(rng) % 3;
		s->fltseq = sim_rand(rng) % 3;
		s->out_fltseq = sim_rand(rng) % 3;
		s->wkind = sim_rand(rng) % 17;
		s->fltres = sim_rand(rng) % 5;
		for (unsigned i = 0; i < s->npair; i++)
			s->pair[i].ns %= 60;
		if (s->npair && sim_rand(rng) % 4) { /* often a breakdown that adds up */
			s->npair = 1 + sim_rand(rng) % 3;
			for (unsigned i = 0; i < s->npair; i++)
				s->pair[i].ns = (now - s->in) / s->npair;
			s->pair[0].ns += now - s->in - s->pair[0].ns * s->npair;
		}
		if (sim_rand(rng) % 2)
			tame_boxes(rng, s);
	} else if (e->h.kind == SG_REC_ROLE) {
		tame_role(rng, (void *)e);
	} else if (e->h.kind == SG_REC_GUEST) {
		tame_guest(rng, &e->guest, now);
	} else if (e->h.kind == SG_REC_SNAP) {
		e->snap.in = now - sim_rand(rng) % 50;
		if (e->snap.npair) {
			e->snap.npair = 1;
			e->snap.pair[0].key = SG_C_CPU_USER + sim_rand(rng) % 12;
			e->snap.pair[0].ns = now - e->snap.in;
		}
	} else if (e->h.kind == SG_REC_MARK) {
		e->mark.id = sim_rand(rng) % 5;
		e->mark.type = sim_rand(rng) % 6;
		e->mark.seq %= 1000;
	} else if (e->h.kind == SG_REC_THREAD) {
		e->thread.creator = sim_rand(rng) % 8;
		e->thread.birth = now - sim_rand(rng) % 300;
		e->thread.tgid = 1 + sim_rand(rng) % 4;
		e->thread.tid = 1 + sim_rand(rng) % 6;
	}
}

/* Many waits on each other, most of them plausible, some wakers asleep themselves. */
static void chains(uint64_t *rng, union gen_event *e, uint64_t now)
{
	struct sg_slice *s = &e->slice;
	bool mark = !(sim_rand(rng) % 12);

	memset(e, 0, sizeof(*s) + sizeof(*s->pair));
	e->h.ts = now;
	e->h.uid = 1 + sim_rand(rng) % 24;
	e->h.kind = mark ? SG_REC_MARK : SG_REC_SLICE;
	if (mark) {
		e->mark.id = sim_rand(rng) % 40;
		e->mark.type = SG_MARK_BEGIN + sim_rand(rng) % 2;
		return;
	}
	s->in = now - 1 - sim_rand(rng) % 12;
	s->prev_out = s->in - sim_rand(rng) % 250;
	s->wake = s->in - sim_rand(rng) % 3;
	s->waker = 1 + sim_rand(rng) % 24;
	s->stop = sim_rand(rng) % 8 ? SG_STOP_SLEEP : SG_STOP_RUNNABLE;
	s->wctx = sim_rand(rng) % 6 ? SG_WCTX_TASK : SG_WCTX_HARD;
	s->wkind = SG_K_SYSCALL;
	s->fdtype = SG_FD_FIFO;
	s->sysseq = now / 64;
	s->npair = 1;
	s->pair[0] = (struct sg_pair){ .key = SG_C_CPU_USER, .ns = now - s->in };
}

enum style { TAME, WILD, CHAINS };

static void random_stream(struct dump *ret, uint64_t seed, enum style style, const struct sg_model_opts *opts)
{
	uint64_t rng = seed, now = 1000;
	static union gen_event e;

	dump_begin(ret, opts);
	for (unsigned i = 0; i < 2500; i++) {
		unsigned kind = gen_kinds[sim_rand(&rng) % sizeof(gen_kinds)];

		if (sim_rand(&rng) % 3)
			kind = sim_rand(&rng) % 4 ? SG_REC_SLICE : SG_REC_MARK;
		gen_event(&rng, kind, &e);
		now += sim_rand(&rng) % 30;
		if (style == TAME)
			tame(&rng, &e, now);
		else if (style == CHAINS)
			chains(&rng, &e, now);
		dump_feed(ret, &e.h);
	}
	dump_end(ret);
	cr_assert(ret->conserving, "seed %lu style %d: %s", seed, style, ret->why_not);
	if (style != WILD)
		cr_assert_gt(ret->n, 0);
}

Test(model_hostile, random_records)
{
	uint64_t guests = 0;

	for (uint64_t seed = 1; seed <= 120; seed++) {
		struct dump d;

		random_stream(&d, seed, seed % 4 ? TAME : WILD, &variants[seed % NVARIANT]);
		for (size_t i = 0; i < d.n; i++)
			guests += d.task[i].t.src == SG_MSRC_GUEST || d.task[i].t.src == SG_MSRC_GUESTPROC;
		dump_free(&d);
	}
	cr_expect_gt(guests, 100, "sandboxes hardly came about: %lu", guests);
}

static int count_guest_calls(void *ctx, const struct sg_task *t)
{
	uint64_t at = t->begin;

	cr_assert_eq(t->src, SG_MSRC_GUEST);
	for (size_t i = 0; i < t->nseg; i++) {
		cr_assert_eq(t->seg[i].lo, at);
		at = t->seg[i].hi;
	}
	cr_assert_eq(at, t->end);
	++*(uint64_t *)ctx;
	return 0;
}

/* A guest with threads without end: those that fit are followed, the others' calls are not told. */
Test(model_hostile, a_guest_of_too_many_threads)
{
	static const struct sg_model_opts opts = { .guest = true, .settle_ns = 1000 };
	struct {
		struct sg_slice s;
		struct sg_pair p[1];
	} r = { .s = { .h = { .uid = 4, .kind = SG_REC_SLICE },
		       .stop = SG_STOP_TRACED,
		       .wkind = SG_K_GUESTCALL,
		       .wctx = SG_WCTX_TASK,
		       .flags = SG_SF_INSCOPE,
		       .nr = 39,
		       .npair = 1 } };
	struct sg_thread t = { .h = { .ts = 1, .uid = 4, .kind = SG_REC_THREAD }, .tid = 40, .tgid = 40 };
	struct sg_role role = { .h = { .ts = 1, .kind = SG_REC_ROLE }, .tgid = 40, .sandbox = 20 };
	const unsigned rounds = 4, threads = 1500;
	uint64_t tasks = 0;
	struct sg_model *m;

	strcpy(role.name, "stub");
	cr_assert_eq(sg_model_new(&m, &opts, count_guest_calls, &tasks), 0);
	cr_assert_eq(sg_model_feed(m, &t.h, NULL), 0);
	cr_assert_eq(sg_model_feed(m, &role.h, NULL), 0);
	for (unsigned i = 1; i <= rounds * threads; i++) {
		r.s.arg = i % threads;
		r.s.prev_out = i * 100;
		r.s.wake = r.s.in = i * 100 + 50;
		r.s.h.ts = i * 100 + 100;
		r.p[0] = (struct sg_pair){ .key = SG_C_CPU_USER, .cnt = 1, .ns = 50 };
		cr_assert_eq(sg_model_feed(m, &r.s.h, NULL), 0);
	}
	cr_assert_eq(sg_model_finish(m, NULL), 0);
	cr_expect_eq(tasks, (rounds - 1) * 1024, "%lu calls of those that fit", tasks);
	sg_model_free(m);
}

/* Impossible histories (a waker that was asleep, circles of wakes) still read the same with and without memos. */
Test(model_hostile, memos_change_nothing)
{
	static const struct sg_model_opts with = { .settle_ns = 1000 },
					  without = { .settle_ns = 1000, .no_memo = true };
	uint64_t hits = 0;
	char why[1000];

	for (uint64_t seed = 100; seed < 160; seed++) {
		struct dump a, b;

		random_stream(&a, seed, CHAINS, &with);
		random_stream(&b, seed, CHAINS, &without);
		hits += a.stats.memo_hits;
		cr_assert(dump_same(&a, &b, why, sizeof(why)), "seed %lu: %s", seed, why);
		dump_free(&a);
		dump_free(&b);
	}
	cr_expect_gt(hits, 50, "memos were hardly used: %lu", hits);
}

/* Programs with fields broken at random: times, stops, threads, breakdowns. */
Test(model_hostile, broken_programs)
{
	for (uint64_t seed = 1; seed <= 90; seed++) {
		struct sim_opts o = { .seed = seed,
				      .ncpu = 2,
				      .nthread = 6,
				      .max_thread = 30,
				      .length_ns = 1000000,
				      .mark_percent = 15,
				      .fork = true,
				      .tick_ns = 4000,
				      .boxes = seed % 2 };
		uint64_t rng = seed * 3;
		struct sim s;
		struct dump d;

		sim_run(&s, &o);
		dump_begin(&d, &variants[seed % NVARIANT]);
		for (size_t i = 0; i < s.nrec; i++) {
			struct sg_hdr *h = sim_rec(&s, i);

			if (h->kind == SG_REC_SLICE && sim_rand(&rng) % 20 == 0) {
				struct sg_slice *x = (void *)h;
				uint64_t v = sim_rand(&rng);

				switch (v % 8) {
				case 0:
					x->in += v % 2000;
					break;
				case 1:
					x->prev_out -= v % 5000;
					break;
				case 2:
					x->wake = v % 2000000;
					break;
				case 3:
					x->waker = v % 40;
					break;
				case 4:
					x->stop = v >> 8;
					break;
				case 5:
					x->npair = 0;
					break;
				case 6:
					x->wkind = v >> 9;
					break;
				case 7:
					x->h.uid = v % 40;
					break;
				}
			}
			dump_feed(&d, h);
		}
		dump_end(&d);
		cr_assert(d.conserving, "seed %lu: %s", seed, d.why_not);
		dump_free(&d);
		sim_free(&s);
	}
}

/* Over the cap time turns into unknown.lost (cap), what is left stays as it was. */
Test(model_hostile, memory_cap)
{
	struct sim_opts o = {
		.seed = 4, .ncpu = 2, .nthread = 5, .max_thread = 5, .length_ns = 20000000, .mark_percent = 2
	};
	static const struct sg_model_opts capped = { .mem_cap = 100000, .no_memo = true };
	uint64_t cap = 0, all = 0;
	struct sim s;
	struct dump full, d;

	sim_run(&s, &o);
	dump_begin(&full, NULL);
	dump_begin(&d, &capped);
	for (size_t i = 0; i < s.nrec; i++) {
		dump_feed(&full, sim_rec(&s, i));
		dump_feed(&d, sim_rec(&s, i));
	}
	dump_end(&full);
	dump_end(&d);
	cr_assert(d.conserving, "%s", d.why_not);
	cr_assert_eq(d.n, full.n);
	cr_expect_leq(d.stats.mem_peak_bytes, 100000 + 16384);
	cr_expect_gt(full.stats.mem_peak_bytes, 200000);
	for (size_t i = 0; i < d.n; i++)
		for (size_t k = 0; k < d.task[i].t.nseg; k++) {
			const struct sg_seg *g = &d.task[i].seg[k];

			all += g->hi - g->lo;
			if (g->why == SG_WHY_CAP) {
				cr_assert_eq(g->cause, SG_C_UNKNOWN_LOST);
				cap += g->hi - g->lo;
			}
		}
	cr_expect_gt(cap, 0);
	cr_expect_lt(cap, all);
	dump_free(&full);
	dump_free(&d);
	sim_free(&s);
}

static int stop_at_once(void *ctx, const struct sg_task *t)
{
	(void)t;
	++*(int *)ctx;
	return -ECANCELED;
}

Test(model_hostile, a_caller_can_stop)
{
	struct sim_opts o = {
		.seed = 1, .ncpu = 2, .nthread = 4, .max_thread = 4, .length_ns = 2000000, .mark_percent = 20
	};
	static const struct sg_model_opts opts = { .settle_ns = 1000 };
	struct sg_err err = { 0 };
	struct sg_model *m;
	int calls = 0, rc = 0;
	struct sim s;

	sim_run(&s, &o);
	cr_assert_eq(sg_model_new(&m, &opts, stop_at_once, &calls), 0);
	for (size_t i = 0; i < s.nrec && !rc; i++)
		rc = sg_model_feed(m, sim_rec(&s, i), &err);
	cr_expect_eq(rc, -ECANCELED);
	cr_expect_neq(err.msg[0], 0);
	cr_expect_eq(sg_model_feed(m, sim_rec(&s, 0), NULL), -ECANCELED, "the stop is sticky");
	cr_expect_eq(sg_model_finish(m, NULL), -ECANCELED);
	cr_expect_eq(calls, 1);
	sg_model_free(m);
	sg_model_free(NULL);
	sim_free(&s);
}

/* Memory does not grow with the recording, only with what is open. */
Test(model_hostile, memory_is_flat)
{
	uint64_t peak[3];

	for (unsigned k = 0; k < 3; k++) {
		struct sim_opts o = {
			.seed = 9, .ncpu = 2, .nthread = 6, .max_thread = 6, .length_ns = 10000000ull << 2 * k
		};
		static const struct sg_model_opts opts = { .settle_ns = 100000 };
		struct sg_model_stats st;
		uint64_t id = 0, last = 0;
		struct sg_model *m;
		struct sim s;

		sim_run(&s, &o);
		cr_assert_eq(sg_model_new(&m, &opts, NULL, NULL), 0);
		for (size_t i = 0; i < s.nrec; i++) {
			const struct sg_hdr *h = sim_rec(&s, i);
			struct sg_mark mk = { .h = { .ts = h->ts, .uid = 1, .kind = SG_REC_MARK }, .id = id };

			cr_assert_eq(sg_model_feed(m, h, NULL), 0);
			if (h->kind != SG_REC_SLICE || h->uid != 1 || h->ts < last + 50000)
				continue;
			last = h->ts;
			mk.type = SG_MARK_END;
			if (id)
				cr_assert_eq(sg_model_feed(m, &mk.h, NULL), 0);
			mk.id = ++id;
			mk.type = SG_MARK_BEGIN;
			cr_assert_eq(sg_model_feed(m, &mk.h, NULL), 0);
		}
		cr_assert_eq(sg_model_finish(m, NULL), 0);
		sg_model_stats(m, &st);
		peak[k] = st.mem_peak_bytes;
		cr_expect_gt(st.tasks, 50);
		sg_model_free(m);
		sim_free(&s);
	}
	cr_expect_leq(peak[2], peak[1] * 5 / 4, "1x %lu, 4x %lu, 16x %lu bytes", peak[0], peak[1], peak[2]);
}
