/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Recordings of several machines become one: the sorted union, whatever order they are given in, with nothing that collides. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include "rec_file.h"
#include "trace/field.h"
#include "trace/format.h"
#include "trace/join.h"
#include "trace/remap.h"

#define PARTS 3

static const uint64_t space_max[] = {
	[SG_SPACE_TIME] = 1ull << 50, [SG_SPACE_UID] = 900,	 [SG_SPACE_TID] = 1u << 22,
	[SG_SPACE_PID] = 1u << 22,    [SG_SPACE_DEV] = 1u << 29, [SG_SPACE_CGROUP] = 1ull << 56,
	[SG_SPACE_FRAME] = 5000,      [SG_SPACE_STACK] = 3000,	 [SG_SPACE_MARK] = UINT64_MAX,
};

/* A record of that kind as a machine may write it: numbers in the ranges they have. */
static void make_event(uint64_t *s, unsigned kind, union gen_event *e)
{
	const struct sg_field *f;
	size_t n;

	gen_event(s, kind, e);
	f = sg_fields(kind, &n);
	for (size_t i = 0; i < n; i++)
		if (f[i].space)
			sg_field_set(&f[i], &e->h, sg_field_get(&f[i], &e->h) % space_max[f[i].space]);
	if (kind == SG_REC_NAME) {
		e->name.type = 1 + e->name.type % 2;
		e->name.id %= 1u << 29;
	}
	if (kind == SG_REC_STACKDEF)
		for (uint32_t i = 0; i < e->stackdef.n; i++)
			e->stackdef.frame[i] %= 5000;
	e->h.uid %= 900;
}

static void make_part(struct rec_file *f, uint64_t seed, unsigned cpus, unsigned events)
{
	uint64_t s = seed, ts = 1ull << 40, lost[8] = { 0 };

	rec_begin(f);
	for (unsigned i = 0; i < events; i++) {
		unsigned kind = gen_kinds[gen_u64(&s) % sizeof(gen_kinds)];
		union gen_event e;

		if (kind == SG_REC_MACHINE || kind == SG_REC_CLOCKMAP || kind == SG_REC_LOST ||
		    kind == SG_REC_WINDOW)
			continue;
		make_event(&s, kind, &e);
		ts += gen_u64(&s) % 3 ? gen_u64(&s) % 1000 : 0;
		e.h.ts = ts;
		e.h.cpu = (uint16_t)(gen_u64(&s) % cpus);
		lost[e.h.cpu] += gen_u64(&s) % 50 ? 0 : gen_u64(&s) % 9;
		e.h.lost = kind < 64 && kind != SG_REC_SWAPOUT ? lost[e.h.cpu] : 0;
		rec_put(f, &e);
		if (!(gen_u64(&s) % 500))
			rec_flush(f);
	}
	rec_end(f);
}

struct case_of {
	struct rec_file f[PARTS];
	struct sg_clocks clocks[PARTS];
	struct sg_join_part p[PARTS];
};

static void make_case(struct case_of *c, uint64_t seed)
{
	static const char *const names[] = { "host", "web", "db" };

	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; i < PARTS; i++) {
		make_part(&c->f[i], seed * 31 + i, 1 + i, 1200);
		for (unsigned k = 0; i && k < 3; k++) {
			struct sg_clock_point p = { .guest = (1ull << 40) + k * 100000,
						    .error = 70,
						    .source = SG_CLOCK_TSC };

			p.host = p.guest + (i == 1 ? 123456789 : -1000);
			cr_assert_eq(sg_clocks_add(&c->clocks[i], &p), 1);
		}
		c->p[i] = (struct sg_join_part){ .mem = c->f[i].data,
						 .len = c->f[i].len,
						 .name = names[i],
						 .kernel = "6.1.0",
						 .number = i,
						 .clocks = i ? &c->clocks[i] : NULL };
	}
}

static void free_case(struct case_of *c)
{
	for (unsigned i = 0; i < PARTS; i++) {
		free(c->f[i].data);
		sg_clocks_free(&c->clocks[i]);
	}
}

