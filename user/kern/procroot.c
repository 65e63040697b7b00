// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "kern/proc.h"
#include "kern/procroot.h"

int sg_procroot_open(pid_t pid, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	char root[64];
	struct stat st;
	int dir, fd, err;

	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	err = fd < 0 ? -errno : 0;
	close(dir);
	if (err)
		return err;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

static bool same(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool sg_procroot_foreign(pid_t pid)
{
	char ns[64], root[64];

	snprintf(ns, sizeof(ns), "/proc/%d/ns/mnt", pid);
	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	return !same(ns, "/proc/self/ns/mnt") || !same(root, "/proc/self/root");
}

pid_t sg_procroot_nspid(pid_t pid)
{
	char path[64], *text, *line, *end;
	pid_t ret = pid;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (sg_proc_read(path, 8192, &text) < 0)
		return pid;
	/* One number per nested pid namespace; the last is what the process sees. */
	line = strstr(text, "\nNSpid:");
	end = line ? strchr(line + 1, '\n') : NULL;
	if (end) {
		char *last;

		*end = 0;
		last = strrchr(line, '\t');
		if (last && atoi(last + 1) > 0)
			ret = atoi(last + 1);
	}
	free(text);
	return ret;
}
