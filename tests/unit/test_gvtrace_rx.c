/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* gVisor's trace messages on their way: the receiver and the handshake, against a peer of our own. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include "env/gvtrace_priv.h"
#include "env/gvtrace_sock.h"
#include "gvtrace_case.h"

/* ---- receiver ---------------------------------------------------------------------- */
struct got {
	pthread_mutex_t lock;
	unsigned n, drops;
	int32_t dropped;
	struct sg_guest last;
	char text[SG_GUEST_TEXT_MAX];
	bool odd;
};

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int take(void *ctx, const struct sg_hdr *h)
{
	const struct sg_guest *g = (const void *)h;
	struct got *t = ctx;

	pthread_mutex_lock(&t->lock);
	t->odd |= h->kind != SG_REC_GUEST || !sg_event_size(h, SG_EVENT_MAX) || g->what != SG_GUEST_CALL ||
		  g->src != SG_GSRC_TRACE || g->sandbox != 4242 || g->begin > h->ts ||
		  h->ts > (uint64_t)clock_ns(CLOCK_MONOTONIC);
	if (g->nr == SG_GVTRACE_DROPPED) {
		t->drops++;
		t->odd |= g->ret < t->dropped;
		t->dropped = g->ret;
	} else {
		t->n++;
		t->last = *g;
		memcpy(t->text, g->text, g->len);
	}
	pthread_mutex_unlock(&t->lock);
	return 0;
}

struct bench {
	struct got got;
	struct sg_gvrx *rx;
	struct sg_gvbox box;
	int peer;
};

static void bench_open(struct bench *b)
{
	int pair[2];

	*b = (struct bench){ .got.lock = PTHREAD_MUTEX_INITIALIZER };
	b->box = (struct sg_gvbox){ .sb.sentry = 4242, .listen_fd = -1, .had = true };
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(sg_gvrx_new(&b->rx, take, &b->got, NULL), 0);
	cr_assert_eq(sg_gvrx_add(b->rx, &b->box, NULL), 0);
	cr_assert_eq(sg_gvrx_hand(b->rx, &b->box, pair[0]), 0);
	b->peer = pair[1];
}

static void bench_close(struct bench *b, struct sg_gvtrace_stats *st)
{
	close(b->peer);
	for (int i = 0; i < 5000 && !atomic_load(&b->box.over); i++)
		usleep(1000);
	cr_assert(atomic_load(&b->box.over), "the peer's end was not noticed");
	sg_gvrx_stop(b->rx);
	sg_gvrx_close(b->rx, &b->box);
	sg_gvrx_stats(b->rx, st);
	sg_gvrx_free(b->rx);
	cr_expect_not(b->got.odd);
}

static void say(struct bench *b, const struct made *m)
{
	cr_assert_eq(send(b->peer, m->b, m->n, 0), (ssize_t)m->n);
}

Test(gvtrace_rx, receives_a_recording, .timeout = 30)
{
	struct sg_gvtrace_stats st;
	struct bench b;
	struct file f = file_read(RECORDED_NEW);
	const uint8_t *m;
	uint32_t n;

	bench_open(&b);
	while ((m = file_next(&f, &n)))
		cr_assert_eq(send(b.peer, m, n, 0), (ssize_t)n);
	bench_close(&b, &st);
	cr_expect_eq(st.messages, 244);
	cr_expect_eq(b.got.n, 120);
	cr_expect_eq(st.records, 120);
	cr_expect(!st.bad && !st.unknown && !st.halves && !st.dropped);
	cr_expect(b.got.drops == 1 && !b.got.dropped, "that nothing was dropped is told too");
	free(f.p);
}

Test(gvtrace_rx, receives_what_is_hostile, .timeout = 30)
{
	int64_t now = clock_ns(CLOCK_REALTIME);
	struct sg_gvtrace_stats st;
	struct made *m = calloc(1, sizeof(*m));
	struct bench b;

	bench_open(&b);
	raw(m, 2, now + 1000000000000, 1, 39, INT64_MIN); /* tomorrow */
	say(&b, m);
	raw(m, 2, INT64_MIN, 1, 39, 1); /* long ago */
	say(&b, m);
	raw(m, 1, INT64_MAX, 2, 39, 1); /* the count of drops goes back: not believed */
	say(&b, m);
	head(m, 999, 5);
	say(&b, m);
	m->n = 3;
	say(&b, m);
	memset(m->b, 0xff, sizeof(m->b));
	m->n = sizeof(m->b);
	say(&b, m); /* longer than a buffer */
	raw(m, 5, clock_ns(CLOCK_REALTIME), 3, 1, 44);
	say(&b, m);
	bench_close(&b, &st);
	cr_expect_eq(st.messages, 7);
	cr_expect_eq(st.unknown, 1);
	cr_expect_eq(st.bad, 2);
	cr_expect_eq(st.dropped, 5);
	cr_expect_eq(b.got.dropped, 5);
	cr_expect_eq(b.got.n, 3);
	cr_expect(b.got.last.ret == 44 && b.got.last.nr == 1 && b.got.last.gtid == 3 &&
		  b.got.last.begin == 0);
	cr_expect(b.got.last.len == 2 && !memcmp(b.got.text, "p\0", 2));
	free(m);
}

