/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "env/relay.h"
#include "kern/stamp.h"

#define PEERS \
	256 /* the host, and who else knocks: a host on a busy machine takes some 10 ms to prove itself, and 8000 strangers came in a second */
#define PROVE_NS   5000000000ull
#define SILENT_NS  15000000000ull /* a host asks for the time every second */
#define LEAVE_NS   10000000000ull /* after a signal: to send what there is */
#define QUEUE_MOST (256u << 10)	  /* bytes of data in front of an answer to the clock */
#define DEAF	   (QUEUE_MOST + SG_LINK_UNIT_MAX + (64u << 10)) /* more waits only for who does not read */
#define TELL_NS	   1000000000ull
#define TICK_MS	   100

struct peer {
	struct sg_conn c;
	uint64_t since_ns;
	bool used;
	bool last_words; /* it goes when it has been told why */
	bool shut;
};

struct agent {
	const struct sg_agent_opts *o;
	int listen_fd, sig_fd;
	struct peer peer[PEERS];
	struct peer *host; /* whose the recording is */
	struct sg_relay relay;
	bool recording, told, done_told, stop_asked;
	uint8_t session[SG_LINK_SESSION_BYTES];
	uint64_t send_next;
	uint64_t sent;	   /* all before this were sent once, by whatever connection */
	uint64_t alone_ns; /* since when the recording has no host */
	uint64_t leave_ns; /* 0: nobody has asked us to end */
	uint64_t told_ns;  /* when a stranger was told of */
	uint64_t untold;   /* strangers since */
};

static void say(const struct agent *a, const char *line)
{
	a->o->say(a->o->say_ctx, line);
}

/* What a stranger makes us say, once a second: whoever comes again and again does not fill a disk. */
static void say_of_stranger(struct agent *a, const char *line)
{
	uint64_t now = sg_mono_ns();
	char text[512];

	if (a->told_ns && now - a->told_ns < TELL_NS) {
		a->untold++;
		return;
	}
	snprintf(text, sizeof(text), "%s", line);
	if (a->untold)
		snprintf(text, sizeof(text), "%s (and %" PRIu64 " others before)", line, a->untold);
	say(a, text);
	a->told_ns = now;
	a->untold = 0;
}

/* ---- the recording --------------------------------------------------------------- */

static void recording_drop(struct agent *a)
{
	if (a->recording)
		sg_relay_free(&a->relay);
	a->recording = a->told = a->done_told = a->stop_asked = false;
}

/* From here on the recording has no host: the one place that says since when. */
static void host_gone(struct agent *a)
{
	a->host = NULL;
	a->alone_ns = sg_mono_ns();
	if (a->recording)
		say(a, "the host went away; the recording is kept for a while");
}

static void peer_close(struct agent *a, struct peer *p)
{
	if (a->host == p)
		host_gone(a);
	sg_conn_free(&p->c);
	p->used = false;
}

/* Nothing is sent to it behind that, or it would not be the last word. */
static void refuse(struct agent *a, struct peer *p, int code, const char *text)
{
	sg_conn_refuse(&p->c, code, text);
	p->last_words = true;
	if (a->host == p)
		host_gone(a);
}

static void on_start(struct agent *a, struct peer *p)
{
	struct sg_err err = { 0 };

	if (a->host || a->leave_ns) {
		refuse(a, p, EBUSY,
		       a->host ? "the agent serves another host: one at a time"
			       : "the agent is about to end");
		return;
	}
	if (a->recording)
		say(a, "a new host: the recording of the one that went away is given up");
	recording_drop(a);
	if (getrandom(a->session, sizeof(a->session), 0) != sizeof(a->session) ||
	    sg_relay_start(&a->relay, a->o->argv, a->o->spool_bytes, &err)) {
		refuse(a, p, EIO, err.msg[0] ? err.msg : "the agent has no random numbers");
		return;
	}
	a->recording = true;
	a->send_next = a->sent = 0;
	a->host = p;
	say(a, "a host has come: recording");
}

