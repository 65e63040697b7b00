/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "load/pagecache.h"

/* What is done with one open file. */
typedef int (*file_fn)(void *ctx, int fd, uint64_t size);

static int fill(void *ctx, int fd, uint64_t size)
{
	char buf[65536];
	ssize_t n;

	(void)ctx, (void)size;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		;
	return n < 0 ? -errno : 0;
}

static int drop(void *ctx, int fd, uint64_t size)
{
	(void)ctx, (void)size;
	return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

struct counts {
	uint64_t resident, pages;
};

static int count(void *ctx, int fd, uint64_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (size + page - 1) / page;
	struct counts *c = ctx;
	unsigned char *in;
	int rc = 0;
	void *p;

	if (!size)
		return 0;
	in = malloc(n);
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (!in || p == MAP_FAILED || mincore(p, size, in))
		rc = in ? -errno : -ENOMEM;
	for (size_t i = 0; i < n && !rc; i++)
		c->resident += in[i] & 1;
	c->pages += n;
	if (p != MAP_FAILED)
		munmap(p, size);
	free(in);
	return rc;
}

/* Every regular file below @dir. One that vanishes meanwhile is none. */
static int each_file(const char *dir, file_fn fn, void *ctx, struct sg_err *err)
{
	char *const roots[] = { (char *)(uintptr_t)dir, NULL };
	FTS *t = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	int rc = 0;

	if (!t)
		return sg_err_set(err, -errno, "cannot read the folder %s: %s", dir, strerror(errno));
	for (FTSENT *e = fts_read(t); e && !rc; e = fts_read(t)) {
		int fd;

		if (e->fts_info == FTS_DNR || (e->fts_info == FTS_NS && e->fts_level == 0))
			rc = sg_err_set(err, -e->fts_errno, "cannot read the folder %s: %s", e->fts_path,
					strerror(e->fts_errno));
		if (e->fts_info != FTS_F)
			continue;
		fd = open(e->fts_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno == ENOENT)
			continue;
		rc = fd < 0 ? -errno : fn(ctx, fd, (uint64_t)e->fts_statp->st_size);
		if (fd >= 0)
			close(fd);
		if (rc)
			sg_err_set(err, rc, "cannot read %s: %s", e->fts_path, strerror(-rc));
	}
	fts_close(t);
	return rc;
}

int sg_pagecache_fill(const char *dir, struct sg_err *err)
{
	return each_file(dir, fill, NULL, err);
}

int sg_pagecache_drop(const char *dir, struct sg_err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* dirty pages cannot be dropped; only this file system's matter */
	if (fd < 0 || syncfs(fd)) {
		int rc = sg_err_set(err, -errno, "cannot write out the folder %s: %s", dir, strerror(errno));

		if (fd >= 0)
			close(fd);
		return rc;
	}
	close(fd);
	return each_file(dir, drop, NULL, err);
}

int sg_pagecache_count(const char *dir, uint64_t *ret_resident, uint64_t *ret_pages, struct sg_err *err)
{
	struct counts c = { 0 };
	int rc = each_file(dir, count, &c, err);

	*ret_resident = c.resident;
	*ret_pages = c.pages;
	return rc;
}
