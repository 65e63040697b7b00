// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Readers of /proc: parsing of texts as kernels write them, and this very process. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "kern/pids.h"
#include "kern/proc.h"

Test(proc, stat_line_with_a_hostile_comm)
{
	const char *line =
		"4711 (a) R (b\n)) S 17 4711 4711 34816 4711 4194560 221 5 3 0 250 50 0 0 20 0 2 0 8175 "
		"10 11 18446744073709551615 1 1 0 0 0 0 0 3670020 1266777851 1 0 0 17 1 0 0 100 25 0 0 0 0 0 "
		"0 0 0 0\n";
	struct sg_proc_stat s;

	cr_assert_eq(sg_proc_stat_parse(line, 100, &s), 0);
	cr_expect_eq(s.pid, 4711);
	cr_expect_str_eq(s.comm, "a) R (b\n)");
	cr_expect_eq(s.state, 'S');
	cr_expect_eq(s.ppid, 17);
	cr_expect_eq(s.minflt, 221);
	cr_expect_eq(s.majflt, 3);
	cr_expect_eq(s.utime_ns, 2500000000ull);
	cr_expect_eq(s.stime_ns, 500000000ull);
	cr_expect_eq(s.threads, 2);
	cr_expect_eq(s.start_ns, 81750000000ull);
	cr_expect_eq(s.vsize_bytes, 10);
	cr_expect_eq(s.rss_pages, 11);
	cr_expect_eq(s.processor, 1);
	cr_expect_eq(s.blkio_ns, 1000000000ull);
	cr_expect_eq(s.guest_ns, 250000000ull);
}

Test(proc, stat_lines_that_are_none)
{
	static const char *const bad[] = {
		"", "1", "1 (x", "1 x) S 1", "x (y) S 1 1 1", "1 )x( S 1 1 1", "1 (x) S 1 1 1 1"
	};
	struct sg_proc_stat s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(sg_proc_stat_parse(bad[i], 100, &s), -EINVAL, "'%s'", bad[i]);
	cr_expect_eq(sg_proc_stat_parse("1 (x) S", 0, &s), -EINVAL);
}

Test(proc, own_stat)
{
	struct sg_proc_stat s;
	struct rusage ru;
	struct timespec boot;

	for (volatile unsigned long i = 0; i < 100000000; i++)
		;
	cr_assert_eq(sg_proc_stat(getpid(), 0, &s), 0);
	getrusage(RUSAGE_SELF, &ru);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	cr_expect_eq(s.pid, getpid());
	cr_expect_eq(s.ppid, getppid());
	cr_expect_leq(labs((long)s.minflt - ru.ru_minflt), 50);
	cr_expect_leq(llabs((long long)s.utime_ns -
			    (ru.ru_utime.tv_sec * 1000000000ll + ru.ru_utime.tv_usec * 1000ll)),
		      30000000);
	cr_expect_lt(s.start_ns, (uint64_t)boot.tv_sec * 1000000000ull + (uint64_t)boot.tv_nsec + 10000000);
	cr_expect_gt(s.start_ns, ((uint64_t)boot.tv_sec - 60) * 1000000000ull,
		     "a test lives less than a minute");
}

