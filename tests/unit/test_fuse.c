/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Guests and their hosts in one ledger, over random pairs of machines: whatever the host
 * did, a guest's task is tiled; a host that only ever says "guest mode" changes nothing
 * (P15); without an error of the clocks nothing is ambiguous, and what is grows with it;
 * what the host took is what it took. tests/golden/fused.stream has the rules one by one.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "model/model.h"

#define GUEST_UID 100
#define GUEST_CPU 8
#define VMM	  20
#define OFFSET	  20000 /* guest - host: the first stays of the vCPU come before the task begins */
#define BASE	  10000000000ull
#define STEPS	  60

struct rec {
	union {
		struct sg_hdr h;
		struct sg_slice s;
		char room[sizeof(struct sg_slice) + 4 * sizeof(struct sg_pair)];
	};
};

struct stream {
	struct rec r[8 * STEPS];
	size_t n;
};

static void slice(struct stream *st, uint32_t uid, uint16_t cpu, uint64_t prev, uint8_t stop, uint64_t in,
		  uint64_t out, const struct sg_pair *p, unsigned n)
{
	struct rec *r = &st->r[st->n++];

	memset(r, 0, sizeof(*r));
	r->s.h = (struct sg_hdr){ .ts = out, .uid = uid, .cpu = cpu, .kind = SG_REC_SLICE };
	r->s.in = in;
	r->s.prev_out = prev;
	r->s.stop = stop;
	r->s.flags = SG_SF_INSCOPE;
	r->s.npair = n;
	memcpy(r->s.pair, p, n * sizeof(*p));
}

/* What the host takes of the vCPU's time, by what. */
struct truth {
	uint64_t runq, exits, all;
};

/*
 * A guest's thread that is always on a CPU, and the vCPU below it: guest mode, exits
 * and, now and then, another thread on its CPU.
 */
static void make(struct stream *st, unsigned *seed, bool all_guest, struct truth *t)
{
	uint64_t now = BASE, last = now;

	memset(t, 0, sizeof(*t));
	st->n = 0;
	for (int i = 0; i < STEPS; i++) {
		uint64_t guest = 1 + rand_r(seed) % 400, exits = all_guest ? 0 : rand_r(seed) % 200;
		uint64_t runq = all_guest || rand_r(seed) % 3 ? 0 : rand_r(seed) % 500;
		struct sg_pair p[2] = { { .key = SG_C_CPU_GUEST, .ns = guest, .cnt = 1 },
					{ .key = SG_KEY_KVM | 0x7b, .ns = exits, .cnt = 1 } };
		uint64_t out = now + guest + exits;

		slice(st, VMM + 1, 0, last, i ? SG_STOP_RUNNABLE : SG_STOP_NONE, now, out, p, exits ? 2 : 1);
		t->exits += exits;
		last = out;
		now = out + runq;
		t->runq += i + 1 < STEPS ? runq : 0;
		t->all = last - BASE;
	}
}

static int by_ts(const void *a, const void *b)
{
	const struct rec *x = a, *y = b;

	return x->h.ts < y->h.ts ? -1 : x->h.ts > y->h.ts;
}

/* The guest's own slices over all of that, cut where it pleases; how many calls are in them. */
static uint64_t make_guest(struct stream *st, unsigned *seed, uint64_t ns)
{
	uint64_t at = BASE + OFFSET, end = at + ns, calls = 0;

	while (at < end) {
		uint64_t len = 1 + rand_r(seed) % 900, sys;
		struct sg_pair p[2];

		if (at + len > end || st->n > 8 * STEPS - 2)
			len = end - at;
		sys = rand_r(seed) % (len + 1);
		p[0] = (struct sg_pair){ .key = SG_C_CPU_USER, .ns = len - sys, .cnt = 1 };
		p[1] = (struct sg_pair){ .key = SG_KEY_SYSCALL, .ns = sys, .cnt = 3 };
		slice(st, GUEST_UID + 1, GUEST_CPU, at, SG_STOP_NONE, at, at + len, p, 2);
		calls += sys ? 3 : 0;
		at += len;
	}
	qsort(st->r, st->n, sizeof(st->r[0]), by_ts);
	return calls;
}

