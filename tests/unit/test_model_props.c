/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Properties of the model over random programs whose truth is known exactly
 * (sim.c). Numbers P1..P13 are those of docs/model.md.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/vec.h"
#include "model_dump.h"
#include "sim.h"

#ifndef SEEDS
#define SEEDS 60
#endif
static const struct sg_model_opts batch = { .settle_ns = 1ull << 50 };
static const struct sg_model_opts stream = { .settle_ns = 400000 };

static struct sim_opts program(uint64_t seed)
{
	return (struct sim_opts){ .seed = seed,
				  .ncpu = 1 + seed % 5,
				  .nthread = 2 + seed % 11,
				  .max_thread = 80,
				  .length_ns = 4000000,
				  .mark_percent = 10 + seed % 17,
				  .fork = seed % 3 != 0,
				  .boxes = seed % 2 != 0 };
}

/* With a sandbox the truth is of threads: what their time is booked as, sim_box.c has changed. */
static void by_thread(struct sim_blame *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++) {
		unsigned j = 0;

		while (j < n && b->row[j].uid != b->row[i].uid)
			j++;
		if (j == n) {
			b->row[n] = b->row[i];
			b->row[n++].cause = 0;
		} else {
			b->row[j].ns += b->row[i].ns;
		}
	}
	b->n = n;
}

static void feed_all(struct dump *d, const struct sim *s, const struct sg_model_opts *opts)
{
	dump_begin(d, opts);
	for (size_t i = 0; i < s->nrec; i++)
		dump_feed(d, sim_rec(s, i));
	dump_end(d);
	cr_assert(d->conserving, "seed %lu: %s", s->opts.seed, d->why_not);
}

static void must_be_same(const struct dump *a, const struct dump *b, uint64_t seed, const char *what)
{
	char why[1000];

	cr_assert(dump_same(a, b, why, sizeof(why)), "seed %lu, %s: %s", seed, what, why);
}

/* ---- blame of a dumped task by (uid, cause) ------------------------------ */
static void blame_of(const struct dump_task *k, struct sim_blame *b, bool wait)
{
	b->n = 0;
	for (size_t i = 0; i < k->t.nseg; i++) {
		const struct sg_seg *s = &k->seg[i];
		uint32_t uid = wait ? k->t.uid : s->uid;
		uint16_t cause = wait ? s->wait_cause : s->cause;
		unsigned j = 0;

		while (j < b->n && (b->row[j].uid != uid || b->row[j].cause != cause))
			j++;
		if (j == b->n) {
			cr_assert_lt(b->n, 512);
			b->n++;
			b->row[j].uid = uid;
			b->row[j].cause = cause;
			b->row[j].ns = 0;
		}
		b->row[j].ns += s->hi - s->lo;
	}
}

static uint64_t ns_of(const struct sim_blame *b, uint32_t uid, uint16_t cause)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->row[i].uid == uid && b->row[i].cause == cause)
			return b->row[i].ns;
	return 0;
}

static uint64_t sum_of(const struct sim_blame *b)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < b->n; i++)
		sum += b->row[i].ns;
	return sum;
}

/* ns that are in other rows: half the sum of differences. */
static uint64_t distance(const struct sim_blame *a, const struct sim_blame *b)
{
	uint64_t d = 0;

	for (unsigned i = 0; i < a->n; i++) {
		uint64_t x = a->row[i].ns, y = ns_of(b, a->row[i].uid, a->row[i].cause);

		d += x > y ? x - y : 0;
	}
	return d;
}

