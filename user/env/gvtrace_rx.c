/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "env/gvtrace_priv.h"
#include "env/gvtrace_sock.h"

#define BATCH	32
#define BATCHES 256 /* of one sandbox, before the others' turn */
/*
 * Who waits in epoll_wait() is woken by every message, at the guest's expense. Where
 * the buffer is large it can fill for a while: the guest then writes, and wakes nobody.
 */
#define NAP_NS 2000000
/* Drops go on: tell it this often at most. */
#define TELL_NS 100000000ull

struct sg_gvrx {
	sg_put_fn put;
	void *put_ctx;
	int ep, stop_fd;
	bool running;
	pthread_t thread;
	unsigned small; /* connections whose buffer could not be made larger */
	atomic_uint_fast64_t cut_ns;
	struct sg_gvdec *dec;
	struct sg_gvtrace_stats st;
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	uint8_t buf[BATCH][SG_GVMSG_MAX];
};

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- calls to records -------------------------------------------------------------- */
union guest_room {
	struct sg_guest g;
	char bytes[sizeof(struct sg_guest) + SG_GUEST_TEXT_MAX];
};

static void text_put(union guest_room *r, const char *name, const char *path)
{
	char *text = r->bytes + sizeof(r->g);
	size_t n = strnlen(name, 63), m = strnlen(path, SG_GUEST_TEXT_MAX - n - 1);

	if (!n && !m)
		return;
	memcpy(text, name, n);
	text[n] = 0;
	memcpy(text + n + 1, path, m);
	r->g.len = (uint16_t)(n + 1 + m);
}

/* From the sandbox's clock to ours; never before the session, never in the future, whatever it says. */
static uint64_t our_time(const struct sg_gvbox *b, int64_t real_ns)
{
	int64_t t;

	if (real_ns <= 0 || __builtin_add_overflow(real_ns, b->mono_minus_real_ns, &t))
		return b->now_ns;
	return t < (int64_t)b->since_ns ? b->since_ns : t > (int64_t)b->now_ns ? b->now_ns : (uint64_t)t;
}

static void on_call(void *ctx, const struct sg_gvcall *c)
{
	struct sg_gvbox *b = ctx;
	struct sg_gvrx *rx = b->rx;
	uint64_t cut = atomic_load(&rx->cut_ns);
	union guest_room r = { .g = { .h = { .ts = our_time(b, c->end_ns), .kind = SG_REC_GUEST },
				      .begin = c->begin_ns ? our_time(b, c->begin_ns) : 0,
				      .ret = c->ret,
				      .gtid = c->gtid,
				      .sandbox = b->sb.sentry,
				      .nr = c->nr,
				      .what = SG_GUEST_CALL,
				      .src = SG_GSRC_TRACE } };

	if (cut && r.g.h.ts > cut) {
		if (!r.g.begin || r.g.begin >= cut)
			return;
		r.g.h.ts = cut;
		r.g.ret = 0;
	}
	text_put(&r, c->name, c->path);
	if (!rx->put(rx->put_ctx, &r.g.h))
		rx->st.records++;
}

static void tell_dropped(struct sg_gvbox *b, uint64_t ts)
{
	struct sg_guest g = { .h = { .ts = ts, .kind = SG_REC_GUEST },
			      .ret = b->dropped > INT32_MAX ? INT32_MAX : (int32_t)b->dropped,
			      .sandbox = b->sb.sentry,
			      .nr = SG_GVTRACE_DROPPED,
			      .what = SG_GUEST_CALL,
			      .src = SG_GSRC_TRACE };

	b->rx->put(b->rx->put_ctx, &g.h);
	b->told_ns = ts;
}

