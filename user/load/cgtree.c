/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
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
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, point[400], type[32], path[900];
	size_t size = 0;
	bool gone = f != NULL;

	while (f && getline(&line, &size, f) > 0) {
		const char *tail = strstr(line, " - ");

		if (!tail || sscanf(line, "%*s %*s %*s %*s %399s", point) != 1 ||
		    sscanf(tail + 3, "%31s", type) != 1 ||
		    (strcmp(type, "cgroup") && strcmp(type, "cgroup2")))
			continue;
		snprintf(path, sizeof(path), "%s%.400s", point, name);
		if (!access(path, F_OK) && !remove_below(path, 0))
			gone = false;
	}
	if (f)
		fclose(f);
	free(line);
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