Test(model_props, p1_p2_p7_p8_truth)
{
	uint64_t tasks = 0, ns = 0, moved = 0, bound = 0, exact = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts o = program(seed);
		struct sim s;
		struct dump d;

		sim_run(&s, &o);
		feed_all(&d, &s, &batch); /* P1: checked inside */
		for (size_t i = 0; i < d.n; i++) {
			struct sim_blame got, want, wait;
			struct dump_task *k = &d.task[i];
			uint64_t dist;

			if (k->t.incomplete)
				continue;
			blame_of(k, &got, false);
			blame_of(k, &wait, true);
			sim_truth_walk(&s, k->t.uid, k->t.begin, k->t.end, &want);
			if (o.boxes) {
				by_thread(&want);
				by_thread(&got);
			}
			dist = distance(&want, &got);
			cr_assert_eq(sum_of(&want), sum_of(&got));
			cr_assert_leq(dist, k->t.uncertain_ns,
				      "P7: seed %lu task %lu: %lu ns misplaced, bound %lu\n%s", seed, k->t.id,
				      dist, k->t.uncertain_ns, k->text);
			cr_assert_eq(sum_of(&wait), sum_of(&got), "P8");
			cr_assert_leq(k->t.uncertain_ns, k->t.prorated_ns);
			/* P2: its own slices are exact, being cut at its marks */
			for (unsigned r = 0; r < want.n; r++)
				if (!o.boxes && want.row[r].uid == k->t.uid &&
				    (want.row[r].cause & SG_KEY_SYSCALL || want.row[r].cause < 32))
					cr_assert_geq(ns_of(&wait, k->t.uid, want.row[r].cause) +
							      k->t.uncertain_ns,
						      want.row[r].ns, "P2: seed %lu task %lu", seed, k->t.id);
			tasks++;
			ns += k->t.end - k->t.begin;
			moved += dist;
			bound += k->t.uncertain_ns;
			exact += !k->t.uncertain_ns;
		}
		dump_free(&d);
		sim_free(&s);
	}
	cr_log_info("%lu tasks, %lu exact; misplaced %.3f %%, bound %.3f %%", tasks, exact,
		    100.0 * moved / ns, 100.0 * bound / ns);
	cr_assert_gt(tasks, 1000, "only %lu tasks", tasks);
	cr_assert_gt(exact, tasks / 10);
}

Test(model_props, p3_additive_at_marks)
{
	uint64_t checked = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts o = program(seed);
		struct sim s;
		struct dump whole, parts;
		union {
			struct sg_mark m;
			struct sg_hdr h;
		} x;
		const struct sg_mark *prev[81] = { 0 };
		uint64_t id = 0, first[81] = { 0 };

		o.mark_percent = 10;
		o.fork = false;
		sim_run(&s, &o);
		/* every mark becomes a cut: parts between neighbours, the whole from first to last */
		dump_begin(&whole, &batch);
		dump_begin(&parts, &batch);
		for (size_t i = 0; i < s.nrec; i++) {
			const struct sg_hdr *h = sim_rec(&s, i);

			if (h->kind != SG_REC_MARK) {
				dump_feed(&whole, h);
				dump_feed(&parts, h);
				continue;
			}
			memcpy(&x, h, sizeof(x.m));
			x.m.seq = 0;
			if (prev[h->uid]) {
				x.m.type = SG_MARK_END;
				x.m.id = id = prev[h->uid]->id;
				dump_feed(&parts, &x.h);
			}
			x.m.type = SG_MARK_BEGIN;
			x.m.id = (uint64_t)h->uid << 32 | i;
			dump_feed(&parts, &x.h);
			if (!first[h->uid]) {
				first[h->uid] = x.m.id = h->uid;
				dump_feed(&whole, &x.h);
			}
			((struct sg_mark *)(void *)h)->id = (uint64_t)h->uid << 32 | i;
			prev[h->uid] = (const void *)h;
		}
		/* end the whole where the last part ended: replay with ends known */
		dump_end(&parts);
		dump_end(&whole);
		dump_free(&whole);
		dump_begin(&whole, &batch);
		for (size_t i = 0; i < s.nrec; i++) {
			const struct sg_hdr *h = sim_rec(&s, i);

			if (h->kind == SG_REC_MARK) {
				memcpy(&x, h, sizeof(x.m));
				x.m.seq = 0;
				x.m.id = h->uid;
				x.m.type = first[h->uid] ? SG_MARK_BEGIN : SG_MARK_END;
				if (x.m.type == SG_MARK_END && h != &prev[h->uid]->h)
					continue;
				first[h->uid] = 0;
				dump_feed(&whole, &x.h);
			} else {
				dump_feed(&whole, h);
			}
		}
		dump_end(&whole);
		for (size_t i = 0; i < whole.n; i++) {
			struct sim_blame a, b, one;

			if (whole.task[i].t.incomplete)
				continue;
			blame_of(&whole.task[i], &a, false);
			b.n = 0;
			for (size_t j = 0; j < parts.n; j++) {
				if (parts.task[j].t.incomplete || parts.task[j].t.uid != whole.task[i].t.uid)
					continue;
				blame_of(&parts.task[j], &one, false);
				for (unsigned r = 0; r < one.n; r++) {
					unsigned q = 0;

					while (q < b.n && (b.row[q].uid != one.row[r].uid ||
							   b.row[q].cause != one.row[r].cause))
						q++;
					if (q == b.n) {
						b.row[b.n++] = one.row[r];
						continue;
					}
					b.row[q].ns += one.row[r].ns;
				}
			}
			cr_assert_eq(sum_of(&a), sum_of(&b), "P3: seed %lu", seed);
			cr_assert_eq(distance(&a, &b), 0, "P3: seed %lu uid %u", seed, whole.task[i].t.uid);
			checked++;
		}
		dump_free(&whole);
		dump_free(&parts);
		sim_free(&s);
	}
	cr_assert_gt(checked, SEEDS);
}

