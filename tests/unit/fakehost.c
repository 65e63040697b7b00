/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "fakehost.h"

struct fakehost host;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void host_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void host_make(const char *name)
{
	snprintf(host.top, sizeof(host.top), "/tmp/sgtest-%s-XXXXXX", name);
	cr_assert(mkdtemp(host.top));
	snprintf(host.proc, sizeof(host.proc), "%s/proc", host.top);
	snprintf(host.cgroup, sizeof(host.cgroup), "%s/cgroup", host.top);
	cr_assert_eq(mkdir(host.proc, 0755) || mkdir(host.cgroup, 0755), 0);
}

void host_gone(void)
{
	host_remove(host.top);
}

const char *host_at(char path[4096], const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(path, 4096, "%s/", host.top);

	va_start(ap, fmt);
	vsnprintf(path + n, 4096 - (size_t)n, fmt, ap);
	va_end(ap);
	for (char *s = path + n; (s = strchr(s, '/')); s++) {
		*s = 0;
		mkdir(path, 0755);
		*s = '/';
	}
	return path;
}

void host_put(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "we");

	cr_assert(f, "%s: %s", path, strerror(errno));
	cr_assert_eq(fwrite(data, 1, len, f), len);
	cr_assert_eq(fclose(f), 0, "%s: %s", path, strerror(errno));
}

void host_process(unsigned pid, unsigned ppid, const char *comm, unsigned start, const char *cgroup)
{
	char path[4096], text[4096];
	int n = snprintf(
		text, sizeof(text),
		"%u (%.15s) S %u 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %u 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "
		"17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		pid, comm, ppid, start);

	host_put(host_at(path, "proc/%u/stat", pid), text, (size_t)n);
	host_put(host_at(path, "proc/%u/cgroup", pid), cgroup, strlen(cgroup));
}

void host_cmdline(unsigned pid, const char *args, char sep)
{
	char path[4096], text[4096];
	size_t len = strlen(args);

	snprintf(text, sizeof(text), "%s", args);
	for (char *p = text; *p; p++)
		if (*p == sep)
			*p = 0;
	host_put(host_at(path, "proc/%u/cmdline", pid), text, len ? len + 1 : 0);
}