struct result {
	uint64_t user, sys, runq, exits, other, all, calls, uncertain, ambiguous, fused;
	unsigned tasks;
	bool gap;
};

static int on_task(void *ctx, const struct sg_task *t)
{
	struct result *r = ctx;
	uint64_t at = t->begin;
	char cause[48];

	r->tasks++;
	r->uncertain = t->uncertain_ns;
	r->ambiguous = t->ambiguous_ns;
	r->fused = t->fused_ns;
	for (size_t i = 0; i < t->nseg; i++) {
		const struct sg_seg *s = &t->seg[i];
		const char *name = sg_cause_name(s->cause, cause, sizeof(cause));
		uint64_t ns = s->hi - s->lo;

		r->gap |= s->lo != at || s->hi <= s->lo;
		at = s->hi;
		*(!strcmp(name, "cpu.user")	  ? &r->user
		  : !strcmp(name, "cpu.sys.read") ? &r->sys
		  : !strcmp(name, "sched.runq")	  ? &r->runq
		  : !strcmp(name, "kvm.exit.io")  ? &r->exits
						  : &r->other) += ns;
		r->all += ns;
		r->calls += s->cause == SG_KEY_SYSCALL ? s->cnt : 0;
	}
	r->gap |= at != t->end;
	return 0;
}

static void feed(struct sg_model *m, const void *ev)
{
	cr_assert_eq(sg_model_feed(m, ev, NULL), 0);
}

static void feed_head(struct sg_model *m, uint64_t error_ns, bool fuse, uint64_t end)
{
	struct {
		struct sg_machine m;
		char text[16];
	} y = { .m = { .h = { .ts = 1, .kind = SG_REC_MACHINE }, .uid_end = 99, .ncpu = 4, .len = 3 } };
	struct sg_thread th = { .h = { .ts = 1, .uid = VMM + 1, .kind = SG_REC_THREAD } };

	memcpy(y.text, "h\0\0", 3);
	feed(m, &y);
	y.m.number = 1;
	y.m.uid_base = GUEST_UID;
	y.m.uid_end = GUEST_UID + 99;
	y.m.cpu_base = GUEST_CPU;
	y.m.ncpu = 4;
	y.m.vmm = VMM;
	memcpy(y.text, "g\0\0", 3);
	feed(m, &y);
	for (uint64_t at = BASE - 10000; fuse && at <= BASE + end + 20000; at += end + 20000) {
		struct sg_clockmap c = { .h = { .ts = 1, .kind = SG_REC_CLOCKMAP },
					 .guest_ts = at + OFFSET,
					 .host_ts = at,
					 .error_ns = error_ns,
					 .machine = 1,
					 .source = SG_CLOCK_TSC };

		feed(m, &c);
	}
	th.tid = VMM + 1;
	th.tgid = VMM;
	th.flags = SG_TF_INSCOPE;
	memcpy(th.comm, "CPU 0/KVM", 10);
	feed(m, &th);
	th.h.uid = GUEST_UID + 1;
	th.tid = th.tgid = (1u << 24) + 7;
	memcpy(th.comm, "app\0", 4);
	feed(m, &th);
}

static struct result run(const struct stream *st, uint64_t ns, uint64_t error_ns, bool fuse)
{
	struct sg_mark e = { .h = { .ts = BASE + OFFSET + ns, .uid = GUEST_UID + 1, .kind = SG_REC_MARK },
			     .id = 1,
			     .type = SG_MARK_END,
			     .src = SG_MSRC_USDT };
	struct sg_mark b = { .h = { .ts = BASE + OFFSET, .uid = GUEST_UID + 1, .kind = SG_REC_MARK },
			     .id = 1,
			     .type = SG_MARK_BEGIN,
			     .src = SG_MSRC_USDT };
	struct sg_model_opts o = { .settle_ns = 100 };
	bool begun = false;
	struct result r = { 0 };
	struct sg_model *m;

