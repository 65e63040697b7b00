/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Where the task workload's servers run: on the host, or each in a container or virtual machine of its own. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kern/pids.h"
#include "load/task_priv.h"

static const struct sg_task_env envs[] = {
#define SG_X(name, runtime, vm) { name, runtime, vm },
	SG_TASK_ENV_LIST(SG_X)
#undef SG_X
		{ 0 },
};

const struct sg_task_env *sg_task_env(const char *name)
{
	for (const struct sg_task_env *e = envs; e->name; e++)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

static const struct sg_sandbox_runtime *runtime_of(const struct bench *b)
{
	return b->o.env->runtime ? sg_sandbox_runtime(b->o.env->runtime) : NULL;
}

int sg_task_env_open(struct bench *b, struct sg_err *err)
{
	const struct sg_sandbox_runtime *rt = runtime_of(b);
	const struct sg_image_file files[] = { { b->self, SG_TASK_GUEST_SELF }, { 0 } };
	char cache[PATH_MAX];
	struct sg_sandbox_opts o = { .guard = b->guard,
				     .cache = cache,
				     .runtime = &rt,
				     .nruntime = 1,
				     .files = files,
				     .node = b->o.node,
				     .host_network = true,
				     .progress = b->o.progress,
				     .ctx = b->o.ctx };

	if (b->o.env->vm)
		return sg_task_vm_open(b, err);
	if (!rt)
		return 0;
	if (strchr(b->dir, ':'))
		return sg_err_set(err, -EINVAL, "the path %s has a ':' in it, which a volume cannot have",
				  b->dir);
	snprintf(cache, sizeof(cache), "%s/cache", b->o.cache ? b->o.cache : b->dir);
	return sg_sandbox_open(&b->box, &o, err);
}

int sg_task_env_close(struct bench *b, struct sg_err *err)
{
	int rc = b->vms ? sg_task_vm_close(b, err) : sg_sandbox_close(b->box, err);

	b->box = NULL;
	return rc;
}

int sg_task_env_level(struct bench *b, struct sg_err *err)
{
	char name[64], data[PATH_MAX], node[PATH_MAX];
	const char *binds[] = { data, b->o.node ? node : NULL, NULL };
	struct sg_sandbox_run run = {
		.name = name, .runtime = runtime_of(b), .binds = binds, .cgroup_parent = b->tree
	};
	int rc;

	if (b->vms)
		return sg_task_vm_level(b, err);
	if (!b->box)
		return 0;
	snprintf(data, sizeof(data), "%s/data:/data", b->dir);
	snprintf(node, sizeof(node), "%s/node:/node", b->dir);
	/* added after the limit's own cgroup, so cleaned before it, with what the runtimes make in it */
	snprintf(b->tree, sizeof(b->tree), "/%s", strrchr(b->limit.path, '/') + 1);
	rc = sg_guard_add(b->guard, SG_GUARD_CGTREE, b->tree, err);
	for (unsigned i = 0; i < b->o.servers && !rc; i++) {
		snprintf(name, sizeof(name), "sandglass-task-%u", i);
		rc = sg_sandbox_start(b->box, &run, &b->container[i], err);
	}
	return rc;
}

int sg_task_env_end_level(struct bench *b, struct sg_err *err)
{
	struct sg_err later;
	int rc = 0, one;

	sg_task_vm_end_level(b);
	if (!b->box)
		return 0;
	for (unsigned i = 0; i < b->o.servers; i++) {
		one = sg_sandbox_remove(b->box, &b->container[i], &later);
		if (one && !rc) {
			rc = one;
			*err = later;
		}
	}
	if (b->tree[0] && !rc)
		rc = sg_guard_clean(b->guard, SG_GUARD_CGTREE, b->tree, err);
	b->tree[0] = 0;
	return rc;
}

int sg_task_env_hogs(const struct bench *b, struct sg_memlimit *ret, struct sg_err *err)
{
	*ret = b->limit;
	if (!b->box)
		return 0;
	/* a v2 group with groups below it takes no processes */
	if (snprintf(ret->path, sizeof(ret->path), "%.500s/hogs", b->limit.path) >= (int)sizeof(ret->path) ||
	    (mkdir(ret->path, 0755) && errno != EEXIST))
		return sg_err_set(err, -errno, "cannot make the cgroup %s: %s", ret->path, strerror(errno));
	return 0;
}

/* runc's exec has the server as its child; a sandbox's guest is no process of ours. */
pid_t sg_task_env_pid(const struct bench *b, unsigned i)
{
	struct sg_pids tree = { 0 };
	pid_t pid = 0;

	if (b->vms)
		return sg_domain_pid(b->domain[i]);
	if (!b->box)
		return b->server[i].pid;
	if (b->container[i].runtime->suite || sg_proc_tree(b->server[i].pid, false, &tree))
		return 0;
	for (size_t k = 0; k < tree.n && !pid; k++)
		if (tree.pid[k] != b->server[i].pid)
			pid = tree.pid[k];
	sg_pids_free(&tree);
	return pid;
}
