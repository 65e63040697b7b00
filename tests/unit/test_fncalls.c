// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Calls of a function, heard by a uprobe of perf's: of this program's own, and of a child's. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kern/fncalls.h"

int sg_test_heard(uint64_t value);
int __attribute__((noinline, noclone)) sg_test_heard(uint64_t value)
{
	__asm__ volatile("" ::: "memory");
	return (int)value;
}

/* Skips the test where the kernel or the user has no uprobes. */
static struct sg_fncalls *listen_to(pid_t pid)
{
	struct sg_fncalls *c = NULL;
	int rc = sg_fncalls_open(&c, pid, "sg_test_heard");

	if (rc == -EOPNOTSUPP || rc == -EACCES || rc == -EPERM)
		cr_skip("no uprobes of perf here: %s", strerror(-rc));
	cr_assert_eq(rc, 0, "%s", strerror(-rc));
	return c;
}

Test(fncalls, arguments_in_order)
{
	struct sg_fncalls *c = listen_to(getpid());
	struct pollfd p = { .fd = sg_fncalls_fd(c), .events = POLLIN };
	uint64_t v = 7;

	cr_expect_eq(sg_fncalls_next(c, &v), 0);
	cr_expect_eq(poll(&p, 1, 0), 0);
	for (uint64_t i = 0; i < 50; i++)
		sg_test_heard(i << 32 | 5);
	cr_expect_eq(poll(&p, 1, 5000), 1);
	for (uint64_t i = 0; i < 50; i++)
		cr_expect(sg_fncalls_next(c, &v) == 1 && v == (i << 32 | 5), "%llx", (unsigned long long)v);
	cr_expect_eq(sg_fncalls_next(c, &v), 0);
	sg_fncalls_close(c);
	sg_test_heard(1);
}

/* Nobody reads for a long time: the ring is full, the first are there, and it goes on when it was read. */
Test(fncalls, what_is_not_read_is_bounded)
{
	struct sg_fncalls *c = listen_to(getpid());
	uint64_t v, n = 0;

	for (uint64_t i = 0; i < 5000; i++)
		sg_test_heard(i);
	for (; sg_fncalls_next(c, &v); n++)
		cr_expect_eq(v, n);
	cr_expect(n >= 50 && n < 5000, "%llu calls", (unsigned long long)n);
	for (uint64_t i = 0; i < 1000; i++) {
		sg_test_heard(90000 + i);
		cr_expect(sg_fncalls_next(c, &v) == 1 && v == 90000 + i, "%llu", (unsigned long long)v);
	}
	sg_fncalls_close(c);
}

Test(fncalls, another_process_until_it_ends)
{
	pid_t pid = fork();
	struct sg_fncalls *c;
	struct pollfd p;
	uint64_t v = 0;

	if (!pid) {
		raise(SIGSTOP);
		sg_test_heard(4711);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, NULL, WUNTRACED), pid);
	c = listen_to(pid);
	sg_test_heard(1); /* this process's is not heard */
	kill(pid, SIGCONT);
	waitpid(pid, NULL, 0);
	cr_expect(sg_fncalls_next(c, &v) == 1 && v == 4711, "%llu", (unsigned long long)v);
	p = (struct pollfd){ .fd = sg_fncalls_fd(c), .events = POLLIN };
	cr_expect(poll(&p, 1, 5000) == 1 && (p.revents & POLLHUP));
	sg_fncalls_close(c);
}

Test(fncalls, what_is_not_there)
{
	struct sg_fncalls *c;

	cr_expect_eq(sg_fncalls_open(&c, getpid(), "sg_no_such_function"), -ENOENT);
	cr_expect_null(c);
	cr_expect_eq(sg_fncalls_open(&c, 0x7ffffff0, "sg_test_heard"), -ENOENT);
	sg_fncalls_close(NULL);
}
