/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/tool.h"
#include "env/tree.h"
#include "env/vmimage_priv.h"

#define PREFIX "vm-"
#define LAYOUT 2 /* counts up when the images are made differently */

/* What Docker Engine consists of, and where the guest looks for it. */
static const struct {
	const char *name, *package, *image;
} engine[] = { { "dockerd", "docker.io", "/usr/sbin/dockerd" },
	       { "containerd", "containerd", "/usr/bin/containerd" },
	       { "containerd-shim-runc-v2", "containerd", "/usr/bin/containerd-shim-runc-v2" },
	       { "runc", "runc", "/usr/sbin/runc" } };

int sg_vmimage_cache(char *ret, size_t cap)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n;

	if (xdg && xdg[0] == '/')
		n = snprintf(ret, cap, "%s/sandglass", xdg);
	else if (home && home[0] == '/' && home[1])
		n = snprintf(ret, cap, "%s/.cache/sandglass", home);
	else
		n = snprintf(ret, cap, "/var/cache/sandglass");
	return n < (int)cap ? 0 : -ENAMETOOLONG;
}

static void mix(uint64_t *h, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		*h = (*h ^ b[i]) * 0x100000001b3; /* FNV-1a */
}

int sg_vmimage_key(const struct sg_vmimage_input *v, size_t n, uint64_t kind, char *ret)
{
	uint64_t h = 0xcbf29ce484222325;

	mix(&h, &kind, sizeof(kind));
	for (size_t i = 0; i < n; i++) {
		struct stat st;

		if (stat(v[i].path, &st))
			return -errno;
		mix(&h, v[i].name, strlen(v[i].name) + 1);
		mix(&h, v[i].path, strlen(v[i].path) + 1);
		mix(&h, &st.st_size, sizeof(st.st_size));
		mix(&h, &st.st_ino, sizeof(st.st_ino));
		mix(&h, &st.st_mtim.tv_sec, sizeof(st.st_mtim.tv_sec));
		mix(&h, &st.st_mtim.tv_nsec, sizeof(st.st_mtim.tv_nsec));
	}
	snprintf(ret, 17, "%016llx", (unsigned long long)h);
	return 0;
}

/* Folders whose names begin with @kind go, but for @keep and those that somebody uses. */
static void remove_others(const char *cache, const char *kind, const char *keep)
{
	DIR *d = opendir(cache);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		char path[PATH_MAX];
		int fd;

		if (strncmp(de->d_name, kind, strlen(kind)) || !strcmp(de->d_name, keep) ||
		    snprintf(path, sizeof(path), "%s/%s", cache, de->d_name) >= (int)sizeof(path))
			continue;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
			sg_tree_remove(path);
		if (fd >= 0)
			close(fd);
	}
	if (d)
		closedir(d);
}

/* The programs of the root, with Docker's. */
static int list_files(const struct sg_vmimage_opts *o, struct vmimage_files *f, struct sg_err *err)
{
	size_t n = 0;

	f->file[n++] = (struct sg_image_file){ o->self, SG_VMIMAGE_SELF };
	for (size_t i = 0; i < sizeof(engine) / sizeof(*engine) && o->docker; i++) {
		int rc = sg_tool_find(engine[i].name, engine[i].package, f->path[i], err);

		if (rc)
			return rc;
		f->file[n++] = (struct sg_image_file){ f->path[i], engine[i].image };
	}
	for (const struct sg_image_file *x = o->files; x && x->host; x++) {
		if (n == VMIMAGE_FILES_MAX)
			return sg_err_set(err, -E2BIG, "too many files for an image");
		f->file[n++] = *x;
	}
	f->n = n;
	return sg_tool_find("busybox", "busybox-static", f->busybox, err);
}

static int key_of(const struct sg_vmimage_opts *o, const struct vmimage_files *f, const struct sg_vmkernel *k,
		  char *ret, struct sg_err *err)
{
	struct sg_vmimage_input v[VMIMAGE_FILES_MAX + 3];
	char order[PATH_MAX + 8];
	size_t n = 0;
	int rc;

	snprintf(order, sizeof(order), "%s/order", k->dir);
	v[n++] = (struct sg_vmimage_input){ "kernel", order };
	v[n++] = (struct sg_vmimage_input){ "busybox", f->busybox };
	/* libraries change with it, mostly: an upgrade of packages writes this file */
	v[n++] = (struct sg_vmimage_input){ "libraries", "/etc/ld.so.cache" };
	for (size_t i = 0; i < f->n; i++)
		v[n++] = (struct sg_vmimage_input){ f->file[i].image, f->file[i].host };
	rc = sg_vmimage_key(v, n, (uint64_t)LAYOUT << 1 | o->docker, ret);
	return rc ? sg_err_set(err, rc, "cannot look at what the image is made of: %s", strerror(-rc)) : 0;
}

