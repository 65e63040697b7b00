/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What recording and reading cost: bytes and ns per slice for two scheduler
 * streams, a pinned pipe ping-pong and a messaging load with hundreds of
 * threads. Usage: bench_rec [slices [level]]
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "trace/codec.h"
#include "trace/rec.h"

#define CPUS	2
#define THREADS 512
#define BATCH	4096 /* slices drained from one ring before the next one's turn */

struct rec {
	struct sg_slice s;
	struct sg_pair room[4];
};

struct sim {
	uint64_t rnd, now[CPUS];
	uint64_t out[THREADS + 1], wake[THREADS + 1];
	uint32_t seq[THREADS + 1], waker[THREADS + 1], last[CPUS];
	uint8_t stop[THREADS + 1], nr[THREADS + 1];
	unsigned threads;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t rnd(struct sim *m)
{
	m->rnd ^= m->rnd << 13;
	m->rnd ^= m->rnd >> 7;
	m->rnd ^= m->rnd << 17;
	return m->rnd;
}

/* A duration around @mid with a long tail, as the scheduler's are. */
static uint64_t about(struct sim *m, uint64_t mid)
{
	uint64_t v = mid / 2 + rnd(m) % mid;

	return rnd(m) % 16 ? v : v * (1 + rnd(m) % 8);
}

static void slice(struct sim *m, unsigned cpu, uint32_t uid, bool messaging, struct rec *r)
{
	struct sg_slice *s = &r->s;
	uint64_t user = about(m, 500), call = about(m, 1200), other = about(m, 900),
		 irq = rnd(m) % 50 ? 0 : about(m, 2000);
	unsigned calls = messaging ? 1 + rnd(m) % 3 : 1, n = 0;

	memset(s, 0, sizeof(*s));
	s->h.kind = SG_REC_SLICE;
	s->h.cpu = (uint16_t)cpu;
	s->h.uid = uid;
	s->in = m->now[cpu] + about(m, 300);
	s->prev_out = m->out[uid];
	s->stop = m->stop[uid];
	s->wkind = SG_K_SYSCALL;
	s->nr = m->nr[uid];
	s->fdtype = messaging ? SG_FD_SOCK_UNIX : SG_FD_FIFO;
	if (s->stop == SG_STOP_SLEEP) {
		s->wake = m->wake[uid];
		s->wctx = SG_WCTX_TASK;
		s->waker = m->waker[uid];
	}
	s->flags = SG_SF_INSCOPE;
	m->seq[uid] += 1 + calls;
	s->sysseq = m->seq[uid];
	s->who = m->last[cpu];
	s->out_stop = messaging && !(rnd(m) % 4) ? SG_STOP_RUNNABLE : SG_STOP_SLEEP;
	s->out_kind = s->out_stop == SG_STOP_RUNNABLE ? SG_K_USER : SG_K_SYSCALL;
	s->pair[n++] = (struct sg_pair){ .key = SG_C_CPU_USER, .cnt = 1, .ns = user };
	if (irq)
		s->pair[n++] = (struct sg_pair){ .key = SG_C_CPU_IRQ, .cnt = 1, .ns = irq };
	s->pair[n++] = (struct sg_pair){ .key = SG_KEY_SYSCALL | 0, .cnt = 1, .ns = call };
	s->pair[n++] = (struct sg_pair){ .key = SG_KEY_SYSCALL | 1, .cnt = calls, .ns = other };
	s->npair = (uint8_t)n;
	s->h.ts = s->in + user + call + other + irq;
	m->now[cpu] = m->out[uid] = s->h.ts;
	m->stop[uid] = s->out_stop;
	m->nr[uid] = rnd(m) % 8 ? 0 : 1;
	m->last[cpu] = uid;
}

/* Whom the slice wakes: its partner, near its end. */
static void wake(struct sim *m, uint32_t uid, uint32_t other, const struct sg_slice *s)
{
	m->wake[other] = s->h.ts - rnd(m) % (s->h.ts - s->in);
	m->waker[other] = uid;
}

/* @n slices in the order a recorder hands them over: CPU by CPU, in batches. */
static void make(struct rec *r, size_t n, bool messaging)
{
	struct sim m = { .rnd = 88172645463325252ull, .now = { 1000000000000ull, 1000000000100ull } };

	m.threads = messaging ? 400 : 4;
	for (uint32_t i = 1; i <= m.threads; i++)
		m.out[i] = m.wake[i] = m.now[0], m.stop[i] = SG_STOP_SLEEP, m.waker[i] = i;
	for (size_t i = 0; i < n; i++) {
		unsigned cpu = i / BATCH % CPUS;
		uint32_t uid, other;

		if (messaging) {
			/* mostly the sender's receivers in turn; sometimes another CPU's thread */
			uid = 1 +
			      (m.last[cpu] + (rnd(&m) % 4 ? 2 : (uint32_t)(rnd(&m) % m.threads))) % m.threads;
			other = 1 + (uint32_t)(rnd(&m) % m.threads);
		} else {
			uid = m.last[cpu] == 1 + 2 * cpu ? 2 + 2 * cpu : 1 + 2 * cpu;
			other = uid == 1 + 2 * cpu ? 2 + 2 * cpu : 1 + 2 * cpu;
		}
		slice(&m, cpu, uid, messaging, &r[i]);
		wake(&m, uid, other, &r[i].s);
	}
}

static double per(uint64_t ns, size_t n)
{
	return (double)ns / (double)n;
}

static int encode_only(const struct rec *r, size_t n, double *ret_ns, double *ret_bytes)
{
	static struct sg_codec c[CPUS];
	static uint8_t buf[(256 << 10) + SG_CODEC_ROOM];
	uint64_t t, bytes = 0;
	uint8_t *p = buf;

	for (unsigned i = 0; i < CPUS; i++)
		sg_codec_reset(&c[i], (uint16_t)i);
	t = now_ns();
	for (size_t i = 0; i < n; i++) {
		const struct sg_hdr *h = &r[i].s.h;

		p = sg_codec_put(&c[h->cpu], p, h, sg_event_size(h, sizeof(r[i])));
		if (p - buf > 256 << 10) {
			bytes += (uint64_t)(p - buf);
			p = buf;
			sg_codec_reset(&c[0], 0);
			sg_codec_reset(&c[1], 1);
		}
	}
	bytes += (uint64_t)(p - buf);
	*ret_ns = per(now_ns() - t, n);
	*ret_bytes = (double)bytes / (double)n;
	for (unsigned i = 0; i < CPUS; i++)
		sg_codec_free(&c[i]);
	return 0;
}

static int run(const char *name, size_t n, int level, bool messaging)
{
	struct rec *r = calloc(n, sizeof(*r));
	int fd = memfd_create("bench", 0), rc;
	struct sg_writer_stats st;
	const struct sg_hdr *ev;
	struct sg_writer *w;
	struct sg_reader *rd;
	struct sg_err err = { 0 };
	double enc_ns, enc_bytes;
	uint64_t t, put_ns, read_ns, got = 0, sum = 0;

	if (!r || fd < 0)
		return -ENOMEM;
	make(r, n, messaging);
	encode_only(r, n, &enc_ns, &enc_bytes);
	rc = sg_writer_open(&w, fd, "{}", level, &err);
	if (rc)
		goto out;
	t = now_ns();
	for (size_t i = 0; i < n && !rc; i++)
		rc = sg_writer_put(w, &r[i].s.h, &err);
	sg_writer_flush(w, &err);
	put_ns = now_ns() - t;
	sg_writer_stats(w, &st);
	rc = rc ?: sg_writer_close(w, NULL, &err);
	if (rc)
		goto out;
	lseek(fd, 0, SEEK_SET);
	rc = sg_reader_open(&rd, fd, &err);
	if (rc)
		goto out;
	t = now_ns();
	while ((rc = sg_reader_next(rd, &ev, &err)) > 0)
		got++, sum += ev->ts;
	read_ns = now_ns() - t;
	sg_reader_close(rd);
	printf("%-10s level %d: encode %5.1f ns %5.2f B, put+zlib %6.1f ns, on disk %5.2f B/slice, read "
	       "%5.1f ns = %.2f M slices/s (%zu slices, %llu blocks, check %llx)\n",
	       name, level, enc_ns, enc_bytes, per(put_ns, n), (double)st.bytes / (double)n,
	       per(read_ns, got), 1e3 / per(read_ns, got), n, (unsigned long long)st.blocks,
	       (unsigned long long)sum);
	if (got != n)
		rc = -EBADMSG;
out:
	if (rc)
		fprintf(stderr, "%s: %d %s\n", name, rc, err.msg);
	close(fd);
	free(r);
	return rc;
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000000;
	int from = argc > 2 ? atoi(argv[2]) : 1, to = argc > 2 ? from : 3, rc = 0;

	for (int level = from; level <= to && !rc; level++) {
		rc = run("pipe", n, level, false);
		rc = rc ?: run("messaging", n, level, true);
	}
	return rc ? 1 : 0;
}
