// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * guestwork NAME KIND N: one task of known shape, for a Linux guest whose host is made to disturb it (suite-fused.sh and
 * suite-steal.sh of the lab). Prints NAME, how long it took by the guest's clock, and how much of that its kernel says it
 * neither ran nor was ready to: nanoseconds.
 */
#include <cpuid.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	  4096
#define READ_SIZE 65536
#define PORT_POST 0x80 /* nobody's: a write to it does nothing, but for the exit */
#define READY	  "/run/guestwork.ready"
#define GO	  "/run/guestwork.go"
#define BEGUN	  "/out/begun"	/* in the folder that the guest shares with its host */
#define ENOUGH	  "/out/enough" /* there, too: its host has done what it does */
#define MARK	  0x4f4c0000u	/* a CPUID leaf that is nobody's: its exit is an instant on both sides */

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* Ran, and ready to, by the scheduler (Documentation/scheduler/sched-stats.rst). */
static uint64_t busy_ns(void)
{
	unsigned long long ran = 0, waited = 0;
	FILE *f = fopen("/proc/self/schedstat", "re");

	(void)clock_ns(CLOCK_THREAD_CPUTIME_ID); /* asked for, the time up to now is booked */
	if (f && fscanf(f, "%llu %llu", &ran, &waited) != 2)
		ran = waited = 0;
	if (f)
		fclose(f);
	return ran + waited;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static void nap(uint64_t ns)
{
	nanosleep(
		&(struct timespec){ .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) },
		NULL);
}

static int burn(uint64_t ms)
{
	uint64_t end = now_ns() + ms * 1000000;

	while (now_ns() < end)
		;
	return 0;
}

/* Until its host has done something, however long that takes, but no longer than @ms. */
static int until(uint64_t ms)
{
	uint64_t end = now_ns() + ms * 1000000;

	while (now_ns() < end && access(ENOUGH, F_OK))
		burn(50);
	return 0;
}

/* What the kernel counts as stolen from this CPU, in ticks; the eighth number. */
static unsigned long long stolen(void)
{
	char want[16], name[16];
	unsigned long long n = 0;
	FILE *f = fopen("/proc/stat", "re");

	snprintf(want, sizeof(want), "cpu%d", sched_getcpu());
	while (f && fscanf(f, "%15s %*u %*u %*u %*u %*u %*u %*u %llu%*[^\n]", name, &n) >= 1 &&
	       strcmp(name, want))
		;
	if (f)
		fclose(f);
	return n;
}

static const char *task; /* its name */

static void mark(void)
{
	unsigned a, b, c, d;

	__cpuid_count(MARK | (unsigned)getpid(), 0, a, b, c, d);
}

/* Bound to one CPU: what it lost, by the kernel's two accounts, between two marks. */
static int shares(uint64_t ms)
{
	unsigned long long steal;
	uint64_t ran;

	mark();
	steal = stolen();
	ran = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	burn(ms);
	ran = clock_ns(CLOCK_THREAD_CPUTIME_ID) - ran;
	steal = stolen() - steal;
	mark();
	return printf("%s pid %d steal %llu ran %llu\n", task, getpid(), steal * 10000000,
		      (unsigned long long)ran) < 0;
}

static int cpuids(uint64_t n)
{
	unsigned a, b, c, d;

	while (n--)
		__cpuid(0, a, b, c, d);
	return 0;
}

static int ports;

/* By the kernel's own instruction: the lab's emulated processor refuses a nested guest's program those of its own. */
static int outs(uint64_t n)
{
	while (n--)
		if (pwrite(ports, "", 1, PORT_POST) != 1)
			return fail("/dev/port");
	return 0;
}

static char *memory; /* of MiB as asked for, mapped and not yet touched */

static int touch(uint64_t mib)
{
	for (uint64_t i = 0; i < mib << 20; i += PAGE)
		((volatile char *)memory)[i]++;
	return 0;
}

static int disk;

