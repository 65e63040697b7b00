/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The host's side of a guest, against an agent that does what no agent of ours does, and strangers at its place. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "env/agentlink.h"
#include "kern/stamp.h"

static struct sg_token token = { .bytes = "0123456789abcdef0123", .len = 20 };
static struct sg_addr place;
static int listen_fd;
static const struct sg_link_started started = { .session = "a session", .kernel = "6.1\033[2J" };

static struct sg_agent_link *link_with(struct sg_companion *ret, uint64_t rest_bytes, uint64_t rest_ns)
{
	struct sg_agent_link_opts o = {
		.name = "web", .token = &token, .number = 1, .rest_bytes = rest_bytes, .rest_ns = rest_ns
	};
	struct sg_agent_link *g;
	struct sg_err err = { 0 };

	o.addr = place;
	o.out_fd = fileno(tmpfile());
	cr_assert_eq(sg_agent_link_new(&g, &o), 0, "%s", err.msg);
	sg_agent_link_companion(g, ret);
	return g;
}

static struct sg_agent_link *link_of(struct sg_companion *ret)
{
	return link_with(ret, 0, 0);
}

static void agent_begin(pthread_t *t, void *(*how)(void *), void *arg)
{
	struct sg_err err = { 0 };

	cr_assert_eq(sg_addr_parse("tcp:127.0.0.1:0", true, &place, &err), 0);
	listen_fd = sg_addr_listen(&place, &err);
	cr_assert_geq(listen_fd, 0, "%s", err.msg);
	cr_assert_eq(pthread_create(t, NULL, how, arg), 0);
}

/* The next connection; it is an agent's from the first byte when @c is given. */
static int let_in(struct sg_conn *c)
{
	struct pollfd p = { .fd = listen_fd, .events = POLLIN };
	int fd;

	poll(&p, 1, 20000);
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK);
	cr_assert_geq(fd, 0);
	if (c)
		cr_assert_eq(sg_conn_init(c, fd, true), 0);
	return fd;
}

static uint64_t set_ns; /* by how much the guest's clock was set */

static void answer(struct sg_conn *c, const struct sg_link_frame *ping)
{
	struct sg_link_pong pong = { .mono = sg_mono_ns() + set_ns };

	memcpy(&pong.id, ping->payload, sizeof(pong.id));
	cr_assert_eq(sg_conn_put(c, SG_LINK_PONG, &pong, sizeof(pong), NULL, 0), 0);
}

/* Until the host has said that; questions for the time are answered. What it said stays valid until the next call. */
static struct sg_link_frame wait_for(struct sg_conn *c, unsigned type)
{
	struct sg_link_frame f;
	struct sg_err err;
	int rc;

	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };

		while ((rc = sg_conn_next(c, &f)) > 0) {
			if (!c->sealed)
				cr_assert_geq(sg_conn_prove(c, &token, &f, &err), 0);
			else if (f.type == type)
				return f;
			else if (f.type == SG_LINK_PING)
				answer(c, &f);
		}
		cr_assert_eq(rc, 0);
		cr_assert_eq(sg_conn_send(c), 0);
		cr_assert_gt(poll(&p, 1, 20000), 0);
		cr_assert_eq(sg_conn_receive(c), 0, "the host went away");
	}
}

static void piece(struct sg_conn *c, uint64_t seq)
{
	struct sg_link_data d = { .seq = seq };

	cr_assert_eq(sg_conn_put(c, SG_LINK_DATA, &d, sizeof(d), "piece", 5), 0);
}

static int put(void *ctx, const struct sg_hdr *ev)
{
	(void)ctx, (void)ev;
	return 0;
}

/* ---- who else answers ---------------------------------------------------------------- */

/* One frame, before any proof; then it waits until the host has gone. */
static void stranger(unsigned type, const void *payload, size_t len)
{
	uint8_t b[1024];
	int fd = let_in(NULL);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	sg_link_head_put(b, type, len);
	memcpy(b + sizeof(struct sg_link_head), payload, len);
	cr_assert_eq(send(fd, b, sizeof(struct sg_link_head) + len, 0),
		     (ssize_t)(sizeof(struct sg_link_head) + len));
	do
		poll(&p, 1, 20000);
	while (recv(fd, b, sizeof(b), 0) > 0);
	close(fd);
}

