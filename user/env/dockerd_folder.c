/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The folder of a daemon: made, marked as ours, held while we live. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/dockerd_priv.h"

#define TOP_MAX 70 /* leaves room for the longest socket's name below: containerd's, for its shims */

static int make_path(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(path, 0711) ? -errno : 0;
}

/* d->top from @dir, which is made when missing */
int sg_dockerd_place(struct sg_dockerd *d, const char *dir, struct sg_err *err)
{
	char path[PATH_MAX], real[PATH_MAX];
	int rc;

	if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path) || !*path)
		return sg_err_set(err, -ENAMETOOLONG, "%.80s is no folder for a Docker daemon", dir);
	rc = make_path(path);
	d->dir_is_ours = !rc;
	if (rc && rc != -EEXIST)
		return sg_err_set(err, rc, "cannot make the folder %s: %s", dir, strerror(-rc));
	if (!realpath(dir, real))
		return sg_err_set(err, -errno, "cannot use the folder %s: %s", dir, strerror(errno));
	for (const char *p = real; *p; p++)
		/* they mean something in mount options, in volumes or in configuration files */
		if (strchr(":,\\\"", *p) || (unsigned char)*p < 32)
			return sg_err_set(
				err, -EINVAL,
				"a Docker daemon cannot live under %s: its path must have no colon, "
				"comma, quote or backslash",
				real);
	if (snprintf(d->top, TOP_MAX, "%s/" SG_DOCKERD_FOLDER, strcmp(real, "/") ? real : "") >= TOP_MAX)
		return sg_err_set(
			err, -ENAMETOOLONG,
			"the path %s is too long for a daemon's sockets: use one of at most %zu bytes", real,
			TOP_MAX - sizeof("/" SG_DOCKERD_FOLDER));
	snprintf(d->socket, sizeof(d->socket), "%.100s/docker.sock", d->top);
	snprintf(d->state, sizeof(d->state), "%.100s/exec", d->top);
	return 0;
}

/* Make the folder, or refuse one that is not ours; hold it. */
static int take_folder(struct sg_dockerd *d, struct sg_err *err)
{
	struct stat a, b;
	int made = !mkdir(d->top, 0711);

	if (!made && errno != EEXIST)
		return sg_err_set(err, -errno, "cannot make the folder %s: %s", d->top, strerror(errno));
	d->lock = open(d->top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->lock < 0)
		return sg_err_set(err, -errno, "cannot use the folder %s: %s", d->top, strerror(errno));
	if (flock(d->lock, LOCK_EX | LOCK_NB))
		return sg_err_set(err, -EBUSY, "a Docker daemon of another running sandglass is in %s",
				  d->top);
	/* its last owner may have removed it in between */
	if (fstat(d->lock, &a) || stat(d->top, &b) || a.st_ino != b.st_ino || a.st_dev != b.st_dev)
		return sg_err_set(err, -EBUSY, "the folder %s is just being removed: try again", d->top);
	return made;
}

static int mark_folder(struct sg_dockerd *d, struct sg_err *err)
{
	int rc = sg_owndaemon_file(d->top, SG_DOCKERD_MARK, err, "%s\n",
				   d->dir_is_ours ? "with the folder around it" : "alone");

	return !rc && access(SG_DOCKERD_KEY, F_OK)
		       ? sg_owndaemon_file(d->top, SG_DOCKERD_NEWKEY, err, "%s", "")
		       : rc;
}

/* After a kill: what the mark says about the folder around holds for us, too. */
static int clean_folder(struct sg_dockerd *d, struct sg_err *err)
{
	char path[PATH_MAX], text[64] = "";
	FILE *f;
	int rc;

	if (!rmdir(d->top))
		return 0; /* was empty: killed before its mark, or not ours and no loss */
	snprintf(path, sizeof(path), "%.100s/" SG_DOCKERD_MARK, d->top);
	f = fopen(path, "re");
	if (!f)
		return sg_err_set(
			err, -EEXIST,
			"%s exists and was not made by this program: remove it or use another folder",
			d->top);
	if (fgets(text, sizeof(text), f) && !strncmp(text, "with", 4))
		d->dir_is_ours = true;
	fclose(f);
	rc = sg_dockerd_sweep(d->top);
	return rc ? sg_err_set(err, rc, "cannot remove what an earlier run left in %s", d->top) : 0;
}

int sg_dockerd_prepare(struct sg_dockerd *d, struct sg_err *err)
{
	int rc = take_folder(d, err);

	if (!rc) {
		rc = clean_folder(d, err);
		close(d->lock);
		d->lock = -1;
		if (!rc)
			rc = take_folder(d, err);
		if (!rc)
			rc = sg_err_set(err, -EBUSY, "somebody else made %s again: try again", d->top);
	}
	return rc < 0 ? rc : mark_folder(d, err);
}
