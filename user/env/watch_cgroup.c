/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* From the cgroups that records name to containers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "env/container_priv.h"
#include "env/watch_priv.h"
#include "kern/proc.h"

void sg_watch_cgroup_named(struct sg_watch_cgroups *g, const struct sg_watch_item *it)
{
	char id[SG_CONTAINER_ID], manager[32];

	if (sg_container_of_cgroup(it->name, id, manager))
		sg_boxes_cgroup(g->boxes, id, it->cgroup);
	else
		g->other[g->n++ % SG_WATCH_CGROUPS] = it->cgroup;
}

/* Path of a process's cgroup in the hierarchy that THREAD records mean; false: gone, or too long. */
static bool cgroup_path(const struct sg_watch_cgroups *g, uint32_t pid, char *ret, size_t cap)
{
	char path[4096], *text;
	bool known;

	snprintf(path, sizeof(path), "%s/%u/cgroup", sg_ct_proc(&g->boxes->where), pid);
	if (sg_proc_read(path, 16384, &text) < 0)
		return false;
	known = sg_ct_cgroup_path(text, ret, cap);
	free(text);
	return known;
}

/*
 * A cgroup whose own name says nothing may lie below a container's: its first process
 * tells the path, if it has not left it meanwhile (as a runtime does on its way in).
 */
void sg_watch_cgroup_used(struct sg_watch_cgroups *g, const struct sg_watch_item *it)
{
	char path[1024], dir[4096], id[SG_CONTAINER_ID], manager[32];
	struct stat st;

	for (size_t i = 0; it->cgroup && i < SG_WATCH_CGROUPS; i++) {
		if (g->other[i] != it->cgroup || !cgroup_path(g, it->tgid, path, sizeof(path)) ||
		    !sg_ct_cgroup_dir(sg_ct_cgroot(&g->boxes->where), "memory", path, dir, sizeof(dir)) ||
		    stat(dir, &st) || st.st_ino != it->cgroup)
			continue; /* the next thread in it may tell */
		g->other[i] = 0;
		if (sg_container_of_cgroup(path, id, manager))
			sg_boxes_cgroup(g->boxes, id, it->cgroup);
	}
}
