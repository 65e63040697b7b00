/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Writer and reader together: what goes in comes out, merged, with its losses. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include "rec_file.h"

/* ---- order --------------------------------------------------------------- */

#define CPUS	4
#define PER_CPU 3000

static bool is_definition(unsigned kind)
{
	return kind == SG_REC_FRAME || kind == SG_REC_STACKDEF || kind == SG_REC_NAME;
}

static int rank(const struct sg_hdr *h)
{
	switch (h->kind) {
	case SG_REC_THREAD:
	case SG_REC_ROLE:
	case SG_REC_CGNAME:
	case SG_REC_CONTAINER:
	case SG_REC_VM:
	case SG_REC_MACHINE:
	case SG_REC_CLOCKMAP:
		return 0;
	case SG_REC_SWAPOUT:
	case SG_REC_BALLOON:
	case SG_REC_LOST:
	case SG_REC_CLOCK:
	case SG_REC_WINDOW:
		return 2;
	default:
		return 1;
	}
}

struct item {
	union gen_event ev;
	size_t at; /* order of arrival */
};

/* The order of docs/recording.md, told a second way. */
static int by_order(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	const struct sg_hdr *h = &x->ev.h, *g = &y->ev.h;

	if (h->ts != g->ts)
		return h->ts < g->ts ? -1 : 1;
	if (!rank(h) != !rank(g))
		return rank(h) ? 1 : -1;
	if (h->cpu != g->cpu)
		return h->cpu < g->cpu ? -1 : 1;
	if (rank(h) != rank(g))
		return rank(h) - rank(g);
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Records of every kind on each CPU; up to @back ns out of order. */
static struct item *make_items(uint64_t *seed, size_t *n, unsigned back)
{
	struct item *it = calloc(CPUS * PER_CPU, sizeof(*it));

	cr_assert(it);
	*n = 0;
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		uint64_t ts = 1000000;

		for (unsigned i = 0; i < PER_CPU; i++) {
			union gen_event *e = &it[*n].ev;
			unsigned kind = gen_u64(seed) % 4 ? SG_REC_SLICE
							  : gen_kinds[gen_u64(seed) % sizeof(gen_kinds)];

			if (is_definition(kind)) /* they have no time: tested below */
				kind = SG_REC_THREAD;
			gen_event(seed, kind, e);
			ts += gen_u64(seed) % 5;
			e->h.ts = ts - (back ? gen_u64(seed) % back : 0);
			e->h.cpu = (uint16_t)cpu;
			e->h.lost = 0;
			it[*n].at = *n;
			++*n;
		}
	}
	return it;
}

static void write_items(struct rec_file *f, struct item *it, size_t n)
{
	rec_begin(f);
	for (size_t i = 0; i < n; i++) {
		it[i].at = i;
		rec_put(f, &it[i].ev);
	}
	rec_end(f);
}

static void check_order(const struct rec_file *f, struct item *it, size_t n)
{
	struct rec_list l;
	struct sg_err err;

	cr_assert_eq(rec_read(f->data, f->len, &l, &err), 0, "%s", err.msg);
	cr_assert_str_empty(l.damage);
	cr_assert_str_eq(l.meta, "{\"machine\":\"m\"}");
	cr_assert_str_eq(l.end, "{\"lost\":0}");
	cr_assert_eq(l.n, n);
	qsort(it, n, sizeof(*it), by_order);
	for (size_t i = 0; i < n; i++)
		cr_assert_arr_eq(&l.ev[i], &it[i].ev, sg_event_size(&it[i].ev.h, sizeof(it[i].ev)),
				 "event %zu", i);
	rec_list_free(&l);
}

Test(rec, merged_is_sorted)
{
	uint64_t seed = 1;

	for (unsigned back = 0; back <= 5000; back = back ? back * 70 : 1) {
		struct rec_file f = { 0 };
		size_t n;
		struct item *it = make_items(&seed, &n, back);

		write_items(&f, it, n);
		check_order(&f, it, n);
		free(f.data);
		free(it);
	}
}

