/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A machine made of files: a folder with a proc/, a cgroup/ and what else a test puts there. One test, one process. */
#ifndef FAKEHOST_H
#define FAKEHOST_H

#include <stddef.h>

struct fakehost {
	char top[64]; /* below /tmp */
	char proc[80], cgroup[80];
};
extern struct fakehost host;

/** host_make() - the folder, /tmp/sgtest-NAME-..., with an empty proc and cgroup. As all of these: or the test fails. */
void host_make(const char *name);
/** host_gone() - remove it */
void host_gone(void);
/** host_remove() - remove @path and all below it */
void host_remove(const char *path);

/** host_at() - into @path, and returned: a path below the folder; the folders above it are made */
const char *host_at(char path[4096], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** host_put() - file @path has these bytes, and no others */
void host_put(const char *path, const void *data, size_t len);

/** host_process() - proc/PID: stat and cgroup. @start: its start time, in ticks */
void host_process(unsigned pid, unsigned ppid, const char *comm, unsigned start, const char *cgroup);
/** host_cmdline() - proc/PID/cmdline: the words of @args, parted by @sep; "" has none */
void host_cmdline(unsigned pid, const char *args, char sep);

#endif
