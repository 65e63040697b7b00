/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "kern/proc.h"
#include "load/swap.h"

#define MIB	 ((uint64_t)1024 * 1024)
#define PRIO_MAX 32767

/* What mkswap writes: the header page of a swap area, version 1. */
static int write_header(int fd, uint64_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *p = calloc(1, page);
	uint32_t version = 1, last = (uint32_t)(bytes / page - 1);
	int rc = 0;

	if (!p)
		return -ENOMEM;
	memcpy(p + 1024, &version, sizeof(version));
	memcpy(p + 1028, &last, sizeof(last));
	memcpy(p + 1052, "sandglass", 9); /* volume label */
	memcpy(p + page - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, p, page, 0) != (ssize_t)page || fsync(fd))
		rc = errno ? -errno : -EIO;
	free(p);
	return rc;
}

static int fill_zero(int fd, uint64_t bytes)
{
	char *buf = calloc(1, MIB);
	int rc = buf ? 0 : -ENOMEM;

	for (uint64_t at = 0; at < bytes && !rc; at += MIB) {
		size_t n = bytes - at < MIB ? bytes - at : MIB;
		ssize_t done = pwrite(fd, buf, n, (off_t)at);

		if (done != (ssize_t)n)
			rc = done < 0 ? -errno : -ENOSPC;
	}
	free(buf);
	return rc;
}

static int file_fail(const char *path, uint64_t bytes, int rc, struct sg_err *err)
{
	if (rc == -ENOSPC || rc == -EFBIG || rc == -EDQUOT)
		return sg_err_set(err, rc, "no room for a swap file of %" PRIu64 " MiB at %s: %s",
				  bytes / MIB, path, strerror(-rc));
	if (rc == -EINVAL)
		return sg_err_set(
			err, rc,
			"the file system of %s cannot hold a swap file (tmpfs, overlay and btrfs cannot); "
			"give a place on a disk with --swap, or use --swap zram",
			path);
	if (rc == -EEXIST)
		return sg_err_set(err, rc, "%s exists; --swap makes a new file and will not overwrite one",
				  path);
	return sg_err_set(err, rc, "cannot use %s as swap: %s", path, strerror(-rc));
}

int sg_swap_file(struct sg_guard *g, const char *path, uint64_t bytes, struct sg_err *err)
{
	int fd, rc;

	bytes -= bytes % MIB;
	if (bytes < MIB)
		return sg_err_set(err, -EINVAL, "a swap file needs at least 1 MiB");
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return file_fail(path, bytes, -errno, err);
	/* told only now: before, the guard might have removed a file of somebody else */
	rc = sg_guard_add(g, SG_GUARD_FILE, path, err);
	if (rc) {
		unlink(path);
		close(fd);
		return rc;
	}
	rc = fallocate(fd, 0, 0, (off_t)bytes) ? -errno : 0;
	if (rc == -EOPNOTSUPP)
		rc = fill_zero(fd, bytes);
	if (!rc)
		rc = write_header(fd, bytes);
	if (!rc)
		rc = sg_guard_add(g, SG_GUARD_SWAP, path, err);
	if (!rc && swapon(path, SWAP_FLAG_PREFER | PRIO_MAX)) {
		/* not every file system takes blocks that were only reserved: write them */
		rc = errno == EINVAL ? fill_zero(fd, bytes) : -errno;
		if (!rc)
			rc = write_header(fd, bytes);
		if (!rc && swapon(path, SWAP_FLAG_PREFER | PRIO_MAX))
			rc = -errno;
	}
	close(fd);
	return rc ? file_fail(path, bytes, rc, err) : 0;
}

static long sys_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long v = -1;

	if (f && fscanf(f, "%ld", &v) != 1)
		v = -1;
	if (f)
		fclose(f);
	return v;
}

/* An unused device (no size yet), or a new one; its number, and whether it is new. */
static int zram_pick(int *ret_new)
{
	char path[64];
	long n;

	for (int i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", i);
		if (!sys_number(path)) {
			*ret_new = 0;
			return i;
		}
	}
	/* reading makes a device */
	n = sys_number("/sys/class/zram-control/hot_add");
	*ret_new = 1;
	return n < 0 ? -ENODEV : (int)n;
}

int sg_swap_zram(struct sg_guard *g, uint64_t bytes, char *ret_dev, struct sg_err *err)
{
	char sys[48], path[64], text[32];
	int is_new, n = zram_pick(&is_new), fd, rc;

	if (n < 0)
		return sg_err_set(
			err, n,
			"no zram device is free here: load the module (modprobe zram), or use --swap FILE");
	snprintf(sys, sizeof(sys), "/sys/block/zram%d", n);
	snprintf(ret_dev, 32, "/dev/zram%d", n);
	bytes -= bytes % MIB;
	rc = is_new ? sg_guard_add(g, SG_GUARD_HOTZRAM, sys, err) : 0;
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/disksize", sys);
	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	rc = sg_proc_write(path, text);
	if (rc)
		return sg_err_set(err, rc, "cannot set the size of %s: %s", ret_dev, strerror(-rc));
	/* its size is ours now; before, a reset might have hit a device that somebody else had just set up */
	rc = is_new ? 0 : sg_guard_add(g, SG_GUARD_ZRAM, sys, err);
	if (rc)
		return rc;
	fd = open(ret_dev, O_RDWR | O_CLOEXEC);
	rc = fd < 0 ? -errno : write_header(fd, bytes);
	if (fd >= 0)
		close(fd);
	if (!rc)
		rc = sg_guard_add(g, SG_GUARD_SWAP, ret_dev, err);
	if (!rc && swapon(ret_dev, SWAP_FLAG_PREFER | PRIO_MAX))
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot use %s as swap: %s", ret_dev, strerror(-rc)) : 0;
}

uint64_t sg_swap_free(void)
{
	struct sysinfo si;

	return sysinfo(&si) ? 0 : (uint64_t)si.freeswap * si.mem_unit;
}

void sg_swap_pages(uint64_t *ret_in, uint64_t *ret_out)
{
	FILE *f = fopen("/proc/vmstat", "re");
	char key[64];
	uint64_t val;

	*ret_in = *ret_out = 0;
	while (f && fscanf(f, "%63s %" SCNu64, key, &val) == 2) {
		if (!strcmp(key, "pswpin"))
			*ret_in = val;
		else if (!strcmp(key, "pswpout"))
			*ret_out = val;
	}
	if (f)
		fclose(f);
}
