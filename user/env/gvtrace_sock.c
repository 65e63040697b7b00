/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/gvtrace_sock.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* runsc has few descriptors when it connects. */
#define PEER_FDS 256

static int addr_of(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	strcpy(ret->sun_path, path);
	return 0;
}

static int folder_make(const char *path)
{
	char dir[108];
	char *end;

	snprintf(dir, sizeof(dir), "%s", path);
	end = strrchr(dir, '/');
	if (!end || end == dir)
		return 0;
	*end = 0;
	return mkdir(dir, 0700) && errno != EEXIST ? -errno : 0;
}

/* What is at @path: 1 a socket that nobody listens to any more, 0 nothing, -EBUSY a listener. */
static int path_state(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)a, sizeof(*a)) ? errno : 0;
	close(fd);
	return rc == ECONNREFUSED ? 1 : rc == ENOENT ? 0 : rc ? -rc : -EBUSY;
}

int sg_gvsock_listen(const char *path, bool *ret_left, struct sg_err *err)
{
	struct sockaddr_un a;
	int fd = -1, rc = addr_of(path, &a);

	if (!rc)
		rc = folder_make(path);
	if (!rc)
		rc = path_state(&a);
	if (rc == -EBUSY)
		return sg_err_set(
			err, rc,
			"another recorder traces this sandbox (it listens at %s): end that one first", path);
	if (rc < 0)
		return sg_err_set(err, rc, "cannot listen at %s: %s", path, strerror(-rc));
	*ret_left = rc == 1;
	if (*ret_left)
		unlink(path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || chmod(path, 0600) || listen(fd, 4)) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return sg_err_set(err, rc, "cannot listen at %s: %s", path, strerror(-rc));
	}
	return fd;
}

/*
 * The bytes on their way count against the sender's buffer (212 KiB by default: some 250 messages), and whoever finds
 * it full drops. The sender's socket is made by runsc, which now waits for our answer: take a copy of it by its
 * number there, and make its buffer larger, before it goes to the Sentry. (systrap, 2000 getpid: 1767 of 4030
 * messages dropped without, none of 40,030 with.)
 */
static bool buffer_grow(int fd, const char *path)
{
	struct sockaddr_un a;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	bool big = false;
	int pidfd;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	for (int i = 0; pidfd >= 0 && i < PEER_FDS && !big; i++) {
		int theirs = (int)syscall(SYS_pidfd_getfd, pidfd, i, 0), bytes = SG_GVSOCK_BYTES;

		if (theirs < 0)
			continue;
		len = sizeof(a);
		memset(&a, 0, sizeof(a));
		if (!getpeername(theirs, (struct sockaddr *)&a, &len) && a.sun_family == AF_UNIX &&
		    !strncmp(a.sun_path, path, sizeof(a.sun_path)))
			big = !setsockopt(theirs, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
		close(theirs);
	}
	if (pidfd >= 0)
		close(pidfd);
	return big;
}

int sg_gvsock_greet(int fd, const char *path, struct sg_gvdec *d, bool *ret_big)
{
	struct timeval patience = { .tv_sec = 1 };
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uint8_t buf[1024];
	ssize_t n;

	*ret_big = false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return -errno;
	if (peer.uid && peer.uid != geteuid())
		return -EACCES;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	n = recv(fd, buf, sizeof(buf), 0);
	if (n < 0)
		return -errno;
	if (!n || (size_t)n == sizeof(buf) || !sg_gvmsg_hello(d, buf, (size_t)n))
		return -EPROTO;
	*ret_big = buffer_grow(fd, path);
	n = (ssize_t)sg_gvmsg_answer(buf);
	return send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EPROTO;
}