	cr_assert_eq(sg_model_new(&m, &o, on_task, &r), 0);
	feed_head(m, error_ns, fuse, ns);
	/* as a merged recording has it: by time, so the host is ahead of the task's begin */
	for (size_t i = 0; i < st->n; i++) {
		if (!begun && st->r[i].h.ts > b.h.ts)
			feed(m, &b);
		begun |= st->r[i].h.ts > b.h.ts;
		feed(m, &st->r[i]);
	}
	feed(m, &e);
	cr_assert_eq(sg_model_finish(m, NULL), 0);
	sg_model_free(m);
	cr_assert_eq(r.tasks, 1);
	cr_assert(!r.gap, "segments do not tile");
	cr_assert_eq(r.all, ns);
	return r;
}

Test(fuse, the_host_takes_what_it_took)
{
	unsigned seed = 7;

	for (int round = 0; round < 300; round++) {
		static struct stream st;
		struct truth t;
		struct result r;
		uint64_t host, off, calls;

		make(&st, &seed, false, &t);
		calls = make_guest(&st, &seed, t.all);
		r = run(&st, t.all, 0, true);
		host = t.runq + t.exits;
		cr_expect_eq(r.runq, t.runq, "round %d: run queue %lu of %lu", round, r.runq, t.runq);
		off = r.exits > t.exits ? r.exits - t.exits : t.exits - r.exits;
		cr_expect(off <= r.uncertain, "round %d: exits %lu of %lu, bound %lu", round, r.exits,
			  t.exits, r.uncertain);
		cr_expect_eq(r.user + r.sys + r.exits, t.all - host + t.exits);
		/* a stay that was the host's whole has no time left to count calls in */
		cr_expect(r.calls <= calls && r.calls + 3 * STEPS / 4 >= calls, "round %d: %lu calls of %lu",
			  round, r.calls, calls);
		cr_expect_eq(r.other, 0);
		/* the map itself is true to a nanosecond between its points */
		cr_expect(r.ambiguous <= 4 * st.n, "no error of the clocks, but %lu ns ambiguous",
			  r.ambiguous);
		cr_expect_eq(r.fused, t.all);
	}
}

/* Records of the host that were lost make that time lost, and nothing else another thing than it was. */
Test(fuse, what_the_host_lost_is_lost)
{
	unsigned seed = 17;

	for (int round = 0; round < 100; round++) {
		static struct stream st;
		struct sg_lost lost = { .h = { .kind = SG_REC_LOST }, .n = 1 };
		struct result whole, r;
		struct truth t;
		size_t drop;

		make(&st, &seed, false, &t);
		make_guest(&st, &seed, t.all);
		whole = run(&st, t.all, 0, true);
		for (drop = st.n / 2; st.r[drop].h.uid != VMM + 1; drop++)
			;
		lost.h.ts = st.r[drop].h.ts;
		memset(&st.r[drop], 0, sizeof(st.r[drop]));
		memcpy(&st.r[drop], &lost, sizeof(lost));
		r = run(&st, t.all, 0, true);
		cr_expect(r.runq <= whole.runq && r.other > 0, "round %d", round);
		cr_expect(r.user + r.sys <= whole.user + whole.sys, "round %d: lost time became the guest's",
			  round);
	}
}

/* A request of the host's that the guest serves for a while: its id and name are in the marks of both. */
struct request {
	uint64_t begin, end, in, out; /* on the host's clock; in and out: of the server, on the guest's */
	uint64_t id, guest_id;
	uint64_t inside, seen; /* what came of it */
	unsigned tasks;
	bool gap;
};

