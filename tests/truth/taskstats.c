/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The kernel's delay accounting of the calling thread, over the taskstats netlink family. */
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "truth.h"

struct msg {
	struct nlmsghdr n;
	struct genlmsghdr g;
	char buf[2048];
};

/* One request with one attribute; the answer replaces it. Return: bytes of attributes, or -1. */
static int ask(int fd, struct msg *m, int type, int cmd, int version, int attr, const void *data, int len)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct nlattr *a = (struct nlattr *)m->buf;
	ssize_t n;

	memset(m, 0, sizeof(*m));
	m->n.nlmsg_type = type;
	m->n.nlmsg_flags = NLM_F_REQUEST;
	m->g.cmd = cmd;
	m->g.version = version;
	a->nla_type = attr;
	a->nla_len = NLA_HDRLEN + len;
	memcpy(m->buf + NLA_HDRLEN, data, len);
	m->n.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN + NLMSG_ALIGN(a->nla_len);
	if (sendto(fd, m, m->n.nlmsg_len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	n = recv(fd, m, sizeof(*m), 0);
	if (n < (ssize_t)(NLMSG_HDRLEN + GENL_HDRLEN) || m->n.nlmsg_type == NLMSG_ERROR)
		return -1;
	return n - NLMSG_HDRLEN - GENL_HDRLEN;
}

static const struct nlattr *attr_find(const char *buf, int len, int type)
{
	for (int off = 0; off + NLA_HDRLEN <= len;) {
		const struct nlattr *a = (const void *)(buf + off);

		if (a->nla_len < NLA_HDRLEN || off + a->nla_len > len)
			return NULL;
		if (a->nla_type == type)
			return a;
		off += NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

int truth_taskstats(struct taskstats *ret)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), len, rc = -1;
	const struct nlattr *a;
	uint32_t tid = gettid();
	uint16_t family;
	struct msg m;

	if (fd < 0)
		return -1;
	len = ask(fd, &m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, CTRL_ATTR_FAMILY_NAME, TASKSTATS_GENL_NAME,
		  sizeof(TASKSTATS_GENL_NAME));
	a = len < 0 ? NULL : attr_find(m.buf, len, CTRL_ATTR_FAMILY_ID);
	if (a) {
		memcpy(&family, (const char *)a + NLA_HDRLEN, sizeof(family));
		len = ask(fd, &m, family, TASKSTATS_CMD_GET, TASKSTATS_GENL_VERSION, TASKSTATS_CMD_ATTR_PID,
			  &tid, sizeof(tid));
		a = len < 0 ? NULL : attr_find(m.buf, len, TASKSTATS_TYPE_AGGR_PID);
		if (a)
			a = attr_find((const char *)a + NLA_HDRLEN, a->nla_len - NLA_HDRLEN,
				      TASKSTATS_TYPE_STATS);
		if (a) {
			memset(ret, 0, sizeof(*ret));
			len = a->nla_len - NLA_HDRLEN;
			memcpy(ret, (const char *)a + NLA_HDRLEN,
			       (size_t)len < sizeof(*ret) ? (size_t)len : sizeof(*ret));
			rc = 0;
		}
	}
	close(fd);
	return rc;
}