/* Which tasks a sandbox makes beside the marks'. */
enum { GUEST_NONE, GUEST_PROCS, GUEST_CALLS, GUEST_MAX };

static struct sg_model_opts with_guests(struct sg_model_opts o, unsigned which)
{
	o.guest_procs = which == GUEST_PROCS;
	o.guest = which == GUEST_CALLS;
	return o;
}

/* Variants of how the stream is kept and walked, over one program and one kind of tasks. */
static void same_in_all_variants(const struct sim *s, unsigned guests, uint64_t *hits, uint64_t *tasks)
{
	static const struct sg_model_opts opts[] = {
		{ .settle_ns = 1ull << 50, .no_prune = true },
		{ .settle_ns = 1ull << 50, .no_memo = true },
		{ .settle_ns = 400000 },
		{ .settle_ns = 400000, .no_prune = true, .no_memo = true },
		{ .settle_ns = 1000000, .no_memo = true },
	};
	struct sg_model_opts o = with_guests(batch, guests);
	struct dump ref, d;

	feed_all(&ref, s, &o);
	*hits += ref.stats.memo_hits;
	for (size_t i = 0; i < ref.n; i++)
		*tasks += ref.task[i].t.src == SG_MSRC_GUEST || ref.task[i].t.src == SG_MSRC_GUESTPROC;
	for (size_t i = 0; i < sizeof(opts) / sizeof(*opts); i++) {
		char what[60];

		snprintf(what, sizeof(what), "P5/P10 variant %zu, guests %u", i, guests);
		o = with_guests(opts[i], guests);
		/* whether a wait is repeated shows only so long after it, and calls may be of any length */
		if (guests && o.settle_ns < 1ull << 50)
			o.settle_ns = 3000000;
		feed_all(&d, s, &o);
		must_be_same(&ref, &d, s->opts.seed, what);
		dump_free(&d);
	}
	dump_free(&ref);
}

Test(model_props, p5_p10_streaming_pruning_memos)
{
	uint64_t hits = 0, tasks[GUEST_MAX] = { 0 };

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts o = program(seed);
		struct sim s;

		o.tick_ns = seed % 4 < 2 ? 0 : 3000;
		sim_run(&s, &o);
		for (unsigned g = 0; g < (o.boxes ? GUEST_MAX : 1); g++)
			same_in_all_variants(&s, g, &hits, &tasks[g]);
		sim_free(&s);
	}
	cr_assert_gt(hits, 100, "memos were hardly used: %lu", hits);
	cr_assert_eq(tasks[GUEST_NONE], 0);
	cr_assert_gt(tasks[GUEST_PROCS], SEEDS, "only %lu processes of guests", tasks[GUEST_PROCS]);
	cr_assert_gt(tasks[GUEST_CALLS], 10 * SEEDS, "only %lu calls of guests", tasks[GUEST_CALLS]);
}

