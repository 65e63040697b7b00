/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A scenario's own means of knowing: clocks, its thread's account, burning and sleeping. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "truth.h"

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * SEC + ts.tv_nsec;
}

uint64_t truth_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int truth_delay_open(void)
{
	return open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

uint64_t truth_delay(int fd)
{
	char buf[96] = "";
	unsigned long long run, delay = 0;

	if (pread(fd, buf, sizeof(buf) - 1, 0) < 0 || sscanf(buf, "%llu %llu", &run, &delay) != 2)
		return 0;
	return delay;
}

static uint64_t run_delay(void)
{
	int fd = truth_delay_open();
	uint64_t delay = truth_delay(fd);

	close(fd);
	return delay;
}

#define TRIES 4 /* a traced thread never gets that far without being switched */

/* One instant on three clocks: not two, with a stay in the run queue between them. */
struct truth_clk truth_clk(void)
{
	struct truth_clk c;
	uint64_t again;

	again = run_delay();
	for (int i = 0; i < TRIES; i++) {
		c.delay = again;
		c.cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		c.wall = truth_now();
		again = run_delay();
		if (again == c.delay)
			break;
	}
	return c;
}

struct truth_span truth_since(const struct truth_clk *from)
{
	struct truth_clk to = truth_clk();
	struct truth_span s = { to.wall - from->wall, to.cpu - from->cpu, to.delay - from->delay, 0 };

	s.blocked = s.wall > s.cpu + s.delay ? s.wall - s.cpu - s.delay : 0;
	return s;
}

void truth_burn(uint64_t ns)
{
	uint64_t last = truth_now(), used = 0;

	/* A step longer than 50 us was not ours: the thread had lost its CPU. */
	while (used < ns) {
		uint64_t now = truth_now();

		if (now - last < 50000)
			used += now - last;
		last = now;
	}
}

void truth_nap(uint64_t ns)
{
	struct timespec ts = { .tv_sec = ns / SEC, .tv_nsec = ns % SEC };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

uint64_t truth_sleep(uint64_t ns)
{
	/* Known by construction; the kernel lets a timer come up to 50 us late (PR_SET_TIMERSLACK). */
	truth_nap(ns);
	return ns + 50000;
}

int truth_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(getpid(), sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

void truth_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? (int)sysconf(_SC_NPROCESSORS_ONLN) - 1 : cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void truth_wait_state(pid_t tid, const char *states)
{
	char path[64], buf[512], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	for (int i = 0; i < 50000; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

		if (fd >= 0)
			close(fd);
		if (n <= 0)
			return;
		buf[n] = 0;
		p = strrchr(buf, ')');
		if (p && p[1] == ' ' && p[2] && strchr(states, p[2]))
			return;
		truth_nap(100000);
	}
}

void truth_wait_asker(struct truth *t, pid_t tid)
{
	while (!t->begun)
		truth_nap(100000);
	truth_wait_blocked(tid);
}

void truth_wait_blocked(pid_t tid)
{
	truth_wait_state(tid, "SD");
}

uint64_t truth_read_u64(const char *dir, const char *file, const char *key)
{
	char path[512], line[256];
	uint64_t v = 0;
	size_t n = strlen(key);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, n) && (!n || isspace((unsigned char)line[n])))
			v = strtoull(line + n, NULL, 10);
	fclose(f);
	return v;
}