/* What ends after the recording's end is not of it; what is open then ends there. */
Test(gvtrace_rx, cut_at_the_end, .timeout = 30)
{
	struct sg_gvtrace_stats st;
	struct made *m = calloc(1, sizeof(*m));
	struct bench b;

	bench_open(&b);
	raw(m, 0, clock_ns(CLOCK_REALTIME), 1, 7, INT64_MIN);
	say(&b, m);
	raw(m, 0, clock_ns(CLOCK_REALTIME), 2, 7, INT64_MIN);
	say(&b, m);
	usleep(20000);
	sg_gvrx_cut(b.rx);
	usleep(1000);
	raw(m, 0, clock_ns(CLOCK_REALTIME), 2, 7, 1);
	say(&b, m);
	raw(m, 0, clock_ns(CLOCK_REALTIME), 3, 7, INT64_MIN);
	say(&b, m);
	raw(m, 0, clock_ns(CLOCK_REALTIME), 3, 7, 1);
	say(&b, m);
	bench_close(&b, &st);
	cr_expect_eq(b.got.n, 2);
	cr_expect(b.got.last.begin && b.got.last.h.ts - b.got.last.begin >= 15000000);
	free(m);
}

/* ---- socket ------------------------------------------------------------------------ */
struct dial {
	char path[200];
	int fd, before, after;
	uint8_t answer[16];
	ssize_t n;
};

static void *dial(void *arg)
{
	struct dial *d = arg;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(d->before);

	memcpy(a.sun_path, d->path, strlen(d->path));
	d->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	getsockopt(d->fd, SOL_SOCKET, SO_SNDBUF, &d->before, &len);
	if (connect(d->fd, (struct sockaddr *)&a, sizeof(a)) || send(d->fd, "\x08\x01", 2, 0) != 2)
		return NULL;
	d->n = recv(d->fd, d->answer, sizeof(d->answer), 0);
	getsockopt(d->fd, SOL_SOCKET, SO_SNDBUF, &d->after, &len);
	return NULL;
}

Test(gvtrace_rx, socket, .timeout = 30)
{
	char dir[] = "/tmp/sg-gvtrace-XXXXXX";
	struct dial d = { .n = -1 };
	struct sg_gvdec *dec = sg_gvdec_new();
	struct sg_err err = { 0 };
	bool left = true, big = false;
	pthread_t th;
	int fd, c;

	cr_assert(mkdtemp(dir));
	snprintf(d.path, sizeof(d.path), "%s/new/s", dir);
	fd = sg_gvsock_listen(d.path, &left, &err);
	cr_assert_geq(fd, 0, "%s", err.msg);
	cr_expect_not(left);
	cr_expect_eq(sg_gvsock_listen(d.path, &left, &err), -EBUSY);
	c = accept(fd, NULL, NULL); /* that was the look whether somebody listens */
	cr_assert_geq(c, 0);
	cr_expect_eq(sg_gvsock_greet(c, d.path, dec, &big), -EPROTO);
	close(c);
	pthread_create(&th, NULL, dial, &d);
	while ((c = accept(fd, NULL, NULL)) < 0)
		usleep(1000);
	cr_expect_eq(sg_gvsock_greet(c, d.path, dec, &big), 0);
	pthread_join(th, NULL);
	cr_expect(d.n == 2 && !memcmp(d.answer, "\x08\x01", 2));
	cr_expect_eq(big, d.after > d.before);
	if (!geteuid())
		cr_expect(big && d.after >= SG_GVSOCK_BYTES, "%d bytes", d.after);
	close(c);
	close(d.fd);
	close(fd);
	fd = sg_gvsock_listen(d.path, &left, &err);
	cr_assert_geq(fd, 0, "%s", err.msg);
	cr_expect(left, "a path that nobody listens to any more was left by a recorder that was killed");
	close(fd);
	unlink(d.path);
	*strrchr(d.path, '/') = 0;
	rmdir(d.path);
	rmdir(dir);
	memset(d.path, 'x', sizeof(d.path) - 1);
	cr_expect_eq(sg_gvsock_listen(d.path, &left, &err), -ENAMETOOLONG);
	sg_gvdec_free(dec);
}

/* ---- companion --------------------------------------------------------------------- */
Test(gvtrace_rx, no_such_sandbox)
{
	const uint32_t pid = (uint32_t)getpid();
	const struct sg_gvtrace_opts o = { .sentry = &pid, .nsentry = 1, .dir = "/tmp/sg-gvtrace-none" };
	struct got t = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sg_companion c;
	struct sg_err err = { 0 };

	cr_assert_eq(sg_gvtrace_new(&c, &o, &err), 0);
	cr_expect_lt(c.start(c.ctx, take, &t, &err), 0);
	cr_expect(*err.msg);
	cr_expect_eq(access(o.dir, F_OK), -1, "nothing is left");
	sg_gvtrace_free(&c);
	sg_gvtrace_free(&c);
}
