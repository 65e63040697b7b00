// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Oracles over literal records: each rule of what the kernel counts where. */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "model/oracle.h"

#define MS 1000000ull

union rec {
	struct sg_hdr h;
	struct sg_thread thread;
	struct sg_slice slice;
	struct sg_exit exit;
	struct sg_lost lost;
	char bytes[sizeof(struct sg_slice) + SG_PAIR_MAX * sizeof(struct sg_pair)];
};

static void born(struct sg_oracle *o, uint32_t uid, uint64_t birth, const char *comm)
{
	union rec r = { .thread = { .h = { .ts = birth, .uid = uid, .kind = SG_REC_THREAD },
				    .birth = birth } };

	r.thread.tid = 1000 + uid;
	r.thread.tgid = 1000;
	memcpy(r.thread.comm, comm, strnlen(comm, sizeof(r.thread.comm)));
	cr_assert_eq(sg_oracle_feed(o, &r.h), 0);
}

/* A slice [in, out) after a wait that began at prev with `stop`, woken at `wake`. */
static union rec slice(uint32_t uid, uint64_t prev, uint8_t stop, uint64_t wake, uint64_t in, uint64_t out)
{
	union rec r = { .slice = { .h = { .ts = out, .uid = uid, .kind = SG_REC_SLICE } } };

	r.slice.prev_out = prev;
	r.slice.stop = stop;
	r.slice.wake = wake;
	r.slice.in = in;
	return r;
}

static void pair(union rec *r, uint16_t key, uint64_t ns, uint32_t cnt)
{
	r->slice.pair[r->slice.npair++] = (struct sg_pair){ .key = key, .ns = ns, .cnt = cnt };
}

static void put(struct sg_oracle *o, const union rec *r)
{
	cr_assert_eq(sg_oracle_feed(o, &r->h), 0);
}

static void gone(struct sg_oracle *o, uint32_t uid, uint64_t ts, const struct sg_exit *figures)
{
	union rec r = { .exit = *figures };

	r.exit.h = (struct sg_hdr){ .ts = ts, .uid = uid, .kind = SG_REC_EXIT };
	cr_assert_eq(sg_oracle_feed(o, &r.h), 0);
}

static const struct sg_oracle_row *find(struct sg_oracle *o, uint32_t uid, unsigned q)
{
	const struct sg_oracle_row *row;
	size_t n = sg_oracle_rows(o, &row);

	for (size_t i = 0; i < n; i++)
		if (row[i].uid == uid && row[i].quantity == q)
			return &row[i];
	return NULL;
}

static struct sg_oracle *fresh(void)
{
	struct sg_oracle *o;
	struct sg_oracle_opts opts = { .tick_ns = 4 * MS };

	cr_assert_eq(sg_oracle_new(&o, &opts), 0);
	return o;
}

Test(oracle, run_and_runq_by_every_kind_of_stop)
{
	static const struct {
		uint8_t stop;
		uint64_t wake, runq;
	} t[] = {
		{ SG_STOP_SLEEP, 30 * MS, 10 * MS }, /* queued from the wake */
		{ SG_STOP_DISK, 30 * MS, 10 * MS },
		{ SG_STOP_SLEEP, 15 * MS, 20 * MS }, /* woken before it left */
		{ SG_STOP_RUNNABLE, 0, 20 * MS },
		{ SG_STOP_YIELD, 0, 20 * MS },
		{ SG_STOP_THROTTLED, 0, 20 * MS },
		{ SG_STOP_STOPPED, 39 * MS, 1 * MS },
		{ SG_STOP_TRACED, 40 * MS, 0 },
		{ SG_STOP_SLEEP, 0, 0 }, /* no wake seen */
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct sg_oracle *o = fresh();
		struct sg_exit e = { .run_ns = 15 * MS, .runq_ns = 1 * MS + t[i].runq };
		const struct sg_oracle_row *r;
		union rec s;

		born(o, 1, 9 * MS, "w");
		s = slice(1, 9 * MS, SG_STOP_NEW, 0, 10 * MS, 20 * MS);
		put(o, &s);
		s = slice(1, 20 * MS, t[i].stop, t[i].wake, 40 * MS, 45 * MS);
		put(o, &s);
		gone(o, 1, 45 * MS, &e);
		r = find(o, 1, SG_ORACLE_RUN);
		cr_assert_not_null(r, "case %zu", i);
		cr_expect_eq(r->ours, 15 * MS);
		cr_expect_eq(r->off, 0);
		r = find(o, 1, SG_ORACLE_RUNQ);
		cr_expect_eq(r->ours, 1 * MS + t[i].runq, "case %zu: %lu", i, (unsigned long)r->ours);
		cr_expect_eq(r->off, 0, "case %zu", i);
		sg_oracle_free(o);
	}
}

