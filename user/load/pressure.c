/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include "kern/pids.h"
#include "kern/proc.h"
#include "load/pressure.h"

#define FILL_TIMEOUT_MS 300000

const char *const sg_hog_kind_names[SG_HOG_KIND_MAX] = {
#define SG_X(sym, name) name,
	SG_HOG_KIND_LIST(SG_X)
#undef SG_X
};

int sg_hog_kind_find(const char *name)
{
	for (int i = 0; i < SG_HOG_KIND_MAX; i++)
		if (!strcmp(sg_hog_kind_names[i], name))
			return i;
	return -EINVAL;
}

enum sg_hog_kind sg_hog_kind_resolve(enum sg_hog_kind kind)
{
	const char *path = getenv("PATH");
	char file[512];

	if (kind != SG_HOG_AUTO)
		return kind;
	for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
		size_t len = strcspn(p, ":");

		snprintf(file, sizeof(file), "%.*s/stress", (int)len, p);
		if (len && !access(file, X_OK))
			return SG_HOG_STRESS;
		p += len + (p[len] == ':');
	}
	return SG_HOG_OWN;
}

int sg_hog_run(uint64_t bytes, struct sg_err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = bytes / sizeof(uint64_t);
	uint64_t x = 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
	volatile uint64_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	prctl(PR_SET_NAME, "bench-hog");
	if (p == MAP_FAILED)
		return sg_err_set(err, -errno, "cannot take %" PRIu64 " bytes: %s", bytes, strerror(errno));
	madvise((void *)(uintptr_t)p, bytes, MADV_NOHUGEPAGE);
	/* random data: kernels keep pages of zeros out of swap, and zram would make one byte of a pattern */
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x;
	}
	for (;;)
		for (size_t i = 0; i < n; i += page / sizeof(uint64_t))
			p[i]++;
}

static int spawn_hog(struct sg_child *ret, unsigned i, enum sg_hog_kind kind, uint64_t bytes,
		     const char *self, const struct sg_memlimit *m, struct sg_err *err)
{
	char name[32], size[32];
	const char *const own[] = { self, "bench", "task-hog", size, NULL };
	/* --vm-keep: go over the same memory again and again, instead of taking it anew each time */
	const char *const stress[] = { "stress", "-q", "-m", "1", "--vm-bytes", size, "--vm-keep", NULL };
	struct sg_child_opts o = {
		.name = name, .cgroup = m->version ? m->path : NULL, .quiet = true, .group = true
	};

	snprintf(name, sizeof(name), "memory hog %u", i);
	snprintf(size, sizeof(size), "%" PRIu64, bytes);
	return sg_child_spawn(ret, &o, (char *const *)(uintptr_t)(kind == SG_HOG_STRESS ? stress : own), err);
}

uint64_t sg_hogs_held(const struct sg_child *hog, unsigned n)
{
	uint64_t sum = 0, kib;

	for (unsigned i = 0; i < n; i++) {
		struct sg_pids tree = { 0 };

		if (sg_proc_tree(hog[i].pid, false, &tree))
			continue;
		for (size_t k = 0; k < tree.n; k++) {
			char path[64], *text;

			snprintf(path, sizeof(path), "/proc/%d/status", (int)tree.pid[k]);
			if (sg_proc_read(path, 8192, &text) < 0)
				continue;
			sum += sg_proc_field(text, "RssAnon", &kib) ? kib * 1024 : 0;
			sum += sg_proc_field(text, "VmSwap", &kib) ? kib * 1024 : 0;
			free(text);
		}
		sg_pids_free(&tree);
	}
	return sum;
}

/*
 * Filled: they hold (nearly) what they were asked to hold. What their group grew by does not tell: a virtual machine in it
 * gives back what its huge pages had too much as soon as memory is short.
 */
static int wait_filled(struct sg_child *hog, unsigned n, uint64_t want, int sigfd, struct sg_err *err)
{
	struct sg_child *all[SG_HOG_MAX];
	char fate[64];

	for (unsigned i = 0; i < n; i++)
		all[i] = &hog[i];
	for (int ms = 0; ms < FILL_TIMEOUT_MS; ms += 100) {
		int rc = sg_child_wait_any(all, n, -1, sigfd, 100);

		if (rc == -EINTR)
			return sg_err_set(err, rc, "interrupted");
		if (rc >= 0)
			return sg_err_set(
				err, -ECHILD,
				"%s ended (%s) while it took its memory: is there enough swap (--swap-size)?",
				hog[rc].name, sg_child_fate(&hog[rc], fate, sizeof(fate)));
		if (sg_hogs_held(hog, n) >= want - want / 16)
			return 0;
	}
	return sg_err_set(err, -ETIMEDOUT, "the memory hogs did not get their memory within %d s",
			  FILL_TIMEOUT_MS / 1000);
}

int sg_hogs_start(struct sg_child *ret, unsigned n, enum sg_hog_kind kind, uint64_t bytes, const char *self,
		  const struct sg_memlimit *m, int sigfd, struct sg_err *err)
{
	int rc = 0;

	kind = sg_hog_kind_resolve(kind);
	for (unsigned i = 0; i < n && !rc; i++)
		rc = spawn_hog(&ret[i], i, kind, bytes, self, m, err);
	return rc || !n ? rc : wait_filled(ret, n, bytes * n, sigfd, err);
}