static void *breaks_and_strangers(void *arg)
{
	struct sg_link_refuse no = { .len = 7, .text = "go\033[2J away" };
	struct sg_link_hello other = { .magic = SG_LINK_MAGIC_HELLO, .least = 7, .most = 8 },
			     none = { .magic = "nothing" };
	struct sg_link_done done = { .next = 2 };
	struct sg_link_resume r;
	struct sg_link_frame f;
	struct sg_conn c;

	let_in(&c);
	wait_for(&c, SG_LINK_START);
	sg_conn_put(&c, SG_LINK_STARTED, &started, sizeof(started), NULL, 0);
	piece(&c, 0);
	wait_for(&c, SG_LINK_ACK);
	sg_conn_free(&c);
	stranger(SG_LINK_REFUSE, &no, sizeof(no));
	stranger(SG_LINK_HELLO, &other, sizeof(other));
	stranger(SG_LINK_HELLO, &none, sizeof(none));
	let_in(&c);
	f = wait_for(&c, SG_LINK_RESUME);
	memcpy(&r, f.payload, sizeof(r));
	cr_assert_eq(memcmp(r.session, started.session, sizeof(r.session)), 0);
	cr_assert_eq(r.next, 1);
	sg_conn_put(&c, SG_LINK_STARTED, &started, sizeof(started), NULL, 0);
	piece(&c, 1);
	wait_for(&c, SG_LINK_STOP);
	sg_conn_put(&c, SG_LINK_DONE, &done, sizeof(done), NULL, 0);
	wait_for(&c, SG_LINK_ACK);
	sg_conn_free(&c);
	return arg;
}

Test(agentlink, who_answers_in_the_agents_place_does_not_end_its_recording)
{
	const struct sg_agent_link_result *r;
	struct sg_companion host;
	struct sg_agent_link *g;
	struct sg_err err = { 0 };
	pthread_t agent;

	agent_begin(&agent, breaks_and_strangers, NULL);
	g = link_of(&host);
	cr_assert_eq(host.start(host.ctx, put, NULL, &err), 0, "%s", err.msg);
	host.finish(host.ctx);
	r = sg_agent_link_result(g);
	cr_assert(r->complete, "%s", r->err.msg);
	cr_assert_eq(r->err.code, 0);
	cr_assert_eq(r->pieces, 2);
	cr_assert_eq(r->breaks, 1);
	cr_assert_str_eq(r->kernel, "6.1?[2J");
	pthread_join(agent, NULL);
	sg_agent_link_free(g);
}

static void *says_no(void *arg)
{
	struct sg_link_refuse no = { .len = 7, .text = "go\033[2J away" };

	stranger(SG_LINK_REFUSE, &no, sizeof(no));
	return arg;
}

Test(agentlink, what_is_answered_at_first_is_told_as_text)
{
	struct sg_companion host;
	struct sg_agent_link *g;
	struct sg_err err = { 0 };
	pthread_t agent;

	agent_begin(&agent, says_no, NULL);
	g = link_of(&host);
	cr_assert_eq(host.start(host.ctx, put, NULL, &err), -ECONNREFUSED);
	cr_assert_str_eq(err.msg, "guest web: go?[2J ");
	sg_agent_link_free(g);
	pthread_join(agent, NULL);
}

/* ---- one that does not listen ------------------------------------------------------------------- */

enum { PIECES = 50000 };

/* The host's end of the connection belongs to this process, too: the kernel is not to take what ought to wait in the host. */
static void narrow(const struct sg_conn *c)
{
	struct sockaddr_storage mine, peer;
	int done = 0;

	for (int fd = 3; fd < 64; fd++) {
		socklen_t n = sizeof(mine), m = sizeof(peer);

		if (getsockname(c->fd, (void *)&mine, &n) || getpeername(fd, (void *)&peer, &m) || n != m ||
		    memcmp(&mine, &peer, n))
			continue;
		done += !setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ 4096 }, sizeof(int));
	}
	cr_assert_eq(done, 1);
}