/* What the host's page cache and readahead cannot serve: each block once. */
static int reads(uint64_t n)
{
	static char block[READ_SIZE] __attribute__((aligned(PAGE)));

	for (uint64_t i = 0; i < n; i++)
		if (pread(disk, block, sizeof(block), (off_t)(i * sizeof(block))) != sizeof(block))
			return fail("/dev/vda");
	return 0;
}

static int sleeps(uint64_t ms)
{
	nap(ms * 1000000);
	return 0;
}

/* The task has begun. */
static void host_tell(void)
{
	int fd = open(BEGUN, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
}

/* Where its memory is in the guest's, a number of a page a line: Documentation/admin-guide/mm/pagemap.rst */
static int pages_tell(FILE *out, uint64_t mib)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	if (fd < 0)
		return fail("pagemap");
	for (uint64_t i = 0; i < mib << 20; i += PAGE) {
		off_t at = (off_t)((uint64_t)(memory + i) / PAGE * sizeof(entry));

		if (pread(fd, &entry, sizeof(entry), at) != sizeof(entry))
			return fail("pagemap");
		fprintf(out, "%llu\n", (unsigned long long)(entry & ((1ull << 55) - 1)));
	}
	return close(fd);
}

/* Ready for it, and told when: the host does something in between. */
static int wait_for_go(uint64_t mib)
{
	FILE *f = fopen(READY ".new", "we");

	if (!f || pages_tell(f, mib) || fclose(f) || rename(READY ".new", READY))
		return fail(READY);
	while (access(GO, F_OK))
		nap(20000000);
	return 0;
}

static const struct kind {
	const char *name;
	int (*run)(uint64_t n);
	char needs; /* 'p' ports, 'm' memory, 'M' memory touched before, 'd' the disk */
	bool told;  /* the host does something from its beginning on */
} kinds[] = {
	{ "burn", burn, 0, false },	{ "held", burn, 0, true },     { "sleep", sleeps, 0, false },
	{ "cpuid", cpuids, 0, false },	{ "out", outs, 'p', false },   { "touch", touch, 'm', false },
	{ "again", touch, 'M', false }, { "read", reads, 'd', false }, { "share", shares, 0, false },
	{ "until", until, 0, true },
};

static int ready(const struct kind *k, uint64_t n)
{
	if (k->needs == 'p') {
		ports = open("/dev/port", O_WRONLY | O_CLOEXEC);
		if (ports < 0)
			return fail("/dev/port");
	}
	if (k->needs == 'd') {
		disk = open("/dev/vda", O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (disk < 0)
			return fail("/dev/vda");
	}
	if (k->needs != 'm' && k->needs != 'M')
		return 0;
	memory = mmap(NULL, n << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return fail("mmap");
	return k->needs == 'M' ? touch(n) || wait_for_go(n) : 0;
}

int main(int argc, char **argv)
{
	const struct kind *k = NULL;
	char begin[128], end[64];
	uint64_t n, at, busy, took;

	for (size_t i = 0; argc == 4 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, argv[2]))
			k = &kinds[i];
	if (!k)
		return fprintf(stderr, "Usage: guestwork NAME "
				       "burn|held|sleep|cpuid|out|touch|again|read|share|until N\n"),
		       2;
	task = argv[1];
	n = strtoull(argv[3], NULL, 10);
	snprintf(begin, sizeof(begin), "/.sandglass/begin/%d/%s", getpid(), task);
	snprintf(end, sizeof(end), "/.sandglass/end/%d/0", getpid());
	(void)!access("/.sandglass", F_OK);
	if (ready(k, n))
		return 1;
	busy = busy_ns();
	at = now_ns();
	(void)!access(begin, F_OK);
	if (k->told)
		host_tell();
	if (k->run(n))
		return 1;
	(void)!access(end, F_OK);
	took = now_ns() - at;
	busy = busy_ns() - busy;
	printf("%s %llu %llu\n", task, (unsigned long long)took,
	       (unsigned long long)(took > busy ? took - busy : 0));
	return 0;
}
