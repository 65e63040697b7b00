/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "setup.h"
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "undo.h"

#define PREFIX	   "sandglass-truth-"
#define SWAP_BYTES (192ul << 20)

static int lacks(char *why, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int lacks(char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return -1;
}

int setup_new(struct setup *s, const char *base)
{
	snprintf(s->base, sizeof(s->base), "%s", base);
	snprintf(s->tag, sizeof(s->tag), PREFIX "%d", getpid());
	snprintf(s->dir, sizeof(s->dir), "%s/%s", s->base, s->tag);
	undo_stale(s->base, PREFIX);
	if (mkdir(s->dir, 0700))
		return -errno;
	return setenv("TRUTH_DIR", s->dir, 1) ? -ENOMEM : 0;
}

void setup_undo(struct setup *s)
{
	s->unified[0] = 0;
	undo_all(s->dir);
}

void setup_free(struct setup *s)
{
	/* Our own directory is as stale as any other now. */
	if (s->tag[0])
		undo_stale(s->base, PREFIX);
}

/* Where cgroups of @ctl can be made: its v1 hierarchy, or a v2 one that has it. */
static int cgroup_root(const char *ctl, char *ret, size_t cap, int *ret_version)
{
	FILE *f = setmntent("/proc/mounts", "re");
	char path[512], text[512], opts[256];
	struct mntent *m;
	int rc = -1;

	while (f && rc && (m = getmntent(f))) {
		snprintf(opts, sizeof(opts), ",%s,", m->mnt_opts);
		snprintf(text, sizeof(text), ",%s,", ctl);
		if (!strcmp(m->mnt_type, "cgroup") && strstr(opts, text)) {
			*ret_version = 1;
			rc = 0;
		} else if (!strcmp(m->mnt_type, "cgroup2")) {
			snprintf(path, sizeof(path), "%s/cgroup.controllers", m->mnt_dir);
			text_read(path, opts, sizeof(opts));
			snprintf(text, sizeof(text), " %s ", opts);
			snprintf(opts, sizeof(opts), " %s ", !strcmp(ctl, "blkio") ? "io" : ctl);
			*ret_version = 2;
			rc = !strcmp(ctl, "freezer") || strstr(text, opts) ? 0 : -1;
		}
		if (!rc)
			snprintf(ret, cap, "%s", m->mnt_dir);
	}
	if (f)
		endmntent(f);
	return rc;
}

/* A cgroup for one need; @env tells the scenario where. Return: version, or -1. */
static int cgroup_make(struct setup *s, const char *ctl, const char *env, char *dir, size_t cap, char *why,
		       size_t wcap)
{
	char root[256], path[512], text[300], on[32];
	int version, rc;

	if (cgroup_root(ctl, root, sizeof(root), &version))
		return lacks(why, wcap, "no cgroup hierarchy has the %s controller", ctl);
	if (version == 2 && strcmp(ctl, "freezer")) {
		snprintf(path, sizeof(path), "%s/cgroup.subtree_control", root);
		snprintf(on, sizeof(on), "%s", !strcmp(ctl, "blkio") ? "io" : ctl);
		text_read(path, text, sizeof(text));
		if (!strstr(text, on)) {
			snprintf(text, sizeof(text), "-%s", on);
			undo_note(s->dir, "write", path, text);
			text[0] = '+';
			rc = text_write(path, text);
			if (rc)
				return lacks(why, wcap, "%s cannot be enabled: %s", on, strerror(-rc));
		}
	}
	/* In the one hierarchy of version 2 a process is in one cgroup: all limits of a scenario are that one's. */
	if (version == 2 && s->unified[0]) {
		snprintf(dir, cap, "%s", s->unified);
	} else {
		snprintf(dir, cap, "%s/%s-%s", root, s->tag, env);
		undo_note(s->dir, "cgroup", dir, "");
		if (mkdir(dir, 0755))
			return lacks(why, wcap, "%s: %s", dir, strerror(errno));
	}
	if (version == 2)
		snprintf(s->unified, sizeof(s->unified), "%s", dir);
	setenv(env, dir, 1);
	return version;
}

static int cgroup_set(const char *dir, const char *file, const char *text, char *why, size_t cap)
{
	char path[512];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	rc = text_write(path, text);
	return rc ? lacks(why, cap, "%s: %s", path, strerror(-rc)) : 0;
}

static int need_cpucg(struct setup *s, char *why, size_t cap)
{
	char dir[300];
	int v = cgroup_make(s, "cpu", "TRUTH_CPUCG", dir, sizeof(dir), why, cap);

	if (v < 0)
		return -1;
	if (v == 2)
		return cgroup_set(dir, "cpu.max", "6000 20000", why, cap);
	return cgroup_set(dir, "cpu.cfs_period_us", "20000", why, cap)
		       ?: cgroup_set(dir, "cpu.cfs_quota_us", "6000", why, cap);
}

static int need_memcg(struct setup *s, char *why, size_t cap)
{
	char dir[300];
	int v = cgroup_make(s, "memory", "TRUTH_MEMCG", dir, sizeof(dir), why, cap);

	return v < 0 ? -1
		     : cgroup_set(dir, v == 2 ? "memory.max" : "memory.limit_in_bytes", "25165824", why, cap);
}

static int need_highcg(struct setup *s, char *why, size_t cap)
{
	char dir[300];
	int v = cgroup_make(s, "memory", "TRUTH_HIGHCG", dir, sizeof(dir), why, cap);

	if (v == 1)
		return lacks(why, cap, "memory.high needs cgroup v2; here the memory controller is on v1");
	return v < 0 ? -1 : cgroup_set(dir, "memory.high", "25165824", why, cap);
}

static int need_freezer(struct setup *s, char *why, size_t cap)
{
	char dir[300];

	return cgroup_make(s, "freezer", "TRUTH_FREEZER", dir, sizeof(dir), why, cap) < 0 ? -1 : 0;
}

/* The whole device below the scratch directory: throttles know no partitions. */
static int disk_of(const char *dir, unsigned *ret_major, unsigned *ret_minor)
{
	char path[128], text[64];
	struct stat st;

	if (stat(dir, &st) || !major(st.st_dev))
		return -1;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(st.st_dev), minor(st.st_dev));
	snprintf(text, sizeof(text), "%u:%u", major(st.st_dev), minor(st.st_dev));
	if (!access(path, F_OK)) {
		snprintf(path, sizeof(path), "/sys/dev/block/%s/../dev", text);
		if (text_read(path, text, sizeof(text)))
			return -1;
	}
	return sscanf(text, "%u:%u", ret_major, ret_minor) == 2 ? 0 : -1;
}

