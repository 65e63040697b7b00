/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/agentlink.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "env/guestclock.h"
#include "trace/rec.h"

#define CONNECT_MS 5000
#define CONNECT_NS (CONNECT_MS * 1000000ull)
#define BACK_MS	   2000		 /* connecting anew */
#define PROVE_NS   5000000000ull /* the handshake */
#define BEGIN_NS \
	120000000000ull /* until the guest's recorder has loaded its programs: emulated machines are slow */
#define SILENT_NS 10000000000ull /* it is asked for the time every second */
#define AGAIN_NS  500000000ull	 /* between two tries to connect */
#define LAST_NS	  60000000000ull /* at the end, without any piece coming: a slow machine looks up its symbols */
#define CLOCK_NS  5000000000ull /* for its clock, behind all else */
#define ACKS_MOST 4096		/* bytes that wait */
#define GONE_NS	  6000000000ull /* the same without a connection */

enum state {
	ST_DOWN,
	ST_PROVE, /* connected */
	ST_WAIT,  /* asked to begin, or to go on */
	ST_ON,
	ST_LAST, /* all has come, but for its clock at the end */
	ST_OVER,
};

struct sg_agent_link {
	struct sg_agent_link_opts o;
	struct sg_agent_link_result res;
	struct sg_guestclock clock;
	struct sg_conn c;
	enum state state;
	uint64_t since_ns;   /* in that state */
	uint64_t moved_ns;   /* when a piece came, or the end was asked for */
	uint64_t stopped_ns; /* when the end was asked for */
	uint64_t rest;	     /* bytes of pieces since */
	uint8_t session[SG_LINK_SESSION_BYTES];
	uint64_t next, acked;
	bool stopping, stop_sent;
	bool proved; /* once at least */
	int stop_fd;
	sg_put_fn put;
	void *put_ctx;
	pthread_t thread;
	bool threaded;
};

static void state_set(struct sg_agent_link *g, enum state st)
{
	g->state = st;
	g->since_ns = sg_mono_ns();
}

static void over(struct sg_agent_link *g)
{
	state_set(g, ST_OVER);
}

/* Its sentence: the first one that says why. */
static int failed(struct sg_agent_link *g, int code, const char *text)
{
	if (!g->res.err.code)
		sg_err_set(&g->res.err, code, "guest %s: %s", g->o.name, text);
	return code;
}

/* ---- the connection --------------------------------------------------------------- */

static int up(struct sg_agent_link *g, int ms, struct sg_err *err)
{
	int fd = sg_addr_connect(&g->o.addr, ms, err), e;

	if (fd < 0)
		return fd;
	e = sg_conn_init(&g->c, fd, false);
	if (e) {
		sg_conn_free(&g->c);
		return sg_err_set(err, e, "out of memory");
	}
	state_set(g, ST_PROVE);
	return 0;
}

static void down(struct sg_agent_link *g)
{
	if (g->state == ST_DOWN || g->state == ST_OVER)
		return;
	if (g->state == ST_LAST) {
		over(g);
		return;
	}
	sg_conn_free(&g->c);
	sg_guestclock_break(&g->clock);
	g->stop_sent = false;
	state_set(g, ST_DOWN);
}

static void ask_to_record(struct sg_agent_link *g)
{
	struct sg_link_start start = { 0 };
	struct sg_link_resume resume = { .next = g->next };

	g->proved = true;
	if (g->res.begun) {
		memcpy(resume.session, g->session, sizeof(resume.session));
		sg_conn_put(&g->c, SG_LINK_RESUME, &resume, sizeof(resume), NULL, 0);
	} else {
		sg_conn_put(&g->c, SG_LINK_START, &start, sizeof(start), NULL, 0);
	}
	state_set(g, ST_WAIT);
}

/* ---- frames -------------------------------------------------------------------------- */

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int on_data(struct sg_agent_link *g, const struct sg_link_frame *f)
{
	struct sg_link_data d;
	char text[128];
	int e;

	memcpy(&d, f->payload, sizeof(d));
	if (d.seq != g->next)
		return d.seq < g->next ? 0 : -EPROTO;
	g->rest += g->stopping ? f->size : 0;
	if (g->rest > g->o.rest_bytes) {
		snprintf(text, sizeof(text),
			 "it sent more than %.1f MiB after its end was asked for and was cut off; what had "
			 "come is kept",
			 (double)g->o.rest_bytes / 1048576.0);
		failed(g, -EFBIG, text);
		over(g);
		return 0;
	}
	e = write_all(g->o.out_fd, f->payload + sizeof(d), f->len - sizeof(d));
	if (e) {
		snprintf(text, sizeof(text), "its recording can't be written: %s", strerror(-e));
		failed(g, e, text);
		over(g);
		return 0;
	}
	g->next++;
	g->moved_ns = sg_mono_ns();
	g->res.pieces++;
	g->res.bytes += f->len - sizeof(d);
	g->res.dropped = d.dropped;
	return 0;
}

