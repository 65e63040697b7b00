/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What agent.sh has done in C:
 *   agent emit SLICES RATE       a recording of so many slices to standard output (0: as fast as it goes), the same bytes each time
 *   agent serve TOKEN SPOOL SLICES RATE   an agent whose recorder is `emit`: what arrives can be compared
 *   agent take ADDR TOKEN FILE SECONDS    a host that takes the guest's recording and records nothing itself
 *   agent check FILE             facts of a merged recording whose machines are all this one: the clocks' true offset is 0
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/parse.h"
#include "env/agent.h"
#include "env/agentlink.h"
#include "kern/stamp.h"
#include "trace/join.h"

static volatile sig_atomic_t stopped;

static void on_int(int sig)
{
	(void)sig;
	stopped = 1;
}

static void pace(uint64_t begin, uint64_t done, uint64_t rate)
{
	struct timespec t;
	uint64_t due = begin + (uint64_t)((double)done / (double)rate * 1e9);

	t.tv_sec = (time_t)(due / 1000000000);
	t.tv_nsec = (long)(due % 1000000000);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Two threads that take turns on each of two CPUs, with varied times: what a pipe benchmark looks like. */
static int emit(uint64_t slices, uint64_t rate)
{
	struct {
		struct sg_slice s;
		struct sg_pair p[2];
	} e = { .s = { .h = { .kind = SG_REC_SLICE }, .stop = SG_STOP_SLEEP, .npair = 2 } };
	uint64_t ts = 1000000, begin = sg_mono_ns(), x = 88172645463325252ull;
	struct sg_err err = { 0 };
	struct sg_writer *w;
	int rc = sg_writer_open(&w, STDOUT_FILENO, "{\"machine\":{\"kernel\":\"emitted\"}}", 1, &err);

	signal(SIGINT, on_int);
	signal(SIGPIPE, SIG_IGN);
	for (uint64_t i = 0; !rc && i < slices && !stopped; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		e.s.in = ts;
		ts += 1500 + x % 2000;
		e.s.h.ts = ts;
		e.s.h.cpu = i & 1;
		e.s.h.uid = 1 + (uint32_t)(i & 3);
		e.s.waker = 1 + (uint32_t)((i + 2) & 3);
		e.s.wctx = SG_WCTX_TASK;
		e.s.wake = e.s.in - 700;
		e.s.prev_out = e.s.in - 900;
		e.s.sysseq = (uint32_t)i;
		e.p[0] = (struct sg_pair){ .key = SG_C_CPU_USER, .cnt = 1, .ns = (e.s.h.ts - e.s.in) / 3 };
		e.p[1] = (struct sg_pair){ .key = SG_KEY_SYSCALL | 1,
					   .cnt = 1,
					   .ns = e.s.h.ts - e.s.in - e.p[0].ns };
		rc = sg_writer_put(w, &e.s.h, &err);
		if (i % 1000 == 999 && rate)
			pace(begin, i, rate);
		if (i == 999)
			rc = rc ?: sg_writer_flush(w, &err);
	}
	/* what ends by itself waits to be stopped, as a recorder of the whole system would */
	while (!rc && !stopped)
		usleep(2000);
	if (!rc)
		rc = sg_writer_close(w, "{}", &err);
	if (rc)
		fprintf(stderr, "%s\n", err.msg);
	return rc != 0;
}

static void say(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "agent: %s\n", line);
}

static int serve(char **argv)
{
	char *words[] = { "agent", "emit", argv[2], argv[3], NULL };
	struct sg_token token;
	struct sg_agent_opts o = { .token = &token, .argv = words, .hold_ns = 20000000000ull, .say = say };
	struct sg_err err = { 0 };

	if (sg_parse_size(argv[1], &o.spool_bytes) || sg_token_read(argv[0], &token, &err) ||
	    sg_addr_parse("tcp:127.0.0.1:0", true, &o.listen, &err) || sg_agent_run(&o, &err))
		return fprintf(stderr, "%s\n", err.msg), 1;
	return 0;
}

static int put(void *ctx, const struct sg_hdr *ev)
{
	(void)ctx, (void)ev;
	return 0;
}

