/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include "kern/mounts.h"
#include "load/cgtree.h"

#define DEPTH_MAX 6
#define ROUNDS	  1000
#define ROUND_NS  20000000

/* One pass over @dir: kill, go down, remove. What is still busy is met in the next round. */
static bool remove_below(const char *dir, int depth)
{
	char path[1024];
	struct dirent *e;
	DIR *d;
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "%.900s/cgroup.procs", dir);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		if (pid > 1)
			kill(pid, SIGKILL);
	if (f)
		fclose(f);
	d = depth < DEPTH_MAX ? opendir(dir) : NULL;
	while (d && (e = readdir(d)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int)sizeof(path))
			remove_below(path, depth + 1);
	if (d)
		closedir(d);
	return !rmdir(dir) || errno == ENOENT;
}

/* One pass over all hierarchies; true when nothing is left. */
static bool remove_everywhere(const char *name)
{
	struct sg_mounts all;
	struct sg_mount one;
	char path[900];
	bool gone = !sg_mounts_open(&all);

	while (sg_mounts_next(&all, &one)) {
		if (strcmp(one.type, "cgroup") && strcmp(one.type, "cgroup2"))
			continue;
		snprintf(path, sizeof(path), "%.400s%.400s", one.point, name);
		if (!access(path, F_OK) && !remove_below(path, 0))
			gone = false;
	}
	sg_mounts_close(&all);
	return gone;
}

int sg_cgtree_remove(const char *name)
{
	struct timespec ts = { .tv_nsec = ROUND_NS };

	/* a mistake here would be the whole machine's */
	if (name[0] != '/' || !name[1] || name[1] == '.' || strchr(name + 1, '/'))
		return -EINVAL;
	for (int i = 0; i < ROUNDS; i++) {
		if (remove_everywhere(name))
			return 0;
		nanosleep(&ts, NULL);
	}
	return -EBUSY;
}