static void on_resume(struct agent *a, struct peer *p, const struct sg_link_frame *f)
{
	struct sg_link_resume r;
	struct sg_spooler_stats st;

	memcpy(&r, f->payload, sizeof(r));
	if (!a->recording || memcmp(r.session, a->session, sizeof(r.session))) {
		refuse(a, p, ESTALE,
		       "the agent no longer has that recording: it was given up, or the agent has restarted");
		return;
	}
	sg_spooler_stats(a->relay.spool, &st);
	if (r.next < st.first) {
		refuse(a, p, EPROTO, "the host asks for pieces that it said it had");
		return;
	}
	/* only what was sent can have come */
	if (r.next > a->sent || sg_spooler_release(a->relay.spool, r.next)) {
		refuse(a, p, EPROTO, "the host says that it has what was not sent");
		return;
	}
	if (a->host && a->host != p) /* its other connection is dead, only we have not noticed */
		peer_close(a, a->host);
	a->host = p;
	a->send_next = r.next;
	a->told = a->done_told = false;
	say(a, "the host is back: the recording goes on");
}

static void tell_started(struct agent *a)
{
	struct sg_link_started s = { .ncpu = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) };
	struct utsname u;

	memcpy(s.session, a->session, sizeof(s.session));
	if (!uname(&u))
		snprintf(s.kernel, sizeof(s.kernel), "%.63s", u.release);
	sg_conn_put(&a->host->c, SG_LINK_STARTED, &s, sizeof(s), NULL, 0);
	a->told = true;
}

static void tell_done(struct agent *a, const struct sg_spooler_stats *st)
{
	struct sg_link_done d = { .next = st->next, .dropped = st->dropped, .status = a->relay.status };

	d.len = (uint32_t)strlen(a->relay.text);
	memcpy(d.text, a->relay.text, d.len);
	sg_conn_put(&a->host->c, SG_LINK_DONE, &d, sizeof(d), NULL, 0);
	a->done_told = true;
}

/* Whatever the host can be told now. */
static void pump(struct agent *a)
{
	struct sg_spooler_stats st;
	const uint8_t *data;
	size_t len;
	bool ended;

	if (!a->recording || !a->host)
		return;
	ended = sg_relay_ended(&a->relay);
	if (!a->relay.begun && ended) {
		struct peer *p = a->host;

		a->host = NULL;
		refuse(a, p, EIO,
		       a->relay.text[0] ? a->relay.text : "the recorder in the guest ended at once");
		recording_drop(a);
		return;
	}
	if (!a->relay.begun)
		return;
	if (!a->told)
		tell_started(a);
	sg_spooler_stats(a->relay.spool, &st);
	while (sg_conn_queued(&a->host->c) < QUEUE_MOST &&
	       (data = sg_spooler_get(a->relay.spool, a->send_next, &len))) {
		struct sg_link_data d = { .seq = a->send_next, .dropped = st.dropped };

		if (sg_conn_put(&a->host->c, SG_LINK_DATA, &d, sizeof(d), data, len))
			break;
		a->send_next++;
		a->sent = a->send_next > a->sent ? a->send_next : a->sent;
	}
	if (ended && !a->done_told && a->send_next == st.next)
		tell_done(a, &st);
}

static void on_ack(struct agent *a, struct peer *p, const struct sg_link_frame *f)
{
	struct sg_spooler_stats st;
	struct sg_link_ack k;

	memcpy(&k, f->payload, sizeof(k));
	/* only what was sent can have come */
	if (k.next > a->send_next || sg_spooler_release(a->relay.spool, k.next)) {
		refuse(a, p, EPROTO, "the host says that it has what was not sent");
		return;
	}
	sg_spooler_stats(a->relay.spool, &st);
	if (a->done_told && st.first == st.next) {
		say(a, st.dropped.blocks
			       ? "the recording is with the host; blocks were dropped as the spool was full"
			       : "the recording is with the host");
		recording_drop(a);
		host_gone(a);
	}
}

