// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Generic netlink by hand: two requests and one nested reply are all taskstats needs. */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "kern/proc.h"
#include "kern/taskstats.h"

#define MSG_MAX 16384

struct sg_tsock {
	int fd;
	uint16_t family;
	uint32_t seq;
	bool listening;
	size_t len, pos; /* unread part of buf: a datagram may hold several exits */
	char buf[MSG_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* The structure only grows at its end, so a version's offsets hold for all later ones. */
#define IRQ_COUNT_OFFSET (offsetof(struct taskstats, wpcopy_delay_total) + sizeof(__u64))

static const struct {
	const char *name;
	unsigned version;
} delays[SG_DELAY_MAX] = {
#define SG_X(sym, member, ver) [SG_DELAY_##sym] = { #member, ver },
	SG_DELAY_LIST(SG_X)
#undef SG_X
};

const char *sg_delay_name(unsigned d)
{
	return d < SG_DELAY_MAX ? delays[d].name : "?";
}

static void delay_offsets(unsigned d, size_t *cnt, size_t *ns)
{
#define AT(m) *cnt = offsetof(struct taskstats, m##_count), *ns = offsetof(struct taskstats, m##_delay_total)
	switch ((enum sg_delay)d) {
	case SG_DELAY_CPU:
		AT(cpu);
		break;
	case SG_DELAY_BLKIO:
		AT(blkio);
		break;
	case SG_DELAY_SWAPIN:
		AT(swapin);
		break;
	case SG_DELAY_FREEPAGES:
		AT(freepages);
		break;
	case SG_DELAY_THRASHING:
		AT(thrashing);
		break;
	case SG_DELAY_COMPACT:
		AT(compact);
		break;
	case SG_DELAY_WPCOPY:
		AT(wpcopy);
		break;
	default: /* irq: version 14, newer than the header this may be built with */
		*cnt = IRQ_COUNT_OFFSET;
		*ns = IRQ_COUNT_OFFSET + sizeof(__u64);
	}
#undef AT
}

struct request {
	struct nlmsghdr n;
	struct genlmsghdr g;
	char attrs[512];
};

static void put_attr(struct request *r, uint16_t type, const void *data, size_t len)
{
	struct nlattr *a = (void *)((char *)r + NLMSG_ALIGN(r->n.nlmsg_len));

	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	memcpy((char *)a + NLA_HDRLEN, data, len);
	r->n.nlmsg_len = NLMSG_ALIGN(r->n.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

static int request_send(struct sg_tsock *t, uint16_t type, uint8_t cmd, uint16_t attr, const void *data,
			size_t len, bool ack)
{
	struct request r = { .n = { .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN), .nlmsg_type = type },
			     .g = { .cmd = cmd, .version = 1 } };

	if (len > sizeof(r.attrs) - NLA_HDRLEN)
		return -E2BIG;
	r.n.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (ack ? NLM_F_ACK : 0));
	r.n.nlmsg_seq = ++t->seq;
	put_attr(&r, attr, data, len);
	return send(t->fd, &r, r.n.nlmsg_len, 0) < 0 ? -errno : 0;
}

static int receive(struct sg_tsock *t)
{
	ssize_t n;

	do
		n = recv(t->fd, t->buf, sizeof(t->buf), 0);
	while (n < 0 && errno == EINTR);
	t->pos = 0;
	t->len = n > 0 ? (size_t)n : 0;
	return n < 0 ? -errno : 0;
}

/* Next message of the buffer, or NULL when what is left is no whole message. */
static struct nlmsghdr *next_msg(struct sg_tsock *t)
{
	struct nlmsghdr *h = (void *)(t->buf + t->pos);
	size_t left = t->len - t->pos;

	if (left < sizeof(*h) || h->nlmsg_len < sizeof(*h) || h->nlmsg_len > left) {
		t->pos = t->len;
		return NULL;
	}
	t->pos += NLMSG_ALIGN(h->nlmsg_len) < left ? NLMSG_ALIGN(h->nlmsg_len) : left;
	return h;
}

/* Find attribute @type in [p, p+len); NULL when it is not there. */
static const struct nlattr *attr_find(const char *p, size_t len, uint16_t type)
{
	while (len >= sizeof(struct nlattr)) {
		const struct nlattr *a = (const void *)p;
		size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < sizeof(*a) || a->nla_len > len)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		if (step >= len)
			return NULL;
		p += step;
		len -= step;
	}
	return NULL;
}

static const char *attr_data(const struct nlattr *a, size_t *len)
{
	*len = a->nla_len - NLA_HDRLEN;
	return (const char *)a + NLA_HDRLEN;
}

static uint64_t u64_at(const char *p, size_t len, size_t off)
{
	uint64_t v = 0;

	if (off + sizeof(v) <= len)
		memcpy(&v, p + off, sizeof(v));
	return v;
}

#define FIELD(m) u64_at(p, len, offsetof(struct taskstats, m))
static void parse_stats(const char *p, size_t len, struct sg_taskstats *ret)
{
	uint16_t version = 0;

	if (len >= sizeof(version))
		memcpy(&version, p, sizeof(version));
	ret->version = version;
	for (unsigned d = 0; d < SG_DELAY_MAX; d++) {
		size_t cnt, ns;

		delay_offsets(d, &cnt, &ns);
		if (version < delays[d].version || ns + sizeof(uint64_t) > len)
			continue;
		ret->have |= 1u << d;
		ret->delay_cnt[d] = u64_at(p, len, cnt);
		ret->delay_ns[d] = u64_at(p, len, ns);
	}
	ret->run_real_ns = FIELD(cpu_run_real_total);
	ret->run_virt_ns = FIELD(cpu_run_virtual_total);
	ret->utime_us = FIELD(ac_utime);
	ret->stime_us = FIELD(ac_stime);
	ret->minflt = FIELD(ac_minflt);
	ret->majflt = FIELD(ac_majflt);
	if (offsetof(struct taskstats, ac_comm) + TS_COMM_LEN <= len)
		memcpy(ret->comm, p + offsetof(struct taskstats, ac_comm), TS_COMM_LEN);
}
#undef FIELD

/* 1: @h held figures; 0: it held none. */
static int parse_msg(const struct nlmsghdr *h, struct sg_taskstats *ret)
{
	const char *p = (const char *)h + NLMSG_HDRLEN + GENL_HDRLEN;
	const struct nlattr *aggr, *id, *stats;
	bool group = false;
	size_t len;

	if (h->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN)
		return 0;
	len = h->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
	aggr = attr_find(p, len, TASKSTATS_TYPE_AGGR_PID);
	if (!aggr) {
		aggr = attr_find(p, len, TASKSTATS_TYPE_AGGR_TGID);
		group = true;
	}
	if (!aggr)
		return 0;
	p = attr_data(aggr, &len);
	id = attr_find(p, len, group ? TASKSTATS_TYPE_TGID : TASKSTATS_TYPE_PID);
	stats = attr_find(p, len, TASKSTATS_TYPE_STATS);
	if (!id || !stats)
		return 0;
	memset(ret, 0, sizeof(*ret));
	ret->group = group;
	p = attr_data(id, &len);
	if (len >= sizeof(uint32_t))
		memcpy(&ret->id, p, sizeof(uint32_t));
	p = attr_data(stats, &len);
	parse_stats(p, len, ret);
	return 1;
}

static int msg_error(const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);

