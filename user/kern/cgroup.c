// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * Both versions are met in practice, also together on one machine (memory and
 * cpu in version 1, an empty version 2 beside them), so every mount is asked.
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "kern/cgroup.h"
#include "kern/mounts.h"
#include "kern/proc.h"

#define MOUNT_MAX  32
#define SEARCH_MAX 50000 /* directories looked at for a bare name */

struct mount {
	bool v2;
	char controller[32]; /* first one mounted there; empty: a named hierarchy */
	char dir[PATH_MAX];
	int depth; /* of the mounted directory below the hierarchy's root */
};

struct mounts {
	size_t n;
	struct mount m[MOUNT_MAX];
};

/* Ids of controllers as the kernel's types name them: version 1's blkio is io there. */
static const char *const controllers[] = { "memory",   "cpu",	  "cpuacct", "pids",	"freezer",
					   "blkio",    "cpuset",  "devices", "net_cls", "perf_event",
					   "net_prio", "hugetlb", "rdma",    "misc" };

static int components(const char *path)
{
	int n = 0;

	for (const char *p = path; *p; p++)
		if (*p != '/' && (p == path || p[-1] == '/'))
			n++;
	return n;
}

static void mount_add(struct mounts *all, const struct sg_mount *one)
{
	struct mount *m = &all->m[all->n];
	char opts[512];

	if (all->n == MOUNT_MAX || (strcmp(one->type, "cgroup") && strcmp(one->type, "cgroup2")))
		return;
	memset(m, 0, sizeof(*m));
	m->v2 = !strcmp(one->type, "cgroup2");
	m->depth = components(one->root);
	snprintf(m->dir, sizeof(m->dir), "%s", one->point);
	snprintf(opts, sizeof(opts), "%s", one->super);
	for (char *save, *o = strtok_r(opts, ",", &save); !m->v2 && o; o = strtok_r(NULL, ",", &save))
		for (size_t i = 0; !m->controller[0] && i < sizeof(controllers) / sizeof(controllers[0]); i++)
			if (!strcmp(o, controllers[i]))
				snprintf(m->controller, sizeof(m->controller), "%s", o);
	all->n++;
}

/* The default hierarchy first, then by the order of controllers[]: memory before cpu and so on. */
static int mount_rank(const struct mount *m)
{
	if (m->v2)
		return -1;
	for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++)
		if (!strcmp(m->controller, controllers[i]))
			return (int)i;
	return 1000;
}

static int mount_cmp(const void *a, const void *b)
{
	return mount_rank(a) - mount_rank(b);
}

static int mounts_read(struct mounts *ret)
{
	struct sg_mounts all;
	struct sg_mount one;
	int rc = sg_mounts_open(&all);

	ret->n = 0;
	while (!rc && sg_mounts_next(&all, &one))
		mount_add(ret, &one);
	sg_mounts_close(&all);
	qsort(ret->m, ret->n, sizeof(ret->m[0]), mount_cmp);
	return rc;
}

enum sg_cgroup_mode sg_cgroup_mode(void)
{
	struct mounts *all = malloc(sizeof(*all));
	int mode = SG_CGROUP_NONE;

	if (all && !mounts_read(all))
		for (size_t i = 0; i < all->n; i++)
			mode |= all->m[i].v2 ? SG_CGROUP_V2 : SG_CGROUP_V1;
	free(all);
	return (enum sg_cgroup_mode)mode;
}

const char *sg_cgroup_mode_name(enum sg_cgroup_mode m)
{
	static const char *const names[] = { "none", "v1", "v2", "v1 and v2" };

	return (unsigned)m < 4 ? names[m] : "?";
}