static void on_ping(struct peer *p, const struct sg_link_frame *f)
{
	struct sg_stamp s = sg_stamp_take();
	struct sg_link_pong pong = { .mono = s.mono, .tsc0 = s.tsc0, .tsc1 = s.tsc1 };
	struct sg_link_ping ping;

	memcpy(&ping, f->payload, sizeof(ping));
	pong.id = ping.id;
	sg_conn_put(&p->c, SG_LINK_PONG, &pong, sizeof(pong), NULL, 0);
}

/* ---- who knocks --------------------------------------------------------------------- */

static void on_frame(struct agent *a, struct peer *p, const struct sg_link_frame *f)
{
	struct sg_err err = { 0 };

	if (!p->c.sealed) {
		if (sg_conn_prove(&p->c, a->o->token, f, &err) < 0) {
			say_of_stranger(a, err.msg[0] ? err.msg : "a host was refused: out of memory");
			p->last_words = true;
		}
		return;
	}
	if (sg_conn_queued(&p->c) > DEAF)
		refuse(a, p, EPROTO, "the host asks and does not hear the answers");
	else if (f->type == SG_LINK_START)
		on_start(a, p);
	else if (f->type == SG_LINK_RESUME)
		on_resume(a, p, f);
	else if (f->type == SG_LINK_PING)
		on_ping(p, f);
	else if (p != a->host)
		return;
	else if (f->type == SG_LINK_ACK)
		on_ack(a, p, f);
	else if (f->type == SG_LINK_STOP && !a->stop_asked) {
		a->stop_asked = true;
		sg_relay_stop(&a->relay);
	}
}

static void peer_read(struct agent *a, struct peer *p)
{
	struct sg_link_frame f;
	int e = sg_conn_receive(&p->c), rc = 0;

	if (p->last_words)
		p->c.rx_at = p->c.rx_len = 0;

	while (!e && !p->last_words && (rc = sg_conn_next(&p->c, &f)) > 0)
		on_frame(a, p, &f);
	if (!e && rc < 0) {
		if (rc == -EKEYREJECTED)
			say(a, "a host was cut off: a frame was changed on its way");
		else
			say_of_stranger(a, "who connected does not speak the protocol of sandglass");
		e = rc;
	}
	if (e)
		peer_close(a, p);
}

/* A place for who comes: strangers who fill the house do not keep a host out, but a host stays. NULL: all are hosts. */
static struct peer *place(struct agent *a)
{
	struct peer *oldest = NULL;

	for (int i = 0; i < PEERS; i++) {
		struct peer *p = &a->peer[i];

		if (!p->used)
			return p;
		if (!p->c.sealed && (!oldest || p->since_ns < oldest->since_ns))
			oldest = p;
	}
	if (oldest)
		peer_close(a, oldest);
	return oldest;
}