Test(oracle, a_wrong_sum_is_unexplained)
{
	struct sg_oracle *o = fresh();
	struct sg_exit e = { .run_ns = 12 * MS, .runq_ns = 6 * MS };
	union rec s;

	born(o, 1, 9 * MS, "w");
	s = slice(1, 9 * MS, SG_STOP_NEW, 0, 10 * MS, 20 * MS);
	put(o, &s);
	gone(o, 1, 20 * MS, &e);
	cr_expect_eq(find(o, 1, SG_ORACLE_RUN)->diff, -2 * (int64_t)MS);
	/* 10 ms +- (10 us of its own 0.1 % + 4 us of edges): 12 is beyond by the rest */
	cr_expect_gt(find(o, 1, SG_ORACLE_RUN)->off, 1900000);
	cr_expect_gt(find(o, 1, SG_ORACLE_RUNQ)->off, 4900000);
	sg_oracle_free(o);
}

Test(oracle, interrupts_may_be_left_out_of_run)
{
	for (int apart = 0; apart < 2; apart++) {
		struct sg_oracle *o = fresh();
		struct sg_exit e = { .run_ns = apart ? 7 * MS : 10 * MS };
		union rec s;

		born(o, 1, 10 * MS, "w");
		s = slice(1, 10 * MS, SG_STOP_NEW, 0, 10 * MS, 20 * MS);
		pair(&s, SG_C_CPU_USER, 7 * MS, 1);
		pair(&s, SG_C_CPU_IRQ, 3 * MS, 9);
		put(o, &s);
		gone(o, 1, 20 * MS, &e);
		cr_expect_eq(find(o, 1, SG_ORACLE_RUN)->off, 0, "apart=%d", apart);
		sg_oracle_free(o);
	}
}

Test(oracle, user_and_system_by_pairs)
{
	struct sg_oracle *o = fresh();
	struct sg_exit e = {
		.run_ns = 1000 * MS, .utime = 600 * MS, .stime = 400 * MS, .minflt = 7, .majflt = 5
	};
	union rec s;

	born(o, 1, 0, "w"); /* birth 0 is "before" by the record's rule */
	born(o, 1, 5 * MS, "w");
	s = slice(1, 5 * MS, SG_STOP_NEW, 0, 5 * MS, 1005 * MS);
	pair(&s, SG_C_CPU_USER, 600 * MS, 1);
	pair(&s, SG_KEY_SYSCALL | 1, 300 * MS, 3);
	pair(&s, SG_C_CPU_FAULT, 40 * MS, 7);
	pair(&s, SG_C_CPU_FAULT_MAJOR, 20 * MS, 2);
	pair(&s, SG_C_MEM_SWAPIN, 30 * MS, 3);
	pair(&s, SG_C_CPU_EXIT, 10 * MS, 1);
	put(o, &s);
	gone(o, 1, 1005 * MS, &e);
	cr_expect_eq(find(o, 1, SG_ORACLE_UTIME)->ours, 600 * MS);
	cr_expect_eq(find(o, 1, SG_ORACLE_STIME)->ours, 400 * MS);
	cr_expect_eq(find(o, 1, SG_ORACLE_MINFLT)->ours, 7);
	cr_expect_eq(find(o, 1, SG_ORACLE_MAJFLT)->ours, 5);
	for (unsigned q = 0; q <= SG_ORACLE_MAJFLT; q++)
		cr_expect_eq(find(o, 1, q)->off, 0, "%s", sg_oracle_name(q));
	/* 1 s is 250 ticks: sampling is off by at most 2 + 2 * sqrt(250) ticks */
	cr_expect_eq(find(o, 1, SG_ORACLE_UTIME)->lo, 600 * MS - (2 + 2 * 15) * 4 * MS);
	sg_oracle_free(o);
}