Test(model_props, p6_cuts_at_every_tick)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts o = program(seed);
		struct dump cut, plain;
		struct sim s;
		/* the same program: ticks make records, they do not change it */
		o.tick_ns = 2000;
		sim_run(&s, &o);
		feed_all(&cut, &s, &batch);
		dump_begin(&plain, &batch);
		for (size_t i = 0; i < s.nrec; i++) {
			const struct sg_hdr *h = sim_rec(&s, i);
			bool at_mark = i + 1 < s.nrec && sim_rec(&s, i + 1)->kind == SG_REC_MARK &&
				       sim_rec(&s, i + 1)->uid == h->uid && sim_rec(&s, i + 1)->ts == h->ts;

			if (h->kind != SG_REC_SNAP || at_mark)
				dump_feed(&plain, h);
		}
		dump_end(&plain);
		cr_assert_eq(cut.n, plain.n);
		for (size_t i = 0; i < cut.n; i++) {
			struct sim_blame a, b;
			uint64_t bound = cut.task[i].t.uncertain_ns + plain.task[i].t.uncertain_ns;

			blame_of(&cut.task[i], &a, false);
			blame_of(&plain.task[i], &b, false);
			cr_assert_leq(distance(&a, &b), bound, "P6: seed %lu task %lu", seed,
				      cut.task[i].t.id);
		}
		dump_free(&cut);
		dump_free(&plain);
		sim_free(&s);
	}
}

/* ---- P9: loss ------------------------------------------------------------- */
static bool on_cpu(uint16_t cause)
{
	/* a trap's time on a CPU is in the slice, too */
	return (cause & SG_KEY_SYSCALL) || (cause < 32 && cause) || cause == SG_C_TRAP_PTRACE ||
	       cause == SG_C_TRAP_SECCOMP;
}

static const struct sg_seg *seg_at(const struct dump_task *k, uint64_t ts, size_t *at)
{
	while (k->seg[*at].hi < ts)
		(*at)++;
	return &k->seg[*at];
}

/* Labels of every instant: the same, or unknown.lost. Inside a slice the order of causes is conventional. */
static void labels_survive(const struct dump_task *full, const struct dump_task *lossy, uint64_t seed,
			   uint64_t *ret_lost)
{
	size_t i = 0, j = 0;
	uint64_t ts = full->t.begin;

	while (ts < full->t.end) {
		const struct sg_seg *a = seg_at(full, ts + 1, &i), *b = seg_at(lossy, ts + 1, &j);
		uint64_t to = a->hi < b->hi ? a->hi : b->hi;
		bool same =
			a->uid == b->uid && (a->cause == b->cause || (on_cpu(a->cause) && on_cpu(b->cause)));

		if (b->cause == SG_C_UNKNOWN_LOST)
			*ret_lost += to - ts;
		else
			cr_assert(same, "P9: seed %lu task %lu at %lu: u%u cause %x became u%u cause %x",
				  seed, full->t.id, ts, a->uid, a->cause, b->uid, b->cause);
		ts = to;
	}
}

static void drop_some(struct dump *d, const struct sim *s, const struct sg_model_opts *opts, unsigned percent)
{
	uint64_t rng = s->opts.seed * 31 + percent;
	unsigned lost[64] = { 0 };

	dump_begin(d, opts);
	for (size_t i = 0; i < s->nrec; i++) {
		const struct sg_hdr *h = sim_rec(s, i);
		struct sg_lost l = { .h = { .ts = h->ts, .cpu = h->cpu, .kind = SG_REC_LOST },
				     .n = lost[h->cpu] };

		if ((h->kind == SG_REC_SLICE || h->kind == SG_REC_SNAP) && sim_rand(&rng) % 100 < percent) {
			lost[h->cpu]++;
			continue;
		}
		if (l.n) {
			dump_feed(d, &l.h);
			lost[h->cpu] = 0;
		}
		dump_feed(d, h);
	}
	dump_end(d);
	cr_assert(d->conserving, "%s", d->why_not);
}

