/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Scenarios about files and devices. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "truth.h"

#define CHUNK (1u << 20)

static void *aligned(struct truth *t, size_t bytes)
{
	void *p =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		truth_fail(t, "mmap: %s", strerror(errno));
	return p;
}

int truth_file(struct truth *t, const char *name, size_t bytes, int flags)
{
	char path[512], *buf = aligned(t, CHUNK);
	uint64_t x = 88172645463325252ull;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", t->dir, name);
	fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		truth_fail(t, "%s: %s", path, strerror(errno));
	for (size_t done = 0; done < bytes; done += CHUNK) {
		for (size_t i = 0; i < CHUNK / sizeof(x); i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			memcpy(buf + i * sizeof(x), &x, sizeof(x));
		}
		if (write(fd, buf, CHUNK) != CHUNK)
			truth_fail(t, "%s: %s", path, strerror(errno));
	}
	if (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		truth_fail(t, "%s: %s", path, strerror(errno));
	munmap(buf, CHUNK);
	if (flags != O_RDWR) {
		close(fd);
		fd = open(path, flags | O_CLOEXEC);
		if (fd < 0)
			truth_fail(t, "%s: %s", path, strerror(errno));
	}
	unlink(path);
	return fd;
}

static void io_fsync(struct truth *t)
{
	int fd = truth_file(t, "fsync", 0, O_RDWR);
	char *buf = aligned(t, CHUNK);
	struct truth_span s;
	struct truth_clk c;

	memset(buf, 'x', CHUNK);
	truth_begin(t, "io_fsync");
	c = truth_clk();
	for (int i = 0; i < 100 && truth_now() - c.wall < 100 * MSEC; i++) {
		if (write(fd, buf, CHUNK) != CHUNK)
			truth_fail(t, "write: %s", strerror(errno));
		if (fsync(fd))
			truth_fail(t, "fsync: %s", strerror(errno));
	}
	s = truth_since(&c);
	truth_end(t, "io_fsync");
	/* The journal's thread does part of it on a CPU, on the asker's behalf: the wait has all, the leaf most. */
	/* A write may wait as well, for the journal or for a page under way. */
	truth_blocked(t, "io.fsync+io.block+io.writeback+lock.kernel", &s);
	truth_wait(t, "io.fsync", TRUTH_GE, s.blocked / 3);
	truth_want(t, NULL, "*", "io.fsync+io.block", TRUTH_GE, s.blocked / 3);
	truth_want(t, NULL, "*", "io+cpu+sched+lock", TRUTH_GE, s.blocked * 9 / 10);
}

static void read_all(struct truth *t, int fd, size_t bytes, struct truth_span *ret)
{
	char *buf = aligned(t, CHUNK);
	struct truth_clk c = truth_clk();

	for (size_t done = 0; done < bytes; done += CHUNK)
		if (read(fd, buf, CHUNK) != CHUNK)
			truth_fail(t, "read: %s", strerror(errno));
	*ret = truth_since(&c);
}

static void io_odirect(struct truth *t)
{
	int fd = truth_file(t, "odirect", 64u << 20, O_RDONLY | O_DIRECT);
	struct truth_span s;

	truth_begin(t, "io_odirect");
	read_all(t, fd, 64u << 20, &s);
	truth_end(t, "io_odirect");
	truth_leaf(t, "io.block", TRUTH_EQ, s.blocked);
}

static void io_evicted(struct truth *t)
{
	int fd = truth_file(t, "evicted", 96u << 20, O_RDWR);
	struct truth_span s;

	lseek(fd, 0, SEEK_SET);
	truth_begin(t, "io_evicted");
	read_all(t, fd, 96u << 20, &s);
	truth_end(t, "io_evicted");
	truth_leaf(t, "io.block", TRUTH_EQ, s.blocked);
	truth_leaf(t, "cpu.sys.read", TRUTH_CNT, (96u << 20) / CHUNK);
}

/*
 * A mapped file that is not in memory: each touched page blocks for the device
 * in a major fault. At a limit of 500 requests a second, so that waits are long.
 */
#define MAP_FAULTS 60
#define MAP_STEP   (256u << 10)

static void io_mmap_evicted(struct truth *t)
{
	size_t bytes = (size_t)MAP_FAULTS * MAP_STEP;
	int fd = truth_file(t, "mmap", bytes, O_RDWR);
	volatile char *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	struct rusage a, b;
	struct truth_span s;
	struct truth_clk c;

	if (p == MAP_FAILED)
		truth_fail(t, "mmap: %s", strerror(errno));
	madvise((void *)p, bytes, MADV_RANDOM);
	truth_join_cgroup(t, "TRUTH_IOCG");
	getrusage(RUSAGE_THREAD, &a);
	truth_begin(t, "io_mmap_evicted");
	c = truth_clk();
	for (size_t i = 0; i < bytes; i += MAP_STEP)
		(void)p[i];
	s = truth_since(&c);
	truth_end(t, "io_mmap_evicted");
	getrusage(RUSAGE_THREAD, &b);
	if (b.ru_majflt - a.ru_majflt < MAP_FAULTS * 9 / 10)
		truth_fail(t, "only %ld major faults", b.ru_majflt - a.ru_majflt);
	truth_leaf(t, "io.block", TRUTH_EQ, s.blocked);
	truth_leaf(t, "cpu.fault.major", TRUTH_CNT, b.ru_majflt - a.ru_majflt);
}

/* At a limit of 16 MB/s (some of it free at first) the wait is the throttle's, far longer than the device's. */
static void io_throttled(struct truth *t)
{
	int fd = truth_file(t, "throttled", 4u << 20, O_RDONLY | O_DIRECT);
	struct truth_span s;

	truth_join_cgroup(t, "TRUTH_IOCG");
	truth_begin(t, "io_throttled");
	read_all(t, fd, 4u << 20, &s);
	truth_end(t, "io_throttled");
	if (s.blocked < 30 * MSEC)
		truth_fail(t, "throttled for only %llu ns", (unsigned long long)s.blocked);
	truth_want(t, NULL, "*", "io.block", TRUTH_EQ, s.blocked);
}

/* ---- FUSE --------------------------------------------------------------- */
static void fuse_child(struct truth *t, void *arg)
{
	truth_fuse_serve(*(int *)arg, 10 * MSEC, &t->w[1]);
}

/* Five reads, each of which the server (a child) sleeps over. */
static void io_fuse(struct truth *t)
{
	char dir[512], path[600], opts[128], buf[64];
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC), fd;
	struct truth_span s;
	struct truth_clk c;
	pid_t pid;

	snprintf(dir, sizeof(dir), "%s/fuse", t->dir);
	snprintf(path, sizeof(path), "%s/f", dir);
	snprintf(opts, sizeof(opts), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if (dev < 0 || (mkdir(dir, 0700) && errno != EEXIST) ||
	    mount("truth", dir, "fuse", MS_NOSUID | MS_NODEV, opts))
		truth_fail(t, "mounting FUSE on %s: %s", dir, strerror(errno));
	pid = truth_fork(t, fuse_child, &dev);
	close(dev);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		umount2(dir, MNT_DETACH);
		truth_fail(t, "%s: %s", path, strerror(errno));
	}
	t->w[1] = 0;
	truth_begin(t, "io_fuse");
	c = truth_clk();
	for (int i = 0; i < 5; i++)
		t->w[2] += pread(fd, buf, sizeof(buf), 0) != (ssize_t)sizeof(buf);
	s = truth_since(&c);
	truth_end(t, "io_fuse");
	close(fd);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	kill(pid, SIGKILL);
	truth_reap(t, pid);
	if (t->w[2])
		truth_fail(t, "reads through FUSE failed");
	truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
	truth_blocked(t, "io.fuse", &s);
}

const struct truth_scenario truth_io[] = {
	{ "io_fsync", io_fsync, TRUTH_DISK, "small writes, each made safe" },
	{ "io_odirect", io_odirect, TRUTH_DISK, "O_DIRECT reads" },
	{ "io_evicted", io_evicted, TRUTH_DISK, "buffered reads of a file that is not cached" },
	{ "io_mmap_evicted", io_mmap_evicted, TRUTH_DISK | TRUTH_IO_CG,
	  "touching a mapped file that is not cached" },
	{ "io_throttled", io_throttled, TRUTH_DISK | TRUTH_IO_CG, "reads under an I/O limit of the cgroup" },
	{ "io_fuse", io_fuse, TRUTH_FUSE, "a FUSE server that sleeps" },
	{ 0 },
};
