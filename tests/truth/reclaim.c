/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Scenarios about having to free memory oneself. */
#include <errno.h>
#include <fcntl.h>
#include <linux/taskstats.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "truth.h"

#define FILE_BYTES (192u << 20)
#define CHUNK	   4096u

static void read_file(struct truth *t, int fd)
{
	static char buf[CHUNK];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		;
	if (n < 0)
		truth_fail(t, "read: %s", strerror(errno));
}

/* Reading through a cgroup that is full of page cache: each new page needs an old one freed. */
static void reclaim_cache(struct truth *t)
{
	int fd = truth_file(t, "cache", 0, O_RDWR);
	struct taskstats a, b;
	struct truth_span s;
	struct truth_clk c;
	uint64_t ns;

	truth_join_cgroup(t, "TRUTH_MEMCG");
	/* A hole: no device is involved. Page by page, or few large folios would be freed at once. */
	if (ftruncate(fd, FILE_BYTES) || posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM))
		truth_fail(t, "file: %s", strerror(errno));
	read_file(t, fd);
	lseek(fd, 0, SEEK_SET);
	if (truth_taskstats(&a))
		truth_fail(t, "no taskstats");
	truth_begin(t, "reclaim_cache");
	c = truth_clk();
	read_file(t, fd);
	s = truth_since(&c);
	truth_end(t, "reclaim_cache");
	truth_taskstats(&b);
	ns = b.freepages_delay_total - a.freepages_delay_total;
	if (b.freepages_count - a.freepages_count < 30)
		truth_fail(t, "only %llu reclaims",
			   (unsigned long long)(b.freepages_count - a.freepages_count));
	/* The kernel's figure is wall time: what of the run queue and of interrupts was inside, it does not say. */
	truth_leaf(t, "mem.reclaim.memcg+cpu.irq", TRUTH_GE, ns > s.delay ? (ns - s.delay) * 95 / 100 : 0);
	truth_leaf(t, "mem.reclaim.memcg", TRUTH_LE, ns + MSEC);
	truth_leaf(t, "mem.reclaim.direct", TRUTH_LE, MSEC);
}

/* Over memory.high the kernel makes the process sleep on its way back to user mode. */
static void memory_high(struct truth *t)
{
	size_t bytes = 64u << 20;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct truth_span s;
	struct truth_clk c;

	truth_join_cgroup(t, "TRUTH_HIGHCG");
	truth_begin(t, "memory_high");
	c = truth_clk();
	for (size_t i = 0; i < bytes && truth_now() - c.wall < 200 * MSEC; i += 4096)
		((volatile char *)p)[i] = 1;
	s = truth_since(&c);
	truth_end(t, "memory_high");
	if (s.blocked < 10 * MSEC)
		truth_fail(t, "held back for only %llu ns", (unsigned long long)s.blocked);
	truth_leaf(t, "mem.throttle+mem.reclaim", TRUTH_GE, s.blocked * 95 / 100);
}

const struct truth_scenario truth_reclaim[] = {
	{ "reclaim_cache", reclaim_cache, TRUTH_MEM_CG | TRUTH_DISK | TRUTH_DELAYACCT,
	  "reading through a cgroup that is full" },
	{ "memory_high", memory_high, TRUTH_HIGH_CG, "held back by memory.high" },
	{ 0 },
};
