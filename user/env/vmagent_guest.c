/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The guest's side: runs in the virtual machine, below its init. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "env/vmagent.h"

#define ABSENT_NS 50000000
#define TOO_LONG  124

/* Whole, or negative errno; a port whose other end is closed reads as its end. */
static int get(int fd, char *buf, size_t n, bool lasting)
{
	const struct timespec nap = { .tv_nsec = ABSENT_NS };

	while (n) {
		ssize_t got = read(fd, buf, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got && !lasting)
			return -EPIPE;
		if (!got)
			nanosleep(&nap, NULL);
		buf += got;
		n -= (size_t)got;
	}
	return 0;
}

static int put(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

static uint64_t tv_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000 + (uint64_t)tv->tv_usec * 1000;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void become(const char *command, int out)
{
	int null = open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	/* the port is ours alone */
	syscall(SYS_close_range, 3, ~0u, 0);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/* What is in the file, from its last bytes on. */
static void read_tail(int fd, struct sg_vmagent_result *r)
{
	off_t size = lseek(fd, 0, SEEK_END), from = size > SG_VMAGENT_OUT_MAX ? size - SG_VMAGENT_OUT_MAX : 0;
	ssize_t n = pread(fd, r->out, SG_VMAGENT_OUT_MAX, from);

	r->len = n > 0 ? (size_t)n : 0;
}

static int run(const char *command, int timeout_ms, struct sg_vmagent_result *r)
{
	char name[] = "/tmp/agent.XXXXXX";
	/* a file, not a pipe: what the command leaves in the background does not hold us up */
	int out = mkstemp(name), status = 0;
	uint64_t begin = now_ns();
	struct rusage u = { 0 };
	struct pollfd p;
	pid_t pid;

	if (out < 0)
		return -errno;
	unlink(name);
	pid = fork();
	if (!pid)
		become(command, out);
	p = (struct pollfd){ .fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1, .events = POLLIN };
	if (pid < 0 || p.fd < 0) {
		close(out);
		return -EAGAIN;
	}
	if (poll(&p, 1, timeout_ms) == 0) {
		kill(-pid, SIGKILL);
		r->status = TOO_LONG;
	}
	while (wait4(pid, &status, 0, &u) < 0 && errno == EINTR)
		;
	close(p.fd);
	r->wall_ns = now_ns() - begin;
	r->user_ns = tv_ns(&u.ru_utime);
	r->system_ns = tv_ns(&u.ru_stime);
	if (!r->status)
		r->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	read_tail(out, r);
	close(out);
	return 0;
}

static int one(int fd, bool lasting, char *command, struct sg_vmagent_result *r)
{
	char line[160];
	int timeout_ms, n = 0, rc;
	size_t len;

	for (size_t i = 0;; i++) {
		if (i == sizeof(line))
			return -EPROTO;
		rc = get(fd, line + i, 1, lasting);
		if (rc)
			return rc;
		if (line[i] == '\n') {
			line[i] = 0;
			break;
		}
	}
	if (sscanf(line, "run %d %zu%n", &timeout_ms, &len, &n) != 2 || line[n] ||
	    len > SG_VMAGENT_COMMAND_MAX)
		return -EPROTO;
	rc = get(fd, command, len, lasting);
	if (rc)
		return rc;
	command[len] = 0;
	memset(r, 0, sizeof(*r));
	if (run(command, timeout_ms, r)) {
		r->status = 126;
		r->len = (size_t)snprintf(r->out, sizeof(r->out), "no process or file can be made");
	}
	n = snprintf(line, sizeof(line), "done %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %zu\n", r->status,
		     r->wall_ns, r->user_ns, r->system_ns, r->len);
	rc = put(fd, line, (size_t)n);
	return rc ? rc : put(fd, r->out, r->len);
}

int sg_vmagent_serve(int fd, bool lasting, struct sg_err *err)
{
	struct sg_vmagent_result *r = malloc(sizeof(*r));
	char *command = malloc(SG_VMAGENT_COMMAND_MAX + 1);
	int rc = r && command ? put(fd, "ready\n", 6) : -ENOMEM;

	while (!rc)
		rc = one(fd, lasting, command, r);
	free(command);
	free(r);
	if (rc == -EPIPE && !lasting)
		return 0;
	return sg_err_set(err, rc, "the agent's channel failed: %s", strerror(-rc));
}