/* The same events, handed over in other orders of the CPUs: the same stream. */
Test(rec, any_interleaving)
{
	uint64_t seed = 2;
	size_t n, order[CPUS];
	struct item *it = make_items(&seed, &n, 0), *mixed = calloc(n, sizeof(*mixed));

	for (int round = 0; round < 4; round++) {
		struct rec_file f = { 0 };
		size_t k = 0;

		memset(order, 0, sizeof(order));
		while (k < n) {
			unsigned cpu = gen_u64(&seed) % CPUS;
			size_t batch = 1 + gen_u64(&seed) % (round ? 900 : 1);

			for (; batch && order[cpu] < PER_CPU; batch--)
				mixed[k++] = it[cpu * PER_CPU + order[cpu]++];
		}
		write_items(&f, mixed, n);
		check_order(&f, mixed, n);
		free(f.data);
	}
	free(it);
	free(mixed);
}

/*
 * Definitions come before all that was written after them, whatever ring is read
 * first and however far back a record is stamped (a stack has the time of a
 * waking), and never disturb the order of times.
 */
Test(rec, definitions_first)
{
	static bool known[1000], seen[1000];
	uint64_t seed = 6;

	for (int round = 0; round < 20; round++) {
		struct rec_file f = { 0 };
		struct rec_list l;
		struct sg_err err;
		size_t refs = 0, defs = 0;
		uint32_t id = 0, frames = 0;

		rec_begin(&f);
		for (unsigned i = 0; i < 2000; i++) {
			unsigned cpu = i / 100 % 4;
			uint64_t ts = 1000 + i / 400 * 1000 + i % 100 * 10 + cpu;
			struct sg_slice s = rec_slice(cpu, 1, ts, 0);
			struct sg_frame frame = {
				.h = { .ts = ts, .kind = SG_REC_FRAME, .cpu = (uint16_t)cpu }
			};
			struct {
				struct sg_stackdef d;
				uint32_t room;
			} def = { .d = { .h = { .ts = ts, .kind = SG_REC_STACKDEF, .cpu = (uint16_t)cpu } } };
			struct sg_stackref ref = { .h = { .ts = ts - gen_u64(&seed) % 900,
							  .kind = SG_REC_STACKREF,
							  .cpu = (uint16_t)cpu } };

			rec_put(&f, &s);
			if (!id || gen_u64(&seed) % 8 == 0) {
				/* its frame was put by another CPU's stack, perhaps long before */
				def.d.id = ++id;
				def.d.n = 1;
				if (id % 3)
					frames++;
				frame.id = frames;
				if (id % 3)
					rec_put(&f, &frame);
				def.d.frame[0] = 1 + gen_u64(&seed) % frames;
				rec_put(&f, &def);
			}
			ref.id = 1 + gen_u64(&seed) % id;
			rec_put(&f, &ref);
			if (gen_u64(&seed) % 300 == 0)
				rec_flush(&f);
		}
		rec_end(&f);
		memset(known, 0, sizeof(known));
		memset(seen, 0, sizeof(seen));
		cr_assert_eq(rec_read(f.data, f.len, &l, &err), 0, "%s", err.msg);
		cr_assert_str_empty(l.damage);
		for (size_t i = 0; i < l.n; i++) {
			const struct sg_stackref *ref = (const void *)&l.ev[i];

			if (l.ev[i].h.kind == SG_REC_STACKDEF) {
				known[l.ev[i].stackdef.id] = true;
				cr_assert(seen[l.ev[i].stackdef.frame[0]], "a stack before its frame");
				defs++;
			} else if (l.ev[i].h.kind == SG_REC_FRAME) {
				seen[l.ev[i].frame.id] = true;
			} else if (l.ev[i].h.kind == SG_REC_STACKREF) {
				cr_assert(known[ref->id], "stack %u before its definition", ref->id);
				refs++;
			}
		}
		cr_assert_eq(refs, 2000);
		cr_assert_eq(defs, id);
		rec_list_free(&l);
		free(f.data);
	}
}