static void on_message(struct sg_gvrx *rx, struct sg_gvbox *b, const void *p, size_t n, bool cut)
{
	struct sg_gvmsg m;
	int rc = sg_gvmsg_decode(rx->dec, p, n, cut, &m);
	uint32_t more = m.dropped - b->dropped_last;

	rx->st.messages++;
	if (rc == -EBADMSG) {
		rx->st.bad++;
		return;
	}
	if (more && more < 1u << 31) {
		b->dropped_last = m.dropped;
		b->dropped += more;
		if (b->now_ns - b->told_ns >= TELL_NS && !atomic_load(&rx->cut_ns))
			tell_dropped(b, b->now_ns);
	}
	if (rc)
		rx->st.unknown++;
	else
		sg_gvpair_feed(b->pair, &m);
}

/* ---- connections ------------------------------------------------------------------- */
static void over(struct sg_gvrx *rx, struct sg_gvbox *b)
{
	if (b->fd >= 0) {
		close(b->fd);
		rx->small -= !b->big;
	}
	b->fd = -1;
	atomic_store(&b->over, true);
}

/* False when the Sentry has closed its end. */
static bool batch(struct sg_gvrx *rx, struct sg_gvbox *b, int *ret_n)
{
	int n;

	for (int i = 0; i < BATCH; i++) {
		rx->iov[i] = (struct iovec){ rx->buf[i], sizeof(rx->buf[i]) };
		rx->msg[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &rx->iov[i], .msg_iovlen = 1 } };
	}
	n = recvmmsg(b->fd, rx->msg, BATCH, MSG_DONTWAIT, NULL);
	*ret_n = n;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	b->mono_minus_real_ns = -clock_ns(CLOCK_REALTIME);
	b->now_ns = (uint64_t)clock_ns(CLOCK_MONOTONIC);
	b->mono_minus_real_ns += (int64_t)b->now_ns;
	for (int i = 0; i < n; i++) {
		const struct mmsghdr *m = &rx->msg[i];

		if (!m->msg_len)
			return false;
		on_message(rx, b, rx->buf[i], m->msg_len, m->msg_hdr.msg_flags & MSG_TRUNC);
	}
	return true;
}

static void drain(struct sg_gvrx *rx, struct sg_gvbox *b)
{
	int n = BATCH;

	for (int i = 0; i < BATCHES && n == BATCH; i++)
		if (!batch(rx, b, &n)) {
			over(rx, b);
			return;
		}
}

