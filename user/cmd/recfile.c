/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "cmd/recfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sg_recfile_open(struct sg_recfile *f, const char *path, int flags, struct sg_err *err)
{
	struct stat st;

	*f = (struct sg_recfile){ .path = path };
	f->fd = open(path, flags | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	f->made = f->fd >= 0;
	if (f->fd < 0 && errno == EEXIST)
		f->fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return sg_err_set(err, -errno, "can't write %s: %s", path, strerror(errno));
	f->regular = !fstat(f->fd, &st) && S_ISREG(st.st_mode);
	return 0;
}

int sg_recfile_begin(void *ctx, struct sg_err *err)
{
	struct sg_recfile *f = ctx;

	/* names and addresses of other people's processes; not every file system has modes, and a device's is none of our business */
	if (f->regular)
		(void)!fchmod(f->fd, 0600);
	if (f->regular && ftruncate(f->fd, 0))
		return sg_err_set(err, -errno, "can't write %s: %s", f->path, strerror(errno));
	f->begun = true;
	return 0;
}

void sg_recfile_close(struct sg_recfile *f)
{
	struct stat mine, there;

	if (f->fd < 0)
		return;
	if (f->made && !f->begun && !fstat(f->fd, &mine) && !lstat(f->path, &there) &&
	    mine.st_dev == there.st_dev && mine.st_ino == there.st_ino)
		unlink(f->path);
	close(f->fd);
	f->fd = -1;
}