/* The enum of the kernel's own types; without them the lines of /proc/cgroups, which are in that order. */
int sg_cgroup_subsys(const char *controller)
{
	libbpf_print_fn_t old = libbpf_set_print(NULL);
	struct btf *btf = btf__load_vmlinux_btf();
	char want[64], *text, *save;
	int ret = -ENOENT, id, line = 0;

	libbpf_set_print(old);
	snprintf(want, sizeof(want), "%s_cgrp_id", strcmp(controller, "blkio") ? controller : "io");
	id = btf ? btf__find_by_name_kind(btf, "cgroup_subsys_id", BTF_KIND_ENUM) : -1;
	if (id > 0) {
		const struct btf_type *t = btf__type_by_id(btf, (unsigned)id);
		const struct btf_enum *e = btf_enum(t);

		for (int i = 0; ret < 0 && i < btf_vlen(t); i++)
			if (!strcmp(btf__name_by_offset(btf, e[i].name_off), want))
				ret = e[i].val;
	}
	btf__free(btf);
	if (id > 0 || sg_proc_read("/proc/cgroups", 65536, &text) < 0)
		return ret;
	for (char *l = strtok_r(text, "\n", &save); l && ret < 0; l = strtok_r(NULL, "\n", &save)) {
		if (*l == '#')
			continue;
		if (!strncmp(l, controller, strlen(controller)) && l[strlen(controller)] == '\t')
			ret = line;
		line++;
	}
	free(text);
	return ret;
}

int sg_cgroup_path(uint64_t id, char *ret, size_t cap)
{
	struct {
		struct file_handle h;
		uint64_t id;
	} fh = { .h = { .handle_bytes = sizeof(uint64_t), .handle_type = 0xfe /* FILEID_KERNFS */ },
		 .id = id };
	struct mounts *all = malloc(sizeof(*all));
	int err = all ? mounts_read(all) : -ENOMEM, dir, fd;
	char link[64], path[PATH_MAX];
	ssize_t n;

	if (!err && (!all->n || !all->m[0].v2))
		err = -ENOENT;
	if (err)
		goto out;
	memcpy(fh.h.f_handle, &id, sizeof(id));
	dir = open(all->m[0].dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = dir < 0 ? -1 : open_by_handle_at(dir, &fh.h, O_PATH | O_CLOEXEC);
	if (fd < 0)
		err = errno == ESTALE ? -ENOENT : -errno;
	if (dir >= 0)
		close(dir);
	if (err)
		goto out;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	close(fd);
	if (n < 0) {
		err = -errno;
		goto out;
	}
	path[n] = 0;
	if (strncmp(path, all->m[0].dir, strlen(all->m[0].dir)))
		err = -ENOENT;
	else
		snprintf(ret, cap, "%s", path[strlen(all->m[0].dir)] ? path + strlen(all->m[0].dir) : "/");
out:
	free(all);
	return err;
}

/* ---- from words to a directory -------------------------------------------- */

/* @dir is a cgroup of mount @m: fill @ret. */
static int fill(const struct mount *m, const char *dir, struct sg_cgroup *ret, struct sg_err *err)
{
	struct stat st;
	int subsys = -1;

	if (stat(dir, &st))
		return sg_err_set(err, -errno, "cgroup '%s': %s", dir, strerror(errno));
	if (!m->v2 && !m->controller[0])
		return sg_err_set(
			err, -ENOTSUP,
			"'%s' is in a hierarchy without a controller: name its memory or cpu cgroup instead",
			dir);
	if (!m->v2) {
		subsys = sg_cgroup_subsys(m->controller);
		if (subsys < 0)
			return sg_err_set(err, subsys,
					  "the kernel does not tell the number of cgroup controller '%s'",
					  m->controller);
	}
	memset(ret, 0, sizeof(*ret));
	ret->v2 = m->v2;
	memcpy(ret->controller, m->controller, sizeof(ret->controller));
	ret->subsys = subsys;
	ret->id = st.st_ino;
	ret->level = m->depth + components(dir + strlen(m->dir));
	snprintf(ret->path, sizeof(ret->path), "%s", dir);
	return 0;
}

static const struct mount *mount_of(const struct mounts *all, const char *dir)
{
	const struct mount *best = NULL;

	for (size_t i = 0; i < all->n; i++) {
		size_t len = strlen(all->m[i].dir);

		if (!strncmp(dir, all->m[i].dir, len) && (!dir[len] || dir[len] == '/') &&
		    (!best || len > strlen(best->dir)))
			best = &all->m[i];
	}
	return best;
}

/* @rest below mount @m, when that is a directory inside it. */
static bool below(const struct mount *m, const char *rest, char *ret)
{
	char path[PATH_MAX];
	struct stat st;

	while (*rest == '/')
		rest++;
	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", m->dir, *rest ? "/" : "", rest) >= sizeof(path))
		return false;
	if (!realpath(path, ret) || stat(ret, &st) || !S_ISDIR(st.st_mode))
		return false;
	/* "../.." must not lead out */
	return !strncmp(ret, m->dir, strlen(m->dir)) && strchr("/", ret[strlen(m->dir)]);
}

/* "memory:x" or "memory/x": the mount of that controller and what follows. */
static const struct mount *by_controller(const struct mounts *all, const char *arg, const char **ret_rest)
{
	size_t len = strcspn(arg, ":/");

	for (size_t i = 0; arg[len] && i < all->n; i++) {
		const struct mount *m = &all->m[i];
		const char *name = m->v2 ? "unified" : m->controller;

		if (strlen(name) == len && !strncmp(arg, name, len)) {
			*ret_rest = arg + len + 1;
			return m;
		}
	}
	return NULL;
}

struct search {
	const char *name;
	int budget, found;
	char hit[2][PATH_MAX];
};

static void search_dir(struct search *s, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && s->budget > 0 && s->found < 2 && (e = readdir(d))) {
		char *path;

		if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		s->budget--;
		if (asprintf(&path, "%s/%s", dir, e->d_name) < 0)
			break;
		if (!strcmp(e->d_name, s->name))
			snprintf(s->hit[s->found++], PATH_MAX, "%s", path);
		if (s->found < 2)
			search_dir(s, path);
		free(path);
	}
	if (d)
		closedir(d);
}