	return h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? -EBADMSG : e->error;
}

static int family_find(struct sg_tsock *t)
{
	const char name[] = TASKSTATS_GENL_NAME;
	struct nlmsghdr *h;
	int err = request_send(t, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, name, sizeof(name),
			       false);

	if (!err)
		err = receive(t);
	if (err)
		return err;
	while ((h = next_msg(t))) {
		const struct nlattr *a;

		if (h->nlmsg_type == NLMSG_ERROR)
			return msg_error(h) ? msg_error(h) : -EBADMSG;
		if (h->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN)
			continue;
		a = attr_find((char *)h + NLMSG_HDRLEN + GENL_HDRLEN,
			      h->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, CTRL_ATTR_FAMILY_ID);
		if (a && a->nla_len >= NLA_HDRLEN + sizeof(t->family)) {
			memcpy(&t->family, (const char *)a + NLA_HDRLEN, sizeof(t->family));
			return 0;
		}
	}
	return -ENOENT;
}

/* @attr: to be told of the exits on every CPU, or of none any more. */
static int listen_ask(struct sg_tsock *t, uint16_t attr, bool ack)
{
	char *mask;
	ssize_t n = sg_proc_read("/sys/devices/system/cpu/possible", 256, &mask);
	int code;

	if (n < 0)
		return (int)n;
	mask[strcspn(mask, "\n")] = 0;
	code = request_send(t, t->family, TASKSTATS_CMD_GET, attr, mask, strlen(mask) + 1, ack);
	free(mask);
	return code;
}