/* Sends piece after piece and hears nothing of what the host says to each; then all that waited. */
static void *deaf(void *arg)
{
	uint64_t *heard = arg;
	struct sg_link_ack k = { 0 };
	struct sg_link_frame f;
	struct sg_conn c;

	let_in(&c);
	wait_for(&c, SG_LINK_START);
	narrow(&c);
	sg_conn_put(&c, SG_LINK_STARTED, &started, sizeof(started), NULL, 0);
	for (uint64_t i = 0; i < PIECES; i++) {
		piece(&c, i);
		while (sg_conn_queued(&c)) {
			poll(&(struct pollfd){ .fd = c.fd, .events = POLLOUT }, 1, 20000);
			cr_assert_eq(sg_conn_send(&c), 0);
		}
		sched_yield(); /* so that it has a chance to take this one alone */
	}
	while (k.next < PIECES) {
		f = wait_for(&c, SG_LINK_ACK);
		memcpy(&k, f.payload, sizeof(k));
		(*heard)++;
	}
	sg_conn_refuse(&c, EIO, "enough");
	cr_assert_eq(sg_conn_send(&c), 0);
	usleep(300000);
	sg_conn_free(&c);
	return NULL;
}

/* The last answer says all that those before it said: what does not go out is not said again. */
Test(agentlink, answers_that_nobody_takes_do_not_pile_up)
{
	uint64_t heard = 0;
	struct sg_companion host;
	struct sg_agent_link *g;
	struct sg_err err = { 0 };
	pthread_t agent;

	agent_begin(&agent, deaf, &heard);
	cr_assert_eq(setsockopt(listen_fd, SOL_SOCKET, SO_RCVBUF, &(int){ 32768 }, sizeof(int)), 0);
	g = link_of(&host);
	cr_assert_eq(host.start(host.ctx, put, NULL, &err), 0, "%s", err.msg);
	pthread_join(agent, NULL);
	host.finish(host.ctx);
	cr_assert_eq(sg_agent_link_result(g)->pieces, PIECES);
	cr_assert_lt(heard, PIECES / 5, "%lu answers waited", (unsigned long)heard);
	sg_agent_link_free(g);
}

/* ---- ones that do not end -------------------------------------------------------------------------- */

/* Until the host is gone: piece after piece, each @arg microseconds apart, however often it is asked to end. */
static void *endless(void *arg)
{
	const unsigned *apart_us = arg;
	struct sg_conn c;
	uint64_t i = 0;

	let_in(&c);
	wait_for(&c, SG_LINK_START);
	sg_conn_put(&c, SG_LINK_STARTED, &started, sizeof(started), NULL, 0);
	for (;;) {
		while (sg_conn_queued(&c) < 65536)
			piece(&c, i++);
		if (*apart_us)
			usleep(*apart_us);
		poll(&(struct pollfd){ .fd = c.fd, .events = POLLOUT }, 1, 1000);
		if (sg_conn_send(&c))
			break;
	}
	sg_conn_free(&c);
	return NULL;
}

static void is_cut_off(unsigned apart_us, uint64_t rest_bytes, uint64_t rest_ns, const char *words, int code)
{
	const struct sg_agent_link_result *r;
	struct sg_companion host;
	struct sg_agent_link *g;
	struct sg_err err = { 0 };
	uint64_t pieces;
	pthread_t agent;
	sigset_t m;

	sigemptyset(&m);
	sigaddset(&m, SIGINT);
	pthread_sigmask(SIG_BLOCK, &m, NULL);
	agent_begin(&agent, endless, &apart_us);
	g = link_with(&host, rest_bytes, rest_ns);
	cr_assert_eq(host.start(host.ctx, put, NULL, &err), 0, "%s", err.msg);
	usleep(100000);
	pieces = sg_agent_link_result(g)->pieces;
	host.stop(host.ctx);
	if (code == -EINTR)
		kill(getpid(), SIGINT);
	host.finish(host.ctx);
	r = sg_agent_link_result(g);
	cr_assert_not(r->complete);
	cr_assert_eq(r->err.code, code, "%s", r->err.msg);
	cr_assert(strstr(r->err.msg, words), "%s", r->err.msg);
	cr_assert_geq(r->pieces, pieces);
	cr_assert_eq(r->bytes, 5 * r->pieces);
	sg_agent_link_free(g);
	pthread_join(agent, NULL);
}

Test(agentlink, who_never_ends_is_cut_off_by_bytes, .timeout = 60)
{
	is_cut_off(0, 1 << 20, 0, "guest web: it sent more than 1.0 MiB after its end was asked for", -EFBIG);
}