/* Hold the finished image; false when there is none (any more). */
static bool take(struct sg_vmimage *i, const char *dir)
{
	i->lock = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (i->lock >= 0 && !flock(i->lock, LOCK_SH) && !access(i->root, R_OK) && !access(i->initrd, R_OK))
		return true;
	sg_vmimage_put(i);
	return false;
}

static int make(struct sg_vmimage *i, const struct sg_vmimage_opts *o, const struct vmimage_files *f,
		const struct sg_vmkernel *k, const char *dir, struct sg_err *err)
{
	char tmp[PATH_MAX];
	int rc;

	if (o->progress)
		o->progress(o->ctx, o->docker ? "making the virtual machines' image, with Docker Engine"
					      : "making the virtual machines' image");
	snprintf(tmp, sizeof(tmp), "%.3900s/" SG_VMIMAGE_UNFINISHED "XXXXXX", o->cache);
	if (!mkdtemp(tmp))
		return sg_err_set(err, -errno, "cannot make a folder in %s: %s", o->cache, strerror(errno));
	rc = sg_vmimage_initrd(tmp, f, k, err);
	if (!rc)
		rc = sg_vmimage_root(tmp, f, o->docker, err);
	if (!rc && rename(tmp, dir) && errno != EEXIST && errno != ENOTEMPTY)
		rc = sg_err_set(err, -errno, "cannot make %s: %s", dir, strerror(errno));
	sg_tree_remove(tmp);
	if (!rc && !take(i, dir))
		rc = sg_err_set(err, -EIO, "the image in %s is not whole: remove it", dir);
	return rc;
}

int sg_vmimage_get(struct sg_vmimage *ret, const struct sg_vmimage_opts *o, struct sg_err *err)
{
	const char *kind = o->docker ? PREFIX "docker-" : o->files ? PREFIX "files-" : PREFIX "plain-";
	struct vmimage_files *f = calloc(1, sizeof(*f));
	char key[17], name[64], dir[PATH_MAX], lockpath[PATH_MAX];
	struct sg_vmkernel *k = calloc(1, sizeof(*k));
	int rc, lock = -1;

	memset(ret, 0, sizeof(*ret));
	ret->lock = -1;
	rc = f && k ? sg_tree_make(o->cache) : -ENOMEM;
	if (rc)
		sg_err_set(err, rc, "cannot make the folder %s: %s", o->cache, strerror(-rc));
	snprintf(lockpath, sizeof(lockpath), "%.4000s/lock", o->cache);
	if (!rc && ((lock = open(lockpath, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0 || flock(lock, LOCK_EX)))
		rc = sg_err_set(err, -errno, "cannot lock %s: %s", lockpath, strerror(errno));
	/* we have the lock: what somebody else began to make was never finished */
	if (!rc)
		remove_others(o->cache, SG_VMIMAGE_UNFINISHED, "");
	if (!rc)
		rc = list_files(o, f, err);
	if (!rc)
		rc = sg_vmkernel_get(k, o->cache, o->progress, o->ctx, err);
	if (!rc)
		rc = key_of(o, f, k, key, err);
	if (!rc) {
		snprintf(name, sizeof(name), "%s%s", kind, key);
		snprintf(dir, sizeof(dir), "%.3900s/%s", o->cache, name);
		snprintf(ret->release, sizeof(ret->release), "%s", k->release);
		snprintf(ret->kernel, sizeof(ret->kernel), "%.4000s/vmlinuz", k->dir);
		snprintf(ret->initrd, sizeof(ret->initrd), "%.4000s/initrd", dir);
		snprintf(ret->root, sizeof(ret->root), "%.4000s/root.ext4", dir);
	}
	if (!rc && !take(ret, dir)) {
		rc = make(ret, o, f, k, dir, err);
		if (!rc)
			remove_others(o->cache, kind, name);
	}
	if (lock >= 0)
		close(lock);
	free(k);
	free(f);
	return rc;
}

void sg_vmimage_put(struct sg_vmimage *i)
{
	if (i->lock >= 0)
		close(i->lock);
	i->lock = -1;
}
