/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Speed and memory of the model, on one core, over made-up streams:
 *   append   no task open: what a recording costs that nobody asks about
 *   requests N clients ask one server that waits for a disk; each request is a
 *            task, N of them overlap: where walks could turn quadratic
 *   long     one command over everything, with and without a memory cap
 * Prints one line each; memory for 1, 4 and 16 times the length.
 *
 *   bench_model [slices, default 1000000]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "model/model.h"

struct rec {
	struct sg_slice s;
	struct sg_pair p[4];
};

struct bench {
	struct sg_model *m;
	uint64_t tasks, segs, ns;
};

static int on_task(void *ctx, const struct sg_task *t)
{
	struct bench *b = ctx;

	b->tasks++;
	b->segs += t->nseg;
	b->ns += t->end - t->begin;
	return 0;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void thread(struct bench *b, uint32_t uid, uint32_t flags)
{
	struct sg_thread t = { .h = { .ts = 1, .uid = uid, .kind = SG_REC_THREAD },
			       .tid = uid,
			       .tgid = uid,
			       .flags = flags,
			       .comm = "bench" };

	sg_model_feed(b->m, &t.h, NULL);
}

static void mark(struct bench *b, uint32_t uid, uint64_t id, uint64_t ts, int type)
{
	struct sg_mark k = { .h = { .ts = ts, .uid = uid, .kind = SG_REC_MARK },
			     .id = id,
			     .type = type,
			     .src = type >= SG_MARK_EXEC ? SG_MSRC_PROC : SG_MSRC_USDT,
			     .name = "request" };

	sg_model_feed(b->m, &k.h, NULL);
}

static void slice(struct bench *b, uint32_t uid, uint64_t prev, uint64_t wake, uint64_t in, uint64_t out,
		  uint32_t waker)
{
	struct rec r = { .s = { .h = { .ts = out, .uid = uid, .cpu = uid & 1, .kind = SG_REC_SLICE },
				.in = in,
				.prev_out = prev,
				.wake = wake,
				.waker = waker,
				.stop = prev ? SG_STOP_SLEEP : SG_STOP_NONE,
				.wkind = SG_K_SYSCALL,
				.nr = waker ? 0 : 74,
				.fdtype = waker ? SG_FD_SOCK_UNIX : SG_FD_REG,
				.wctx = waker ? SG_WCTX_TASK : SG_WCTX_SOFT,
				.wsrc = waker ? 0 : SG_WSRC_BLOCK,
				.npair = 3,
				.flags = SG_SF_INSCOPE } };
	uint64_t len = out - in;

	r.p[0] = (struct sg_pair){ .key = SG_C_CPU_USER, .cnt = 1, .ns = len / 2 };
	r.p[1] = (struct sg_pair){ .key = SG_KEY_SYSCALL | 0, .cnt = 1, .ns = len / 4 };
	r.p[2] = (struct sg_pair){ .key = SG_KEY_SYSCALL | 1, .cnt = 1, .ns = len - len / 2 - len / 4 };
	sg_model_feed(b->m, &r.s.h, NULL);
}

/* Two threads hand each other a byte; nobody asks. */
static void pingpong(struct bench *b, uint64_t n)
{
	uint64_t t = 1000, out[2] = { 0 };

	for (uint64_t i = 0; i < n; i++) {
		uint32_t me = 1 + (i & 1);

		slice(b, me, out[me - 1], out[me - 1] ? t - 900 : 0, t, t + 2000, 3 - me);
		out[me - 1] = t + 2000;
		t += 3000;
	}
}

/*
 * @n clients ask one server; it serves in turn, three disk waits a request. A
 * client's task begins when it asks and ends when it has its answer, so @n
 * tasks overlap.
 */
static void requests(struct bench *b, uint64_t slices, unsigned n)
{
	uint64_t t = 1000, srv_out = 0, *asked = calloc(n, sizeof(*asked)), *out = calloc(n, sizeof(*out)),
		 done = 0, id = 0;
	uint32_t srv = 1000;

	for (unsigned c = 0; c < n; c++) {
		mark(b, c + 1, ++id, t, SG_MARK_BEGIN);
		slice(b, c + 1, 0, 0, t, t + 500, 0);
		out[c] = t + 500;
		asked[c] = id;
		t += 1000;
	}
	srv_out = t;
	while (done < slices)
		for (unsigned c = 0; c < n; c++) {
			for (unsigned k = 0; k < 3; k++) { /* disk */
				slice(b, srv, srv_out, t + 20000, t + 21000, t + 25000, 0);
				srv_out = t + 25000;
				t += 26000;
			}
			/* the client is woken in the server's last slice and asks again */
			slice(b, c + 1, out[c], t - 2000, t, t + 1000, srv);
			mark(b, c + 1, asked[c], t + 1000, SG_MARK_END);
			asked[c] = ++id;
			mark(b, c + 1, asked[c], t + 1000, SG_MARK_BEGIN);
			out[c] = t + 1000;
			t += 2000;
			done += 4;
		}
	free(asked);
	free(out);
}

static void run(const char *name, uint64_t slices, unsigned n, uint64_t cap)
{
	struct sg_model_opts opts = { .mem_cap = cap };
	struct sg_model_stats st;
	struct bench b = { 0 };
	struct rusage ru;
	double t0;

	if (sg_model_new(&b.m, &opts, on_task, &b))
		abort();
	for (uint32_t uid = 1; uid <= 64; uid++)
		thread(&b, uid, SG_TF_INSCOPE | (uid == 1 ? SG_TF_ROOT : 0));
	thread(&b, 1000, 0);
	t0 = seconds();
	if (!strcmp(name, "long"))
		mark(&b, 1, 0, 1000, SG_MARK_EXEC);
	if (strcmp(name, "requests"))
		pingpong(&b, slices);
	else
		requests(&b, slices, n);
	if (sg_model_finish(b.m, NULL))
		abort();
	t0 = seconds() - t0;
	sg_model_stats(b.m, &st);
	getrusage(RUSAGE_SELF, &ru);
	printf("%-9s N=%-3u %9lu slices %6.2f M/s %7.1f ns/slice  tasks %7lu segs %9lu steps/slice %6.2f "
	       "memo hits %8lu  peak %8.1f KiB  rss %ld MiB\n",
	       name, n, st.slices, st.slices / t0 / 1e6, t0 / st.slices * 1e9, b.tasks, b.segs,
	       (double)st.steps / st.slices, st.memo_hits, st.mem_peak_bytes / 1024.0, ru.ru_maxrss / 1024);
	sg_model_free(b.m);
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;

	for (unsigned x = 1; x <= 16; x *= 4)
		run("append", n / 4 * x, 0, 0);
	for (unsigned k = 1; k <= 64; k *= 8)
		run("requests", n, k, 0);
	for (unsigned x = 1; x <= 16; x *= 4)
		run("requests", n / 16 * x, 8, 0);
	run("long", n, 1, 0);
	run("long", n, 1, 32u << 20);
	return 0;
}
