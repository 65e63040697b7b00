/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Scenarios about waiting for another process of the same machine, for a signal, for a time. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "truth.h"

static void sleep_plain(struct truth *t)
{
	uint64_t ns;

	truth_begin(t, "sleep_plain");
	ns = truth_sleep(50 * MSEC);
	truth_end(t, "sleep_plain");
	truth_leaf(t, "timer.sleep", TRUTH_EQ, ns);
	truth_wait(t, "timer.sleep", TRUTH_EQ, ns);
}

struct chan {
	int fd[2];
	pid_t asker;
	char c;
};

/* w[1]: how long the child slept, w[2]: CPU it used, before it wrote. */
static void sleep_then_write(struct truth *t, void *arg)
{
	struct chan *ch = arg;

	truth_wait_asker(t, ch->asker);
	t->w[1] = truth_sleep(40 * MSEC);
	(void)!write(ch->fd[1], &(uint64_t){ 1 }, 8);
}

static void burn_then_write(struct truth *t, void *arg)
{
	struct chan *ch = arg;
	struct truth_clk c;

	truth_wait_asker(t, ch->asker);
	c = truth_clk();
	truth_burn(40 * MSEC);
	t->w[2] = truth_since(&c).cpu;
	(void)!write(ch->fd[1], &(uint64_t){ 1 }, 8);
}

static struct truth_span ask(struct truth *t, struct chan *ch, void (*fn)(struct truth *, void *))
{
	struct truth_span s;
	struct truth_clk c;
	uint64_t v;
	pid_t pid;

	ch->asker = gettid();
	truth_begin(t, t->name);
	pid = truth_fork(t, fn, ch);
	c = truth_clk();
	if (read(ch->fd[0], &v, sizeof(v)) != sizeof(v))
		truth_fail(t, "read: %s", strerror(errno));
	s = truth_since(&c);
	truth_end(t, t->name);
	truth_reap(t, pid);
	return s;
}

static void pipe_sleep(struct truth *t)
{
	struct chan ch;
	struct truth_span s;

	if (pipe(ch.fd))
		truth_fail(t, "pipe: %s", strerror(errno));
	s = ask(t, &ch, sleep_then_write);
	truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
	truth_blocked(t, "ipc.pipe", &s);
}

static void pipe_cpu(struct truth *t)
{
	struct chan ch;
	struct truth_span s;

	if (pipe(ch.fd))
		truth_fail(t, "pipe: %s", strerror(errno));
	s = ask(t, &ch, burn_then_write);
	truth_cpu_leaf(t, NULL, t->w[2]);
	truth_blocked(t, "ipc.pipe", &s);
}

static void eventfd_sleep(struct truth *t)
{
	struct chan ch;
	struct truth_span s;

	ch.fd[0] = ch.fd[1] = eventfd(0, EFD_CLOEXEC);
	s = ask(t, &ch, sleep_then_write);
	truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
	truth_blocked(t, "ipc", &s);
}

/* ---- ping-pong: two processes on one CPU, 20000 rounds ------------------- */
static void ponger(struct truth *t, void *arg)
{
	int *fd = arg;
	char c;

	(void)t;
	truth_pin(-1);
	close(fd[3]);
	close(fd[0]);
	while (read(fd[2], &c, 1) == 1)
		if (write(fd[1], &c, 1) != 1)
			return;
}

static void pipe_pingpong(struct truth *t)
{
	struct truth_span s;
	struct truth_clk c;
	int fd[4];
	char x = 'x';
	pid_t pid;

	if (pipe(fd) || pipe(fd + 2))
		truth_fail(t, "pipe: %s", strerror(errno));
	pid = truth_fork(t, ponger, fd);
	truth_pin(-1);
	truth_wait_blocked(pid);
	truth_begin(t, "pipe_pingpong");
	c = truth_clk();
	for (int i = 0; i < 20000; i++)
		if (write(fd[3], &x, 1) != 1 || read(fd[0], &x, 1) != 1)
			truth_fail(t, "pipe: %s", strerror(errno));
	s = truth_since(&c);
	truth_end(t, "pipe_pingpong");
	close(fd[3]);
	truth_reap(t, pid);
	truth_blocked(t, "ipc.pipe", &s);
	truth_wait(t, "cpu", TRUTH_EQ, s.cpu);
	/* Leaves: the two of them computing, nothing slept. */
	truth_leaf(t, "cpu+sched", TRUTH_EQ, s.wall);
	truth_leaf(t, "timer+ipc+unknown", TRUTH_LE, MSEC);
}

/* ---- signals and timers ------------------------------------------------- */
static void sleep_then_kill(struct truth *t, void *arg)
{
	pid_t to = *(pid_t *)arg;

	truth_wait_asker(t, to);
	t->w[1] = truth_sleep(40 * MSEC);
	kill(to, SIGUSR1);
}

