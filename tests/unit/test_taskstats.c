// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* taskstats over netlink, against this very process and its children. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "kern/taskstats.h"

static struct sg_tsock *sock(void)
{
	struct sg_err err = { 0 };
	struct sg_tsock *t;
	int code = sg_tsock_open(&t, &err);

	if (code || geteuid())
		cr_skip_test("%s", code ? err.msg : "needs root");
	return t;
}

static void burn(int ms)
{
	struct timespec a, b;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < ms);
}

Test(taskstats, own_figures)
{
	struct sg_tsock *t = sock();
	struct sg_taskstats s;
	struct rusage ru;
	struct timespec cpu;

	burn(50);
	cr_assert_eq(sg_tsock_get(t, getpid(), false, &s, NULL), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	getrusage(RUSAGE_THREAD, &ru);
	cr_expect_eq(s.id, getpid());
	cr_expect_not(s.group);
	cr_expect_geq(s.version, 8);
	cr_expect(s.have & 1u << SG_DELAY_CPU);
	cr_expect_gt(s.run_virt_ns, 50000000);
	cr_expect_leq(s.run_virt_ns, (uint64_t)cpu.tv_sec * 1000000000ull + (uint64_t)cpu.tv_nsec);
	cr_expect_leq(labs((long)s.minflt - ru.ru_minflt), 20);
	cr_assert_eq(sg_tsock_get(t, getpid(), true, &s, NULL), 0);
	cr_expect(s.group);
	sg_tsock_close(t);
}

Test(taskstats, nobody)
{
	struct sg_tsock *t = sock();
	struct sg_taskstats s;
	struct sg_err err = { 0 };
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	cr_expect_eq(sg_tsock_get(t, pid, false, &s, &err), -ESRCH);
	cr_expect(strstr(err.msg, "thread"), "%s", err.msg);
	cr_expect_eq(sg_tsock_get(t, getpid(), false, &s, NULL), 0,
		     "an error must not spoil the next request");
	sg_tsock_close(t);
}

Test(taskstats, exits_are_heard)
{
	struct sg_tsock *t = sock();
	struct sg_taskstats s;
	bool seen[20] = { false };
	pid_t pid[20];
	int got = 0;

	cr_assert_eq(sg_tsock_listen(t, NULL), 0);
	cr_expect_eq(sg_tsock_get(t, getpid(), false, &s, NULL), -EBUSY);
	for (int i = 0; i < 20; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			burn(i == 7 ? 30 : 0);
			_exit(0);
		}
	}
	for (int i = 0; i < 20; i++)
		waitpid(pid[i], NULL, 0);
	while (got < 20 && sg_tsock_next(t, 2000, &s, NULL) == 1)
		for (int i = 0; i < 20; i++)
			if (s.id == pid[i] && !s.group && !seen[i]) {
				seen[i] = true;
				got++;
				if (i == 7)
					cr_expect_gt(s.run_virt_ns, 30000000);
			}
	cr_expect_eq(got, 20, "%d of 20 exits", got);
	sg_tsock_close(t);
}

/* The kernel remembers a listener by its address, and the next socket of the process gets the same one. */
Test(taskstats, a_closed_listener_is_forgotten)
{
	struct sg_tsock *t = sock();
	struct sg_taskstats s;
	struct sg_err err = { 0 };
	int got = 0;

	cr_assert_eq(sg_tsock_listen(t, NULL), 0);
	sg_tsock_close(t);
	t = sock();
	/* Each of the two finds the socket full of other tasks' exits: as many as its buffer has no room for. */
	for (int i = 0; i < 400; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	for (int i = 0; i < 400; i++)
		got += !sg_tsock_get(t, getpid(), false, &s, &err) && s.id == getpid();
	cr_expect_eq(got, 400, "%d of 400: %s", got, err.msg);
	sg_tsock_close(t);
}

Test(taskstats, names)
{
	cr_expect_str_eq(sg_delay_name(SG_DELAY_SWAPIN), "swapin");
	cr_expect_str_eq(sg_delay_name(SG_DELAY_IRQ), "irq");
	cr_expect_str_eq(sg_delay_name(SG_DELAY_MAX), "?");
}
