// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include "env/container_usage.h"

#include <stdio.h>
#include <stdlib.h>
#include "env/container_priv.h"
#include "kern/proc.h"

static bool number(const char *dir, const char *file, uint64_t *ret)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return !sg_proc_u64(path, ret);
}

/* A line "name value" of a file. */
static bool field(const char *dir, const char *file, const char *name, uint64_t *ret)
{
	char path[4200], *text;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	if (sg_proc_read(path, 65536, &text) < 0)
		return false;
	ok = sg_proc_field(text, name, ret);
	free(text);
	return ok;
}

static void memory(const char *dir, struct sg_container_usage *ret)
{
	uint64_t cache = 0;

	ret->memory_known = number(dir, "memory.current", &ret->memory_bytes) ||
			    number(dir, "memory.usage_in_bytes", &ret->memory_bytes);
	if (!ret->memory_known)
		return;
	/* Version 1 counts the groups below under names of their own. */
	if (!field(dir, "memory.stat", "total_inactive_file", &cache))
		field(dir, "memory.stat", "inactive_file", &cache);
	ret->memory_bytes -= cache < ret->memory_bytes ? cache : ret->memory_bytes;
}

static void cpu(const char *dir, struct sg_container_usage *ret)
{
	uint64_t us;

	if (number(dir, "cpuacct.usage", &ret->cpu_ns)) {
		ret->cpu_known = true;
	} else if (field(dir, "cpu.stat", "usage_usec", &us)) {
		ret->cpu_known = true;
		ret->cpu_ns = us * 1000;
	}
}

void sg_container_usage(const struct sg_container_info *c, const struct sg_container_opts *o,
			struct sg_container_usage *ret)
{
	char dir[4096];

	*ret = (struct sg_container_usage){ 0 };
	if (!c->cgroup[0])
		return;
	if (sg_ct_cgroup_dir(sg_ct_cgroot(o), "memory", c->cgroup, dir, sizeof(dir)))
		memory(dir, ret);
	if (sg_ct_cgroup_dir(sg_ct_cgroot(o), "cpuacct", c->cgroup, dir, sizeof(dir)))
		cpu(dir, ret);
}
