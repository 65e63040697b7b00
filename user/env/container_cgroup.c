// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * Whose a cgroup is, by its path. Managers name a container's cgroup by its id, 64
 * hexadecimal digits, bare or between a prefix of theirs and ".scope"; where below
 * which parents they put it is the administrator's choice, so parents only help to
 * tell the manager.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/container_priv.h"

#define ID_LEN 64

/* What stands before the id in a cgroup's name, and who writes it so. */
static const struct prefix {
	const char *text,
		*manager; /* manager NULL: the monitor's cgroup beside the container, not the container's */
} prefixes[] = {
	{ "docker-", "docker" },	 { "libpod-", "podman" },
	{ "libpod-payload-", "podman" }, { "cri-containerd-", "containerd" },
	{ "nerdctl-", "containerd" },	 { "crio-", "cri-o" },
	{ "libpod-conmon-", NULL },	 { "crio-conmon-", NULL },
};

/* Names of parents, and whose containers lie right below. */
static const struct parent {
	const char *text;
	bool whole; /* the name is that, else it begins so */
	const char *manager;
} parents[] = {
	{ "docker", true, "docker" },	     { "libpod_parent", true, "podman" },
	{ "kubepods", false, "kubernetes" }, { "kubelet-kubepods", false, "kubernetes" },
	{ "kata_overhead", true, "kata" },   { "ecs", true, "ecs" },
};

bool sg_ct_is_id(const char *s, size_t n)
{
	if (n != ID_LEN)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'f'))
			return false;
	return true;
}

/* Manager of containers below the parent @s of @n bytes; NULL: it does not tell. */
static const char *of_parent(const char *s, size_t n)
{
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		size_t len = strlen(parents[i].text);

		if (n >= len && !memcmp(s, parents[i].text, len) && (!parents[i].whole || n == len))
			return parents[i].manager;
	}
	return NULL;
}

/* One component of a path: the id in it and its manager. False: no container's. */
static bool component(const char *s, size_t n, const char **ret_id, const char **ret_manager)
{
	size_t pre;

	if (n > 6 && !memcmp(s + n - 6, ".scope", 6))
		n -= 6;
	if (n < ID_LEN || !sg_ct_is_id(s + n - ID_LEN, ID_LEN))
		return false;
	pre = n - ID_LEN;
	*ret_id = s + pre;
	*ret_manager = "";
	if (!pre)
		return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		const struct prefix *p = &prefixes[i];
		size_t len = strlen(p->text);
		bool whole = pre == len && !memcmp(s, p->text, len);
		/* "PARENT:WHO:ID": what a runtime makes of systemd's notation when it does not know it */
		bool colons = pre > len && s[pre - 1] == ':' && s[pre - len - 1] == ':' &&
			      !memcmp(s + pre - len, p->text, len - 1);

		if (whole || colons) {
			*ret_manager = p->manager;
			return p->manager != NULL;
		}
	}
	return false;
}

size_t sg_ct_cgroup_end(const char *path, char ret_id[SG_CONTAINER_ID], char ret_manager[32])
{
	const char *parent = NULL, *id, *manager;
	size_t end = 0, n;

	for (const char *s = path; *s; s += n) {
		const char *of;

		s += strspn(s, "/");
		n = strcspn(s, "/");
		if (component(s, n, &id, &manager)) {
			memcpy(ret_id, id, ID_LEN);
			ret_id[ID_LEN] = 0;
			snprintf(ret_manager, 32, "%s", *manager ? manager : parent ? parent : "");
			end = (size_t)(s + n - path);
		}
		/* A pod's name may stand between ("ecs/TASK/ID"): the last parent that tells counts. */
		of = of_parent(s, n);
		parent = of ? of : parent;
	}
	return end;
}

bool sg_container_of_cgroup(const char *path, char ret_id[SG_CONTAINER_ID], char ret_manager[32])
{
	char id[SG_CONTAINER_ID], manager[32];

	if (!sg_ct_cgroup_end(path, id, manager))
		return false;
	memcpy(ret_id, id, sizeof(id));
	memcpy(ret_manager, manager, sizeof(manager));
	return true;
}

