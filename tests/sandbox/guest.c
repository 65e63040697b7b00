// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * guest OP N [FILE]: a program of known shape for the inside of a container. One task, marked by
 * access(2) through syscall(2): gVisor's systrap patches the call sites of a C library, and what it
 * has patched no probe sees. Prints "go", then how long the task took by its own clock, in ns.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void mark(const char *path)
{
	syscall(SYS_access, path, F_OK);
}

static void do_getpid(unsigned long n, const char *file)
{
	(void)file;
	while (n--)
		syscall(SYS_getpid);
}

static void do_stat(unsigned long n, const char *file)
{
	struct stat st;

	while (n--)
		syscall(SYS_stat, file, &st);
}

static void do_create(unsigned long n, const char *file)
{
	while (n--) {
		long fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CREAT | O_TRUNC, 0644);

		syscall(SYS_close, fd);
		syscall(SYS_unlink, file);
	}
}

static void do_read(unsigned long n, const char *file)
{
	char b[64];
	long fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);

	while (n--)
		syscall(SYS_pread64, fd, b, sizeof(b), 0L);
	syscall(SYS_close, fd);
}

static void do_fork(unsigned long n, const char *file)
{
	(void)file;
	while (n--) {
		pid_t p = fork();

		if (!p)
			_exit(0);
		waitpid(p, NULL, 0);
	}
}

/* CPU time, not wall time: what others take of the CPU is not burnt. */
static void do_burn(unsigned long ms, const char *file)
{
	volatile unsigned long x = 0;
	uint64_t end = now_ns(CLOCK_MONOTONIC) + ms * 1000000ull;

	(void)file;
	while (now_ns(CLOCK_MONOTONIC) < end)
		for (int i = 0; i < 100000; i++)
			x += (unsigned long)i;
}

static void do_sleep(unsigned long ms, const char *file)
{
	struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

	(void)file;
	syscall(SYS_nanosleep, &t, NULL);
}

/* New memory, touched once a page. */
static void do_fault(unsigned long pages, const char *file)
{
	char *p = malloc(pages * 4096);

	(void)file;
	for (unsigned long i = 0; p && i < pages; i++)
		((volatile char *)p)[i * 4096] = 1;
}

static const struct {
	const char *name;
	void (*fn)(unsigned long n, const char *file);
} ops[] = {
	{ "getpid", do_getpid }, { "stat", do_stat }, { "create", do_create }, { "read", do_read },
	{ "fork", do_fork },	 { "burn", do_burn }, { "sleep", do_sleep },   { "fault", do_fault },
};

int main(int argc, char **argv)
{
	unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	long id = syscall(SYS_getpid);
	char begin[64], end[64];
	uint64_t t0;

	snprintf(begin, sizeof(begin), "/.sandglass/begin/%ld/scenario", id);
	snprintf(end, sizeof(end), "/.sandglass/end/%ld/0", id);
	for (size_t i = 0; argc > 1 && i < sizeof(ops) / sizeof(*ops); i++) {
		if (strcmp(ops[i].name, argv[1]))
			continue;
		if (write(1, "go\n", 3) != 3)
			return 1;
		mark(begin);
		t0 = now_ns(CLOCK_MONOTONIC);
		ops[i].fn(n, argc > 3 ? argv[3] : "/vol/file");
		t0 = now_ns(CLOCK_MONOTONIC) - t0;
		mark(end);
		printf("%llu\n", (unsigned long long)t0);
		return 0;
	}
	fprintf(stderr, "guest OP N [FILE]\n");
	return 2;
}