int sg_tsock_open(struct sg_tsock **ret, struct sg_err *err)
{
	/* A silent kernel must not hang the caller. */
	struct timeval patience = { .tv_sec = 5 };
	struct sg_tsock *t = calloc(1, sizeof(*t));
	int code;

	if (!t)
		return sg_err_set(err, -ENOMEM, "out of memory");
	t->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	code = t->fd < 0 ? -errno : 0;
	if (!code)
		setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (!code)
		code = family_find(t);
	if (code) {
		sg_tsock_close(t);
		return sg_err_set(err, code, "this kernel offers no taskstats over netlink: %s",
				  strerror(-code));
	}
	*ret = t;
	return 0;
}

void sg_tsock_close(struct sg_tsock *t)
{
	if (!t)
		return;
	if (t->listening)
		listen_ask(t, TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, false);
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}

int sg_tsock_fd(const struct sg_tsock *t)
{
	return t->fd;
}

int sg_tsock_get(struct sg_tsock *t, pid_t id, bool group, struct sg_taskstats *ret, struct sg_err *err)
{
	uint32_t v = (uint32_t)id;
	int code = t->listening ? -EBUSY : 0; /* exits would be mistaken for the answer */

	if (!code)
		code = request_send(t, t->family, TASKSTATS_CMD_GET,
				    group ? TASKSTATS_CMD_ATTR_TGID : TASKSTATS_CMD_ATTR_PID, &v, sizeof(v),
				    false);
	while (!code) {
		struct nlmsghdr *h;

		code = receive(t);
		while (!code && (h = next_msg(t))) {
			if (h->nlmsg_seq != t->seq)
				continue; /* answer to a request that was given up */
			if (h->nlmsg_type == NLMSG_ERROR)
				code = msg_error(h) ? msg_error(h) : -EBADMSG;
			else if (!parse_msg(h, ret))
				code = -EBADMSG;
			else if (ret->id == id && ret->group == group)
				return 0;
		}
	}
	return sg_err_set(err, code, "no taskstats of %s %d: %s", group ? "process" : "thread", id,
			  strerror(-code));
}

int sg_tsock_listen(struct sg_tsock *t, struct sg_err *err)
{
	int big = 4 << 20, code;
	struct nlmsghdr *h;

	if (setsockopt(t->fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big)))
		setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	code = listen_ask(t, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, true);
	if (!code)
		code = receive(t);
	if (!code) {
		h = next_msg(t);
		code = !h ? -EBADMSG : h->nlmsg_type == NLMSG_ERROR ? msg_error(h) : 0;
	}
	if (code)
		return sg_err_set(err, code, "exits cannot be listened to: %s", strerror(-code));
	t->listening = true;
	return 0;
}

int sg_tsock_next(struct sg_tsock *t, int timeout_ms, struct sg_taskstats *ret, struct sg_err *err)
{
	for (;;) {
		struct pollfd p = { .fd = t->fd, .events = POLLIN };
		struct nlmsghdr *h;
		int n;

		while (t->pos < t->len)
			if ((h = next_msg(t)) && h->nlmsg_type == t->family && parse_msg(h, ret))
				return 1;
		n = poll(&p, 1, timeout_ms);
		if (!n)
			return 0;
		if (n > 0)
			n = receive(t);
		else
			n = -errno;
		if (n == -EINTR)
			continue;
		if (n < 0)
			return sg_err_set(err, n, "listening to exits: %s", strerror(-n));
	}
}