static int join(struct sg_join_part *p, size_t n, struct rec_file *out, struct sg_err *err)
{
	struct sg_join_opts o = { .meta = "{}", .end = "{}", .level = 1 };
	struct sg_writer_stats st;
	int rc;

	memset(err, 0, sizeof(*err));
	memset(out, 0, sizeof(*out));
	out->fd = o.out_fd = memfd_create("join", 0);
	rc = sg_join(p, n, &o, &st, err);
	rec_snapshot(out);
	close(out->fd);
	return rc;
}

struct item {
	union gen_event ev;
	size_t at;
};

static int rank(const struct sg_hdr *h)
{
	return sg_class_of(h->kind) == SG_CLASS_IDENT ? 0 : 1;
}

static int by_order(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	const struct sg_hdr *h = &x->ev.h, *g = &y->ev.h;

	if (h->ts != g->ts)
		return h->ts < g->ts ? -1 : 1;
	if (rank(h) != rank(g))
		return rank(h) - rank(g);
	if (h->cpu != g->cpu)
		return h->cpu < g->cpu ? -1 : 1;
	if (sg_class_of(h->kind) != sg_class_of(g->kind))
		return (int)sg_class_of(h->kind) - (int)sg_class_of(g->kind);
	return x->at < y->at ? -1 : x->at > y->at;
}

static bool timed(const struct sg_hdr *h)
{
	return sg_class_of(h->kind) != SG_CLASS_DEF && h->kind != SG_REC_LOST && h->kind != SG_REC_MACHINE &&
	       h->kind != SG_REC_CLOCKMAP;
}

/* The union told a second way: every part read, moved, all sorted. */
static size_t expect(struct case_of *c, struct item **ret)
{
	struct item *it = NULL;
	size_t n = 0;

	for (unsigned i = 0; i < PARTS; i++) {
		const struct sg_machine_info *m = &c->p[i].info;
		struct sg_remap map = { m->shift,      m->number,     m->uid_base,
					m->frame_base, m->stack_base, m->cpu_base };
		struct rec_list l;
		struct sg_err err;

		cr_assert_eq(rec_read(c->f[i].data, c->f[i].len, &l, &err), 0);
		it = realloc(it, (n + l.n) * sizeof(*it));
		for (size_t k = 0; k < l.n; k++) {
			if (!timed(&l.ev[k].h))
				continue;
			it[n] = (struct item){ l.ev[k], n };
			sg_remap_event(&map, &it[n++].ev.h);
		}
		rec_list_free(&l);
	}
	qsort(it, n, sizeof(*it), by_order);
	*ret = it;
	return n;
}

static uint64_t sum_lost(const struct rec_list *l, const struct sg_machine_info *m)
{
	uint64_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->ev[i].h.kind == SG_REC_LOST &&
		    (!m || (l->ev[i].h.cpu >= m->cpu_base && l->ev[i].h.cpu < m->cpu_base + m->ncpu)))
			n += ((struct sg_lost *)&l->ev[i])->n;
	return n;
}

Test(join, sorted_union_in_any_order)
{
	static const unsigned char order[][PARTS] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
						      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct rec_file first = { 0 };
		struct rec_list l;
		struct case_of c;
		struct item *want;
		struct sg_err err;
		size_t n, at = 0;

		make_case(&c, seed);
		for (unsigned k = 0; k < 6; k++) {
			struct sg_join_part p[PARTS];
			struct rec_file f;

			for (unsigned i = 0; i < PARTS; i++)
				p[i] = c.p[order[k][i]];
			cr_assert_eq(join(p, PARTS, &f, &err), 0, "%s", err.msg);
			if (!k) {
				first = f;
				memcpy(c.p, p, sizeof(p));
				continue;
			}
			cr_assert_eq(f.len, first.len);
			cr_assert_eq(memcmp(f.data, first.data, f.len), 0,
				     "seed %lu: the order of the parts shows", seed);
			free(f.data);
		}
		cr_assert_eq(rec_read(first.data, first.len, &l, &err), 0, "%s", err.msg);
		cr_assert_str_eq(l.damage, "");
		n = expect(&c, &want);
		for (size_t i = 0; i < l.n; i++) {
			if (!timed(&l.ev[i].h))
				continue;
			cr_assert_lt(at, n);
			cr_assert_eq(memcmp(&l.ev[i], &want[at].ev, sizeof(l.ev[i])), 0,
				     "seed %lu, event %zu: kind %u", seed, at, l.ev[i].h.kind);
			at++;
		}
		cr_assert_eq(at, n);
		for (unsigned i = 0; i < PARTS; i++)
			cr_assert_eq(sum_lost(&l, &c.p[i].info), c.p[i].lost, "seed %lu, machine %u", seed,
				     i);
		free(want);
		rec_list_free(&l);
		free(first.data);
		free_case(&c);
	}
}