static void ack(struct sg_agent_link *g)
{
	struct sg_link_ack k = { .next = g->next };

	sg_conn_put(&g->c, SG_LINK_ACK, &k, sizeof(k), NULL, 0);
	g->acked = g->next;
}

static int on_done(struct sg_agent_link *g, const struct sg_link_frame *f)
{
	struct sg_link_done d;
	char text[SG_LINK_TEXT_BYTES], line[SG_LINK_TEXT_BYTES + 64];

	memcpy(&d, f->payload, sizeof(d));
	if (d.next != g->next)
		return -EPROTO;
	g->res.dropped = d.dropped;
	sg_link_text(text, sizeof(text), d.text, d.len, sizeof(d.text));
	if (!g->stopping)
		snprintf(line, sizeof(line), "its recording ended before the host's%s%s", *text ? ": " : "",
			 text);
	else
		snprintf(line, sizeof(line), "its recorder ended with status %d%s%s", d.status,
			 *text ? ": " : "", text);
	if (!g->stopping || d.status)
		failed(g, -EIO, line);
	else
		g->res.complete = true;
	ack(g);
	sg_conn_send(&g->c);
	/* a clock that was set since it was last asked for is not to go unnoticed */
	sg_guestclock_break(&g->clock);
	state_set(g, ST_LAST);
	return 0;
}

static int on_pong(struct sg_agent_link *g, const struct sg_link_frame *f)
{
	struct sg_link_pong pong;
	struct sg_clock_point p;
	struct sg_clockmap ev = { .h = { .kind = SG_REC_CLOCKMAP }, .machine = g->o.number };
	int rc;

	memcpy(&pong, f->payload, sizeof(pong));
	rc = sg_guestclock_answer(&g->clock, &pong, &p);
	if (rc <= 0)
		return rc;
	ev.h.ts = sg_mono_ns();
	ev.guest_ts = p.guest;
	ev.host_ts = p.host;
	ev.error_ns = p.error;
	ev.source = p.source;
	ev.flags = p.flags | SG_CLOCKMAP_RAW;
	g->put(g->put_ctx, &ev.h);
	if (g->state == ST_LAST)
		over(g);
	return 0;
}

static void on_refuse(struct sg_agent_link *g, const struct sg_link_frame *f)
{
	struct sg_link_refuse r;
	char text[SG_LINK_TEXT_BYTES];

	memcpy(&r, f->payload, sizeof(r));
	sg_link_text(text, sizeof(text), r.text, r.len, sizeof(r.text));
	failed(g, -ECONNREFUSED, text);
	over(g);
}

static void on_started(struct sg_agent_link *g, const struct sg_link_frame *f)
{
	static const char other[] =
		"its agent goes on with another recording than it had begun; what had come is kept";
	struct sg_link_started s;

	memcpy(&s, f->payload, sizeof(s));
	if (g->res.begun && memcmp(s.session, g->session, sizeof(s.session))) {
		failed(g, -EPROTO, other);
		sg_conn_refuse(&g->c, EPROTO, "the agent goes on with another recording than it had begun");
		sg_conn_send(&g->c);
		over(g);
		return;
	}
	g->res.breaks += g->res.begun;
	g->res.begun = true;
	memcpy(g->session, s.session, sizeof(g->session));
	sg_link_text(g->res.kernel, sizeof(g->res.kernel), s.kernel, sizeof(s.kernel), sizeof(s.kernel));
	state_set(g, ST_ON);
}

static int on_frame(struct sg_agent_link *g, const struct sg_link_frame *f)
{
	struct sg_err err = { 0 };
	int rc;

	if (!g->c.sealed) {
		rc = sg_conn_prove(&g->c, g->o.token, f, &err);
		if (rc > 0)
			ask_to_record(g);
		if (rc >= 0)
			return 0;
		sg_conn_send(&g->c); /* the agent may want to know why */
		return failed(g, rc, err.msg[0] ? err.msg : strerror(-rc));
	}
	switch (f->type) {
	case SG_LINK_STARTED:
		if (g->state == ST_WAIT)
			on_started(g, f);
		return 0;
	case SG_LINK_REFUSE:
		if (g->state != ST_LAST)
			on_refuse(g, f);
		return 0;
	case SG_LINK_PONG:
		return on_pong(g, f);
	case SG_LINK_DATA:
		return g->state == ST_ON ? on_data(g, f) : -EPROTO;
	case SG_LINK_DONE:
		return g->state == ST_ON ? on_done(g, f) : -EPROTO;
	}
	return 0;
}

/* ---- one turn of the loop -------------------------------------------------------------- */