Test(proc, own_schedstat_is_cpu_time)
{
	struct sg_proc_schedstat s;
	struct timespec cpu;

	for (volatile unsigned long i = 0; i < 50000000; i++)
		;
	cr_assert_eq(sg_proc_schedstat(getpid(), getpid(), &s), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	cr_expect_gt(s.run_ns, 0);
	cr_expect_leq(s.run_ns, (uint64_t)cpu.tv_sec * 1000000000ull + (uint64_t)cpu.tv_nsec);
	cr_expect_gt(s.run_ns + 20000000, (uint64_t)cpu.tv_sec * 1000000000ull + (uint64_t)cpu.tv_nsec);
}

Test(proc, gone_processes)
{
	struct sg_proc_stat s;
	struct sg_proc_schedstat ss;
	struct sg_pids p;
	char buf[64];
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	cr_expect_eq(sg_proc_stat(pid, 0, &s), -ESRCH);
	cr_expect_eq(sg_proc_schedstat(pid, 0, &ss), -ESRCH);
	cr_expect_eq(sg_proc_comm(pid, buf, sizeof(buf)), -ESRCH);
	cr_expect_eq(sg_proc_cmdline(pid, buf, sizeof(buf)), -ESRCH);
	cr_expect_eq(sg_proc_tree(pid, false, &p), -ESRCH);
	cr_expect_eq(sg_proc_threads(pid, &p), -ESRCH);
}

Test(proc, comm_and_cmdline)
{
	char buf[256], small[8];

	prctl(PR_SET_NAME, "two words");
	cr_assert_eq(sg_proc_comm(getpid(), buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "two words");
	cr_assert_gt(sg_proc_cmdline(getpid(), buf, sizeof(buf)), 0);
	cr_expect_eq(strncmp(buf, program_invocation_name, strlen(program_invocation_name)), 0, "'%s'", buf);
	cr_expect_eq(sg_proc_cmdline(getpid(), small, sizeof(small)), 7);
	cr_expect_eq(strlen(small), 7);
	if (!access("/proc/2/comm", R_OK)) {
		cr_assert_gt(sg_proc_cmdline(2, buf, sizeof(buf)), 0);
		cr_expect_eq(buf[0], '[', "a kernel thread has no command line: '%s'", buf);
	}
}

Test(proc, cmdline_bytes_cannot_drive_a_terminal)
{
	char buf[256];
	int go[2];
	pid_t pid;

	cr_assert_eq(pipe(go), 0);
	pid = fork();
	if (!pid) {
		dup2(go[0], 0);
		close(go[1]);
		execl("/bin/cat", "cat", "-", "\x1b[31m\n", NULL);
		_exit(127);
	}
	for (int i = 0; i < 200; i++) {
		if (sg_proc_cmdline(pid, buf, sizeof(buf)) > 0 && !strncmp(buf, "cat ", 4))
			break;
		usleep(10000);
	}
	cr_expect_str_eq(buf, "cat - ?[31m?");
	close(go[1]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void *sleeper(void *arg)
{
	char c;

	return read(*(int *)arg, &c, 1) ? arg : NULL;
}

/* root -> child (two threads) -> grandchild, all blocked on one pipe. */
Test(proc, tree)
{
	struct sg_pids p = { 0 };
	int hold[2], ready[2];
	pid_t child, grand = 0;
	char c;

	cr_assert_eq(pipe(hold), 0);
	cr_assert_eq(pipe(ready), 0);
	child = fork();
	if (!child) {
		pthread_t t;

		close(hold[1]);
		pthread_create(&t, NULL, sleeper, &hold[0]);
		grand = fork();
		if (write(ready[1], &grand, sizeof(grand)) < 0)
			_exit(1);
		if (read(hold[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	for (int i = 0; i < 2 && !grand; i++) /* the grandchild writes its own view of `grand`: 0 */
		cr_assert_eq(read(ready[0], &grand, sizeof(grand)), (ssize_t)sizeof(grand));
	cr_assert_gt(grand, 0);
	cr_assert_eq(sg_proc_tree(getpid(), false, &p), 0);
	cr_expect(sg_pids_has(&p, getpid()));
	cr_expect(sg_pids_has(&p, child));
	cr_expect(sg_pids_has(&p, grand));
	cr_expect_not(sg_pids_has(&p, 1));
	cr_expect_eq(p.n, 3, "%zu", p.n);
	sg_pids_free(&p);
	cr_assert_eq(sg_proc_tree(child, true, &p), 0);
	cr_expect_eq(p.n, 3, "two threads and one: %zu", p.n);
	cr_expect_not(sg_pids_has(&p, getpid()));
	sg_pids_free(&p);
	cr_assert_eq(sg_proc_threads(child, &p), 0);
	cr_expect_eq(p.n, 2);
	sg_pids_free(&p);
	close(hold[1]);
	kill(grand, SIGKILL);
	waitpid(child, NULL, 0);
}

Test(proc, fields)
{
	static const char text[] =
		"nr_free 12\npswpin 7\npswpout 18446744073709551615\nMemFree:   99 kB\nbad x\nlast 3";
	uint64_t v;

	cr_expect(sg_proc_field(text, "nr_free", &v) && v == 12);
	cr_expect(sg_proc_field(text, "pswpout", &v) && v == UINT64_MAX);
	cr_expect(sg_proc_field(text, "MemFree", &v) && v == 99);
	cr_expect(sg_proc_field(text, "last", &v) && v == 3);
	cr_expect_not(sg_proc_field(text, "pswp", &v));
	cr_expect_not(sg_proc_field(text, "swpin", &v));
	cr_expect_not(sg_proc_field(text, "bad", &v));
	cr_expect_not(sg_proc_field("", "x", &v));
	cr_expect_eq(sg_proc_vmstat("pgfault", &v), 0);
	cr_expect_gt(v, 0);
	cr_expect_eq(sg_proc_vmstat("no_such_counter", &v), -ENOENT);
}

Test(proc, pressure)
{
	struct sg_proc_psi p;

	cr_assert_eq(sg_proc_psi_parse("some avg10=0.00 avg60=1.20 avg300=0.00 total=123\n"
				       "full avg10=0.00 avg60=0.00 avg300=0.00 total=45\n",
				       &p),
		     0);
	cr_expect_eq(p.some_ns, 123000);
	cr_expect_eq(p.full_ns, 45000);
	cr_assert_eq(sg_proc_psi_parse("some avg10=0.00 total=5", &p), 0);
	cr_expect_eq(p.full_ns, 0);
	cr_expect_eq(sg_proc_psi_parse("", &p), -EINVAL);
	cr_expect_eq(sg_proc_psi_parse("some\ntotal=5\n", &p), -EINVAL);
}

Test(proc, cpu_times_advance)
{
	struct sg_proc_cpu a, b;

	cr_assert_eq(sg_proc_cpu(&a), 0);
	for (volatile unsigned long i = 0; i < 100000000; i++)
		;
	cr_assert_eq(sg_proc_cpu(&b), 0);
	cr_expect_gt(b.user_ns + b.nice_ns, a.user_ns + a.nice_ns);
}

Test(proc, numbers_and_files)
{
	uint64_t v;
	char *text;

	cr_expect_eq(sg_proc_u64("/proc/sys/kernel/pid_max", &v), 0);
	cr_expect_geq(v, 301);
	cr_expect_eq(sg_proc_u64("/proc/version", &v), -EINVAL);
	cr_expect_eq(sg_proc_u64("/proc/no/such", &v), -ENOENT);
	cr_expect_eq(sg_proc_read("/proc/version", 5, &text), 5);
	cr_expect_str_eq(text, "Linux");
	free(text);
	cr_expect_eq(sg_proc_read("/dev/null", 5, &text), 0);
	cr_expect_str_eq(text, "");
	free(text);
}
