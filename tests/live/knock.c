/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Who knocks at an agent and is no host as it should be. Each begins a recording and tells what becomes of it:
 *   knock wrong ADDR TOKEN ack|resume  says something wrong, is refused, and comes back as it should
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "env/addr.h"
#include "env/conn.h"
#include "kern/stamp.h"

#define TRY_NS 2000000000ull

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

int main(int argc, char **argv)
{
	struct sg_err err = { 0 };

	if (argc < 5 || sg_addr_parse(argv[2], false, &at, &err) || sg_token_read(argv[3], &token, &err))
		return fprintf(stderr, "knock: %s\n", err.code ? err.msg : "see the beginning of its source"),
		       2;
	if (!strcmp(argv[1], "wrong"))
		return wrong(argv[4]);
	return 2;
}