Test(join, nothing_collides_and_all_comes_back)
{
	struct sg_machines ms = { 0 };
	struct sg_clocks clocks = { 0 };
	struct rec_file f;
	struct rec_list l;
	struct case_of c;
	struct sg_err err;
	size_t maps = 0;

	make_case(&c, 99);
	cr_assert_eq(join(c.p, PARTS, &f, &err), 0, "%s", err.msg);
	cr_assert_eq(rec_read(f.data, f.len, &l, &err), 0);
	for (size_t i = 0; i < l.n; i++) {
		const struct sg_hdr *h = &l.ev[i].h;
		const struct sg_machine_info *m;

		if (h->kind == SG_REC_MACHINE)
			cr_assert(sg_machines_add(&ms, (void *)h));
		if (h->kind == SG_REC_CLOCKMAP && ((struct sg_clockmap *)h)->machine == 1)
			maps += sg_clocks_feed(&clocks, (void *)h) == 1;
		if (!timed(h))
			continue;
		cr_assert_eq(ms.n, PARTS, "MACHINE comes before all else");
		m = sg_machine_of_cpu(&ms, h->cpu);
		cr_assert(m);
		cr_assert(!h->uid || sg_machine_of_uid(&ms, h->uid) == m);
		if (h->kind == SG_REC_THREAD) {
			cr_assert_eq(sg_machine_of_tid(l.ev[i].thread.tid), m->number);
			cr_assert_eq(sg_machine_of_tid(l.ev[i].thread.tgid), m->number);
			cr_assert_lt(sg_machine_tid(l.ev[i].thread.tid), 1u << 22);
		}
		if (h->kind == SG_REC_SLICE && l.ev[i].slice.dev)
			cr_assert_eq(l.ev[i].slice.dev >> SG_MACHINE_DEV_SHIFT, m->number);
		if (h->kind == SG_REC_SLICE && l.ev[i].slice.waker)
			cr_assert_eq(sg_machine_of_uid(&ms, l.ev[i].slice.waker), m,
				     "wakes cross no machine");
	}
	cr_assert_str_eq(ms.m[1].name, "web");
	cr_assert_str_eq(ms.m[2].kernel, "6.1.0");
	cr_assert_eq(ms.m[1].shift, 123456789);
	cr_assert_eq(ms.m[2].shift, (uint64_t)-1000);
	cr_assert_eq(maps, 3);
	cr_assert_eq(clocks.p[1].guest, clocks.p[1].host, "shifted, as the map tells it");
	/* a merged one is no part */
	c.p[0].mem = f.data;
	c.p[0].len = f.len;
	free(l.ev);
	{
		struct rec_file g;

		cr_assert_eq(join(c.p, 1, &g, &err), -EEXIST);
		cr_assert(strstr(err.msg, "merged one already"));
		free(g.data);
	}
	sg_clocks_free(&clocks);
	free(f.data);
	free_case(&c);
}