static void take(struct sg_agent_link *g)
{
	struct sg_link_frame f;
	int e = sg_conn_receive(&g->c), rc = 0;

	/* what came before the end counts */
	while (g->state != ST_OVER && !(rc < 0) && (rc = sg_conn_next(&g->c, &f)) > 0)
		rc = on_frame(g, &f);
	if (g->state == ST_OVER)
		return;
	if (g->state == ST_PROVE && rc < 0) {
		failed(g, rc, "what answers there is no agent of sandglass");
		/* later its machine may be on its way up again, and who answered may be anybody */
		if (!g->res.begun)
			over(g);
		else
			g->res.err.code = 0;
	}
	if (g->state != ST_OVER && (e || rc < 0))
		down(g);
}

static void tend(struct sg_agent_link *g)
{
	uint64_t now = sg_mono_ns(), in = now - g->since_ns;
	struct sg_link_ping ping;
	struct sg_link_stop stop = { 0 };

	/* the last one says all that those before it said: they don't pile up where nobody takes them */
	if (g->state == ST_ON && g->acked != g->next && sg_conn_queued(&g->c) < ACKS_MOST)
		ack(g);
	if (g->stopping && g->state == ST_ON && !g->stop_sent) {
		sg_conn_put(&g->c, SG_LINK_STOP, &stop, sizeof(stop), NULL, 0);
		g->stop_sent = true;
	}
	if (g->c.sealed && g->state >= ST_WAIT && !sg_conn_queued(&g->c) &&
	    sg_guestclock_due(&g->clock, &ping))
		sg_conn_put(&g->c, SG_LINK_PING, &ping, sizeof(ping), NULL, 0);
	if (sg_conn_send(&g->c) || (g->state == ST_PROVE && in > PROVE_NS) ||
	    (g->state != ST_PROVE && now - g->c.last_rx_ns > SILENT_NS))
		down(g);
}

static bool interrupted(void)
{
	sigset_t m;

	return !sigpending(&m) && (sigismember(&m, SIGINT) || sigismember(&m, SIGTERM));
}

/* The recording of this machine has ended: what is still on its way is waited for, but not for ever. */
static void hurry(struct sg_agent_link *g)
{
	uint64_t most = g->state == ST_DOWN || g->state == ST_PROVE ? GONE_NS : LAST_NS, now = sg_mono_ns();

	if (!g->stopping || g->state >= ST_LAST)
		return;
	if (now - g->moved_ns >= most)
		failed(g, -ETIMEDOUT,
		       g->state == ST_DOWN
			       ? "the connection is gone and did not come back; what had come is kept"
			       : "the rest of its recording did not come; what had come is kept");
	else if (now - g->stopped_ns >= g->o.rest_ns)
		failed(g, -ETIMEDOUT,
		       "the rest of its recording came too slowly and was cut off; what had come is kept");
	else if (interrupted())
		failed(g, -EINTR,
		       "interrupted before the rest of its recording had come; what had come is kept");
	else
		return;
	over(g);
}

static void turn(struct sg_agent_link *g)
{
	struct pollfd p[2] = { { .fd = g->stop_fd, .events = POLLIN },
			       { .fd = g->state == ST_DOWN ? -1 : g->c.fd, .events = POLLIN } };
	struct sg_err err = { 0 };
	int ms = 200;

	if (g->state >= ST_WAIT && g->state != ST_OVER) {
		int wait = sg_guestclock_wait_ms(&g->clock);

		ms = wait < ms ? wait : ms;
	}
	if (p[1].fd >= 0 && sg_conn_queued(&g->c))
		p[1].events |= POLLOUT;
	if (g->stopping)
		p[0].fd = -1;
	poll(p, 2, ms);
	if (p[0].revents) {
		g->stopping = true;
		g->moved_ns = g->stopped_ns = sg_mono_ns();
	}
	if (g->state != ST_DOWN && p[1].revents)
		take(g);
	if (g->state == ST_DOWN && sg_mono_ns() - g->since_ns > AGAIN_NS && up(g, BACK_MS, &err))
		state_set(g, ST_DOWN);
	if (g->state != ST_DOWN && g->state != ST_OVER)
		tend(g);
	if (g->state == ST_LAST && sg_mono_ns() - g->since_ns > CLOCK_NS)
		over(g);
	hurry(g);
}

static void *thread(void *arg)
{
	struct sg_agent_link *g = arg;

	while (g->state != ST_OVER)
		turn(g);
	return NULL;
}

/* ---- as a companion ------------------------------------------------------------------------ */

