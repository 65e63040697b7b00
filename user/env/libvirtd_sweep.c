/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What a libvirtd of ours leaves behind when it is killed: virtual machines outlive it by design. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "env/libvirtd.h"
#include "env/tree.h"

#define ROUNDS	 500
#define ROUND_NS 20000000 /* with ROUNDS: 10 s for what has been killed to go */
#define ARGS_MAX 65536

static bool name_is_known(const char *arg0)
{
	static const char *const names[] = { "qemu-system-", "libvirtd", "virtlogd", "unshare" };
	const char *base = strrchr(arg0, '/');

	base = base ? base + 1 : arg0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strncmp(base, names[i], strlen(names[i])))
			return true;
	return false;
}

/* "/top/x", "--config=/top/x", "\"file\":\"/top/x" (QEMU's JSON); not "/elsewhere/top/x" */
static bool names_folder(const char *arg, const char *top)
{
	size_t len = strlen(top);

	for (const char *p = arg; (p = strstr(p, top)); p++)
		if (p[len] == '/' && (p == arg || p[-1] == '=' || p[-1] == '"'))
			return true;
	return false;
}

bool sg_libvirtd_is_ours(const char *args, size_t len, const char *top)
{
	const char *end = args + len;

	if (!len || args[len - 1] || !name_is_known(args))
		return false;
	for (args += strlen(args) + 1; args < end; args += strlen(args) + 1)
		if (names_folder(args, top))
			return true;
	return false;
}

static size_t kill_named(const char *top, char *args)
{
	DIR *d = opendir("/proc");
	struct dirent *de;
	size_t n = 0;

	while (d && (de = readdir(d))) {
		char path[300];
		ssize_t len;
		long pid = strtol(de->d_name, NULL, 10);
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/cmdline", de->d_name);
		if (pid <= 1 || pid == getpid() || (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
			continue;
		len = read(fd, args, ARGS_MAX - 1);
		close(fd);
		if (len <= 0)
			continue;
		args[len] = 0; /* a longer one was cut */
		if (sg_libvirtd_is_ours(args, (size_t)len + (args[len - 1] != 0), top)) {
			kill((pid_t)pid, SIGKILL);
			n++;
		}
	}
	if (d)
		closedir(d);
	return n;
}

int sg_libvirtd_sweep(const char *top)
{
	const struct timespec nap = { .tv_nsec = ROUND_NS };
	char *args = malloc(ARGS_MAX);
	size_t left = 1;

	if (!args)
		return -ENOMEM;
	for (int i = 0; i < ROUNDS && left; i++) {
		left = kill_named(top, args);
		if (left)
			nanosleep(&nap, NULL);
	}
	sg_tree_remove(top);
	free(args);
	return left || !access(top, F_OK) ? -EBUSY : 0;
}