static void accept_one(struct agent *a)
{
	int fd = accept4(a->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct peer *p = fd < 0 ? NULL : place(a);

	if (!p) {
		if (fd >= 0)
			close(fd);
		return;
	}
	*p = (struct peer){ .used = true, .since_ns = sg_mono_ns() };
	if (sg_conn_init(&p->c, fd, true))
		peer_close(a, p);
}

static void peers_tend(struct agent *a)
{
	uint64_t now = sg_mono_ns();

	for (int i = 0; i < PEERS; i++) {
		struct peer *p = &a->peer[i];
		bool stale;

		if (!p->used)
			continue;
		stale = p != a->host && now - p->since_ns > PROVE_NS && now - p->c.last_rx_ns > PROVE_NS;
		if (sg_conn_send(&p->c) || stale || now - p->c.last_rx_ns > SILENT_NS) {
			peer_close(a, p);
			continue;
		}
		/* closing with bytes unread would take back what was said: the other side closes, or it goes stale */
		if (p->last_words && !p->shut && !sg_conn_queued(&p->c)) {
			shutdown(p->c.fd, SHUT_WR);
			p->shut = true;
		}
	}
}

/* ---- the loop -------------------------------------------------------------------------- */

static void on_signal(struct agent *a)
{
	struct signalfd_siginfo si;

	while (read(a->sig_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			continue;
		if (a->leave_ns) /* the second one is meant seriously */
			recording_drop(a);
		a->leave_ns = a->leave_ns ?: sg_mono_ns();
		if (a->recording && !a->stop_asked) {
			a->stop_asked = true;
			sg_relay_stop(&a->relay);
		}
	}
}

static bool over(struct agent *a)
{
	uint64_t now = sg_mono_ns();

	if (a->recording && !a->host && now - a->alone_ns > a->o->hold_ns) {
		say(a, "the host did not come back: its recording is given up");
		recording_drop(a);
	}
	if (!a->leave_ns)
		return false;
	return !a->recording || !a->host || now - a->leave_ns > LEAVE_NS;
}

static void serve(struct agent *a)
{
	for (;;) {
		struct pollfd p[4 + PEERS] = {
			{ .fd = a->sig_fd, .events = POLLIN },
			{ .fd = a->listen_fd, .events = POLLIN },
			{ .fd = a->recording ? a->relay.out_fd : -1, .events = POLLIN },
			{ .fd = a->recording ? a->relay.err_fd : -1, .events = POLLIN }
		};
		for (int i = 0; i < PEERS; i++) {
			p[4 + i].fd = a->peer[i].used ? a->peer[i].c.fd : -1;
			p[4 + i].events =
				POLLIN | (a->peer[i].used && sg_conn_queued(&a->peer[i].c) ? POLLOUT : 0);
		}
		poll(p, 4 + PEERS, TICK_MS);
		/* the clock first: whoever asks waits */
		for (int i = 0; i < PEERS; i++)
			if (a->peer[i].used && p[4 + i].revents)
				peer_read(a, &a->peer[i]);
		peers_tend(a);
		if (p[0].revents)
			on_signal(a);
		if (p[1].revents)
			accept_one(a);
		if (a->recording && sg_relay_read(&a->relay) < 0)
			say(a, "the recorder wrote no recording, or memory is short: it was ended");
		pump(a);
		peers_tend(a);
		if (over(a))
			return;
	}
}

static int signals(sigset_t *old)
{
	sigset_t m;

	sigemptyset(&m);
	sigaddset(&m, SIGINT);
	sigaddset(&m, SIGTERM);
	sigaddset(&m, SIGHUP);
	sigaddset(&m, SIGCHLD);
	sigprocmask(SIG_BLOCK, &m, old);
	return signalfd(-1, &m, SFD_CLOEXEC | SFD_NONBLOCK);
}

int sg_agent_run(const struct sg_agent_opts *o, struct sg_err *err)
{
	struct agent *a = calloc(1, sizeof(*a));
	struct sg_addr where = o->listen;
	char text[300], line[400];
	sigset_t old;

	if (!a)
		return sg_err_set(err, -ENOMEM, "out of memory");
	a->o = o;
	a->sig_fd = signals(&old);
	a->listen_fd = sg_addr_listen(&where, err);
	if (a->listen_fd >= 0) {
		snprintf(line, sizeof(line), "listening on %s",
			 sg_addr_text(&where, true, text, sizeof(text)));
		say(a, line);
		serve(a);
		recording_drop(a);
		for (int i = 0; i < PEERS; i++)
			if (a->peer[i].used)
				sg_conn_free(&a->peer[i].c);
		close(a->listen_fd);
	}
	if (a->sig_fd >= 0)
		close(a->sig_fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	free(a);
	return err->code;
}