static int start(void *ctx, sg_put_fn put, void *put_ctx, struct sg_err *err)
{
	struct sg_agent_link *g = ctx;
	uint64_t begin = sg_mono_ns();
	struct sg_err why = { 0 };
	int e;

	g->put = put;
	g->put_ctx = put_ctx;
	sg_guestclock_init(&g->clock, g->o.vmm, g->o.addr.vsock ? g->o.addr.cid : 0);
	e = up(g, CONNECT_MS, &why);
	if (e)
		return sg_err_set(err, e, "guest %s: %s", g->o.name, why.msg);
	while (g->state != ST_ON && g->state != ST_OVER) {
		turn(g);
		if (interrupted())
			failed(g, -EINTR, "interrupted before its recording had begun");
		else if (g->state == ST_DOWN && g->proved)
			failed(g, -EPIPE, "the connection broke before its recording had begun");
		else if (g->state == ST_DOWN &&
			 sg_mono_ns() - begin > CONNECT_NS) /* its house may have been full of strangers */
			failed(g, -EPIPE, "the agent closed the connection");
		else if (sg_mono_ns() - begin > BEGIN_NS)
			failed(g, -ETIMEDOUT, "its recording did not begin within two minutes");
		if (g->res.err.code && g->state != ST_OVER) {
			down(g);
			over(g);
		}
	}
	if (g->state == ST_OVER) {
		*err = g->res.err;
		return err->code ? err->code : -EIO;
	}
	e = -pthread_create(&g->thread, NULL, thread, g);
	if (e)
		return sg_err_set(err, e, "guest %s: no thread for it: %s", g->o.name, strerror(-e));
	g->threaded = true;
	return 0;
}

/* The description that its recording begins with tells it from others when the parts are merged later. */
static uint32_t meta_of(int fd)
{
	struct sg_reader *r;
	const char *text;
	uint32_t crc = 0;

	if (sg_reader_open(&r, fd, NULL))
		return 0;
	text = sg_reader_meta(r);
	if (text)
		crc = sg_crc32(text, strlen(text));
	sg_reader_close(r);
	return crc;
}

static void put_machine(struct sg_agent_link *g)
{
	struct {
		struct sg_machine m;
		char text[SG_MACHINE_NAME + 64];
	} ev = { .m = { .h = { .ts = sg_mono_ns(), .kind = SG_REC_MACHINE },
			.number = g->o.number,
			.meta = g->res.meta,
			.vmm = g->res.vmm,
			.cid = g->o.addr.vsock ? g->o.addr.cid : 0 } };

	ev.m.len = (uint16_t)(snprintf(ev.text, sizeof(ev.text), "%s%c%s", g->o.name, 0, g->res.kernel) + 1);
	g->put(g->put_ctx, &ev.m.h);
}

static void stop(void *ctx)
{
	struct sg_agent_link *g = ctx;

	eventfd_write(g->stop_fd, 1);
}

static void finish(void *ctx)
{
	struct sg_agent_link *g = ctx;
	size_t by_tsc = 0;

	if (g->threaded) {
		stop(g);
		pthread_join(g->thread, NULL);
		g->threaded = false;
	}
	g->res.meta = meta_of(g->o.out_fd);
	g->res.vmm = g->clock.kvm.pid ? g->clock.kvm.pid : g->o.vmm;
	g->res.stepped = g->clock.clocks.stepped;
	g->res.doubted = g->clock.doubted;
	if (sg_clocks_finish(&g->clock.clocks))
		failed(g, -ENOMEM, "out of memory for its clock");
	for (size_t i = 0; i < g->clock.clocks.n; i++)
		by_tsc += g->clock.clocks.p[i].source == SG_CLOCK_TSC;
	g->res.source = 2 * by_tsc > g->clock.clocks.n ? SG_CLOCK_TSC : SG_CLOCK_EXCHANGE;
	put_machine(g);
}

int sg_agent_link_new(struct sg_agent_link **ret, const struct sg_agent_link_opts *o)
{
	struct sg_agent_link *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->o = *o;
	g->o.rest_bytes = o->rest_bytes ?: SG_AGENT_REST_BYTES;
	g->o.rest_ns = o->rest_ns ?: SG_AGENT_REST_NS;
	g->c.fd = -1;
	g->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (g->stop_fd < 0) {
		free(g);
		return -errno;
	}
	*ret = g;
	return 0;
}

void sg_agent_link_free(struct sg_agent_link *g)
{
	if (!g)
		return;
	sg_conn_free(&g->c);
	sg_clocks_free(&g->clock.clocks);
	close(g->stop_fd);
	free(g);
}

void sg_agent_link_companion(struct sg_agent_link *g, struct sg_companion *ret)
{
	*ret = (struct sg_companion){ .ctx = g, .start = start, .stop = stop, .finish = finish };
}

const struct sg_agent_link_result *sg_agent_link_result(const struct sg_agent_link *g)
{
	return &g->res;
}

const struct sg_clocks *sg_agent_link_clocks(const struct sg_agent_link *g)
{
	return &g->clock.clocks;
}