static int by_name(const struct mounts *all, const char *arg, struct sg_cgroup *ret, struct sg_err *err)
{
	struct search *s = malloc(sizeof(*s));
	int code = -ENOENT;

	if (!s)
		return sg_err_set(err, -ENOMEM, "out of memory");
	/* The same name in two hierarchies is one group of processes as a rule: the first hierarchy wins. */
	for (size_t i = 0; code == -ENOENT && i < all->n && *arg && !strchr(arg, '/'); i++) {
		*s = (struct search){ .name = arg, .budget = SEARCH_MAX };
		search_dir(s, all->m[i].dir);
		if (s->found == 1)
			code = fill(&all->m[i], s->hit[0], ret, err);
		else if (s->found)
			code = sg_err_set(
				err, -EEXIST,
				"several cgroups are called '%.64s': '%.100s', '%.100s'; give the path", arg,
				s->hit[0], s->hit[1]);
	}
	free(s);
	if (code == -ENOENT)
		return sg_err_set(err, code,
				  "no cgroup '%.100s': give a directory under /sys/fs/cgroup, a controller "
				  "and a path (memory:x/y), "
				  "or a cgroup's own name",
				  arg);
	return code;
}

static int find(const struct mounts *all, const char *arg, struct sg_cgroup *ret, struct sg_err *err)
{
	const struct mount *m;
	const char *rest;
	char dir[PATH_MAX];
	struct stat st;

	if (*arg == '/' && realpath(arg, dir) && (m = mount_of(all, dir))) {
		if (stat(dir, &st) || !S_ISDIR(st.st_mode))
			return sg_err_set(err, -ENOTDIR,
					  "'%.200s' is a file inside a cgroup: give the directory", arg);
		return fill(m, dir, ret, err);
	}
	if (*arg != '/' && (m = by_controller(all, arg, &rest)) && below(m, rest, dir))
		return fill(m, dir, ret, err);
	for (size_t i = 0; *arg && i < all->n; i++)
		if ((all->m[i].v2 || all->m[i].controller[0]) && below(&all->m[i], arg, dir))
			return fill(&all->m[i], dir, ret, err);
	return by_name(all, arg, ret, err);
}

int sg_cgroup_find(const char *arg, struct sg_cgroup *ret, struct sg_err *err)
{
	struct mounts *all = malloc(sizeof(*all));
	int code = all ? mounts_read(all) : -ENOMEM;

	if (code)
		sg_err_set(err, code, "the mounted cgroups cannot be read: %s", strerror(-code));
	else if (!all->n)
		code = sg_err_set(err, -ENOENT, "no cgroup hierarchy is mounted");
	else
		code = find(all, arg, ret, err);
	free(all);
	return code;
}

int sg_cgroup_ident(void)
{
	FILE *f = fopen("/proc/cgroups", "re");
	char line[256], name[64];
	int hierarchy, ret = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %d", name, &hierarchy) == 2 && !strcmp(name, "memory") &&
		    hierarchy > 0)
			ret = sg_cgroup_subsys("memory");
	if (f)
		fclose(f);
	return ret < 0 ? -1 : ret;
}
