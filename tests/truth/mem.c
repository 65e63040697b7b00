/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Scenarios about memory: faults, swap, reclaim. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "truth.h"

#define PAGE 4096ul

static char *pages(struct truth *t, size_t n, int flags)
{
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		truth_fail(t, "mmap: %s", strerror(errno));
	return p;
}

static struct rusage usage(void)
{
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	return r;
}

/* Fresh pages: every touch is one minor fault. */
static void mem_minor(struct truth *t)
{
	size_t n = 16384;
	char *p = pages(t, n, 0);
	struct rusage a, b;
	struct truth_clk c;
	struct truth_span s;
	uint64_t loop;

	/* What the loop costs when nothing faults. */
	p[0] = 1;
	loop = truth_now();
	for (size_t i = 0; i < n; i++)
		((volatile char *)p)[0] = 1;
	loop = truth_now() - loop;
	a = usage();
	truth_begin(t, "mem_minor");
	c = truth_clk();
	for (size_t i = 1; i < n; i++)
		((volatile char *)p)[i * PAGE] = 1;
	s = truth_since(&c);
	truth_end(t, "mem_minor");
	b = usage();
	truth_leaf(t, "cpu.fault", TRUTH_CNT, b.ru_minflt - a.ru_minflt);
	truth_leaf(t, "cpu.fault+cpu.user+cpu.irq", TRUTH_EQ, s.cpu);
	/* Entering and leaving the exception lies outside of every probe: a fault's own share is smaller. */
	truth_leaf(t, "cpu.fault", TRUTH_GE, (s.cpu - loop) / 2);
	truth_leaf(t, "cpu.fault", TRUTH_LE, s.cpu);
}

/* The pages of a read()'s buffer are missing: the faults happen inside the system call. */
static void mem_read_faults(struct truth *t)
{
	size_t n = 8192;
	char *p = pages(t, n, 0), *src = pages(t, n, MAP_POPULATE);
	int fd = memfd_create("truth", MFD_CLOEXEC);
	struct rusage a, b;
	struct truth_clk c;
	struct truth_span s;

	memset(src, 'x', n * PAGE);
	if (fd < 0 || write(fd, src, n * PAGE) != (ssize_t)(n * PAGE) || lseek(fd, 0, SEEK_SET))
		truth_fail(t, "memory file: %s", strerror(errno));
	a = usage();
	truth_begin(t, "mem_read_faults");
	c = truth_clk();
	if (read(fd, p, n * PAGE) != (ssize_t)(n * PAGE))
		truth_fail(t, "read: %s", strerror(errno));
	s = truth_since(&c);
	truth_end(t, "mem_read_faults");
	b = usage();
	truth_leaf(t, "cpu.fault", TRUTH_CNT, b.ru_minflt - a.ru_minflt);
	truth_leaf(t, "cpu.fault+cpu.sys+cpu.user+cpu.irq", TRUTH_EQ, s.cpu);
	truth_leaf(t, "cpu.fault", TRUTH_GE, s.cpu / 4);
	truth_leaf(t, "cpu.user", TRUTH_LE, MSEC);
}

static sigjmp_buf out;

static void on_segv(int sig)
{
	(void)sig;
	siglongjmp(out, 1);
}

/* 500 faults that end in a signal, never in a page; then 20 ms of work that must not count as a fault. */
static void mem_segv(struct truth *t)
{
	struct sigaction sa = { .sa_handler = on_segv, .sa_flags = SA_NODEFER };
	volatile char *p = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int i = 0;
	struct truth_clk c;
	struct truth_span s, work;

	sigaction(SIGSEGV, &sa, NULL);
	truth_begin(t, "mem_segv");
	c = truth_clk();
	sigsetjmp(out, 0);
	if (i < 500) {
		i++;
		(void)*p;
	}
	s = truth_since(&c);
	c = truth_clk();
	truth_burn(20 * MSEC);
	work = truth_since(&c);
	truth_end(t, "mem_segv");
	truth_leaf(t, "cpu.user+cpu.irq", TRUTH_GE, work.cpu - MSEC);
	truth_leaf(t, "cpu", TRUTH_EQ, s.cpu + work.cpu);
	truth_leaf(t, "cpu.fault", TRUTH_LE, s.cpu);
	truth_leaf(t, "cpu.fault", TRUTH_CNT_GE, 500);
}

/* mlock brings its pages in without any fault: it is all the system call's. */
static void mem_mlock(struct truth *t)
{
	size_t n = 24576;
	char *p = pages(t, n, 0);
	struct truth_clk c;
	struct truth_span s;

	truth_begin(t, "mem_mlock");
	c = truth_clk();
	if (mlock(p, n * PAGE))
		truth_fail(t, "mlock: %s", strerror(errno));
	s = truth_since(&c);
	truth_end(t, "mem_mlock");
	munlock(p, n * PAGE);
	truth_leaf(t, "cpu.sys.mlock+cpu.irq", TRUTH_EQ, s.cpu);
	truth_leaf(t, "cpu.fault", TRUTH_LE, MSEC);
}