Test(model_props, p9_loss_never_mislabels)
{
	uint64_t all = 0, lost = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts o = program(seed);
		struct sim s;
		struct dump full, lossy;

		sim_run(&s, &o);
		feed_all(&full, &s, &batch);
		for (unsigned percent = 2; percent <= 50; percent *= 5) {
			drop_some(&lossy, &s, &batch, percent);
			cr_assert_eq(full.n, lossy.n);
			for (size_t i = 0; i < full.n; i++) {
				if (full.task[i].t.incomplete)
					continue;
				labels_survive(&full.task[i], &lossy.task[i], seed, &lost);
				all += full.task[i].t.end - full.task[i].t.begin;
			}
			dump_free(&lossy);
			/* streaming: any loss may also end the patience for a record; it conserves */
			drop_some(&lossy, &s, &stream, percent);
			dump_free(&lossy);
		}
		dump_free(&full);
		sim_free(&s);
	}
	cr_log_info("lost %.1f %% of task time, nothing mislabelled", 100.0 * lost / all);
	cr_assert_gt(lost, 0);
}

/* ---- P4, P11, P12: what must not matter ----------------------------------- */
Test(model_props, p4_order_of_equal_times)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts o = program(seed);
		struct sim s;
		struct dump ref, d;

		o.fork = false; /* a birth and the parent's records are ordered by the kernel */
		sim_run(&s, &o);
		feed_all(&ref, &s, &batch);
		/* slices of equal time on different CPUs, the other way round */
		for (size_t i = 0; i + 1 < s.nrec; i++) {
			const struct sg_hdr *a = sim_rec(&s, i), *b = sim_rec(&s, i + 1);
			size_t t = s.off[i];

			if (a->ts != b->ts || a->uid == b->uid || a->kind != SG_REC_SLICE ||
			    b->kind != SG_REC_SLICE)
				continue;
			s.off[i] = s.off[i + 1];
			s.off[++i] = t;
		}
		feed_all(&d, &s, &batch);
		must_be_same(&ref, &d, seed, "P4");
		dump_free(&ref);
		dump_free(&d);
		sim_free(&s);
	}
}

Test(model_props, p11_unrelated_threads)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts o = program(seed);
		struct sim s;
		struct sg_model_opts so = with_guests(stream, o.boxes ? 1 + seed / 2 % 2 : GUEST_NONE);
		struct dump ref, d;
		uint64_t last = 1000;

		sim_run(&s, &o);
		feed_all(&ref, &s, &so);
		dump_begin(&d, &so);
		for (size_t i = 0; i < s.nrec; i++) {
			const struct sg_hdr *h = sim_rec(&s, i);
			struct sg_slice x = {
				.h = { .ts = h->ts, .uid = 4000, .cpu = 63, .kind = SG_REC_SLICE },
				.in = last,
				.prev_out = last,
				.stop = SG_STOP_NONE
			};

			dump_feed(&d, h);
			if (i % 3 || h->ts == last)
				continue;
			union {
				struct sg_slice s;
				char room[sizeof(struct sg_slice) + sizeof(struct sg_pair)];
			} u = { .s = x };

			u.s.npair = 1;
			u.s.pair[0] = (struct sg_pair){ .key = SG_C_CPU_USER, .ns = h->ts - last };
			dump_feed(&d, &u.s.h);
			last = h->ts;
		}
		dump_end(&d);
		must_be_same(&ref, &d, seed, "P11");
		dump_free(&ref);
		dump_free(&d);
		sim_free(&s);
	}
}

static uint32_t swap_uid(uint32_t uid, uint32_t n)
{
	return uid && uid <= n ? n + 1 - uid : uid;
}