static int take(char **argv)
{
	struct sg_token token;
	struct sg_agent_link_opts o = { .name = "web", .token = &token, .number = 1 };
	const struct sg_agent_link_result *r;
	struct sg_agent_link *g;
	struct sg_companion c;
	struct sg_err err = { 0 };
	uint64_t begin;

	o.out_fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (sg_token_read(argv[1], &token, &err) || sg_addr_parse(argv[0], false, &o.addr, &err) ||
	    sg_agent_link_new(&g, &o))
		return fprintf(stderr, "%s\n", err.msg), 1;
	sg_agent_link_companion(g, &c);
	if (c.start(c.ctx, put, NULL, &err))
		return fprintf(stderr, "%s\n", err.msg), 1;
	printf("begun\n");
	fflush(stdout);
	begin = sg_mono_ns();
	while (sg_mono_ns() - begin < (uint64_t)(atof(argv[3]) * 1e9))
		usleep(10000);
	c.finish(c.ctx);
	r = sg_agent_link_result(g);
	printf("complete=%d pieces=%" PRIu64 " bytes=%" PRIu64 " dropped=%" PRIu64 " breaks=%u error=%s\n",
	       r->complete, r->pieces, r->bytes, r->dropped.blocks, r->breaks,
	       r->err.code ? r->err.msg : "-");
	sg_agent_link_free(g);
	return 0;
}

struct facts {
	struct sg_machines ms;
	struct sg_clocks clocks[SG_MACHINE_MAX];
	uint64_t slices[SG_MACHINE_MAX], lost[SG_MACHINE_MAX], first[SG_MACHINE_MAX], last[SG_MACHINE_MAX];
	uint64_t stray, points, off_worst, bad;
};

static void fact(struct facts *f, const struct sg_hdr *h)
{
	const struct sg_clockmap *c = (const void *)h;
	const struct sg_machine_info *m;
	uint64_t own, off;

	if (h->kind == SG_REC_MACHINE)
		sg_machines_add(&f->ms, (const void *)h);
	if (h->kind == SG_REC_CLOCKMAP && c->machine < SG_MACHINE_MAX) {
		sg_clocks_feed(&f->clocks[c->machine], c);
		own = c->guest_ts - f->ms.m[c->machine].shift;
		off = own > c->host_ts ? own - c->host_ts : c->host_ts - own;
		f->points++;
		f->off_worst = off > f->off_worst ? off : f->off_worst;
		f->bad += off > c->error_ns;
	}
	m = sg_machine_of_cpu(&f->ms, h->cpu);
	if (!m || (h->uid && sg_machine_of_uid(&f->ms, h->uid) != m)) {
		f->stray += h->kind == SG_REC_SLICE || h->kind == SG_REC_THREAD;
		return;
	}
	if (h->kind == SG_REC_LOST)
		f->lost[m->number] += ((const struct sg_lost *)h)->n;
	if (h->kind != SG_REC_SLICE)
		return;
	f->slices[m->number]++;
	f->first[m->number] = f->first[m->number] ?: h->ts;
	f->last[m->number] = h->ts;
}

/* The map between the points: every millisecond of the recording, against the truth. */
static void between(struct facts *f, unsigned k)
{
	uint64_t shift = f->ms.m[k].shift, host, error, own;

	sg_clocks_finish(&f->clocks[k]);
	for (uint64_t t = f->first[k]; t < f->last[k]; t += 1000000) {
		if (!sg_clocks_host(&f->clocks[k], t, &host, &error)) {
			f->bad++;
			continue;
		}
		own = t - shift;
		f->bad += (own > host ? own - host : host - own) > error;
	}
}

static int check(const char *path)
{
	static struct facts f;
	struct sg_err err = { 0 };
	const struct sg_hdr *h;
	struct sg_reader *r;
	int fd = open(path, O_RDONLY), rc;

	if (fd < 0 || sg_reader_open(&r, fd, &err))
		return fprintf(stderr, "%s: %s\n", path, err.msg), 1;
	while ((rc = sg_reader_next(r, &h, &err)) > 0)
		fact(&f, h);
	for (unsigned k = 1; k < SG_MACHINE_MAX; k++)
		if (f.clocks[k].n)
			between(&f, k);
	printf("machines=%u slices0=%" PRIu64 " slices1=%" PRIu64 " lost0=%" PRIu64 " lost1=%" PRIu64
	       " per_s1=%.0f stray=%" PRIu64 " points=%" PRIu64 " bad=%" PRIu64 " off_ns=%" PRIu64
	       " bound_ns=%" PRIu64 " damage=%s\n",
	       f.ms.n, f.slices[0], f.slices[1], f.lost[0], f.lost[1],
	       f.last[1] > f.first[1] ? (double)f.slices[1] / ((double)(f.last[1] - f.first[1]) / 1e9) : 0,
	       f.stray, f.points, f.bad, f.off_worst,
	       sg_clocks_worst(&f.clocks[1], f.ms.m[1].begin, f.ms.m[1].end), sg_reader_damage(r) ?: "-");
	return rc != 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "emit"))
		return emit(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
	if (argc == 6 && !strcmp(argv[1], "serve"))
		return serve(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "take"))
		return take(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "check"))
		return check(argv[2]);
	fprintf(stderr, "agent: see the beginning of its source\n");
	return 2;
}
