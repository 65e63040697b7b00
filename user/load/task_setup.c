/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What a run of the task workload needs before its first level: folders, swap, the Node.js server. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "load/swap.h"
#include "load/task_priv.h"

#define NPM_MS 180000

static int make_dir(struct bench *b, const char *path, bool ours, struct sg_err *err)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		return sg_err_set(err, -errno, "cannot make the folder %s: %s", path, strerror(errno));
	return ours ? sg_guard_add(b->guard, SG_GUARD_DIR, path, err) : 0;
}

int sg_task_setup_dirs(struct bench *b, struct sg_err *err)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", b->self, sizeof(b->self) - 1);
	int rc;

	if (n < 0)
		return sg_err_set(err, -errno, "cannot find this program's own file: %s", strerror(errno));
	b->self[n] = 0;
	rc = make_dir(b, b->o.dir, false, err);
	if (rc)
		return rc;
	if (!realpath(b->o.dir, path) || strlen(path) >= sizeof(b->dir))
		return sg_err_set(err, -ENAMETOOLONG, "the path of %s is too long", b->o.dir);
	strcpy(b->dir, path);
	snprintf(path, sizeof(path), "%s/data", b->dir);
	return make_dir(b, path, true, err);
}

int sg_task_setup_swap(struct bench *b, struct sg_err *err)
{
	char path[PATH_MAX];

	if (b->o.swap && !strcmp(b->o.swap, "none")) {
		if (!sg_swap_free())
			sg_task_say(&b->o, "no swap on this machine: pressure ends in killed processes, not "
					   "in swapping");
		return 0;
	}
	if (b->o.swap && !strcmp(b->o.swap, "zram"))
		return sg_swap_zram(b->guard, b->o.swap_bytes, b->swap, err);
	if (b->o.swap && b->o.swap[0] != '/') {
		if (!getcwd(path, sizeof(path)))
			return sg_err_set(err, -errno, "no working directory: %s", strerror(errno));
		snprintf(b->swap, sizeof(b->swap), "%.900s/%.900s", path, b->o.swap);
	} else if (b->o.swap) {
		snprintf(b->swap, sizeof(b->swap), "%s", b->o.swap);
	} else {
		snprintf(b->swap, sizeof(b->swap), "%.1000s/swap", b->dir);
	}
	return sg_swap_file(b->guard, b->swap, b->o.swap_bytes, err);
}

/* Write the server's source and let npm bring express, once per folder. */
int sg_task_setup_node(struct bench *b, struct sg_err *err)
{
	char dir[PATH_MAX], path[PATH_MAX + 64], said[200] = "", fate[64];
	const char *const npm[] = {
		"npm",	    "install", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error",
		"--prefix", dir,       "express@4",  NULL
	};
	struct sg_child c = SG_CHILD_NONE, *cp = &c;
	struct sg_child_opts o = { .name = "npm", .dir = dir, .quiet = true, .err = true, .group = true };
	FILE *f;
	int rc;

	snprintf(dir, sizeof(dir), "%s/node", b->dir);
	rc = make_dir(b, dir, false, err);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/server.js", dir);
	f = fopen(path, "we");
	if (!f || fputs(sg_server_node_source(), f) < 0 || fflush(f))
		rc = sg_err_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "%s/node_modules/express/package.json", dir);
	if (rc || !access(path, R_OK))
		return rc;
	sg_task_say(&b->o, "npm brings express into %s", dir);
	rc = sg_child_spawn(&c, &o, (char *const *)(uintptr_t)npm, err);
	if (rc)
		return rc;
	rc = sg_child_wait_any(&cp, 1, -1, b->o.sigfd, NPM_MS);
	sg_child_read_err(&c, said, sizeof(said));
	if (rc == -EINTR)
		sg_err_set(err, rc, "interrupted");
	else if (rc == -ETIMEDOUT)
		sg_err_set(err, rc, "npm did not finish installing express within %d s", NPM_MS / 1000);
	else if (rc < 0 || access(path, R_OK))
		rc = sg_err_set(err, -ENOENT, "npm could not install express (%s): %s",
				rc < 0 ? strerror(-rc) : sg_child_fate(&c, fate, sizeof(fate)), said);
	else
		rc = 0;
	sg_child_kill(&c);
	return rc;
}
