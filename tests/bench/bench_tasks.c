/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * bench_tasks SECONDS [ROUNDS]: on every CPU a client and a server pass a byte
 * over two pipes as fast as they can; each ROUNDS (1000) passes are one marked
 * task. A load of many short tasks at the highest switch rate, for report.
 */
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "sandglass/mark.h"

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void serve(int in, int out)
{
	char byte;

	while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1)
		;
	_exit(0);
}

/* One client with its server; returns the tasks done, or -1. */
static long ask(double until, long rounds, unsigned long first_id)
{
	int there[2], back[2];
	unsigned long id = first_id;
	char byte = 0;
	pid_t server;

	if (pipe(there) || pipe(back))
		return -1;
	server = fork();
	if (server < 0)
		return -1;
	if (!server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(there[1]);
		close(back[0]);
		serve(there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	while (now_s() < until) {
		SG_TASK_BEGIN(id, "passes");
		for (long i = 0; i < rounds; i++)
			if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
				return -1;
		SG_TASK_END(id, 0);
		id++;
	}
	close(there[1]);
	waitpid(server, NULL, 0);
	return (long)(id - first_id);
}

int main(int argc, char **argv)
{
	double until = now_s() + (argc > 1 ? atof(argv[1]) : 1);
	long rounds = argc > 2 ? atol(argv[2]) : 1000;
	cpu_set_t all, one;
	int status, bad = 0;

	if (rounds < 1 || sched_getaffinity(0, sizeof(all), &all))
		return 2;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || fork())
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		_exit(sched_setaffinity(0, sizeof(one), &one) ||
		      ask(until, rounds, cpu * 100000000ul + 1) < 0);
	}
	while (wait(&status) > 0)
		bad |= status;
	return bad != 0;
}