/* A damaged block costs its own machine what was in it, and nobody else anything. */
Test(join, damage_stays_where_it_is)
{
	struct rec_file whole, hurt;
	struct rec_list a, b;
	struct case_of c;
	struct sg_err err;
	size_t of_others[2] = { 0 };

	make_case(&c, 7);
	cr_assert_eq(join(c.p, PARTS, &whole, &err), 0);
	cr_assert_eq(rec_read(whole.data, whole.len, &a, &err), 0);
	c.f[1].data[c.f[1].len / 2] ^= 0x40;
	cr_assert_eq(join(c.p, PARTS, &hurt, &err), 0, "%s", err.msg);
	cr_assert(c.p[1].damage[0] && !c.p[0].damage[0] && !c.p[2].damage[0]);
	cr_assert_eq(rec_read(hurt.data, hurt.len, &b, &err), 0);
	cr_assert_gt(sum_lost(&b, &c.p[1].info), 0);
	cr_assert_eq(sum_lost(&b, &c.p[0].info), sum_lost(&a, &c.p[0].info));
	cr_assert_eq(sum_lost(&b, &c.p[2].info), sum_lost(&a, &c.p[2].info));
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < (k ? b.n : a.n); i++) {
			const struct sg_hdr *h = k ? &b.ev[i].h : &a.ev[i].h;
			const struct sg_machine_info *m = &c.p[1].info;

			of_others[k] += timed(h) && (h->cpu < m->cpu_base || h->cpu >= m->cpu_base + m->ncpu);
		}
	cr_assert_gt(of_others[0], 100);
	cr_assert_eq(of_others[0], of_others[1]);
	rec_list_free(&a);
	rec_list_free(&b);
	free(whole.data);
	free(hurt.data);
	free_case(&c);
}

/* A part that becomes another between its two readings: the output is a full pipe until then. */
struct change {
	struct sg_join_part *part; /* its info is filled between the readings */
	const struct rec_file *to;
	int pipe[2];
};

static void *change_and_drain(void *arg)
{
	struct change *c = arg;
	char buf[4096];

	while (!__atomic_load_n(&c->part->info.ncpu, __ATOMIC_ACQUIRE))
		usleep(100);
	cr_assert_eq(ftruncate(c->part->fd, 0), 0);
	cr_assert_eq(pwrite(c->part->fd, c->to->data, c->to->len, 0), (ssize_t)c->to->len);
	while (read(c->pipe[0], buf, sizeof(buf)) > 0)
		;
	return NULL;
}

static int join_while(struct rec_file *from, const struct rec_file *to, struct sg_err *err)
{
	struct sg_join_part p = { .fd = memfd_create("part", 0), .name = "host" };
	struct sg_join_opts o = { .meta = "{}", .end = "{}", .level = 1 };
	struct change c = { .part = &p, .to = to };
	struct sg_writer_stats st;
	char fill[4096] = { 0 };
	pthread_t t;
	int rc;

	cr_assert_eq(write(p.fd, from->data, from->len), (ssize_t)from->len);
	cr_assert_eq(pipe2(c.pipe, O_NONBLOCK), 0);
	while (write(c.pipe[1], fill, sizeof(fill)) > 0)
		;
	for (int i = 0; i < 2; i++)
		fcntl(c.pipe[i], F_SETFL, 0);
	o.out_fd = c.pipe[1];
	cr_assert_eq(pthread_create(&t, NULL, change_and_drain, &c), 0);
	memset(err, 0, sizeof(*err));
	rc = sg_join(&p, 1, &o, &st, err);
	close(c.pipe[1]);
	pthread_join(t, NULL);
	close(c.pipe[0]);
	close(p.fd);
	return rc;
}

static void three(struct rec_file *f, const union gen_event *last)
{
	struct sg_slice a = rec_slice(1, 7, 1000, 0), b = rec_slice(0, 3, 2000, 0);

	memset(f, 0, sizeof(*f));
	rec_begin(f);
	rec_put(f, &a);
	rec_put(f, &b);
	if (last)
		rec_put(f, last);
	rec_end(f);
}