Test(oracle, without_the_system_call_probe_user_and_system_have_no_row)
{
	struct sg_oracle *o = fresh();
	struct sg_exit e = { .run_ns = 5 * MS };
	union rec s;

	born(o, 1, 5 * MS, "w");
	s = slice(1, 5 * MS, SG_STOP_NEW, 0, 5 * MS, 10 * MS);
	s.slice.flags = SG_SF_NOUSERTIME;
	put(o, &s);
	gone(o, 1, 10 * MS, &e);
	cr_expect_null(find(o, 1, SG_ORACLE_UTIME));
	cr_expect_null(find(o, 0, SG_ORACLE_STIME));
	cr_expect_not_null(find(o, 1, SG_ORACLE_RUN));
	sg_oracle_free(o);
}

Test(oracle, delays)
{
	struct sg_oracle *o = fresh();
	struct sg_exit e = {
		.run_ns = 30 * MS, .swapin_ns = 2 * MS, .blkio_ns = 38 * MS, .freepages_ns = 11 * MS
	};
	const struct sg_oracle_row *r;
	union rec s;

	born(o, 1, 10 * MS, "w");
	s = slice(1, 10 * MS, SG_STOP_NEW, 0, 10 * MS, 20 * MS);
	put(o, &s);
	/* two waits of one fault, which then turns out to be a swap-in */
	s = slice(1, 20 * MS, SG_STOP_DISK, 35 * MS, 36 * MS, 40 * MS);
	s.slice.wkind = SG_K_FAULT;
	s.slice.fltseq = 7;
	s.slice.flags = SG_SF_IOWAIT;
	put(o, &s);
	s = slice(1, 40 * MS, SG_STOP_DISK, 48 * MS, 50 * MS, 56 * MS);
	s.slice.wkind = SG_K_FAULT;
	s.slice.fltseq = 7;
	s.slice.flags = SG_SF_IOWAIT;
	s.slice.fltres = SG_FLT_SWAPIN;
	pair(&s, SG_C_MEM_SWAPIN, 1 * MS, 1);
	put(o, &s);
	/* a file's fault: block I/O, not swap */
	s = slice(1, 56 * MS, SG_STOP_DISK, 71 * MS, 71 * MS, 75 * MS);
	s.slice.wkind = SG_K_KFAULT;
	s.slice.fltseq = 8;
	s.slice.flags = SG_SF_IOWAIT;
	s.slice.fltres = SG_FLT_MAJOR;
	put(o, &s);
	/* blocked inside reclaim, 8 ms of wall time, and 3 ms on a CPU */
	s = slice(1, 75 * MS, SG_STOP_DISK, 80 * MS, 83 * MS, 89 * MS);
	s.slice.wkind = SG_K_RMEMCG;
	s.slice.flags = SG_SF_MEMSTALL;
	pair(&s, SG_C_MEM_RECLAIM_MEMCG, 3 * MS, 1);
	put(o, &s);
	gone(o, 1, 89 * MS, &e);

	r = find(o, 1, SG_ORACLE_SWAPIN);
	cr_expect_eq(r->ours, (15 + 8 + 1) * MS, "%lu", (unsigned long)r->ours);
	cr_expect_eq(r->off, 0, "the kernel's is a lower bound");
	cr_expect_eq(find(o, 1, SG_ORACLE_BLKIO)->ours, (15 + 8 + 15) * MS);
	cr_expect_eq(find(o, 1, SG_ORACLE_BLKIO)->off, 0);
	cr_expect_eq(find(o, 1, SG_ORACLE_FREEPAGES)->ours, 11 * MS);
	cr_expect_eq(find(o, 1, SG_ORACLE_FREEPAGES)->off, 0);
	cr_expect_eq(find(o, 1, SG_ORACLE_THRASH)->ours, 0, "reclaim's stall is not thrashing");
	sg_oracle_free(o);
}

