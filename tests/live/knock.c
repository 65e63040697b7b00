/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Who knocks at an agent and is no host as it should be, and who lets a host in and is no agent as it should be.
 * The first begin a recording and tell what becomes of it:
 *   knock crowd ADDR TOKEN N SECONDS   its connection breaks while N strangers come again as often as they are sent away; how long until it is back
 *   knock mob ADDR TOKEN N TRIES       such strangers, and a host that takes 10 ms to prove itself: how often it is let in
 *   knock wrong ADDR TOKEN ack|resume  says something wrong, is refused, and comes back as it should
 *   knock ahead ADDR TOKEN 0           reads nothing of a large recording, then comes again and says that it has piece N, from a large N down, until it is believed
 *   knock deaf ADDR TOKEN PINGS        asks for the time and hears no answer
 *   knock flood tcp:ADDRESS:0 TOKEN FILE BYTES/S  an agent whose recording is FILE; asked to end it, sends its last block for ever (0: as fast as it goes)
 *   knock other tcp:ADDRESS:0 TOKEN FILE 0        one whose connection breaks, and which goes on with another recording
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "env/addr.h"
#include "env/conn.h"
#include "kern/stamp.h"

#define TRY_NS 2000000000ull
#define TROOPS 4 /* processes of strangers: one alone is slower than the agent */

static struct sg_addr at;
static struct sg_token token;
static useconds_t think_us; /* of a host, before it proves itself */

static bool in_time(uint64_t since_ns)
{
	return sg_mono_ns() - since_ns < TRY_NS;
}

/* The next frame within the time of a try; false: none, or the connection is gone. */
static bool frame(struct sg_conn *c, uint64_t since_ns, struct sg_link_frame *ret)
{
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		int rc = sg_conn_next(c, ret);

		if (rc)
			return rc > 0;
		if (!in_time(since_ns) || sg_conn_send(c))
			return false;
		poll(&p, 1, 50);
		if (p.revents && sg_conn_receive(c))
			return sg_conn_next(c, ret) > 0;
	}
}

/* A connection that has proved itself. */
static bool come(struct sg_conn *c)
{
	struct sg_err err = { 0 };
	uint64_t begin = sg_mono_ns();
	int fd = sg_addr_connect(&at, 500, &err), rc = 0;
	struct sg_link_frame f;

	if (fd < 0)
		return false;
	if (sg_conn_init(c, fd, false))
		exit(2);
	while (!rc && frame(c, begin, &f)) {
		usleep(think_us);
		rc = sg_conn_prove(c, &token, &f, &err);
	}
	if (rc <= 0)
		sg_conn_free(c);
	return rc > 0;
}

/* What is said to START or RESUME: true it goes on; else @why. */
static bool answered(struct sg_conn *c, uint8_t session[SG_LINK_SESSION_BYTES], char why[SG_LINK_TEXT_BYTES])
{
	uint64_t begin = sg_mono_ns();
	struct sg_link_started s;
	struct sg_link_refuse r;
	struct sg_link_frame f;

	snprintf(why, SG_LINK_TEXT_BYTES, "no answer");
	while (frame(c, begin, &f)) {
		if (f.type == SG_LINK_STARTED) {
			memcpy(&s, f.payload, sizeof(s));
			memcpy(session, s.session, SG_LINK_SESSION_BYTES);
			return true;
		}
		if (f.type == SG_LINK_REFUSE) {
			memcpy(&r, f.payload, sizeof(r));
			sg_link_text(why, SG_LINK_TEXT_BYTES, r.text, r.len, sizeof(r.text));
			return false;
		}
	}
	return false;
}

static void begin(struct sg_conn *c, uint8_t session[SG_LINK_SESSION_BYTES])
{
	struct sg_link_start start = { 0 };
	char why[SG_LINK_TEXT_BYTES];

	if (come(c) && !sg_conn_put(c, SG_LINK_START, &start, sizeof(start), NULL, 0) &&
	    answered(c, session, why))
		return;
	fprintf(stderr, "knock: no recording was begun\n");
	exit(2);
}

