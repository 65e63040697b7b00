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
#include <unistd.h>

#include "guesttask.h"

#define PAGE	  4096
#define READ_SIZE 65536
#define PORT_POST 0x80 /* nobody's: a write to it does nothing, but for the exit */
#define READY	  "/run/guestwork.ready"
#define GO	  "/run/guestwork.go"
#define ENOUGH \
	"/out/enough"	 /* in the folder that the guest shares with its host: that has done what it does */
#define MARK 0x4f4c0000u /* a CPUID leaf that is nobody's: its exit is an instant on both sides */

static int burn(uint64_t ms)
{
	guest_burn(ms);
	return 0;
}

/*
 * Until its host has done something, however long that takes, but no longer
 * than @ms. It looks seldom: what its host does meanwhile is not done to it.
 */
static int until(uint64_t ms)
{
	uint64_t end = guest_now_ns() + ms * 1000000;

	while (guest_now_ns() < end && access(ENOUGH, F_OK))
		burn(200);
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
	ran = guest_ran_ns();
	burn(ms);
	ran = guest_ran_ns() - ran;
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
			return guest_fail("/dev/port");
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
			return guest_fail("/dev/vda");
	return 0;
}

static int sleeps(uint64_t ms)
{
	guest_nap(ms * 1000000);
	return 0;
}

/* Where its memory is in the guest's, a number of a page a line: Documentation/admin-guide/mm/pagemap.rst */
static int pages_tell(FILE *out, uint64_t mib)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	if (fd < 0)
		return guest_fail("pagemap");
	for (uint64_t i = 0; i < mib << 20; i += PAGE) {
		off_t at = (off_t)((uint64_t)(memory + i) / PAGE * sizeof(entry));

		if (pread(fd, &entry, sizeof(entry), at) != sizeof(entry))
			return guest_fail("pagemap");
		fprintf(out, "%llu\n", (unsigned long long)(entry & ((1ull << 55) - 1)));
	}
	return close(fd);
}

/* Ready for it, and told when: the host does something in between. */
static int wait_for_go(uint64_t mib)
{
	FILE *f = fopen(READY ".new", "we");

	if (!f || pages_tell(f, mib) || fclose(f) || rename(READY ".new", READY))
		return guest_fail(READY);
	while (access(GO, F_OK))
		guest_nap(20000000);
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
			return guest_fail("/dev/port");
	}
	if (k->needs == 'd') {
		disk = open("/dev/vda", O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (disk < 0)
			return guest_fail("/dev/vda");
	}
	if (k->needs != 'm' && k->needs != 'M')
		return 0;
	memory = mmap(NULL, n << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return guest_fail("mmap");
	return k->needs == 'M' ? touch(n) || wait_for_go(n) : 0;
}

int main(int argc, char **argv)
{
	const struct kind *k = NULL;
	uint64_t n;

	for (size_t i = 0; argc == 4 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, argv[2]))
			k = &kinds[i];
	if (!k)
		return fprintf(stderr, "Usage: guestwork NAME "
				       "burn|held|sleep|cpuid|out|touch|again|read|share|until N\n"),
		       2;
	task = argv[1];
	n = strtoull(argv[3], NULL, 10);
	(void)!access("/.sandglass", F_OK);
	return ready(k, n) || guest_task(task, k->run, n, k->told);
}