Test(oracle, a_delay_longer_than_life_is_left_out)
{
	struct sg_oracle *o = fresh();
	struct sg_exit e = { .run_ns = 5 * MS, .blkio_ns = 4000000 * MS, .swapin_ns = 1 };
	struct sg_exit fine = { .run_ns = 5 * MS, .blkio_ns = 2 * MS, .swapin_ns = 1 };
	struct sg_oracle_stats st;
	union rec s;

	for (uint32_t u = 1; u <= 2; u++) {
		born(o, u, 5 * MS, "w");
		s = slice(u, 5 * MS, SG_STOP_NEW, 0, 5 * MS, 8 * MS);
		put(o, &s);
		s = slice(u, 8 * MS, SG_STOP_DISK, 10 * MS, 10 * MS, 12 * MS);
		s.slice.flags = SG_SF_IOWAIT;
		put(o, &s);
		gone(o, u, 12 * MS, u == 1 ? &e : &fine);
	}
	sg_oracle_stats(o, &st);
	cr_expect_eq(st.absurd, 1);
	cr_expect_null(find(o, 1, SG_ORACLE_BLKIO));
	cr_expect_not_null(find(o, 1, SG_ORACLE_SWAPIN));
	cr_expect_eq(find(o, 0, SG_ORACLE_BLKIO)->kernel, 2 * MS);
	cr_expect_eq(find(o, 0, SG_ORACLE_BLKIO)->ours, 2 * MS, "nor is ours in the total");
	cr_expect_eq(find(o, 0, SG_ORACLE_BLKIO)->off, 0);
	sg_oracle_free(o);
}

Test(oracle, delay_accounting_off)
{
	struct sg_oracle *o = fresh();
	struct sg_exit e = { .run_ns = 5 * MS };
	struct sg_oracle_stats st;
	union rec s;

	born(o, 1, 5 * MS, "w");
	s = slice(1, 5 * MS, SG_STOP_NEW, 0, 5 * MS, 10 * MS);
	put(o, &s);
	gone(o, 1, 10 * MS, &e);
	cr_expect_null(find(o, 1, SG_ORACLE_BLKIO));
	sg_oracle_stats(o, &st);
	cr_expect(st.delays_off);
	sg_oracle_free(o);
}

Test(oracle, who_is_not_compared)
{
	struct sg_oracle *o = fresh();
	struct sg_exit e = { .run_ns = 10 * MS };
	union rec s,
		l = { .lost = { .h = { .ts = 30 * MS, .kind = SG_REC_LOST }, .since = 25 * MS, .n = 3 } };
	const struct sg_oracle_row *row;
	struct sg_oracle_stats st;

	/* 1: no birth; 2: alive across a loss; 3: a hole in its chain; 4: first slice is not its birth's; 5: lives on */
	s = slice(1, 0, SG_STOP_UNSEEN, 0, 10 * MS, 20 * MS);
	put(o, &s);
	gone(o, 1, 20 * MS, &e);
	born(o, 2, 10 * MS, "b");
	s = slice(2, 10 * MS, SG_STOP_NEW, 0, 10 * MS, 20 * MS);
	put(o, &s);
	put(o, &l);
	gone(o, 2, 31 * MS, &e);
	born(o, 3, 40 * MS, "c");
	s = slice(3, 40 * MS, SG_STOP_NEW, 0, 40 * MS, 45 * MS);
	put(o, &s);
	s = slice(3, 46 * MS, SG_STOP_RUNNABLE, 0, 47 * MS, 50 * MS);
	put(o, &s);
	gone(o, 3, 50 * MS, &e);
	born(o, 4, 50 * MS, "d");
	s = slice(4, 51 * MS, SG_STOP_SLEEP, 52 * MS, 53 * MS, 55 * MS);
	put(o, &s);
	gone(o, 4, 55 * MS, &e);
	born(o, 5, 60 * MS, "e");
	sg_oracle_stats(o, &st);
	cr_expect_eq(st.compared, 0);
	cr_expect_eq(st.before, 1);
	cr_expect_eq(st.lost, 3);
	cr_expect_eq(st.unfinished, 1);
	cr_expect_eq(sg_oracle_rows(o, &row), 0);
	sg_oracle_free(o);
}

