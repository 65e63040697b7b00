/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kern/mounts.h"
#include "kern/proc.h"
#include "load/memlimit.h"

static int put(const char *dir, const char *file, const char *text)
{
	char path[640];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return sg_proc_write(path, text);
}

static int has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ',' || p[-1] == ' ') && strchr(", \n", p[len]))
			return 1;
	return 0;
}

/* Where the memory controller is: its mount point into @root. Return 1, 2, or -ENOENT. */
static int find_root(char *root, size_t cap)
{
	char *line = NULL, v2[400] = "";
	struct sg_mounts all;
	struct sg_mount one;
	size_t size = 0;
	int found = 0;
	FILE *f;

	sg_mounts_open(&all);
	while (!found && sg_mounts_next(&all, &one)) {
		if (!strcmp(one.type, "cgroup") && has_word(one.super, "memory")) {
			snprintf(root, cap, "%s", one.point);
			found = 1;
		} else if (!strcmp(one.type, "cgroup2") && !v2[0]) {
			snprintf(v2, sizeof(v2), "%s", one.point);
		}
	}
	sg_mounts_close(&all);
	if (!found && v2[0]) {
		char path[560];

		snprintf(path, sizeof(path), "%s/cgroup.controllers", v2);
		f = fopen(path, "re");
		if (f && getline(&line, &size, f) > 0 && has_word(line, "memory")) {
			snprintf(root, cap, "%s", v2);
			found = 2;
		}
		if (f)
			fclose(f);
	}
	free(line);
	return found ? found : -ENOENT;
}

int sg_memlimit_make(struct sg_memlimit *ret, struct sg_guard *g, const char *name, uint64_t bytes,
		     struct sg_err *err)
{
	struct sg_memlimit m = { 0 };
	char root[400], text[32];
	int rc;

	m.version = find_root(root, sizeof(root));
	if (m.version < 0)
		return sg_err_set(
			err, -ENOENT,
			"no memory cgroup controller is mounted here, so memory cannot be limited (cgroup v1 "
			"'memory', or cgroup v2 with 'memory' in cgroup.controllers)");
	if (m.version == 2) {
		rc = put(root, "cgroup.subtree_control", "+memory");
		if (rc)
			return sg_err_set(
				err, rc, "cannot enable the memory controller in %s: %s", root,
				rc == -EBUSY
					? "the group has processes of its own (are we inside a container?)"
					: strerror(-rc));
	}
	snprintf(m.path, sizeof(m.path), "%s/%s", root, name);
	rc = sg_guard_add(g, SG_GUARD_CGROUP, m.path, err);
	if (rc)
		return rc;
	if (mkdir(m.path, 0755))
		return sg_err_set(err, -errno, "cannot make the cgroup %s: %s", m.path, strerror(errno));
	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	rc = put(m.path, m.version == 1 ? "memory.limit_in_bytes" : "memory.max", text);
	if (rc)
		return sg_err_set(err, rc, "cannot limit the memory of %s: %s", m.path, strerror(-rc));
	*ret = m;
	return 0;
}

int sg_memlimit_remove(struct sg_memlimit *m, struct sg_guard *g, struct sg_err *err)
{
	int rc = m->version ? sg_guard_clean(g, SG_GUARD_CGROUP, m->path, err) : 0;

	memset(m, 0, sizeof(*m));
	return rc;
}

static const struct {
	const char *file, *key;
	int version; /* 0: both */
	size_t at;
} rows[] = {
#define AT(f) offsetof(struct sg_memlimit_stat, f)
	{ "memory.stat", "total_rss", 1, AT(anon_bytes) },
	{ "memory.stat", "anon", 2, AT(anon_bytes) },
	{ "memory.stat", "total_cache", 1, AT(file_bytes) },
	{ "memory.stat", "file", 2, AT(file_bytes) },
	{ "memory.stat", "total_swap", 1, AT(swap_bytes) },
	{ "memory.stat", "total_pgmajfault", 1, AT(majfault) },
	{ "memory.stat", "pgmajfault", 2, AT(majfault) },
	{ "memory.oom_control", "oom_kill", 1, AT(oom_kill) },
	{ "memory.events", "oom_kill", 2, AT(oom_kill) },
#undef AT
};

static void read_file(const struct sg_memlimit *m, const char *file, struct sg_memlimit_stat *ret)
{
	char path[640], key[64];
	uint64_t val;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", m->path, file);
	f = fopen(path, "re");
	while (f && fscanf(f, "%63s %" SCNu64, key, &val) == 2)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			if ((!rows[i].version || rows[i].version == m->version) &&
			    !strcmp(rows[i].file, file) && !strcmp(rows[i].key, key)) {
				memcpy((char *)ret + rows[i].at, &val, sizeof(val));
				ret->swap_known |=
					rows[i].at == offsetof(struct sg_memlimit_stat, swap_bytes);
			}
	if (f)
		fclose(f);
}

void sg_memlimit_stat(const struct sg_memlimit *m, struct sg_memlimit_stat *ret)
{
	FILE *f;
	char path[640];

	memset(ret, 0, sizeof(*ret));
	if (!m->version)
		return;
	read_file(m, "memory.stat", ret);
	read_file(m, m->version == 1 ? "memory.oom_control" : "memory.events", ret);
	if (m->version != 2)
		return;
	snprintf(path, sizeof(path), "%s/memory.swap.current", m->path);
	f = fopen(path, "re");
	if (f && fscanf(f, "%" SCNu64, &ret->swap_bytes) == 1)
		ret->swap_known = true;
	if (f)
		fclose(f);
}