static bool resume(struct sg_conn *c, uint8_t session[SG_LINK_SESSION_BYTES], uint64_t next,
		   char why[SG_LINK_TEXT_BYTES])
{
	struct sg_link_resume r = { .next = next };

	memcpy(r.session, session, sizeof(r.session));
	sg_conn_put(c, SG_LINK_RESUME, &r, sizeof(r), NULL, 0);
	return answered(c, session, why);
}

/* ---- strangers ------------------------------------------------------------------------ */

/* Does not wait until it is let in. */
static int rush(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(at.service)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) && errno != EINPROGRESS) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Each says nothing, and comes again at once when it is sent away. Never returns. */
static void strangers(size_t n)
{
	struct pollfd *p = calloc(n, sizeof(*p));
	char b[256];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; p && i < n; i++)
		p[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	for (;;) {
		for (size_t i = 0; i < n; i++) {
			if (p[i].fd >= 0 && p[i].revents) {
				ssize_t got = recv(p[i].fd, b, sizeof(b), MSG_DONTWAIT);

				if (got > 0 || (got < 0 && errno == EAGAIN)) {
					p[i].events = POLLIN;
					continue;
				}
				close(p[i].fd);
				p[i].fd = -1;
			}
			if (p[i].fd < 0)
				p[i].fd = rush();
			p[i].revents = 0;
		}
		poll(p, n, 1);
	}
}

static void troops_begin(pid_t pid[TROOPS], size_t n)
{
	for (size_t i = 0; i < TROOPS; i++) {
		pid[i] = fork();
		if (!pid[i])
			strangers(n / TROOPS);
	}
	usleep(500000);
}