Test(agentlink, who_never_ends_is_cut_off_by_time, .timeout = 60)
{
	is_cut_off(1000, 1ull << 40, 300000000, "guest web: the rest of its recording came too slowly",
		   -ETIMEDOUT);
}

/* As record has it: blocked, and seen where it is waited for. */
Test(agentlink, a_signal_ends_the_waiting, .timeout = 60)
{
	is_cut_off(1000, 1ull << 40, 0, "guest web: interrupted before", -EINTR);
}

/* ---- a clock that is set at the very end -------------------------------------------------------------- */

/* Between two questions for the time, the later of which would come when all has ended. */
static void *is_set(void *arg)
{
	struct sg_link_done done = { 0 };
	struct sg_link_frame f;
	struct sg_conn c;
	uint64_t since;
	int e = 0;

	let_in(&c);
	wait_for(&c, SG_LINK_START);
	sg_conn_put(&c, SG_LINK_STARTED, &started, sizeof(started), NULL, 0);
	wait_for(&c, SG_LINK_STOP);
	set_ns = *(uint64_t *)arg;
	sg_conn_put(&c, SG_LINK_DONE, &done, sizeof(done), NULL, 0);
	for (since = sg_mono_ns(); !e && sg_mono_ns() - since < 20000000000ull;) {
		struct pollfd p = { .fd = c.fd, .events = POLLIN };

		while (sg_conn_next(&c, &f) > 0)
			if (f.type == SG_LINK_PING)
				answer(&c, &f);
		e = sg_conn_send(&c);
		poll(&p, 1, 100);
		e = e ?: p.revents ? sg_conn_receive(&c) : 0;
	}
	sg_conn_free(&c);
	return NULL;
}

Test(agentlink, a_clock_that_was_set_just_before_the_end_is_told, .timeout = 60)
{
	for (uint64_t by = 0; by <= 50000000; by += 50000000) {
		const struct sg_agent_link_result *r;
		struct sg_companion host;
		struct sg_agent_link *g;
		struct sg_err err = { 0 };
		pthread_t agent;

		set_ns = 0;
		agent_begin(&agent, is_set, &by);
		g = link_of(&host);
		cr_assert_eq(host.start(host.ctx, put, NULL, &err), 0, "%s", err.msg);
		usleep(300000); /* the first questions */
		host.finish(host.ctx);
		r = sg_agent_link_result(g);
		cr_assert(r->complete, "%s", r->err.msg);
		cr_assert_geq(sg_agent_link_clocks(g)->n, 1);
		cr_assert_eq(r->stepped, by != 0);
		sg_agent_link_free(g);
		pthread_join(agent, NULL);
	}
}

/* ---- one that goes on with something else ----------------------------------------------------------- */

static void *another(void *arg)
{
	struct sg_link_started other = started;
	struct sg_conn c;

	let_in(&c);
	wait_for(&c, SG_LINK_START);
	sg_conn_put(&c, SG_LINK_STARTED, &started, sizeof(started), NULL, 0);
	piece(&c, 0);
	wait_for(&c, SG_LINK_ACK);
	sg_conn_free(&c);
	let_in(&c);
	wait_for(&c, SG_LINK_RESUME);
	other.session[0]++;
	sg_conn_put(&c, SG_LINK_STARTED, &other, sizeof(other), NULL, 0);
	piece(&c, 1);
	wait_for(&c, SG_LINK_REFUSE);
	sg_conn_free(&c);
	return arg;
}

Test(agentlink, another_recording_is_not_taken_for_the_one_that_was_begun, .timeout = 60)
{
	const struct sg_agent_link_result *r;
	struct sg_companion host;
	struct sg_agent_link *g;
	struct sg_err err = { 0 };
	pthread_t agent;

	agent_begin(&agent, another, NULL);
	g = link_of(&host);
	cr_assert_eq(host.start(host.ctx, put, NULL, &err), 0, "%s", err.msg);
	pthread_join(agent, NULL);
	host.finish(host.ctx);
	r = sg_agent_link_result(g);
	cr_assert_not(r->complete);
	cr_assert(strstr(r->err.msg, "its agent goes on with another recording"), "%s", r->err.msg);
	cr_assert_eq(r->pieces, 1);
	sg_agent_link_free(g);
}
