/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What a Docker daemon leaves behind when it is killed, and how to be rid of it. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/strtab.h"
#include "env/dockerd_priv.h"
#include "env/tree.h"
#include "kern/mounts.h"
#include "kern/proc.h"

#define ROUNDS	   500
#define ROUND_NS   20000000 /* with ROUNDS: 10 s for what has been killed to go */
#define ID_LEN	   64
#define SHIM_PLACE "unix:///run/containerd/"

static bool is_id(const char *name)
{
	return strlen(name) == ID_LEN && strspn(name, "0123456789abcdef") == ID_LEN;
}

/* Containers that a folder has entries of. */
static void collect_ids(struct sg_strtab *ids, const char *top, const char *sub)
{
	char path[PATH_MAX];
	struct dirent *de;
	DIR *d;

	if (snprintf(path, sizeof(path), "%s/%s", top, sub) >= (int)sizeof(path) || !(d = opendir(path)))
		return;
	while ((de = readdir(d)))
		if (is_id(de->d_name))
			sg_strtab_id(ids, de->d_name);
	closedir(d);
}

/*
 * Mount points in the order in which they were made: those below @below, or (NULL)
 * the roots of the hierarchies of cgroups.
 */
static void collect_mounts(struct sg_strtab *ret, const char *below)
{
	size_t len = below ? strlen(below) : 0;
	struct sg_mounts all;
	struct sg_mount one;

	sg_mounts_open(&all);
	while (sg_mounts_next(&all, &one))
		if (below ? !strncmp(one.point, below, len) && one.point[len] == '/'
			  : !strcmp(one.type, "cgroup") || !strcmp(one.type, "cgroup2"))
			sg_strtab_id(ret, one.point);
	sg_mounts_close(&all);
}

/* "--root=/top/x", "unix:///top/x" */
const struct sg_owndaemon_kin sg_dockerd_kin = {
	.programs = (const char *const[]){ "dockerd", "docker-", "containerd", "runc", "runsc", "libnetwork-",
					   NULL },
	.before = (const char *const[]){ "=", "://", NULL },
};