static void signal_wait(struct truth *t)
{
	pid_t self = getpid(), pid;
	struct truth_span s;
	struct truth_clk c;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	truth_begin(t, "signal_wait");
	pid = truth_fork(t, sleep_then_kill, &self);
	c = truth_clk();
	sigwaitinfo(&set, NULL);
	s = truth_since(&c);
	truth_end(t, "signal_wait");
	truth_reap(t, pid);
	truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
	truth_blocked(t, "ipc.signal", &s);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* One sleep of 60 ms that an own timer interrupts every 10 ms: EINTR, and on. */
static void sleep_eintr(struct truth *t)
{
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } }, off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct timespec left;
	struct truth_span s;
	struct truth_clk c;
	int hits = 0;

	sigaction(SIGALRM, &sa, NULL);
	truth_begin(t, "sleep_eintr");
	setitimer(ITIMER_REAL, &it, NULL);
	c = truth_clk();
	/* On a busy machine the sleep may be over before the signal's wake has led to a CPU. */
	for (int i = 0; i < 10 && hits < 3; i++) {
		left = (struct timespec){ 0, 60 * MSEC };
		while (nanosleep(&left, &left) && errno == EINTR)
			hits++;
	}
	s = truth_since(&c);
	truth_end(t, "sleep_eintr");
	setitimer(ITIMER_REAL, &off, NULL);
	if (hits < 3)
		truth_fail(t, "interrupted only %d times", hits);
	/* A sleep that a signal ends may be called a wait for the signal; nothing else is involved. */
	truth_leaf(t, "timer.sleep+ipc.signal", TRUTH_EQ, s.blocked);
	truth_wait(t, "timer.sleep+ipc.signal", TRUTH_EQ, s.blocked);
}

/* epoll: once a timerfd, once its own timeout. Nobody else is involved. */
static void epoll_timers(struct truth *t)
{
	struct itimerspec its = { .it_value = { 0, 25 * MSEC } };
	int ep = epoll_create1(EPOLL_CLOEXEC), tfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), n;
	struct epoll_event ev = { .events = EPOLLIN };
	struct truth_span s;
	struct truth_clk c;
	uint64_t v;

	if (epoll_ctl(ep, EPOLL_CTL_ADD, tfd, &ev))
		truth_fail(t, "epoll: %s", strerror(errno));
	truth_begin(t, "epoll_timers");
	c = truth_clk();
	timerfd_settime(tfd, 0, &its, NULL);
	n = epoll_wait(ep, &ev, 1, -1);
	if (n != 1 || read(tfd, &v, sizeof(v)) != sizeof(v))
		truth_fail(t, "timerfd: %s", strerror(errno));
	if (epoll_wait(ep, &ev, 1, 25))
		truth_fail(t, "epoll woke early");
	s = truth_since(&c);
	truth_end(t, "epoll_timers");
	truth_leaf(t, "timer.sleep", TRUTH_EQ, s.blocked);
}

/* poll with a timeout that a pipe beats: the leaf is what the writer did. */
static void poll_pipe(struct truth *t)
{
	struct chan ch;
	struct pollfd p;
	struct truth_span s;
	struct truth_clk c;
	pid_t pid;

	if (pipe(ch.fd))
		truth_fail(t, "pipe: %s", strerror(errno));
	p = (struct pollfd){ .fd = ch.fd[0], .events = POLLIN };
	ch.asker = gettid();
	truth_begin(t, "poll_pipe");
	pid = truth_fork(t, burn_then_write, &ch);
	c = truth_clk();
	if (poll(&p, 1, 5000) != 1)
		truth_fail(t, "poll: nothing came");
	s = truth_since(&c);
	truth_end(t, "poll_pipe");
	truth_reap(t, pid);
	truth_cpu_leaf(t, NULL, t->w[2]);
	truth_blocked(t, "ipc", &s);
	truth_leaf(t, "timer.sleep", TRUTH_LE, 2 * MSEC);
}

const struct truth_scenario truth_ipc[] = {
	{ "sleep_plain", sleep_plain, 0, "nanosleep of 50 ms" },
	{ "sleep_eintr", sleep_eintr, 0, "a sleep interrupted by signals of its own timer" },
	{ "pipe_sleep", pipe_sleep, 0, "a pipe whose writer sleeps" },
	{ "pipe_cpu", pipe_cpu, 0, "a pipe whose writer computes" },
	{ "pipe_pingpong", pipe_pingpong, 0, "20000 rounds over two pipes on one CPU" },
	{ "eventfd_sleep", eventfd_sleep, 0, "an eventfd whose writer sleeps" },
	{ "signal_wait", signal_wait, 0, "sigwaitinfo for a process that sleeps first" },
	{ "epoll_timers", epoll_timers, 0, "epoll: a timerfd, then a timeout" },
	{ "poll_pipe", poll_pipe, 0, "poll with a timeout, and the writer computes" },
	{ 0 },
};