/* The command is forked before the recording and waits for the go-ahead: compared, with room for what it did till then. */
Test(oracle, the_command_itself)
{
	static const struct {
		uint8_t stop;
		uint64_t kernel_run;
		bool off;
	} t[] = { { SG_STOP_UNSEEN, 101 * MS, false },
		  { SG_STOP_SLEEP, 100 * MS, false },
		  { SG_STOP_UNSEEN, 108 * MS, true } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct sg_oracle *o = fresh();
		struct sg_exit e = { .run_ns = t[i].kernel_run, .runq_ns = 3 * MS };
		union rec r = { .thread = { .h = { .ts = 5 * MS, .uid = 1, .kind = SG_REC_THREAD },
					    .flags = SG_TF_BEFORE | SG_TF_ROOT } };
		struct sg_oracle_stats st;

		put(o, &r);
		r = slice(1, t[i].stop == SG_STOP_SLEEP ? 6 * MS : 0, t[i].stop, 7 * MS, 10 * MS, 110 * MS);
		r.slice.flags = SG_SF_FIRST;
		put(o, &r);
		gone(o, 1, 110 * MS, &e);
		cr_assert_not_null(find(o, 1, SG_ORACLE_RUN));
		cr_expect_eq(find(o, 1, SG_ORACLE_RUN)->ours, 100 * MS);
		cr_expect_eq(find(o, 1, SG_ORACLE_RUN)->off > 0, t[i].off, "%lu",
			     (unsigned long)t[i].kernel_run);
		cr_expect_eq(find(o, 1, SG_ORACLE_RUNQ)->ours, 3 * MS);
		sg_oracle_stats(o, &st);
		cr_expect_eq(st.late, 1);
		sg_oracle_free(o);
	}
}

Test(oracle, cut_slices_are_one_stay)
{
	struct sg_oracle *o = fresh();
	struct sg_exit e = { .run_ns = 30 * MS };
	union rec s;

	born(o, 1, 10 * MS, "w");
	s = slice(1, 10 * MS, SG_STOP_NEW, 0, 10 * MS, 20 * MS);
	put(o, &s);
	s = slice(1, 0, SG_STOP_NONE, 0, 20 * MS, 40 * MS);
	put(o, &s);
	gone(o, 1, 40 * MS, &e);
	cr_assert_not_null(find(o, 1, SG_ORACLE_RUN));
	cr_expect_eq(find(o, 1, SG_ORACLE_RUN)->ours, 30 * MS);
	cr_expect_eq(find(o, 1, SG_ORACLE_RUNQ)->ours, 0);
	sg_oracle_free(o);
}

