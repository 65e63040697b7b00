/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Scenarios about requests to a server on this machine. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "truth.h"

enum work { WORK_SLEEP, WORK_CPU, WORK_DISK };

struct server {
	int fd; /* a listening socket, or a connected one */
	bool listening;
	enum work work;
	int file;
	pid_t client;
};

#define REQUESTS 4

/* w[1]: asleep, w[2]: on CPU, w[3]: blocked on the disk, all requests together. */
static void serve(struct truth *t, void *arg)
{
	struct server *s = arg;
	struct truth_clk c;
	int fd = s->listening ? accept(s->fd, NULL, NULL) : s->fd;
	char *buf = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
			 -1, 0);
	char x;

	while (read(fd, &x, 1) == 1) {
		/* Once the client is asleep, so that all the work lies in its wait. */
		truth_wait_asker(t, s->client);
		switch (s->work) {
		case WORK_SLEEP:
			t->w[1] += truth_sleep(10 * MSEC);
			break;
		case WORK_CPU:
			c = truth_clk();
			truth_burn(10 * MSEC);
			t->w[2] += truth_since(&c).cpu;
			break;
		case WORK_DISK:
			c = truth_clk();
			for (int i = 0; i < 16; i++)
				if (read(s->file, buf, 1 << 20) != 1 << 20)
					_exit(1);
			t->w[3] += truth_since(&c).blocked;
			break;
		}
		if (write(fd, &x, 1) != 1)
			break;
	}
}

static int tcp_listen(struct truth *t, struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)a, sizeof(*a)) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)a, &len))
		truth_fail(t, "listen: %s", strerror(errno));
	return fd;
}

static void request(struct truth *t, enum work work, bool tcp, int file)
{
	struct server srv = { .work = work, .file = file, .listening = tcp, .client = gettid() };
	struct sockaddr_in a;
	struct truth_span s;
	struct truth_clk c;
	int sv[2], one = 1, fd;
	char x = 'x';
	pid_t pid;

	if (tcp) {
		srv.fd = tcp_listen(t, &a);
		pid = truth_fork(t, serve, &srv);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
			truth_fail(t, "connect: %s", strerror(errno));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	} else {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
			truth_fail(t, "socketpair: %s", strerror(errno));
		srv.fd = sv[1];
		fd = sv[0];
		pid = truth_fork(t, serve, &srv);
	}
	truth_wait_blocked(pid);
	truth_nap(MSEC);
	truth_begin(t, t->name);
	c = truth_clk();
	for (int i = 0; i < REQUESTS; i++)
		if (write(fd, &x, 1) != 1 || read(fd, &x, 1) != 1)
			truth_fail(t, "request: %s", strerror(errno));
	s = truth_since(&c);
	truth_end(t, t->name);
	kill(pid, SIGKILL);
	truth_reap(t, pid);
	close(fd);
	truth_blocked(t, "ipc.socket", &s);
	t->w[4] = s.delay;
}

static void tcp_sleep(struct truth *t)
{
	request(t, WORK_SLEEP, true, -1);
	truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
}

static void tcp_cpu(struct truth *t)
{
	request(t, WORK_CPU, true, -1);
	truth_cpu_leaf(t, NULL, t->w[2]);
}

/* As in truth_blocked(): a wait's end and the run queue after it are one thing to the kernel's account, where a wake takes its time. */
static void tcp_disk(struct truth *t)
{
	uint64_t least;

	request(t, WORK_DISK, true, truth_file(t, "served", REQUESTS * 16u << 20, O_RDONLY | O_DIRECT));
	/* What the server waited while the client itself was in the run queue is not on the client's path. */
	truth_leaf(t, "io.block", TRUTH_LE, t->w[3] + MSEC);
	least = t->w[3] > t->w[4] ? t->w[3] - t->w[4] : 0;
	truth_want(t, NULL, "app", "io.block+sched", TRUTH_GE, least * 95 / 100)->stolen = true;
	truth_leaf(t, "io.block", TRUTH_GE, least * 2 / 3);
}

static void unix_sleep(struct truth *t)
{
	request(t, WORK_SLEEP, false, -1);
	truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
}

const struct truth_scenario truth_net[] = {
	{ "tcp_sleep", tcp_sleep, 0, "requests to a TCP server that sleeps" },
	{ "tcp_cpu", tcp_cpu, 0, "requests to a TCP server that computes" },
	{ "tcp_disk", tcp_disk, TRUTH_DISK, "client, server, disk: the leaf is the disk" },
	{ "unix_sleep", unix_sleep, 0, "requests over a Unix socket" },
	{ 0 },
};
