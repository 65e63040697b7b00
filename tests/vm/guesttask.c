// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* A guest's task: marks, and the guest's own measure of it. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "guesttask.h"

#define BEGUN "/out/begun"

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t guest_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t guest_ran_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Ran, and ready to, by the scheduler (Documentation/scheduler/sched-stats.rst); @fd: the thread's schedstat. */
static uint64_t busy_ns(int fd)
{
	unsigned long long ran = 0, waited = 0;
	char text[64] = "";

	(void)guest_ran_ns(); /* asked for, the time up to now is booked */
	if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || sscanf(text, "%llu %llu", &ran, &waited) != 2)
		return 0;
	return ran + waited;
}

int guest_fail(const char *what)
{
	perror(what);
	return 1;
}

void guest_burn(uint64_t ms)
{
	uint64_t end = guest_now_ns() + ms * 1000000;

	while (guest_now_ns() < end)
		;
}

void guest_nap(uint64_t ns)
{
	nanosleep(
		&(struct timespec){ .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) },
		NULL);
}

int guest_bind(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? guest_fail("sched_setaffinity") : 0;
}

void guest_host_tell(void)
{
	int fd = open(BEGUN, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
}

int guest_task(const char *name, int (*run)(uint64_t n), uint64_t n, int told)
{
	char begin[128], end[64];
	uint64_t at, busy, took;
	int fd, rc;

	snprintf(begin, sizeof(begin), "/.sandglass/begin/%d/%s", getpid(), name);
	snprintf(end, sizeof(end), "/.sandglass/end/%d/0", getpid());
	fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return guest_fail("schedstat");
	busy = busy_ns(fd);
	at = guest_now_ns();
	(void)!access(begin, F_OK);
	if (told)
		guest_host_tell();
	rc = run(n);
	(void)!access(end, F_OK);
	if (rc)
		return rc;
	took = guest_now_ns() - at;
	busy = busy_ns(fd) - busy;
	close(fd);
	printf("%s %llu %llu\n", name, (unsigned long long)took,
	       (unsigned long long)(took > busy ? took - busy : 0));
	return 0;
}