/* Other thread numbers, other CPUs, all times later: the same blame under the new names. */
Test(model_props, p12_names_and_clock)
{
	const uint64_t shift = 123456789012345ull;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts o = program(seed);
		struct sim s;
		struct dump ref, d;
		uint32_t n;

		sim_run(&s, &o);
		n = s.nthread;
		feed_all(&ref, &s, &stream);
		for (size_t i = 0; i < s.nrec; i++) {
			struct sg_hdr *h = sim_rec(&s, i);

			h->ts += shift;
			h->cpu = 7 - h->cpu % 8;
			h->uid = swap_uid(h->uid, n);
			if (h->kind == SG_REC_SLICE) {
				struct sg_slice *x = (void *)h;

				x->in += shift;
				x->prev_out += x->prev_out ? shift : 0;
				x->wake += x->wake ? shift : 0;
				x->waker = swap_uid(x->waker, n);
				x->raiser = swap_uid(x->raiser, n);
			} else if (h->kind == SG_REC_SNAP) {
				((struct sg_snap *)(void *)h)->in += shift;
			} else if (h->kind == SG_REC_THREAD) {
				struct sg_thread *x = (void *)h;

				x->birth += x->birth ? shift : 0;
				x->creator = swap_uid(x->creator, n);
			}
		}
		feed_all(&d, &s, &stream);
		cr_assert_eq(ref.n, d.n);
		for (size_t i = 0; i < d.n; i++) {
			cr_assert_eq(ref.task[i].t.nseg, d.task[i].t.nseg, "P12: seed %lu", seed);
			for (size_t j = 0; j < d.task[i].t.nseg; j++) {
				const struct sg_seg *a = &ref.task[i].seg[j], *b = &d.task[i].seg[j];

				cr_assert(a->lo + shift == b->lo && a->hi + shift == b->hi &&
						  a->cause == b->cause && swap_uid(a->uid, n) == b->uid &&
						  a->wait_cause == b->wait_cause && a->flags == b->flags &&
						  a->forwhom == b->forwhom,
					  "P12: seed %lu", seed);
			}
		}
		dump_free(&ref);
		dump_free(&d);
		sim_free(&s);
	}
}

Test(model_props, p13_depth_and_steps)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sg_model_opts plain = batch;
		struct sim_opts o = program(seed);
		uint64_t segs = 0;
		struct sim s;
		struct dump d;

		plain.no_memo = true;
		sim_run(&s, &o);
		feed_all(&d, &s, &plain);
		for (size_t i = 0; i < d.n; i++) {
			segs += d.task[i].t.nseg;
			cr_assert_leq(d.task[i].depth, 2 * s.nthread, "P13: seed %lu", seed);
		}
		/* every push is followed by a segment before its pop; births are at most the threads */
		cr_assert_leq(d.stats.steps, 2 * segs + 2 * segs + d.n * (1 + s.nthread), "P13: seed %lu",
			      seed);
		dump_free(&d);
		sim_free(&s);
	}
}

/* ---- prorating ------------------------------------------------------------ */
Test(model_props, webster_is_monotone_and_complete)
{
	static const uint64_t weights[][4] = { { 37, 55, 52, 0 },  { 1, 1, 1, 1 },     { 1000, 1, 0, 3 },
					       { 500, 500, 0, 0 }, { 97, 89, 83, 79 }, { 1, 2, 4, 8 } };
	uint64_t now[4], was[4];

	for (size_t k = 0; k < sizeof(weights) / sizeof(*weights); k++) {
		const uint64_t *w = weights[k];
		uint64_t total = w[0] + w[1] + w[2] + w[3];

		memset(was, 0, sizeof(was));
		for (uint64_t u = 0; u <= total; u++) {
			uint64_t sum = 0;

			sg_apportion(w, 4, total, u, now);
			for (unsigned i = 0; i < 4; i++) {
				sum += now[i];
				cr_assert_geq(now[i], was[i], "case %zu at %lu", k, u);
				cr_assert_leq(now[i], w[i], "case %zu at %lu", k, u);
				/* the bound of section 2 on one cause: L/4 */
				cr_assert_leq((now[i] * total > w[i] * u ? now[i] * total - w[i] * u
									 : w[i] * u - now[i] * total),
					      total * 2, "case %zu at %lu: more than 2 ns off the quota", k,
					      u);
			}
			cr_assert_eq(sum, u);
			memcpy(was, now, sizeof(was));
		}
		cr_assert_arr_eq(now, w, sizeof(now));
	}
}