static int need_disk(struct setup *s, char *why, size_t cap)
{
	char path[400];
	unsigned maj, min;
	int fd;

	if (disk_of(s->dir, &maj, &min))
		return lacks(why, cap, "%s is not on a block device (choose another with --dir)", s->base);
	snprintf(path, sizeof(path), "%s/direct", s->dir);
	fd = open(path, O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	unlink(path);
	if (fd < 0)
		return lacks(why, cap, "%s does not take O_DIRECT", s->base);
	close(fd);
	return 0;
}

static int need_iocg(struct setup *s, char *why, size_t cap)
{
	unsigned maj, min;
	char dir[300], text[64];
	int v;

	if (disk_of(s->dir, &maj, &min))
		return lacks(why, cap, "%s is not on a block device", s->base);
	v = cgroup_make(s, "blkio", "TRUTH_IOCG", dir, sizeof(dir), why, cap);
	snprintf(text, sizeof(text), v == 2 ? "%u:%u rbps=16777216 riops=500" : "%u:%u 16777216", maj, min);
	if (v < 0 || cgroup_set(dir, v == 2 ? "io.max" : "blkio.throttle.read_bps_device", text, why, cap))
		return -1;
	snprintf(text, sizeof(text), "%u:%u 500", maj, min);
	return v == 2 ? 0 : cgroup_set(dir, "blkio.throttle.read_iops_device", text, why, cap);
}

/* The header mkswap(8) writes. */
static int swap_header(int fd, uint64_t bytes)
{
	char page[4096] = { 0 };
	uint32_t v[3] = { 1, bytes / sizeof(page) - 1, 0 };

	memcpy(page + 1024, v, sizeof(v));
	memcpy(page + sizeof(page) - 10, "SWAPSPACE2", 10);
	return pwrite(fd, page, sizeof(page), 0) == sizeof(page) && !fsync(fd) ? 0 : -1;
}

static int swap_on(struct setup *s, const char *path, uint64_t bytes, char *why, size_t cap)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), rc;

	rc = fd < 0 || swap_header(fd, bytes);
	if (fd >= 0)
		close(fd);
	if (rc)
		return lacks(why, cap, "%s: %s", path, strerror(errno));
	undo_note(s->dir, "swap", path, "");
	/* Before any other swap, so that it is this one that is used. */
	if (swapon(path, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK))
		return lacks(why, cap, "swapon %s: %s", path, strerror(errno));
	return 0;
}

