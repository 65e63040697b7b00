/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Who knocks at an agent and is no host as it should be. Each begins a recording and tells what becomes of it:
 *   knock crowd ADDR TOKEN N SECONDS   its connection breaks while N strangers come again as often as they are sent away; how long until it is back
 *   knock wrong ADDR TOKEN ack|resume  says something wrong, is refused, and comes back as it should
 *   knock deaf ADDR TOKEN PINGS        asks for the time and hears no answer
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "env/addr.h"
#include "env/conn.h"
#include "kern/stamp.h"

#define TRY_NS 2000000000ull
#define TROOPS 4 /* processes of strangers: one alone is slower than the agent */

static struct sg_addr at;
static struct sg_token token;

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
	while (!rc && frame(c, begin, &f))
		rc = sg_conn_prove(c, &token, &f, &err);
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

/* Each says nothing, and comes again at once when it is sent away. Never returns. */
static void strangers(size_t n)
{
	struct pollfd *p = calloc(n, sizeof(*p));
	struct sg_err err;
	char b[256];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; p && i < n; i++)
		p[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	for (;;) {
		for (size_t i = 0; i < n; i++) {
			if (p[i].fd >= 0 && p[i].revents) {
				ssize_t got = recv(p[i].fd, b, sizeof(b), MSG_DONTWAIT);

				if (got > 0 || (got < 0 && errno == EAGAIN))
					continue;
				close(p[i].fd);
				p[i].fd = -1;
			}
			if (p[i].fd < 0)
				p[i].fd = sg_addr_connect(&at, 100, &err);
			p[i].revents = 0;
		}
		poll(p, n, 10);
	}
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
	for (size_t i = 0; i < TROOPS; i++) {
		pid[i] = fork();
		if (!pid[i])
			strangers(n / TROOPS);
	}
	usleep(500000);
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
	for (size_t i = 0; i < TROOPS; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
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

int main(int argc, char **argv)
{
	struct sg_err err = { 0 };

	if (argc < 5 || sg_addr_parse(argv[2], false, &at, &err) || sg_token_read(argv[3], &token, &err))
		return fprintf(stderr, "knock: %s\n", err.code ? err.msg : "see the beginning of its source"),
		       2;
	if (!strcmp(argv[1], "crowd") && argc == 6)
		return crowd(strtoul(argv[4], NULL, 0), atof(argv[5]));
	if (!strcmp(argv[1], "wrong"))
		return wrong(argv[4]);
	if (!strcmp(argv[1], "deaf"))
		return deaf(strtoull(argv[4], NULL, 0));
	return 2;
}
