/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "cmd/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sg_outfile_apart(const char *path, const struct stat *in, struct sg_err *err)
{
	struct stat st;

	if (!S_ISREG(in->st_mode) || stat(path, &st) || st.st_dev != in->st_dev || st.st_ino != in->st_ino)
		return 0;
	return sg_err_set(err, -EINVAL, "%s is read, so it can't be written: give the output another name",
			  path);
}

static int fail(struct sg_err *err, const char *path)
{
	return sg_err_set(err, -errno, "can't write %s: %s", path, strerror(errno));
}

static void hold(struct sg_outfile *o)
{
	sigset_t m;

	sigemptyset(&m);
	for (const int *s = (const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT, 0 }; *s; s++)
		sigaddset(&m, *s);
	if (!o->blocked && !o->lasting)
		o->blocked = !sigprocmask(SIG_BLOCK, &m, &o->before);
}

static void release(struct sg_outfile *o)
{
	if (o->blocked)
		sigprocmask(SIG_SETMASK, &o->before, NULL);
	o->blocked = false;
}

/* The file that a name stands for, and the folder that it is in. */
static int resolve(struct sg_outfile *o, const char *path, char dir[PATH_MAX])
{
	char *slash;

	if (!realpath(path, o->path)) { /* not there yet, or a link to what is not */
		if (errno != ENOENT || snprintf(o->path, PATH_MAX, "%s", path) >= PATH_MAX)
			return -1;
	}
	memcpy(dir, o->path, PATH_MAX);
	slash = strrchr(dir, '/');
	if (!slash)
		strcpy(dir, ".");
	else
		slash[slash == dir] = 0;
	return 0;
}

static int begin(struct sg_outfile *o, const char *path, bool lasting, struct sg_err *err)
{
	char dir[PATH_MAX];
	struct stat st;
	bool there = !stat(path, &st);

	*o = (struct sg_outfile){ .fd = -1, .lasting = lasting };
	if (there && !S_ISREG(st.st_mode)) {
		o->in_place = true;
		o->fd = open(path, O_WRONLY | O_CLOEXEC);
		return o->fd < 0 ? fail(err, path) : 0;
	}
	if ((there && access(path, W_OK)) || resolve(o, path, dir))
		return fail(err, path);
	o->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (o->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		hold(o);
		if (snprintf(o->tmp, PATH_MAX, "%s.XXXXXX", o->path) < PATH_MAX)
			o->fd = mkostemp(o->tmp, O_CLOEXEC);
		else
			errno = ENAMETOOLONG;
	}
	if (o->fd < 0) {
		fail(err, path);
		release(o);
		return err->code;
	}
	(void)!fchmod(o->fd, 0600); /* whatever the mask; not every file system has modes */
	return 0;
}

int sg_outfile_begin(struct sg_outfile *o, const char *path, struct sg_err *err)
{
	return begin(o, path, false, err);
}

int sg_outfile_begin_lasting(struct sg_outfile *o, const char *path, struct sg_err *err)
{
	return begin(o, path, true, err);
}

/* A name for the file that has none yet. */
static int name_it(struct sg_outfile *o)
{
	char fd[32];

	snprintf(fd, sizeof(fd), "/proc/self/fd/%d", o->fd);
	for (unsigned i = 0; i < 1000; i++) {
		if (snprintf(o->tmp, PATH_MAX, "%s.%d.%u", o->path, (int)getpid(), i) >= PATH_MAX)
			errno = ENAMETOOLONG;
		else if (!linkat(AT_FDCWD, fd, AT_FDCWD, o->tmp, AT_SYMLINK_FOLLOW))
			return 0;
		if (errno != EEXIST)
			break;
	}
	o->tmp[0] = 0;
	return -1;
}

int sg_outfile_place(struct sg_outfile *o, struct sg_err *err)
{
	int ret = 0;

	if (o->in_place)
		return 0;
	hold(o);
	if ((!o->tmp[0] && name_it(o)) || rename(o->tmp, o->path))
		ret = fail(err, o->path);
	else
		o->in_place = true; /* nothing is left to be thrown away */
	release(o);
	return ret;
}

int sg_outfile_end(struct sg_outfile *o, int ret, struct sg_err *err)
{
	bool replace = !ret && !o->in_place;

	if (o->fd < 0)
		return ret;
	hold(o);
	if (replace && !o->tmp[0] && name_it(o))
		ret = fail(err, o->path);
	if (close(o->fd) && !ret)
		ret = sg_err_set(err, -errno, "writing %s failed: %s", o->path, strerror(errno));
	if (replace && !ret && rename(o->tmp, o->path))
		ret = fail(err, o->path);
	if (o->tmp[0] && ret && !o->in_place)
		unlink(o->tmp);
	o->fd = -1;
	release(o);
	return ret;
}