static int need_swapfile(struct setup *s, char *why, size_t cap)
{
	char path[400];
	int fd, rc;

	snprintf(path, sizeof(path), "%s/swap", s->dir);
	undo_note(s->dir, "file", path, "");
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	rc = fd < 0 ? errno : posix_fallocate(fd, 0, SWAP_BYTES);
	if (fd >= 0)
		close(fd);
	return rc ? lacks(why, cap, "%s: %s", path, strerror(rc)) : swap_on(s, path, SWAP_BYTES, why, cap);
}

static int need_swapzram(struct setup *s, char *why, size_t cap)
{
	char id[16], path[128], dev[64], bytes[32];
	int rc = text_read("/sys/class/zram-control/hot_add", id, sizeof(id));

	if (rc)
		return lacks(why, cap, "no zram: %s", strerror(-rc));
	undo_note(s->dir, "zram", "-", id);
	snprintf(path, sizeof(path), "/sys/block/zram%s/disksize", id);
	snprintf(bytes, sizeof(bytes), "%lu", SWAP_BYTES);
	snprintf(dev, sizeof(dev), "/dev/zram%s", id);
	rc = text_write(path, bytes);
	if (rc)
		return lacks(why, cap, "%s: %s", path, strerror(-rc));
	return swap_on(s, dev, SWAP_BYTES, why, cap);
}

static int write_saved(struct setup *s, const char *path, const char *text, char *why, size_t cap)
{
	char old[64];
	int rc = text_read(path, old, sizeof(old));

	if (!rc)
		rc = undo_note(s->dir, "write", path, old);
	if (!rc)
		rc = text_write(path, text);
	return rc ? lacks(why, cap, "%s: %s", path, strerror(-rc)) : 0;
}

static int need_rps(struct setup *s, char *why, size_t cap)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	char mask[16];

	if (n > 31)
		return lacks(why, cap, "written for at most 31 CPUs");
	snprintf(mask, sizeof(mask), "%x", 1u << (n - 1));
	return write_saved(s, "/sys/class/net/lo/queues/rx-0/rps_cpus", mask, why, cap);
}

int setup_need(struct setup *s, const char *name, char *why, size_t cap)
{
	static const struct {
		const char *name;
		int (*fn)(struct setup *s, char *why, size_t cap);
	} needs[] = {
		{ "cpucg", need_cpucg },       { "memcg", need_memcg },	      { "highcg", need_highcg },
		{ "freezer", need_freezer },   { "iocg", need_iocg },	      { "disk", need_disk },
		{ "swapfile", need_swapfile }, { "swapzram", need_swapzram }, { "rps", need_rps },
	};

	if (!strcmp(name, "cpus"))
		return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 0 : lacks(why, cap, "only one CPU");
	if (!strcmp(name, "fuse"))
		return access("/dev/fuse", R_OK | W_OK) ? lacks(why, cap, "no /dev/fuse") : 0;
	if (!strcmp(name, "faults"))
		return !s->fault_hidden_ns ? 0
					   : lacks(why, cap,
						   "a page fault's time passes in the host here, %u ns each "
						   "outside the kernel",
						   s->fault_hidden_ns);
	if (!strcmp(name, "noahead"))
		return write_saved(s, "/proc/sys/vm/page-cluster", "0", why, cap);
	if (!strcmp(name, "delayacct"))
		return write_saved(s, "/proc/sys/kernel/task_delayacct", "1", why, cap);
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (!strcmp(needs[i].name, name))
			return needs[i].fn(s, why, cap);
	return lacks(why, cap, "the runner does not know the need '%s'", name);
}