static void troops_end(const pid_t pid[TROOPS])
{
	for (size_t i = 0; i < TROOPS; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
}

static int mob(size_t n, unsigned tries)
{
	pid_t pid[TROOPS];
	struct sg_conn c;
	unsigned in = 0;

	troops_begin(pid, n);
	think_us = 10000;
	for (unsigned i = 0; i < tries; i++) {
		if (!come(&c))
			continue;
		in++;
		sg_conn_free(&c);
	}
	troops_end(pid);
	printf("tries=%u in=%u\n", tries, in);
	return 0;
}

static int crowd(size_t n, double seconds)
{
	uint8_t session[SG_LINK_SESSION_BYTES];
	char why[SG_LINK_TEXT_BYTES] = "the door was full";
	uint64_t since;
	unsigned tries = 0;
	struct sg_conn c;
	bool back = false;
	pid_t pid[TROOPS];

	begin(&c, session);
	sg_conn_free(&c);
	troops_begin(pid, n);
	for (since = sg_mono_ns(); !back && sg_mono_ns() - since < (uint64_t)(seconds * 1e9);
	     usleep(500000)) {
		tries++;
		if (!come(&c))
			continue;
		back = resume(&c, session, 0, why);
		sg_conn_free(&c);
	}
	printf("back=%d tries=%u ms=%" PRIu64 " why=%s\n", back, tries, (sg_mono_ns() - since) / 1000000,
	       back ? "-" : why);
	troops_end(pid);
	return 0;
}

/* ---- hosts that know the token ------------------------------------------------------------ */

static int wrong(const char *what)
{
	struct sg_link_ack ack = { .next = UINT64_MAX };
	uint8_t session[SG_LINK_SESSION_BYTES];
	char refused[SG_LINK_TEXT_BYTES], why[SG_LINK_TEXT_BYTES];
	struct sg_conn c, d;
	bool back;

	begin(&c, session);
	if (!strcmp(what, "ack")) {
		sg_conn_put(&c, SG_LINK_ACK, &ack, sizeof(ack), NULL, 0);
		answered(&c, session, refused);
	} else {
		resume(&c, session, UINT64_MAX, refused);
	}
	usleep(500000); /* it is still connected, and heard no more */
	back = come(&d);
	snprintf(why, sizeof(why), "it was not let in");
	back = back && resume(&d, session, 0, why);
	printf("back=%d why=%s refused=%s\n", back, back ? "-" : why, refused);
	return 0;
}

/* What the agent has and has not sent yet is more than all that is on its way. */
static int ahead(void)
{
	uint8_t session[SG_LINK_SESSION_BYTES];
	char refused[SG_LINK_TEXT_BYTES] = "-", why[SG_LINK_TEXT_BYTES];
	uint64_t n = 1200, bytes = 0, begun;
	struct sg_link_frame f;
	struct sg_conn c;

	begin(&c, session);
	usleep(3000000);
	sg_conn_free(&c);
	for (;; n -= 8) {
		if (!n || !come(&c))
			return printf("believed=none\n"), 0;
		if (resume(&c, session, n, why))
			break;
		memcpy(refused, why, sizeof(refused));
		sg_conn_free(&c);
	}
	begun = sg_mono_ns();
	while (!bytes && frame(&c, begun, &f))
		bytes = f.type == SG_LINK_DATA ? n * f.len : 0;
	sg_conn_free(&c);
	printf("believed=%" PRIu64 " bytes=%" PRIu64 " refused=%s\n", n, bytes, refused);
	return 0;
}

static int deaf(uint64_t pings)
{
	uint8_t session[SG_LINK_SESSION_BYTES];
	struct sg_link_ping ping = { 0 };
	uint64_t since = sg_mono_ns();
	struct sg_conn c;
	int e = 0;

	begin(&c, session);
	/* until it is sent away, or is not listened to any longer */
	while (!e && ping.id < pings && in_time(since)) {
		struct pollfd p = { .fd = c.fd, .events = POLLOUT };

		while (sg_conn_queued(&c) < 65536) {
			ping.id++;
			sg_conn_put(&c, SG_LINK_PING, &ping, sizeof(ping), NULL, 0);
			since = sg_mono_ns();
		}
		poll(&p, 1, 50);
		e = sg_conn_send(&c);
	}
	printf("asked=%" PRIu64 " sent_away=%d\n", ping.id, e != 0);
	return 0;
}

/* ---- agents that are none --------------------------------------------------------------------- */

/* The next connection; it is an agent's from the first byte. */
static void let_in(int fd, struct sg_conn *c)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int in;

	poll(&p, 1, 60000);
	in = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (in < 0 || sg_conn_init(c, in, true))
		exit(2);
}

/* What the host says, as far as this agent cares; false when it has gone. @ret: RESUME and START count as one. */
static bool hear(struct sg_conn *c, int ms, unsigned *ret)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN | (sg_conn_queued(c) ? POLLOUT : 0) };
	struct sg_link_pong pong = { 0 };
	struct sg_link_frame f;
	struct sg_stamp s;
	struct sg_err err;

	*ret = 0;
	poll(&p, 1, ms);
	if (sg_conn_send(c) || (p.revents & ~POLLOUT && sg_conn_receive(c)))
		return false;
	while (!*ret && sg_conn_next(c, &f) > 0) {
		if (!c->sealed && sg_conn_prove(c, &token, &f, &err) < 0)
			return false;
		if (f.type == SG_LINK_PING) {
			memcpy(&pong.id, f.payload, sizeof(pong.id));
			s = sg_stamp_take();
			pong.mono = s.mono;
			pong.tsc0 = s.tsc0;
			pong.tsc1 = s.tsc1;
			sg_conn_put(c, SG_LINK_PONG, &pong, sizeof(pong), NULL, 0);
		} else if (f.type > SG_LINK_REFUSE) {
			*ret = f.type;
		}
	}
	return true;
}

static bool wait_for(struct sg_conn *c, unsigned first, unsigned second)
{
	unsigned said;

	do
		if (!hear(c, 100, &said))
			return false;
	while (said != first && said != second);
	return true;
}

static void piece(struct sg_conn *c, uint64_t seq, const uint8_t *p, size_t len)
{
	struct sg_link_data d = { .seq = seq };

	sg_conn_put(c, SG_LINK_DATA, &d, sizeof(d), p, len);
}