/* ---- swap under a memory limit ------------------------------------------ */
static void fill(char *p, size_t n)
{
	uint64_t x = 88172645463325252ull;

	/* Half random, so that zram has work; never zero, since zero pages are not written out. */
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < PAGE; j += 16) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			x |= 1;
			memcpy(p + i * PAGE + j, &x, sizeof(x));
		}
}

#define SWAP_PAGES 10240 /* 40 MB under a limit of 24 */

struct walk {
	uint64_t major, minor; /* time of touches that were major faults, and of other slow ones */
	uint64_t nmajor, nminor;
};

/*
 * A buffer larger than the memory limit, @n of its pages walked a second time:
 * each touch is timed, and after a slow one the thread asks whether that was a
 * major fault, and how long it had no CPU meanwhile.
 */
static struct walk swap_walk(struct truth *t, size_t n, bool limited)
{
	struct walk w = { 0 };
	struct rusage a, b;
	uint64_t maj0, slow, before, delay;
	int sched = truth_delay_open();
	char *p;

	truth_join_cgroup(t, "TRUTH_MEMCG");
	if (limited)
		truth_join_cgroup(t, "TRUTH_IOCG");
	p = pages(t, SWAP_PAGES, 0);
	fill(p, SWAP_PAGES);
	a = usage();
	maj0 = a.ru_majflt;
	truth_begin(t, t->name);
	before = truth_delay(sched);
	for (size_t i = 0; i < n; i++) {
		uint64_t t0 = truth_now();

		((volatile char *)p)[i * PAGE]++;
		slow = truth_now() - t0;
		if (slow < 300)
			continue;
		delay = truth_delay(sched) - before;
		before += delay;
		slow -= delay < slow ? delay : slow;
		b = usage();
		if ((uint64_t)b.ru_majflt != maj0) {
			w.major += slow;
			w.nmajor += b.ru_majflt - maj0;
		} else {
			w.minor += slow;
			w.nminor++;
		}
		maj0 = b.ru_majflt;
	}
	truth_end(t, t->name);
	if (w.nmajor < 200)
		truth_fail(t, "only %llu major faults: no swapping", (unsigned long long)w.nmajor);
	truth_leaf(t, "mem.swapin", TRUTH_GE, w.major / 5);
	truth_leaf(t, "io.block+cpu.fault.major+unknown", TRUTH_LE, MSEC);
	return w;
}

static void swap_counts(struct truth *t, const struct walk *w)
{
	/* A touch may find its page in memory again, not yet mapped: no major fault, but of swap all the same. */
	truth_leaf(t, "mem.swapin", TRUTH_CNT_GE, w->nmajor);
	truth_leaf(t, "mem.swapin", TRUTH_CNT_LE, w->nmajor + w->nminor);
}

/* At 500 requests a second, without readahead: what an exception costs outside of any probe is nothing beside it. */
static void swap_file(struct truth *t)
{
	struct walk w = swap_walk(t, 300, true);

	truth_leaf(t, "mem.swapin+mem.reclaim", TRUTH_EQ, w.major + w.minor);
	swap_counts(t, &w);
}

/* At full speed a fault takes 10 us or less, of which entering and leaving the exception is a part. */
static void swap_fast(struct truth *t)
{
	struct walk w = swap_walk(t, SWAP_PAGES, false);

	truth_leaf(t, "mem.swapin+mem.reclaim", TRUTH_GE, w.major * 80 / 100);
	truth_leaf(t, "mem.swapin+mem.reclaim", TRUTH_LE, w.major + w.minor + MSEC);
	swap_counts(t, &w);
}

const struct truth_scenario truth_mem[] = {
	{ "mem_minor", mem_minor, TRUTH_SEEN_FAULTS, "16384 fresh pages touched" },
	{ "mem_read_faults", mem_read_faults, TRUTH_SEEN_FAULTS, "read() into memory that is not there yet" },
	{ "mem_segv", mem_segv, 0, "500 faults that end in a signal" },
	{ "mem_mlock", mem_mlock, 0, "mlock of 96 MB" },
	{ "swap_file", swap_file, TRUTH_MEM_CG | TRUTH_SWAP_FILE | TRUTH_NO_AHEAD | TRUTH_IO_CG,
	  "swap on a file, page by page, under an I/O limit" },
	{ "swap_ahead", swap_fast, TRUTH_MEM_CG | TRUTH_SWAP_FILE, "swap on a file with readahead" },
	{ "swap_zram", swap_fast, TRUTH_MEM_CG | TRUTH_SWAP_ZRAM | TRUTH_SEEN_FAULTS, "swap on zram" },
	{ 0 },
};
