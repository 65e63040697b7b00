/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/addr.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <unistd.h>
#include "base/parse.h"

/* What waits in the kernel waits in front of the answers to the clock: little. */
#define SEND_BYTES (512 << 10)
/* Who waits at the door, at most: where it is full TCP lets a host wait a second, and vsock refuses it. */
#define DOOR 1024

static int bad(const char *s, bool listening, struct sg_err *err)
{
	return sg_err_set(err, -EINVAL,
			  listening ? "'%.80s' is no place to listen: give vsock:PORT or tcp:ADDRESS:PORT"
				    : "'%.80s' is no place of an agent: give vsock:CID:PORT or tcp:HOST:PORT",
			  s);
}

static int parse_vsock(const char *s, bool listening, struct sg_addr *a)
{
	const char *colon = strchr(s, ':');
	char cid[16] = "";
	uint64_t v;

	if (!listening) {
		if (!colon || colon - s >= (long)sizeof(cid))
			return -EINVAL;
		memcpy(cid, s, (size_t)(colon - s));
		if (sg_parse_u64(cid, 1, UINT32_MAX - 1, &v))
			return -EINVAL;
		a->cid = (uint32_t)v;
		s = colon + 1;
	} else {
		a->cid = VMADDR_CID_ANY;
	}
	if (sg_parse_u64(s, 1, UINT32_MAX - 1, &v))
		return -EINVAL;
	a->port = (uint32_t)v;
	a->vsock = true;
	return 0;
}

static int parse_tcp(const char *s, bool listening, struct sg_addr *a)
{
	const char *colon = strrchr(s, ':'), *end = colon;
	uint64_t v;

	if (!colon || colon == s || sg_parse_u64(colon + 1, listening ? 0 : 1, 65535, &v))
		return -EINVAL;
	if (*s == '[' && colon[-1] == ']')
		s++, end--;
	else if (memchr(s, ':', (size_t)(colon - s)))
		return -EINVAL; /* an IPv6 address wants brackets */
	if (end <= s || (size_t)(end - s) >= sizeof(a->host))
		return -EINVAL;
	memcpy(a->host, s, (size_t)(end - s));
	snprintf(a->service, sizeof(a->service), "%u", (unsigned)v);
	return 0;
}

int sg_addr_parse(const char *s, bool listening, struct sg_addr *ret, struct sg_err *err)
{
	int e = -EINVAL;

	memset(ret, 0, sizeof(*ret));
	if (!strncmp(s, "vsock:", 6))
		e = parse_vsock(s + 6, listening, ret);
	else if (!strncmp(s, "tcp:", 4))
		e = parse_tcp(s + 4, listening, ret);
	return e ? bad(s, listening, err) : 0;
}

const char *sg_addr_text(const struct sg_addr *a, bool listening, char *buf, size_t room)
{
	const char *open = strchr(a->host, ':') ? "[" : "", *close = *open ? "]" : "";

	if (a->vsock && listening)
		snprintf(buf, room, "vsock:%u", a->port);
	else if (a->vsock)
		snprintf(buf, room, "vsock:%u:%u", a->cid, a->port);
	else
		snprintf(buf, room, "tcp:%s%s%s:%s", open, a->host, close, a->service);
	return buf;
}

static int wait_connected(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int e = 0;
	socklen_t n = sizeof(e);

	if (poll(&p, 1, ms) <= 0)
		return -ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) ? -errno : -e;
}

static int connect_to(int family, const struct sockaddr *sa, socklen_t len, int ms)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), e = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, sa, len))
		e = errno == EINPROGRESS ? wait_connected(fd, ms) : -errno;
	if (!e && family != AF_VSOCK)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (e)
		close(fd);
	return e ? e : fd;
}

int sg_addr_connect(const struct sg_addr *a, int ms, struct sg_err *err)
{
	struct sockaddr_vm vm = { .svm_family = AF_VSOCK, .svm_cid = a->cid, .svm_port = a->port };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char text[300];
	int fd = -ENOENT, e;

	sg_addr_text(a, false, text, sizeof(text));
	if (a->vsock) {
		fd = connect_to(AF_VSOCK, (struct sockaddr *)&vm, sizeof(vm), ms);
	} else {
		e = getaddrinfo(a->host, a->service, &hints, &list);
		if (e)
			return sg_err_set(err, -ENOENT, "there is no agent at %s: %s", text, gai_strerror(e));
		for (struct addrinfo *i = list; i && fd < 0; i = i->ai_next)
			fd = connect_to(i->ai_family, i->ai_addr, i->ai_addrlen, ms);
		freeaddrinfo(list);
	}
	return fd < 0 ? sg_err_set(err, fd, "there is no agent at %s: %s", text, strerror(-fd)) : fd;
}

static int listen_on(int family, const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), e = 0;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ SEND_BYTES },
		   sizeof(int)); /* what it accepts inherits it */
	if (family != AF_VSOCK)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (bind(fd, sa, len) || listen(fd, DOOR))
		e = -errno;
	if (e)
		close(fd);
	return e ? e : fd;
}

static void port_learn(int fd, struct sg_addr *a)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);

	if (!getsockname(fd, (struct sockaddr *)&sa, &n))
		getnameinfo((struct sockaddr *)&sa, n, NULL, 0, a->service, sizeof(a->service),
			    NI_NUMERICSERV);
}

int sg_addr_listen(struct sg_addr *a, struct sg_err *err)
{
	struct sockaddr_vm vm = { .svm_family = AF_VSOCK, .svm_cid = a->cid, .svm_port = a->port };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list = NULL;
	char text[300];
	int fd = -ENOENT, e;

	sg_addr_text(a, true, text, sizeof(text));
	if (a->vsock) {
		fd = listen_on(AF_VSOCK, (struct sockaddr *)&vm, sizeof(vm));
	} else {
		e = getaddrinfo(strcmp(a->host, "*") ? a->host : NULL, a->service, &hints, &list);
		if (e)
			return sg_err_set(err, -ENOENT, "can't listen on %s: %s", text, gai_strerror(e));
		for (struct addrinfo *i = list; i && fd < 0; i = i->ai_next)
			fd = listen_on(i->ai_family, i->ai_addr, i->ai_addrlen);
		freeaddrinfo(list);
		if (fd >= 0)
			port_learn(fd, a);
	}
	if (fd == -EAFNOSUPPORT && a->vsock)
		return sg_err_set(
			err, fd,
			"this kernel has no vsock: load vmw_vsock_virtio_transport, or listen on tcp:");
	return fd < 0 ? sg_err_set(err, fd, "can't listen on %s: %s", text, strerror(-fd)) : fd;
}