/* Totals hold every thread, rows only the busiest; many live threads at once do not mix. */
Test(oracle, many_threads)
{
	struct sg_oracle_opts opts = { .tick_ns = 4 * MS, .threads_max = 8 };
	const struct sg_oracle_row *row;
	uint64_t sum = 0, prev = UINT64_MAX;
	struct sg_oracle *o;
	size_t n, own = 0;

	cr_assert_eq(sg_oracle_new(&o, &opts), 0);
	for (uint32_t u = 1; u <= 3000; u++)
		born(o, u, u, "t");
	for (uint32_t u = 1; u <= 3000; u++) {
		uint64_t run = (u * 7919ull % 3001) * 1000;
		struct sg_exit e = { .run_ns = run };
		union rec s = slice(u, u, SG_STOP_NEW, 0, u, u + run);

		put(o, &s);
		gone(o, u, u + run, &e);
		sum += run;
		if (u == 1500) /* asking in between changes nothing */
			sg_oracle_rows(o, &row);
	}
	n = sg_oracle_rows(o, &row);
	for (size_t i = 0; i < n; i++) {
		if (row[i].quantity != SG_ORACLE_RUN)
			continue;
		if (!row[i].uid) {
			cr_expect_eq(row[i].ours, sum);
			cr_expect_eq(row[i].kernel, sum);
			continue;
		}
		own++;
		cr_expect_leq(row[i].kernel, prev);
		cr_expect_geq(row[i].kernel, 2993 * 1000);
		prev = row[i].kernel;
	}
	cr_expect_eq(own, 8);
	sg_oracle_free(o);
}

Test(oracle, text_and_json)
{
	struct sg_oracle *o = fresh();
	struct sg_exit e = { .run_ns = 12 * MS, .runq_ns = 0 };
	struct json_object *j, *rows, *v;
	char *buf = NULL;
	size_t len = 0;
	union rec s;
	FILE *f;

	born(o, 1, 10 * MS, "e\x1b[31m;\"\xff\n");
	s = slice(1, 10 * MS, SG_STOP_NEW, 0, 10 * MS, 20 * MS);
	put(o, &s);
	gone(o, 1, 20 * MS, &e);
	f = open_memstream(&buf, &len);
	cr_assert_eq(sg_oracle_text(o, f), 0);
	fclose(f);
	cr_expect(strstr(buf, "all threads"));
	cr_expect(strstr(buf, "UNEXPLAINED"));
	cr_expect(strstr(buf, "kernel.task_delayacct"));
	cr_expect_null(strchr(buf, 0x1b), "a thread's name reached the terminal");
	free(buf);
	buf = NULL;
	f = open_memstream(&buf, &len);
	cr_assert_eq(sg_oracle_json(o, f), 0);
	fclose(f);
	j = json_tokener_parse(buf);
	cr_assert_not_null(j, "%s", buf);
	cr_assert(json_object_object_get_ex(j, "rows", &rows));
	cr_expect_eq(json_object_array_length(rows), 12);
	cr_assert(json_object_object_get_ex(json_object_array_get_idx(rows, 0), "ours", &v));
	cr_expect_eq(json_object_get_int64(v), 10 * (int64_t)MS);
	json_object_put(j);
	free(buf);
	sg_oracle_free(o);
}

Test(oracle, hostile_records_do_no_harm)
{
	struct sg_oracle *o = fresh();
	const struct sg_oracle_row *row;
	struct sg_exit e;
	uint64_t x = 88172645463325252ull;

	memset(&e, 0xff, sizeof(e));
	for (int i = 0; i < 200000; i++) {
		union rec r;

		for (size_t k = 0; k < sizeof(r.bytes); k += 8) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			memcpy(r.bytes + k, &x, 8);
		}
		r.h.kind = (uint8_t[]){ SG_REC_THREAD, SG_REC_SLICE, SG_REC_EXIT, SG_REC_LOST }[x % 4];
		if (r.h.kind == SG_REC_LOST && x % 64)
			continue;
		r.h.uid = (uint32_t)(x >> 8) % 64;
		if (r.h.kind == SG_REC_SLICE)
			r.slice.npair %= SG_PAIR_MAX + 1;
		cr_assert_eq(sg_oracle_feed(o, &r.h), 0);
	}
	born(o, 99, 1, "x");
	gone(o, 99, 2, &e);
	for (size_t i = 0, n = sg_oracle_rows(o, &row); i < n; i++)
		cr_expect_lt(row[i].quantity, SG_ORACLE_MAX);
	sg_oracle_free(o);
}
