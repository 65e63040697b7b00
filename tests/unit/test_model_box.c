/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Properties of programs with a sandbox in them that test_model_props.c does not
 * hold: what components and causes its parts can have, and that long recordings,
 * whose past is dropped, tell of their guests what short ones do.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include "model_dump.h"
#include "sim.h"

#define SEEDS 40

static struct sim_opts program(uint64_t seed)
{
	return (struct sim_opts){ .seed = seed,
				  .ncpu = 1 + seed % 4,
				  .nthread = 5 + seed % 7,
				  .max_thread = 60,
				  .length_ns = 4000000,
				  .mark_percent = 12,
				  .fork = seed % 3 != 0,
				  .boxes = true };
}

static void feed_all(struct dump *d, const struct sim *s, const struct sg_model_opts *opts)
{
	dump_begin(d, opts);
	for (size_t i = 0; i < s->nrec; i++)
		dump_feed(d, sim_rec(s, i));
	dump_end(d);
	cr_assert(d->conserving, "seed %lu: %s", s->opts.seed, d->why_not);
}

/* ---- who can have which component and cause -------------------------------- */
static bool is_trap(uint16_t cause)
{
	return cause == SG_C_TRAP_PTRACE || cause == SG_C_TRAP_SECCOMP;
}

static const char *comp_wanted(enum sim_role role, uint16_t cause)
{
	switch (role) {
	case SIM_SENTRY:
		return "sentry";
	case SIM_GOFER:
		return "gofer";
	case SIM_STUB:
		return is_trap(cause) || cause & SG_KEY_SYSCALL ? "stub" : "app";
	default:
		return "app";
	}
}

static bool cause_possible(enum sim_role role, uint16_t cause)
{
	if (cause & SG_KEY_SYSCALL) {
		unsigned nr = cause & ~SG_KEY_SYSCALL;

		return !(role == SIM_SENTRY && (nr == SYS_ptrace || nr == SYS_wait4)) &&
		       !(role == SIM_STUB && (nr == SYS_futex || nr == SYS_rt_sigreturn));
	}
	/* keys of guests and messages are never told as they are, and traps only of who can have them */
	return cause < SG_C_MAX && (!is_trap(cause) || role == SIM_SENTRY || role == SIM_STUB) &&
	       (cause != SG_C_IO_GOFER || role == SIM_SENTRY);
}

enum {
	SEEN_STUB_PTRACE,
	SEEN_STUB_SECCOMP,
	SEEN_SENTRY_PTRACE,
	SEEN_SENTRY_SECCOMP,
	SEEN_IO_GOFER,
	SEEN_MAX
};

static void look(const struct dump *d, const struct sim *s, const struct sg_seg *g, unsigned *seen)
{
	enum sim_role role = sim_box_role(s, g->uid);
	const char *comp = sg_model_comp(d->m, g->comp);

	cr_assert_str_eq(comp, comp_wanted(role, g->cause), "seed %lu: u%u (role %u) has cause %x",
			 s->opts.seed, g->uid, role, g->cause);
	cr_assert(cause_possible(role, g->cause), "seed %lu: u%u (role %u) has cause %x", s->opts.seed,
		  g->uid, role, g->cause);
	if (is_trap(g->cause))
		seen[(role == SIM_SENTRY ? SEEN_SENTRY_PTRACE : SEEN_STUB_PTRACE) +
		     (g->cause == SG_C_TRAP_SECCOMP)]++;
	seen[SEEN_IO_GOFER] += g->wait_cause == SG_C_IO_GOFER;
}

Test(model_box, components_and_causes)
{
	static const struct sg_model_opts opts[] = { { .settle_ns = 1ull << 50 },
						     { .settle_ns = 1ull << 50, .guest = true },
						     { .settle_ns = 1ull << 50, .guest_procs = true },
						     { .settle_ns = 400000, .threads = true },
						     { .settle_ns = 400000, .critical = true } };
	unsigned seen[SEEN_MAX] = { 0 };

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts o = program(seed);
		struct sim s;
		struct dump d;

		sim_run(&s, &o);
		feed_all(&d, &s, &opts[seed % 5]);
		for (size_t i = 0; i < d.n; i++)
			for (size_t k = 0; k < d.task[i].t.nseg; k++)
				look(&d, &s, &d.task[i].seg[k], seen);
		dump_free(&d);
		sim_free(&s);
	}
	for (unsigned i = 0; i < SEEN_MAX; i++)
		cr_expect_gt(seen[i], 20, "kind %u: only %u", i, seen[i]);
}