Test(model_props, webster_large)
{
	uint64_t rng = 5, w[26], a[26], b[26], c[26];

	for (unsigned k = 0; k < 20000; k++) {
		uint64_t total = 0, u, v, su = 0;
		unsigned n = 1 + sim_rand(&rng) % 26;

		for (unsigned i = 0; i < n; i++)
			total += w[i] = sim_rand(&rng) >> (24 + sim_rand(&rng) % 40);
		if (!total)
			continue;
		u = sim_rand(&rng) % (total + 1);
		v = u + sim_rand(&rng) % (total - u + 1);
		sg_apportion(w, n, total, u, a);
		sg_apportion(w, n, total, v, b);
		sg_apportion(w, n, total, total, c);
		for (unsigned i = 0; i < n; i++) {
			su += a[i];
			cr_assert_leq(a[i], b[i]);
			cr_assert_leq(b[i], c[i]);
			cr_assert_eq(c[i], w[i]);
		}
		cr_assert_eq(su, u);
	}
}

/* D1: the returning walk depends on the order of joins, the other one does not. */
Test(model_props, metamorphic_pause)
{
	/* a pause of k ns in the middle of a leaf makes that leaf k longer and nothing else */
	for (uint64_t k = 0; k <= 4000; k += 1000) {
		struct {
			struct sg_slice s;
			struct sg_pair p[1];
		} a = { .s = { .h = { .ts = 1100, .uid = 1, .kind = SG_REC_SLICE },
			       .in = 1000,
			       .prev_out = 1000,
			       .stop = SG_STOP_NONE,
			       .npair = 1 },
			.p = { { .key = SG_C_CPU_USER, .ns = 100 } } },
		  b = { .s = { .h = { .ts = 2300 + k, .uid = 2, .cpu = 1, .kind = SG_REC_SLICE },
			       .in = 900,
			       .prev_out = 900,
			       .stop = SG_STOP_NONE,
			       .npair = 1 },
			.p = { { .key = SG_C_CPU_USER, .ns = 1400 + k } } },
		  c = { .s = { .h = { .ts = 2400 + k, .uid = 1, .kind = SG_REC_SLICE },
			       .in = 2300 + k,
			       .prev_out = 1100,
			       .wake = 2300 + k,
			       .waker = 2,
			       .wctx = SG_WCTX_TASK,
			       .stop = SG_STOP_SLEEP,
			       .wkind = SG_K_SYSCALL,
			       .nr = 0,
			       .fdtype = SG_FD_FIFO,
			       .npair = 1 },
			.p = { { .key = SG_C_CPU_USER, .ns = 100 } } };
		struct sg_mark m = { .h = { .ts = 1000, .uid = 1, .kind = SG_REC_MARK },
				     .id = 1,
				     .type = SG_MARK_BEGIN };
		struct sim_blame blame;
		struct dump d;

		dump_begin(&d, &batch);
		dump_feed(&d, &m.h);
		dump_feed(&d, &a.s.h);
		dump_feed(&d, &b.s.h);
		dump_feed(&d, &c.s.h);
		m.h.ts = 2400 + k;
		m.type = SG_MARK_END;
		dump_feed(&d, &m.h);
		dump_end(&d);
		cr_assert_eq(d.n, 1);
		blame_of(&d.task[0], &blame, false);
		cr_assert_eq(ns_of(&blame, 1, SG_C_CPU_USER), 200);
		cr_assert_eq(ns_of(&blame, 2, SG_C_CPU_USER), 1200 + k);
		dump_free(&d);
	}
}
