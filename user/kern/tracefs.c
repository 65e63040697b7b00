// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include "kern/tracefs.h"

int sg_pseudofs_open(const char *type)
{
	int fs = fsopen(type, FSOPEN_CLOEXEC), fd;

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		fd = -errno;
	} else {
		fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	close(fs);
	return fd;
}

int sg_tracefs_open(const char **ret_where)
{
	static const char *const at[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	int denied = 0, fd;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		fd = open(at[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0) {
			denied |= errno == EACCES || errno == EPERM;
			continue;
		}
		/* An unmounted mount point is an empty directory. */
		if (!faccessat(fd, "events", F_OK, 0)) {
			if (ret_where)
				*ret_where = at[i];
			return fd;
		}
		denied |= errno == EACCES || errno == EPERM;
		close(fd);
	}
	fd = sg_pseudofs_open("tracefs");
	if (fd < 0)
		return denied ? -EACCES : fd;
	if (ret_where)
		*ret_where = "private mount";
	return fd;
}

/* "events/CAT/NAME/id"; names with a slash would leave the event's own directory. */
static bool id_path(char *buf, size_t cap, const char *cat, const char *name)
{
	if (strchr(cat, '/') || strchr(name, '/') || cat[0] == '.' || name[0] == '.')
		return false;
	return (size_t)snprintf(buf, cap, "events/%s/%s/id", cat, name) < cap;
}

bool sg_tracefs_has(int dir, const char *cat, const char *name)
{
	char path[PATH_MAX];

	return dir >= 0 && id_path(path, sizeof(path), cat, name) && !faccessat(dir, path, F_OK, 0);
}

char *sg_tracefs_events(int dir)
{
	int fd = dir < 0 ? -1 : openat(dir, "available_events", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *text = NULL;
	size_t cap = 0;
	ssize_t n = -1;

	if (f)
		n = getdelim(&text, &cap, 0, f); /* to its end: there is no such byte in it */
	if (n <= 0) {
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	else if (fd >= 0)
		close(fd);
	return text;
}

bool sg_tracefs_category(const char *events, const char *name, const char **ret, size_t *len)
{
	size_t want = strlen(name);

	for (const char *l = events; *l; l += strcspn(l, "\n"), l += *l == '\n') {
		size_t cat = strcspn(l, ":\n");

		if (l[cat] != ':' || strcspn(l + cat + 1, "\n") != want || strncmp(l + cat + 1, name, want))
			continue;
		*ret = l;
		*len = cat;
		return true;
	}
	return false;
}

int sg_tracefs_id(int dir, const char *cat, const char *name)
{
	char path[PATH_MAX], buf[32];
	ssize_t n;
	long id;
	int fd;

	if (!id_path(path, sizeof(path), cat, name))
		return -EINVAL;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return -EIO;
	buf[n] = 0;
	id = strtol(buf, NULL, 10);
	return id > 0 && id < INT_MAX ? (int)id : -EINVAL;
}