Test(join, a_part_that_changes, .timeout = 60)
{
	const struct sg_slice ok = rec_slice(1, 5, 3000, 0);
	union gen_event e[] = {
		{ .slice = rec_slice(40000, 1, 3000, 0) },
		{ .slice = rec_slice(1, 8, 3000, 0) },
		{ .slice = rec_slice(1, 1, 3000, 0) },
		{ .slice = rec_slice(1, 1, 3000, 0) },
		{ .thread = { .h = { .kind = SG_REC_THREAD, .uid = 2, .ts = 3000 }, .creator = 9 } },
		{ .frame = { .h = { .kind = SG_REC_FRAME, .ts = 3000 }, .id = 1 } },
		{ .stackdef = { .h = { .kind = SG_REC_STACKDEF, .ts = 3000 }, .id = 1 } },
	};
	struct rec_file small, big;
	struct sg_err err;

	e[2].slice.waker = 8;
	e[3].slice.who = 8;
	three(&small, (const void *)&ok);
	cr_assert_eq(join_while(&small, &small, &err), 0, "%s", err.msg);
	for (size_t i = 0; i < sizeof(e) / sizeof(*e); i++) {
		three(&big, &e[i]);
		cr_expect_eq(join_while(&small, &big, &err), -ESTALE, "change %zu: %s", i, err.msg);
		cr_expect(strstr(err.msg, "the recording of host changed while it was merged"), "%s",
			  err.msg);
		free(big.data);
	}
	three(&big, NULL); /* nothing that is out of range, but fewer, or more */
	cr_expect_eq(join_while(&small, &big, &err), -ESTALE);
	cr_expect_eq(join_while(&big, &small, &err), -ESTALE);
	free(big.data);
	free(small.data);
}

Test(join, durations_are_exact_and_zero_stays_none)
{
	struct sg_remap map = {
		.shift = (uint64_t)-5000000000ll, .number = 2, .uid_base = 70, .cpu_base = 4
	};
	struct sg_slice s = rec_slice(1, 3, 9000000000ull, 0), t = s;
	struct sg_thread th = { .h = { .ts = 6000000000ull, .kind = SG_REC_THREAD }, .start = 17, .tid = 0 };

	s.prev_out = t.prev_out = 8000000000ull;
	sg_remap_event(&map, &t.h);
	cr_assert_eq(t.h.ts - t.in, s.h.ts - s.in);
	cr_assert_eq(t.in - t.prev_out, s.in - s.prev_out);
	cr_assert_eq(t.wake, 0);
	cr_assert_eq(t.waker, 0);
	cr_assert_eq(t.h.uid, 73);
	cr_assert_eq(t.h.cpu, 5);
	sg_remap_event(&map, &th.h);
	cr_assert_eq(th.start, 1, "before the shifted clock began");
	cr_assert_eq(th.birth, 0);
	cr_assert_eq(th.tid, 2u << 24, "the idle thread's");
}

/* Every field that holds an instant or a number of another thing says so: what is new must choose. */
Test(join, every_time_and_id_has_a_space)
{
	static const char *const ids[] = { "birth",  "start",  "cgroup", "tid",	  "tgid",   "by",
					   "in",     "out",    "w",	 "waker", "raiser", "who",
					   "queued", "queuer", "begin",	 "since", "sandbox" };

	for (unsigned i = 0; i < sizeof(gen_kinds); i++) {
		size_t n;
		const struct sg_field *f = sg_fields(gen_kinds[i], &n);

		if (gen_kinds[i] == SG_REC_MACHINE || gen_kinds[i] == SG_REC_CLOCKMAP)
			continue;
		for (size_t k = 0; k < n; k++) {
			cr_assert(!f[k].near || f[k].space == SG_SPACE_TIME, "%s of kind %u", f[k].key,
				  gen_kinds[i]);
			cr_assert(f[k].fmt != SG_FF_DEV || f[k].space == SG_SPACE_DEV, "%s of kind %u",
				  f[k].key, gen_kinds[i]);
			for (size_t w = 0; w < sizeof(ids) / sizeof(ids[0]); w++)
				cr_assert(strcmp(f[k].key, ids[w]) || f[k].space, "%s of kind %u", f[k].key,
					  gen_kinds[i]);
		}
	}
}