static int on_request(void *ctx, const struct sg_task *t)
{
	struct request *r = ctx;
	uint64_t at = t->begin;

	r->tasks++;
	if (t->id != r->id)
		return 0;
	for (size_t i = 0; i < t->nseg; i++) {
		const struct sg_seg *s = &t->seg[i];

		r->gap |= s->lo != at || s->hi <= s->lo;
		at = s->hi;
		if (s->uid == GUEST_UID + 1)
			r->seen += s->hi - s->lo;
	}
	r->gap |= at != t->end;
	r->inside = t->inside_ns;
	return 0;
}

static void mark(struct sg_model *m, uint64_t ts, uint32_t uid, uint64_t id, uint8_t type)
{
	struct sg_mark k = { .h = { .ts = ts, .uid = uid, .kind = SG_REC_MARK },
			     .id = id,
			     .type = type,
			     .src = SG_MSRC_USDT,
			     .name = "GET" };

	feed(m, &k);
}

/* The client's one stay on a CPU is at the end of the request. The four marks by time, between the slices. */
static void serve(struct stream *st, struct request *r, uint64_t error_ns)
{
	struct {
		uint64_t ts, id;
		uint32_t uid;
		uint8_t type;
	} k[4] = { { r->begin, r->id, 1, SG_MARK_BEGIN },
		   { r->in, r->guest_id, GUEST_UID + 1, SG_MARK_BEGIN },
		   { r->out, r->guest_id, GUEST_UID + 1, SG_MARK_END },
		   { r->end, r->id, 1, SG_MARK_END } };
	struct sg_model_opts o = { .settle_ns = 100 };
	struct sg_model *m;
	unsigned at = 0;

	cr_assert_eq(sg_model_new(&m, &o, on_request, r), 0);
	feed_head(m, error_ns, true, r->end - BASE);
	for (size_t i = 0; i <= st->n; i++) {
		for (; at < 4 && (i == st->n || st->r[i].h.ts > k[at].ts); at++)
			mark(m, k[at].ts, k[at].uid, k[at].id, k[at].type);
		if (i < st->n)
			feed(m, &st->r[i]);
	}
	cr_assert_eq(sg_model_finish(m, NULL), 0);
	sg_model_free(m);
}

/* As OFFSET is, the guest's marks come later in the stream than they were: the client waits that long for its answer. */
static struct request served(struct stream *st, unsigned *seed, uint64_t id, uint64_t top, uint64_t error_ns)
{
	struct sg_pair p = { .key = SG_C_CPU_USER, .ns = 100, .cnt = 1 };
	struct request r = { .id = id, .guest_id = id ^ top << SG_MACHINE_TOP_SHIFT, .begin = BASE };
	struct truth t;

	make(st, seed, false, &t);
	make_guest(st, seed, t.all);
	r.in = BASE + OFFSET + rand_r(seed) % (t.all / 2);
	r.out = r.in + 1 + rand_r(seed) % (t.all / 3);
	r.end = BASE + OFFSET + t.all + 100;
	slice(st, 1, 1, BASE - 1000, SG_STOP_RUNNABLE, r.end - 100, r.end, &p, 1);
	serve(st, &r, error_ns);
	return r;
}

Test(fuse, what_a_guest_does_of_a_request_is_inside_it)
{
	static const uint64_t errors[] = { 0, 50, 5000 };
	unsigned seed = 23;

	for (int round = 0; round < 300; round++) {
		static struct stream st;
		struct request r = served(&st, &seed, (1ull << 32) + 5, 1, errors[round % 3]);
		uint64_t off;

		cr_assert_eq(r.tasks, 1, "round %d: the guest's mark is a task of its own", round);
		cr_assert(!r.gap, "round %d: segments do not tile", round);
		off = r.inside > r.out - r.in ? r.inside - (r.out - r.in) : r.out - r.in - r.inside;
		cr_expect(off <= 2, "round %d: %lu of %lu", round, r.inside, r.out - r.in);
		cr_expect(r.seen <= r.inside);
	}
}