/* Is @want one of the controllers "a,b,name=c" of @n bytes? */
static bool has_controller(const char *list, size_t n, const char *want)
{
	size_t len = strlen(want);

	for (size_t i = 0; i < n; i++) {
		size_t part = strcspn(list + i, ",:");

		if (part == len && !memcmp(list + i, want, len))
			return true;
		i += part;
	}
	return false;
}

/* "4:memory:/docker/ID" -> its rank as a source: 3 memory, 2 the default hierarchy, 1 any other; 0 = no such line. */
static int line_rank(const char *line, const char **ret_path)
{
	const char *ctl = strchr(line, ':'), *path = ctl ? strchr(ctl + 1, ':') : NULL;

	if (!path || path[1] != '/')
		return 0;
	*ret_path = path + 1;
	if (has_controller(ctl + 1, (size_t)(path - ctl - 1), "memory"))
		return 3;
	return path == ctl + 1 ? 2 : 1;
}

bool sg_ct_proc_cgroup(const char *text, struct sg_container_info *ret)
{
	int best = 0;

	for (const char *l = text; l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL) {
		char line[sizeof(ret->cgroup) + 256], id[SG_CONTAINER_ID], manager[32];
		const char *path;
		size_t end;
		int rank;

		snprintf(line, sizeof(line), "%.*s", (int)strcspn(l, "\n"), l);
		rank = line_rank(line, &path);
		if (rank <= best)
			continue;
		end = sg_ct_cgroup_end(path, id, manager);
		if (!end || end >= sizeof(ret->cgroup))
			continue;
		best = rank;
		memcpy(ret->id, id, sizeof(id));
		memcpy(ret->manager, manager, sizeof(manager));
		memcpy(ret->cgroup, path, end);
		ret->cgroup[end] = 0;
	}
	return best > 0;
}

bool sg_ct_cgroup_path(const char *text, char *ret, size_t cap)
{
	int best = 0;

	for (const char *l = text; l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL) {
		char line[4096];
		const char *path;
		int rank;

		if (strcspn(l, "\n") >= sizeof(line))
			continue;
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(l, "\n"), l);
		rank = line_rank(line, &path);
		if (rank <= best || strlen(path) >= cap)
			continue;
		best = rank;
		snprintf(ret, cap, "%s", path);
	}
	return best > 0;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

bool sg_ct_cgroup_dir(const char *root, const char *controller, const char *path, char *ret, size_t cap)
{
	char probe[4096];
	const char *below = "";
	int n;

	/* What a cgroup namespace shows of groups outside of it. */
	if (!*path || strstr(path, "/.."))
		return false;
	/* Version 2 alone has its files at the top; beside version 1 the top is a plain folder of mounts. */
	snprintf(probe, sizeof(probe), "%s/cgroup.controllers", root);
	if (access(probe, F_OK)) {
		snprintf(probe, sizeof(probe), "%s/%s", root, controller);
		below = is_dir(probe) ? controller : "unified";
	}
	n = snprintf(ret, cap, "%s%s%s%s%s", root, *below ? "/" : "", below, *path == '/' ? "" : "/", path);
	return n > 0 && (size_t)n < cap;
}

bool sg_container_cgroup_dir(const struct sg_container_info *c, const struct sg_container_opts *o, char *ret,
			     size_t cap)
{
	return c->cgroup[0] && sg_ct_cgroup_dir(sg_ct_cgroot(o), "memory", c->cgroup, ret, cap);
}

void sg_ct_cgroup_stat(const struct sg_container_opts *o, struct sg_container_info *c)
{
	char dir[4096];
	struct stat st;

	c->cgroup_id = 0;
	if (sg_container_cgroup_dir(c, o, dir, sizeof(dir)) && !stat(dir, &st) && S_ISDIR(st.st_mode))
		c->cgroup_id = st.st_ino;
}