/* ---- long recordings ------------------------------------------------------- */
/* Every time, and every length, @k times as much. */
static void stretch(struct sim *s, uint64_t k)
{
	for (size_t i = 0; i < s->nrec; i++) {
		struct sg_hdr *h = sim_rec(s, i);
		struct sg_pair *p = NULL;
		unsigned n = 0;

		h->ts *= k;
		if (h->kind == SG_REC_SLICE) {
			struct sg_slice *x = (void *)h;

			x->in *= k;
			x->prev_out *= k;
			x->wake *= k;
			p = x->pair;
			n = x->npair;
		} else if (h->kind == SG_REC_SNAP) {
			struct sg_snap *x = (void *)h;

			x->in *= k;
			p = x->pair;
			n = x->npair;
		} else if (h->kind == SG_REC_THREAD) {
			((struct sg_thread *)(void *)h)->birth *= k;
		} else if (h->kind == SG_REC_GUEST) {
			((struct sg_guest *)(void *)h)->begin *= k;
		}
		for (unsigned j = 0; j < n; j++)
			p[j].ns *= k;
	}
}

static uint64_t lost_ns(const struct dump_task *k)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < k->t.nseg; i++)
		if (k->seg[i].cause == SG_C_UNKNOWN_LOST)
			ns += k->seg[i].hi - k->seg[i].lo;
	return ns;
}

/* When the end of each call became known. */
struct known {
	uint64_t now;
	size_t n, cap;
	struct {
		struct sg_guest_call c;
		uint64_t at;
	} * call;
};

static int on_guest(void *ctx, const struct sg_guest_call *c)
{
	struct known *k = ctx;

	if (k->n == k->cap)
		k->call = realloc(k->call, (k->cap = k->cap * 2 + 64) * sizeof(*k->call));
	k->call[k->n].c = *c;
	k->call[k->n++].at = k->now;
	return 0;
}

static uint64_t known_at(const struct known *k, const struct sg_task *t)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->call[i].c.uid == t->uid && k->call[i].c.lo == t->begin && k->call[i].c.hi == t->end)
			return k->call[i].at;
	cr_assert(false, "call %lu of u%u was not told", t->id, t->uid);
	return 0;
}

static void feed_known(struct dump *d, const struct sim *s, const struct sg_model_opts *opts, struct known *k)
{
	memset(k, 0, sizeof(*k));
	dump_begin(d, opts);
	sg_model_on_guest(d->m, on_guest, k);
	for (size_t i = 0; i < s->nrec; i++) {
		k->now = sim_rec(s, i)->ts;
		dump_feed(d, sim_rec(s, i));
	}
	dump_end(d);
	cr_assert(d->conserving, "seed %lu: %s", s->opts.seed, d->why_not);
}

/* Records are kept for 2 s: a call whose end is known by then is explained as if nothing were dropped; of others time may be lost. */
Test(model_box, pruning_keeps_what_guests_need)
{
	static const struct sg_model_opts pruned = { .guest = true },
					  whole = { .guest = true, .no_prune = true };
	uint64_t same = 0, other = 0, peak[2] = { 0 };

	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct sim_opts o = program(seed);
		struct known known, all;
		struct sim s;
		struct dump a, b;

		o.mark_percent = 0;
		o.length_ns = 80000000;
		sim_run(&s, &o);
		stretch(&s, 1000); /* 80 s */
		feed_known(&a, &s, &pruned, &known);
		feed_known(&b, &s, &whole, &all);
		cr_assert_eq(a.n, b.n);
		cr_assert_eq(known.n, all.n);
		for (size_t i = 0; i < a.n; i++) {
			const struct dump_task *x = &a.task[i], *y = &b.task[i];

			if (!strcmp(x->text, y->text)) {
				same++;
				continue;
			}
			other++;
			cr_assert(known_at(&known, &x->t) - x->t.begin > 1900000000ull &&
					  lost_ns(x) > lost_ns(y),
				  "seed %lu: '%s' against '%s'", seed, x->text, y->text);
		}
		peak[0] += a.stats.mem_peak_bytes;
		peak[1] += b.stats.mem_peak_bytes;
		dump_free(&a);
		dump_free(&b);
		sim_free(&s);
		free(known.call);
		free(all.call);
	}
	cr_log_info("%lu calls the same, %lu known too late", same, other);
	cr_expect_gt(same, 500, "%lu", same);
	cr_expect_lt(peak[0], peak[1] * 3 / 4, "%lu of %lu bytes: nothing was dropped", peak[0], peak[1]);
}