/* Ids below 2^32 are counters: both machines have them. And what no guest marked is none's. */
Test(fuse, a_small_id_or_another_one_is_no_part_of_a_request)
{
	unsigned seed = 29;

	for (int round = 0; round < 60; round++) {
		static struct stream st;
		struct request r = served(&st, &seed, round % 2 ? 5 : (1ull << 32) + 5, round % 2 ? 1 : 2, 0);

		cr_expect_eq(r.tasks, 2, "round %d", round);
		cr_expect_eq(r.inside, 0);
		cr_expect_eq(r.seen, 0);
		cr_expect(!r.gap);
	}
}

Test(fuse, a_host_that_says_guest_mode_changes_nothing)
{
	unsigned seed = 11;

	for (int round = 0; round < 100; round++) {
		static struct stream st;
		struct result fused, plain;
		struct truth t;

		make(&st, &seed, true, &t);
		make_guest(&st, &seed, t.all);
		fused = run(&st, t.all, 0, true);
		plain = run(&st, t.all, 0, false);
		cr_expect_eq(fused.user, plain.user);
		cr_expect_eq(fused.sys, plain.sys);
		cr_expect_eq(fused.runq + fused.exits + fused.other, 0);
		cr_expect_eq(fused.uncertain, plain.uncertain);
		cr_expect_eq(plain.fused, 0);
	}
}

Test(fuse, ambiguity_comes_from_the_clocks_error_and_grows_with_it)
{
	static const uint64_t errors[] = { 0, 10, 100, 1000 };
	uint64_t total[4] = { 0 };
	unsigned seed = 13;

	for (int round = 0; round < 50; round++) {
		static struct stream st;
		struct truth t;

		make(&st, &seed, false, &t);
		make_guest(&st, &seed, t.all);
		for (int i = 0; i < 4; i++) {
			struct result r = run(&st, t.all, errors[i], true);

			cr_expect(r.ambiguous <= t.all);
			total[i] += r.ambiguous;
		}
	}
	cr_expect(total[0] < total[1] / 4, "%lu ns without an error", total[0]);
	for (int i = 1; i < 4; i++)
		cr_expect(total[i] > total[i - 1], "error %lu: %lu after %lu", errors[i], total[i],
			  total[i - 1]);
}

/* Interrupts given to guests, a million in a task's time: kept while it is open as far as memory may be had, and not for longer. */
Test(fuse, interrupts_take_bounded_memory)
{
	struct sg_mark mark = { .h = { .ts = BASE + OFFSET, .uid = GUEST_UID + 1, .kind = SG_REC_MARK },
				.id = 1,
				.src = SG_MSRC_USDT };

	for (int open = 0; open < 2; open++) {
		struct sg_model_opts o = { .settle_ns = 100, .mem_cap = open ? 1 << 20 : 0 };
		struct sg_model_stats stats;
		struct result r = { 0 };
		struct sg_model *m;

		cr_assert_eq(sg_model_new(&m, &o, on_task, &r), 0);
		feed_head(m, 0, true, 1000000);
		mark.type = SG_MARK_BEGIN;
		if (open)
			feed(m, &mark);
		for (unsigned i = 0; i < 1000000; i++) {
			struct sg_inject k = { .h = { .ts = BASE + OFFSET + 20000ull * i,
						      .uid = VMM + 1,
						      .kind = SG_REC_INJECT } };

			feed(m, &k);
		}
		sg_model_stats(m, &stats);
		cr_expect(stats.mem_peak_bytes > 4096 && stats.mem_peak_bytes < 3 << 20, "%lu bytes",
			  (unsigned long)stats.mem_peak_bytes);
		sg_model_free(m);
	}
}
