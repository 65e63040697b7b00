// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * guestpair NAME KIND N: one task of known shape of a Linux guest of two CPUs (suite-pair.sh of the lab): what it waits for is
 * another thread's, a device's, or its own. It is on CPU 1; where two CPUs take part, on CPU 0, and the other on CPU 1. Prints what
 * guest_task() does, and of a lock how much its holder's CPU was stolen from it, by /proc/stat: nanoseconds, in ticks of 10 ms.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guesttask.h"

#define PAGE	  4096
#define READ_SIZE 65536
#define MSR_APIC  0x1b /* IA32_APIC_BASE: each reading is an exit that the kernel handles */
#define PORT	  7007
#define HOST	  "10.9.8.1"

/* ---- the other CPU's ------------------------------------------------------------------ */
/* /proc/stat's eighth number of cpu1 */
static unsigned long long stolen(void)
{
	unsigned long long n = 0;
	char name[16];
	FILE *f = fopen("/proc/stat", "re");

	while (f && fscanf(f, "%15s %*u %*u %*u %*u %*u %*u %*u %llu%*[^\n]", name, &n) >= 1 &&
	       strcmp(name, "cpu1"))
		;
	if (f)
		fclose(f);
	return n * 10000000;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool held;
static unsigned long long steal; /* what its holder lost while it had the lock */

static void *holder(void *ms)
{
	guest_bind(1);
	pthread_mutex_lock(&lock);
	held = true;
	steal = stolen();
	guest_burn(*(uint64_t *)ms);
	steal = stolen() - steal;
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* A lock that a thread on CPU 1 has for so long, and computes. */
static int locked(uint64_t ms)
{
	pthread_t t;

	if (pthread_create(&t, NULL, holder, &ms))
		return guest_fail("pthread_create");
	while (!held)
		guest_nap(1000000);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return pthread_join(t, NULL);
}

static int to[2], fro[2];

/* So many turns of a byte between CPU 0 and CPU 1: each is halted while the other has it. */
static int turns(uint64_t n)
{
	char c = 0;

	while (n--)
		if (write(to[1], &c, 1) != 1 || read(fro[0], &c, 1) != 1)
			return guest_fail("pipe");
	close(to[1]);
	return wait(NULL) < 0;
}

static int turns_ready(void)
{
	char c;

	if (pipe(to) || pipe(fro))
		return guest_fail("pipe");
	if (fork())
		return 0;
	guest_bind(1);
	close(to[1]);
	while (read(to[0], &c, 1) == 1 && write(fro[1], &c, 1) == 1)
		;
	_exit(0);
}

/* ---- devices --------------------------------------------------------------------------- */
static int disk[3];

static int disks_ready(void)
{
	static const char *const name[] = { "/dev/vda", "/dev/vdb", "/dev/vdc" };

	for (int i = 0; i < 3; i++) {
		disk[i] = open(name[i], O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (disk[i] < 0)
			return guest_fail(name[i]);
	}
	return 0;
}

static int reads(int fd, uint64_t n)
{
	char *block = aligned_alloc(PAGE, READ_SIZE);
	int rc = !block;

	for (uint64_t i = 0; i < n && !rc; i++)
		rc = pread(fd, block, READ_SIZE, (off_t)(i * READ_SIZE)) != READ_SIZE;
	free(block);
	return rc ? guest_fail("read") : 0;
}

static int reads_a(uint64_t n)
{
	return reads(disk[0], n);
}

static int reads_b(uint64_t n)
{
	return reads(disk[1], n);
}

static atomic_bool over;

static void *reader(void *fd)
{
	while (!over && !reads(*(int *)fd, 16))
		;
	return NULL;
}

/* From the slow disk a, while another thread on this CPU reads and reads from c, which is quick. */
static int reads_both(uint64_t n)
{
	pthread_t t;
	int rc;

	if (pthread_create(&t, NULL, reader, &disk[2]))
		return guest_fail("pthread_create");
	rc = reads(disk[0], n);
	over = true;
	return pthread_join(t, NULL) || rc;
}

static int sock;

static int sock_ready(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	inet_pton(AF_INET, HOST, &at.sin_addr);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return sock < 0 || connect(sock, (struct sockaddr *)&at, sizeof(at)) ? guest_fail("socket") : 0;
}

static int sleeps(uint64_t ms)
{
	guest_nap(ms * 1000000);
	return 0;
}

/* The host stops this machine meanwhile: it is asked to. */
static int sleeps_on(uint64_t ms)
{
	return send(sock, "s", 1, 0) != 1 ? guest_fail("socket") : sleeps(ms);
}

/* So many questions to the host, each answered. */
static int asks(uint64_t n)
{
	char c = 'e';

	while (n--)
		if (send(sock, &c, 1, 0) != 1 || recv(sock, &c, 1, 0) != 1)
			return guest_fail("socket");
	return 0;
}

/* ---- its own ---------------------------------------------------------------------------- */
static int msr;

static int msr_ready(void)
{
	msr = open("/dev/cpu/1/msr", O_RDONLY | O_CLOEXEC);
	return msr < 0 ? guest_fail("/dev/cpu/1/msr") : 0;
}

static int msrs(uint64_t n)
{
	uint64_t value;

	while (n--)
		if (pread(msr, &value, sizeof(value), MSR_APIC) != sizeof(value))
			return guest_fail("msr");
	return 0;
}

static char *mapped(uint64_t mib)
{
	char *p = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void walk(char *p, uint64_t mib)
{
	for (uint64_t i = 0; i < mib << 20; i += PAGE)
		((volatile uint64_t *)(void *)(p + i))[0] = i + 1;
}

static char *memory;
static uint64_t size;

/* Pages that the guest has had before: its own faults, none of its host's. */
static int remap(uint64_t mib)
{
	memory = mapped(mib);
	if (!memory)
		return guest_fail("mmap");
	walk(memory, mib);
	return 0;
}

static int remap_ready(void)
{
	if (remap(2 * size))
		return 1;
	return munmap(memory, 2 * size << 20) ? guest_fail("munmap") : 0;
}

static int walk_ready(void)
{
	return remap(size);
}

/* Once more, what its limit of memory has swapped out meanwhile. */
static int again(uint64_t mib)
{
	walk(memory, mib);
	return 0;
}

static const struct kind {
	const char *name;
	int (*run)(uint64_t n);
	int (*ready)(void);
	unsigned cpu;
} kinds[] = {
	{ "sleep", sleeps, NULL, 1 },
	{ "sleep-on", sleeps_on, sock_ready, 1 },
	{ "lock", locked, NULL, 0 },
	{ "turns", turns, turns_ready, 0 },
	{ "read-a", reads_a, disks_ready, 1 },
	{ "read-b", reads_b, disks_ready, 1 },
	{ "read-both", reads_both, disks_ready, 1 },
	{ "ask", asks, sock_ready, 1 },
	{ "msr", msrs, msr_ready, 1 },
	{ "remap", remap, remap_ready, 1 },
	{ "again", again, walk_ready, 1 },
};

int main(int argc, char **argv)
{
	const struct kind *k = NULL;

	for (size_t i = 0; argc == 4 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, argv[2]))
			k = &kinds[i];
	if (!k)
		return fprintf(stderr,
			       "Usage: guestpair NAME "
			       "sleep|sleep-on|lock|turns|read-a|read-b|read-both|ask|msr|remap|again N\n"),
		       2;
	size = strtoull(argv[3], NULL, 10);
	(void)!access("/.sandglass", F_OK);
	return guest_bind(k->cpu) || (k->ready && k->ready()) || guest_task(argv[1], k->run, size, 0) ||
	       (held && printf("stolen %llu\n", steal) < 0);
}