/* Blocks without any time of their own. */
Test(rec, only_definitions)
{
	struct rec_file f = { 0 };
	struct sg_name name = { .h = { .ts = 500, .kind = SG_REC_NAME }, .id = 1 };
	struct sg_slice s = rec_slice(0, 1, 100, 0);
	struct rec_list l;
	struct sg_err err;

	rec_begin(&f);
	rec_put(&f, &name);
	rec_flush(&f);
	rec_put(&f, &s);
	rec_flush(&f);
	rec_put(&f, &name);
	rec_end(&f);
	cr_assert_eq(rec_read(f.data, f.len, &l, &err), 0);
	cr_assert_str_empty(l.damage);
	cr_assert_eq(l.n, 3);
	rec_list_free(&l);
	free(f.data);
}

Test(rec, empty_recording)
{
	struct rec_file f = { 0 };
	struct rec_list l;
	struct sg_err err;

	rec_begin(&f);
	rec_end(&f);
	cr_assert_eq(rec_read(f.data, f.len, &l, &err), 0);
	cr_assert_eq(l.n, 0);
	cr_assert_str_empty(l.damage);
	cr_assert_str_eq(l.end, "{\"lost\":0}");
	free(f.data);
}

/* ---- loss ---------------------------------------------------------------- */

Test(rec, drops_have_a_place)
{
	struct rec_file f = { 0 };
	struct sg_slice s[] = {
		rec_slice(0, 1, 10, 2), rec_slice(0, 1, 20, 2), rec_slice(0, 1, 30, 5),
		rec_slice(1, 2, 15, 0), rec_slice(1, 2, 35, 1),
	};
	static const struct sg_lost want[] = {
		{ .h = { .ts = 10, .cpu = 0 }, .since = 0, .n = 2 },
		{ .h = { .ts = 30, .cpu = 0 }, .since = 20, .n = 3 },
		{ .h = { .ts = 35, .cpu = 1 }, .since = 15, .n = 1 },
	};
	struct rec_list l;
	struct sg_err err;
	size_t k = 0;

	rec_begin(&f);
	for (size_t i = 0; i < 5; i++)
		rec_put(&f, &s[i]);
	rec_end(&f);
	cr_assert_eq(rec_read(f.data, f.len, &l, &err), 0);
	cr_assert_eq(l.n, 8);
	for (size_t i = 0; i < l.n; i++) {
		const struct sg_lost *lost = (const void *)&l.ev[i];

		if (l.ev[i].h.kind != SG_REC_LOST)
			continue;
		cr_assert_lt(k, 3);
		cr_assert_eq(lost->h.ts, want[k].h.ts);
		cr_assert_eq(lost->h.cpu, want[k].h.cpu);
		cr_assert_eq(lost->since, want[k].since);
		cr_assert_eq(lost->n, want[k].n);
		cr_assert_eq(l.ev[i + 1].h.ts, lost->h.ts, "right before the record after the hole");
		k++;
	}
	cr_assert_eq(k, 3);
	rec_list_free(&l);
	free(f.data);
}

/* ---- writing fails ------------------------------------------------------- */

Test(rec, full_disk)
{
	struct sg_slice s = rec_slice(0, 1, 10, 0);
	struct sg_writer *w = NULL;
	struct sg_err err = { 0 }, again = { 0 };
	int fd = open("/dev/full", O_WRONLY);

	cr_assert_geq(fd, 0);
	cr_assert_eq(sg_writer_open(&w, fd, "{}", 1, &err), -ENOSPC);
	cr_assert_str_eq(err.msg, "the recording could not be written: No space left on device");

	/* it fills up later: what was written stays, every later call fails alike */
	struct rec_file f = { 0 };

	rec_begin(&f);
	rec_put(&f, &s);
	rec_flush(&f);
	rec_snapshot(&f);
	rec_put(&f, &s);
	cr_assert_eq(dup2(fd, f.fd), f.fd);
	cr_assert_eq(sg_writer_flush(f.w, &err), -ENOSPC);
	cr_assert_eq(sg_writer_put(f.w, &s.h, &again), -ENOSPC);
	cr_assert_str_eq(again.msg, err.msg);
	cr_assert_eq(sg_writer_close(f.w, "{}", &again), -ENOSPC);

	struct rec_list l;

	cr_assert_eq(rec_read(f.data, f.len, &l, &err), 0);
	cr_assert_eq(l.n, 1);
	cr_assert_str_eq(
		l.damage,
		"the recording has no end: its recorder still runs, or was stopped before it could write it");
	rec_list_free(&l);
	free(f.data);
	close(fd);
}