static int watch(struct sg_gvrx *rx, int fd, void *what)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(rx->ep, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

int sg_gvrx_hand(struct sg_gvrx *rx, struct sg_gvbox *b, int fd)
{
	int rc;

	b->fd = fd;
	rx->small += !b->big;
	rc = watch(rx, fd, b);
	if (rc)
		over(rx, b);
	return rc;
}

/*
 * Somebody connects: runsc for its Sentry, or another recorder that looks whether we live (and says nothing).
 * A Sentry that refused a session may keep that connection for long: a newer one that greets takes its place.
 */
static void on_connect(struct sg_gvrx *rx, struct sg_gvbox *b)
{
	int fd = accept4(b->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	bool big;

	if (fd < 0)
		return;
	if (sg_gvsock_greet(fd, b->sock, rx->dec, &big)) {
		close(fd);
		return;
	}
	over(rx, b);
	b->big = big;
	b->dropped_last = 0; /* a new session counts anew */
	atomic_store(&b->over, false);
	atomic_store(&b->greeted, true);
	sg_gvrx_hand(rx, b, fd);
}

static void *rx_main(void *arg)
{
	struct sg_gvrx *rx = arg;
	struct epoll_event e[16];

	for (;;) {
		int n = epoll_wait(rx->ep, e, 16, -1);
		bool data = false;

		for (int i = 0; i < n; i++) {
			struct sg_gvbox *b = (void *)((uintptr_t)e[i].data.ptr & ~(uintptr_t)1);

			if (!b)
				return NULL;
			if ((uintptr_t)e[i].data.ptr & 1) {
				on_connect(rx, b);
			} else if (b->fd >= 0) {
				drain(rx, b);
				data = true;
			}
		}
		if (data && !rx->small)
			nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	}
}

/* ---- life -------------------------------------------------------------------------- */
int sg_gvrx_new(struct sg_gvrx **ret, sg_put_fn put, void *put_ctx, struct sg_err *err)
{
	struct sg_gvrx *rx = calloc(1, sizeof(*rx));
	int rc = 0;

	if (!rx)
		return sg_err_set(err, -ENOMEM, "out of memory");
	rx->put = put;
	rx->put_ctx = put_ctx;
	rx->dec = sg_gvdec_new();
	rx->ep = epoll_create1(EPOLL_CLOEXEC);
	rx->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (!rx->dec)
		rc = -ENOMEM;
	else if (rx->ep < 0 || rx->stop_fd < 0)
		rc = -errno;
	else
		rc = watch(rx, rx->stop_fd, NULL);
	if (rc) {
		sg_gvrx_free(rx);
		return sg_err_set(err, rc, "cannot receive gVisor's trace messages: %s", strerror(-rc));
	}
	*ret = rx;
	return 0;
}

int sg_gvrx_add(struct sg_gvrx *rx, struct sg_gvbox *b, struct sg_err *err)
{
	int rc = 0;

	b->rx = rx;
	b->fd = -1;
	b->now_ns = b->since_ns = (uint64_t)clock_ns(CLOCK_MONOTONIC);
	b->pair = sg_gvpair_new(on_call, b);
	if (!b->pair)
		return sg_err_set(err, -ENOMEM, "out of memory");
	if (b->listen_fd >= 0)
		rc = watch(rx, b->listen_fd, (void *)((uintptr_t)b | 1));
	if (!rc && !rx->running) {
		rc = -pthread_create(&rx->thread, NULL, rx_main, rx);
		rx->running = !rc;
	}
	return rc ? sg_err_set(err, rc, "cannot receive gVisor's trace messages: %s", strerror(-rc)) : 0;
}

void sg_gvrx_cut(struct sg_gvrx *rx)
{
	atomic_store(&rx->cut_ns, (uint64_t)clock_ns(CLOCK_MONOTONIC));
}

void sg_gvrx_stop(struct sg_gvrx *rx)
{
	uint64_t one = 1;

	if (!rx->running)
		return;
	while (write(rx->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(rx->thread, NULL);
	rx->running = false;
}

void sg_gvrx_close(struct sg_gvrx *rx, struct sg_gvbox *b)
{
	uint64_t now = atomic_load(&rx->cut_ns);

	if (b->listen_fd >= 0)
		close(b->listen_fd);
	b->listen_fd = -1;
	over(rx, b);
	if (!b->pair)
		return;
	if (atomic_load(&b->dropped_told) > b->dropped)
		b->dropped = atomic_load(&b->dropped_told); /* those after the last message too */
	if (!now)
		now = (uint64_t)clock_ns(CLOCK_MONOTONIC);
	b->now_ns = now > b->now_ns ? now : b->now_ns;
	if (b->had) {
		sg_gvpair_end(b->pair, (int64_t)now - b->mono_minus_real_ns);
		tell_dropped(b, now);
	}
	rx->st.sandboxes += b->had;
	rx->st.dropped += b->dropped;
	rx->st.halves += sg_gvpair_halves(b->pair);
	sg_gvpair_free(b->pair);
	b->pair = NULL;
}

void sg_gvrx_stats(const struct sg_gvrx *rx, struct sg_gvtrace_stats *ret)
{
	*ret = rx->st;
}

void sg_gvrx_free(struct sg_gvrx *rx)
{
	if (!rx)
		return;
	sg_gvrx_stop(rx);
	if (rx->ep >= 0)
		close(rx->ep);
	if (rx->stop_fd >= 0)
		close(rx->stop_fd);
	sg_gvdec_free(rx->dec);
	free(rx);
}