/* Kill what is in a cgroup and below it; how many processes there were. */
static size_t kill_cgroup(const char *dir, int depth)
{
	char path[PATH_MAX];
	struct dirent *de;
	size_t n = 0;
	FILE *f;
	DIR *d;
	int pid;

	if (snprintf(path, sizeof(path), "%s/cgroup.procs", dir) >= (int)sizeof(path))
		return 0;
	f = fopen(path, "re");
	for (; f && fscanf(f, "%d", &pid) == 1; n++)
		if (pid > 1)
			kill(pid, SIGKILL);
	if (f)
		fclose(f);
	/* who is frozen does not even die; where there is no such file, or it is gone, the processes are counted anyway */
	if (n && snprintf(path, sizeof(path), "%s/freezer.state", dir) < (int)sizeof(path))
		sg_proc_write(path, "THAWED");
	d = depth > 0 ? opendir(dir) : NULL;
	while (d && (de = readdir(d)))
		if (de->d_type == DT_DIR && de->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", dir, de->d_name) < (int)sizeof(path))
			n += kill_cgroup(path, depth - 1);
	if (d)
		closedir(d);
	return n;
}

static int remove_cgroup(const char *dir, int depth)
{
	char path[PATH_MAX];
	struct dirent *de;
	DIR *d = depth > 0 ? opendir(dir) : NULL;

	while (d && (de = readdir(d)))
		if (de->d_type == DT_DIR && de->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", dir, de->d_name) < (int)sizeof(path))
			remove_cgroup(path, depth - 1);
	if (d)
		closedir(d);
	return rmdir(dir) && errno != ENOENT ? -errno : 0;
}

#define CGROUP_DEPTH 4

/* Cgroups at and below @dir that are called after a container: "docker/ID", or wherever its maker wanted it. */
static void find_cgroups(const char *dir, const struct sg_strtab *ids, int depth, struct sg_strtab *ret)
{
	char path[PATH_MAX];
	struct dirent *de;
	DIR *d = opendir(dir);

	while (d && (de = readdir(d))) {
		if (de->d_type != DT_DIR || de->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/%s", dir, de->d_name) >= (int)sizeof(path))
			continue;
		if (sg_strtab_find(ids, de->d_name) >= 0)
			sg_strtab_id(ret, path);
		else if (depth > 1)
			find_cgroups(path, ids, depth - 1, ret);
	}
	if (d)
		closedir(d);
}

/* Kill what is in the cgroups of the daemon and its containers (else remove them, if empty); how many there still were. */
static size_t for_cgroups(const struct sg_strtab *roots, const struct sg_strtab *ids, bool kill_them)
{
	struct sg_strtab all = { 0 };
	size_t n = 0;

	for (size_t r = 0; r < roots->n && ids->n; r++)
		find_cgroups(sg_strtab_str(roots, (uint32_t)r), ids, CGROUP_DEPTH, &all);
	for (size_t i = 0; i < all.n; i++) {
		const char *path = sg_strtab_str(&all, (uint32_t)i);

		n += kill_them ? kill_cgroup(path, CGROUP_DEPTH) : remove_cgroup(path, CGROUP_DEPTH) != 0;
	}
	sg_strtab_free(&all);
	return n;
}

/* A shim that is killed leaves its socket, which is outside of our folder. */
static void remove_shim_sockets(const char *top, const struct sg_strtab *ids)
{
	for (size_t i = 0; i < ids->n; i++) {
		char path[PATH_MAX], text[300] = "";
		FILE *f;

		snprintf(path, sizeof(path), "%s/" SG_DOCKERD_BUNDLES "/%s/address", top,
			 sg_strtab_str(ids, (uint32_t)i));
		f = fopen(path, "re");
		if (f && fgets(text, sizeof(text), f) && !strncmp(text, SHIM_PLACE, strlen(SHIM_PLACE)) &&
		    !strstr(text, ".."))
			unlink(text + strlen("unix://"));
		if (f)
			fclose(f);
	}
}

static void unmount_below(const char *top)
{
	struct sg_strtab points = { 0 };

	collect_mounts(&points, top);
	for (size_t i = points.n; i-- > 0;)
		/* the same point may carry several */
		for (int n = 0; n < 16 && !umount2(sg_strtab_str(&points, (uint32_t)i), MNT_DETACH); n++)
			;
	sg_strtab_free(&points);
}

int sg_dockerd_cgroup(const char *top, char *ret, size_t size)
{
	struct stat st;

	if (stat(top, &st))
		return -errno;
	snprintf(ret, size, "sandglass-docker-%llu", (unsigned long long)st.st_ino);
	return 0;
}

static void nap(void)
{
	struct timespec ts = { .tv_nsec = ROUND_NS };

	nanosleep(&ts, NULL);
}

int sg_dockerd_sweep(const char *top)
{
	struct sg_strtab ids = { 0 }, roots = { 0 };
	char path[PATH_MAX], parent[64];
	size_t left = 1;

	if (!sg_dockerd_cgroup(top, parent, sizeof(parent)))
		sg_strtab_id(&ids, parent);

	collect_mounts(&roots, NULL);
	for (int i = 0; i < ROUNDS && left; i++) {
		/* a daemon that was about to make one may have made it */
		collect_ids(&ids, top, "data/containers");
		collect_ids(&ids, top, SG_DOCKERD_BUNDLES);
		left = sg_owndaemon_kill(&sg_dockerd_kin, top) + for_cgroups(&roots, &ids, true);
		if (left)
			nap();
	}
	remove_shim_sockets(top, &ids);
	for (int i = 0; i < 50 && for_cgroups(&roots, &ids, false); i++)
		nap(); /* a cgroup is busy for a moment after its last process */
	unmount_below(top);
	if (snprintf(path, sizeof(path), "%s/" SG_DOCKERD_NEWKEY, top) < (int)sizeof(path) &&
	    !access(path, F_OK))
		unlink(SG_DOCKERD_KEY);
	sg_tree_remove(top);
	sg_strtab_free(&ids);
	sg_strtab_free(&roots);
	return left || !access(top, F_OK) ? -EBUSY : 0;
}