Test(rec, refuses_what_is_no_record)
{
	struct rec_file f = { 0 };
	struct sg_slice s = rec_slice(0, 1, 10, 0);
	struct sg_err err = { 0 };

	rec_begin(&f);
	s.npair = SG_PAIR_MAX + 1;
	cr_assert_eq(sg_writer_put(f.w, &s.h, &err), -EINVAL);
	s.npair = 0;
	s.h.kind = 200;
	cr_assert_eq(sg_writer_put(f.w, &s.h, &err), -EINVAL);
	s.h.kind = SG_REC_SLICE;
	rec_put(&f, &s);
	rec_end(&f);
	free(f.data);
	cr_assert_eq(sg_writer_open(&f.w, 0, "{}", 10, &err), -EINVAL);
	cr_assert_eq(sg_writer_close(NULL, NULL, NULL), 0);
}

/* ---- a pipe -------------------------------------------------------------- */

/* Events flow out of a pipe that is still open, as far as the recorder has promised. */
Test(rec, live_pipe)
{
	struct sg_slice s[] = { rec_slice(0, 1, 10, 0), rec_slice(0, 1, 30, 0), rec_slice(1, 2, 20, 0) };
	struct sg_err err = { 0 };
	struct sg_writer *w;
	struct sg_reader *r;
	const struct sg_hdr *h;
	int p[2];

	cr_assert_eq(pipe(p), 0);
	cr_assert_eq(sg_writer_open(&w, p[1], "{\"live\":1}", 1, &err), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(sg_writer_put(w, &s[i].h, &err), 0);
	sg_writer_watermark(w, 25);
	cr_assert_eq(sg_writer_flush(w, &err), 0);
	cr_assert_eq(sg_reader_open(&r, p[0], &err), 0, "%s", err.msg);
	cr_assert_str_eq(sg_reader_meta(r), "{\"live\":1}");
	cr_assert_null(sg_reader_end_meta(r));
	cr_assert_eq(sg_reader_next(r, &h, &err), 1);
	cr_assert_eq(h->ts, 10);
	cr_assert_eq(sg_reader_next(r, &h, &err), 1);
	cr_assert_eq(h->ts, 20);
	cr_assert_eq(sg_writer_close(w, "{\"done\":1}", &err), 0);
	close(p[1]);
	cr_assert_eq(sg_reader_next(r, &h, &err), 1);
	cr_assert_eq(h->ts, 30);
	cr_assert_eq(sg_reader_next(r, &h, &err), 0);
	cr_assert_eq(sg_reader_next(r, &h, &err), 0);
	cr_assert_str_eq(sg_reader_end_meta(r), "{\"done\":1}");
	cr_assert_null(sg_reader_damage(r));
	cr_assert_eq(sg_reader_seek(r, 0, &err), -ESPIPE);
	sg_reader_close(r);
	close(p[0]);
}

struct feed {
	int fd;
	const uint8_t *data;
	size_t len;
};

static void *feed(void *arg)
{
	struct feed *f = arg;
	size_t off = 0;

	while (off < f->len) {
		size_t n = 1 + off % 5000;
		ssize_t put = write(f->fd, f->data + off, n < f->len - off ? n : f->len - off);

		if (put <= 0)
			break;
		off += (size_t)put;
	}
	close(f->fd);
	return NULL;
}

/* The same bytes through a pipe, in small pieces, damaged or not: the same events as from memory. */
Test(rec, pipe_is_file)
{
	uint64_t seed = 4;
	size_t n;
	struct item *it = make_items(&seed, &n, 300);
	struct rec_file f = { 0 };

	write_items(&f, it, n);
	for (int round = 0; round < 4; round++) {
		struct rec_list mem, pip = { 0 };
		struct sg_err err;
		struct sg_reader *r;
		struct feed fd = { .data = f.data, .len = f.len };
		pthread_t t;
		int p[2];

		if (round == 1)
			f.data[f.len / 2] ^= 0x10;
		if (round == 2)
			fd.len = f.len / 4 * 3;
		cr_assert_eq(rec_read(fd.data, fd.len, &mem, &err), 0);
		cr_assert_eq(pipe(p), 0);
		fd.fd = p[1];
		cr_assert_eq(pthread_create(&t, NULL, feed, &fd), 0);
		cr_assert_eq(sg_reader_open(&r, p[0], &err), 0, "%s", err.msg);
		cr_assert_eq(rec_drain(r, &pip, &err), 0, "%s", err.msg);
		pthread_join(t, NULL);
		cr_assert_str_eq(pip.damage, mem.damage);
		cr_assert_eq(!!pip.damage[0], round > 0);
		cr_assert_eq(pip.n, mem.n, "round %d: %zu, %zu", round, pip.n, mem.n);
		for (size_t i = 0; i < mem.n; i++)
			cr_assert_arr_eq(&pip.ev[i], &mem.ev[i], sizeof(mem.ev[i]));
		sg_reader_close(r);
		close(p[0]);
		rec_list_free(&mem);
		rec_list_free(&pip);
	}
	free(f.data);
	free(it);
}

/* ---- seeking ------------------------------------------------------------- */

Test(rec, seek)
{
	struct rec_file f = { 0 };
	struct sg_thread t = { .h = { .ts = 1, .uid = 7, .kind = SG_REC_THREAD }, .comm = "app" };
	struct sg_name name = { .h = { .ts = 5, .kind = SG_REC_NAME }, .id = 3 };
	struct sg_reader *r;
	struct sg_err err = { 0 };
	struct rec_list l = { 0 };

	rec_begin(&f);
	rec_put(&f, &t);
	for (uint64_t ts = 10; ts <= 1000; ts += 10) {
		struct sg_slice s = rec_slice(ts / 10 % 2, 7, ts, ts / 100);

		rec_put(&f, &s);
		if (ts == 300)
			rec_put(&f, &name);
		if (ts % 100 == 0)
			rec_flush(&f);
	}
	rec_end(&f);
	cr_assert_eq(sg_reader_open_mem(&r, f.data, f.len, &err), 0);
	for (int round = 0; round < 2; round++) {
		cr_assert_eq(sg_reader_seek(r, 750, &err), 0);
		cr_assert_eq(rec_drain(r, &l, &err), 0);
		cr_assert_eq(l.ev[0].h.kind, SG_REC_THREAD, "the dictionary is replayed");
		cr_assert_eq(l.ev[1].h.kind, SG_REC_NAME);
		cr_assert_eq(l.ev[2].h.kind, SG_REC_SLICE);
		cr_assert_eq(l.ev[2].h.ts, 710, "the first block that can hold 750");
		cr_assert_eq(l.ev[l.n - 1].h.ts, 1000);
		/* 30 slices; the drops before the place sought are no hole, the five steps after it are */
		cr_assert_eq(l.n, 2 + 30 + 5);
		rec_list_free(&l);
	}
	cr_assert_eq(sg_reader_seek(r, 5000, &err), 0);
	cr_assert_eq(rec_drain(r, &l, &err), 0);
	cr_assert_eq(l.n, 2);
	rec_list_free(&l);
	cr_assert_eq(sg_reader_seek(r, 0, &err), 0);
	cr_assert_eq(rec_drain(r, &l, &err), 0);
	cr_assert_gt(l.n, 102);
	rec_list_free(&l);
	sg_reader_close(r);
	free(f.data);
}