/* All pieces of a recording but its trailer; the last of events is *ret_again. */
static uint64_t pieces(struct sg_conn *c, const char *path, struct sg_unit *ret_again,
		       const uint8_t **ret_data)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct sg_units units = { 0 };
	const uint8_t *p;
	struct sg_unit u;
	uint64_t n = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		exit(2);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		exit(2);
	for (size_t i = 0; sg_units_next(&units, p + i, (size_t)st.st_size - i, &u) > 0; i += u.size) {
		if (u.kind == SG_UNIT_TRAILER)
			break;
		piece(c, n++, p + i, u.size);
		if (u.kind == SG_UNIT_BLOCK && u.type == SG_BLOCK_EVENTS) {
			*ret_again = u;
			*ret_data = p + i;
		}
	}
	return n;
}

static int agent(const char *how, const char *path, uint64_t rate)
{
	struct sg_link_started started = { .session = "a session", .kernel = "none" };
	struct sg_err err = { 0 };
	uint64_t n, since, sent = 0;
	struct sg_unit again = { 0 };
	const uint8_t *data = NULL;
	struct sg_conn c;
	char text[300];
	unsigned said;
	int fd = sg_addr_listen(&at, &err);

	if (fd < 0)
		return fprintf(stderr, "knock: %s\n", err.msg), 2;
	fprintf(stderr, "listening on %s\n", sg_addr_text(&at, true, text, sizeof(text)));
	let_in(fd, &c);
	if (!wait_for(&c, SG_LINK_START, SG_LINK_START))
		return 2;
	sg_conn_put(&c, SG_LINK_STARTED, &started, sizeof(started), NULL, 0);
	n = pieces(&c, path, &again, &data);
	if (!strcmp(how, "other")) {
		/* until its clock is known */
		for (since = sg_mono_ns(); sg_mono_ns() - since < 1500000000ull;)
			hear(&c, 10, &said);
		sg_conn_free(&c);
		let_in(fd, &c);
		wait_for(&c, SG_LINK_RESUME, SG_LINK_START);
		memcpy(started.session, "another", 8);
		sg_conn_put(&c, SG_LINK_STARTED, &started, sizeof(started), NULL, 0);
		while (hear(&c, 100, &said))
			;
		return 0;
	}
	wait_for(&c, SG_LINK_STOP, SG_LINK_STOP);
	for (since = sg_mono_ns(); hear(&c, 10, &said);)
		while (sg_conn_queued(&c) < 1 << 20 &&
		       (!rate || sent < (uint64_t)((double)(sg_mono_ns() - since) / 1e9 * (double)rate))) {
			piece(&c, n++, data, again.size);
			sent += again.size;
		}
	printf("sent=%" PRIu64 " ms=%" PRIu64 "\n", sent, (sg_mono_ns() - since) / 1000000);
	return 0;
}

int main(int argc, char **argv)
{
	bool in;

	struct sg_err err = { 0 };

	in = argc == 6 && (!strcmp(argv[1], "flood") || !strcmp(argv[1], "other"));
	if (argc < 5 || sg_addr_parse(argv[2], in, &at, &err) || sg_token_read(argv[3], &token, &err))
		return fprintf(stderr, "knock: %s\n", err.code ? err.msg : "see the beginning of its source"),
		       2;
	if (in)
		return agent(argv[1], argv[4], strtoull(argv[5], NULL, 0));
	if (!strcmp(argv[1], "ahead"))
		return ahead();
	if (!strcmp(argv[1], "mob") && argc == 6)
		return mob(strtoul(argv[4], NULL, 0), (unsigned)atoi(argv[5]));
	if (!strcmp(argv[1], "crowd") && argc == 6)
		return crowd(strtoul(argv[4], NULL, 0), atof(argv[5]));
	if (!strcmp(argv[1], "wrong"))
		return wrong(argv[4]);
	if (!strcmp(argv[1], "deaf"))
		return deaf(strtoull(argv[4], NULL, 0));
	return 2;
}
