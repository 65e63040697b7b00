/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/tool.h"
#include "env/tree.h"
#include "env/vmkernel.h"

#define PACKAGE	    "linux-image-cloud-amd64" /* the smallest one; depends on the newest release */
#define LIST_MS	    30000
#define DOWNLOAD_MS 300000
#define UNPACK_MS   120000

/* What a virtual machine of ours needs, in the order of need; the last ones are not vital. */
static const struct {
	const char *name;
	bool vital;
} modules[] = { { "virtio_pci", true },	 { "virtio_blk", true },     { "ext4", true },
		{ "virtio_net", true },	 { "virtio_console", true }, { "virtio_balloon", true },
		{ "virtio_rng", false }, { "overlay", false } };

int sg_vmkernel_newer(const char *a, const char *b)
{
	return strverscmp(a, b) > 0;
}

/* Newest entry of @dir that begins with @prefix and ends with @suffix; what is between is the release */
static bool newest(const char *dir, const char *prefix, const char *suffix,
		   bool (*usable)(const char *release), char *ret, size_t cap)
{
	DIR *d = opendir(dir);
	size_t p = strlen(prefix), s = strlen(suffix);
	struct dirent *de;

	*ret = 0;
	while (d && (de = readdir(d))) {
		char release[256];
		size_t len = strlen(de->d_name);

		if (len <= p + s || strncmp(de->d_name, prefix, p) || strcmp(de->d_name + len - s, suffix))
			continue;
		snprintf(release, sizeof(release), "%s", de->d_name + p);
		if (strlen(release) < cap && (!usable || usable(release)) &&
		    (!*ret || sg_vmkernel_newer(release, ret)))
			snprintf(ret, cap, "%s", release);
	}
	if (d)
		closedir(d);
	return *ret;
}

static bool has_modules(const char *release)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	return !access(path, R_OK);
}

static int run(const char *what, char *const argv[], int ms, char **out, struct sg_err *err)
{
	int rc = sg_tool_run(what, argv, ms, out, err);

	return rc > 0 ? -EIO : rc;
}

/* Copy, unpacked: busybox's insmod knows no compression. */
static int copy_module(const char *from, const char *dir, char *ret_name, struct sg_err *err)
{
	const char *base = strrchr(from, '/') ? strrchr(from, '/') + 1 : from;
	size_t len = strlen(base);
	const char *how = len > 3 && !strcmp(base + len - 3, ".xz")    ? "xz"
			  : len > 4 && !strcmp(base + len - 4, ".zst") ? "zstd"
								       : "cat";
	char to[PATH_MAX];
	/* in a shell: the output is a file */
	char *argv[] = {
		"sh",
		"-c",
		"if [ \"$1\" = cat ]; then exec cat \"$2\" >\"$3\"; fi; exec \"$1\" -dc \"$2\" >\"$3\"",
		"sh",
		(char *)(uintptr_t)how,
		(char *)(uintptr_t)from,
		to,
		NULL
	};

	len -= !strcmp(how, "xz") ? 3 : !strcmp(how, "zstd") ? 4 : 0;
	snprintf(ret_name, 256, "%.*s", (int)len, base);
	if (snprintf(to, sizeof(to), "%s/%s", dir, ret_name) >= (int)sizeof(to))
		return sg_err_set(err, -ENAMETOOLONG, "the path %.100s is too long", dir);
	return run(how, argv, UNPACK_MS, NULL, err);
}

/* Modules that @name needs, it last, after what is in @order already. */
static int add_module(FILE *order, char *have, size_t cap, const char *base, const char *release,
		      const char *name, const char *dir, struct sg_err *err)
{
	char *argv[] = { "modprobe",
			 "-d",
			 (char *)(uintptr_t)base,
			 "-S",
			 (char *)(uintptr_t)release,
			 "--show-depends",
			 (char *)(uintptr_t)name,
			 NULL };
	char modprobe[PATH_MAX], *out = NULL, *save = NULL, file[256], mark[260];
	int rc = sg_tool_find("modprobe", "kmod", modprobe, err);

	argv[0] = modprobe;
	if (!rc)
		rc = run("modprobe", argv, LIST_MS, &out, err);
	for (char *l = rc ? NULL : strtok_r(out, "\n", &save); l && !rc; l = strtok_r(NULL, "\n", &save)) {
		char *path = l + strlen("insmod ");

		if (strncmp(l, "insmod ", strlen("insmod ")))
			continue; /* built in */
		path[strcspn(path, " ")] = 0;
		rc = copy_module(path, dir, file, err);
		snprintf(mark, sizeof(mark), " %s ", file);
		if (rc || strstr(have, mark))
			continue;
		if (strlen(have) + strlen(mark) < cap)
			strcat(have, mark);
		fprintf(order, "%s\n", file);
	}
	free(out);
	return rc;
}

/* Kernel and modules of @base (has lib/modules/RELEASE) into @cache/kernel-RELEASE. */
static int collect(const char *cache, const char *release, const char *vmlinuz, const char *base,
		   struct sg_err *err)
{
	char tmp[PATH_MAX], to[PATH_MAX], path[PATH_MAX + 16], have[4096] = "";
	char *cp[] = { "cp", "--", (char *)(uintptr_t)vmlinuz, path, NULL };
	FILE *order;
	int rc, bad;

	snprintf(tmp, sizeof(tmp), "%.3900s/" SG_VMIMAGE_UNFINISHED "XXXXXX", cache);
	if (!mkdtemp(tmp))
		return sg_err_set(err, -errno, "cannot make a folder in %s: %s", cache, strerror(errno));
	snprintf(path, sizeof(path), "%s/order", tmp);
	order = fopen(path, "we");
	rc = order ? 0 : sg_err_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
	for (size_t i = 0; i < sizeof(modules) / sizeof(*modules) && !rc; i++) {
		rc = add_module(order, have, sizeof(have), base, release, modules[i].name, tmp, err);
		if (rc && !modules[i].vital)
			rc = 0;
	}
	bad = order && ferror(order);
	if (order && fclose(order))
		bad = 1;
	snprintf(path, sizeof(path), "%s/vmlinuz", tmp);
	if (!rc && bad)
		rc = sg_err_set(err, -EIO, "cannot write the list of modules in %s", tmp);
	if (!rc)
		rc = run("cp", cp, UNPACK_MS, NULL, err);
	snprintf(to, sizeof(to), "%.3800s/" SG_VMKERNEL_PREFIX "%s", cache, release);
	if (!rc && rename(tmp, to) && errno != EEXIST && errno != ENOTEMPTY)
		rc = sg_err_set(err, -errno, "cannot make %s: %s", to, strerror(errno));
	sg_tree_remove(tmp);
	return rc;
}

/* The package's name, and of those that have its parts (from 7.x on the modules are apart). */
static int find_packages(char *ret_release, size_t cap, char **ret_list, struct sg_err *err)
{
	char *argv[] = { "apt-cache", "depends", PACKAGE, NULL }, *out = NULL, *at, want[256];
	int rc = run("apt-cache", argv, LIST_MS, &out, err);

	at = rc ? NULL : strstr(out, "Depends: linux-image-");
	if (!rc && !at)
		rc = sg_err_set(err, -ENOENT, "the apt sources of this machine offer no " PACKAGE);
	if (!rc)
		snprintf(ret_release, cap, "%.*s", (int)strcspn(at + 21, "\n "), at + 21);
	free(out);
	if (rc)
		return rc;
	snprintf(want, sizeof(want), "linux-image-%.200s", ret_release);
	return run("apt-cache", (char *[]){ "apt-cache", "depends", want, NULL }, LIST_MS, ret_list, err);
}

static int download(const char *dir, const char *release, char *list, struct sg_err *err)
{
	char name[4][256], *save = NULL;
	char *argv[12] = {
		"sh",
		"-c",
		"d=$1; shift; cd \"$d\" && exec apt-get -q -o APT::Sandbox::User=root download \"$@\"",
		"sh",
		(char *)(uintptr_t)dir,
		name[0]
	};
	size_t n = 1;

	snprintf(name[0], sizeof(name[0]), "linux-image-%.200s", release);
	for (char *l = strtok_r(list, "\n", &save); l && n < 4; l = strtok_r(NULL, "\n", &save)) {
		char *at = strstr(l, "Depends: linux-");

		if (!at || (strncmp(at + 15, "modules-", 8) && strncmp(at + 15, "binary-", 7)))
			continue;
		snprintf(name[n], sizeof(name[n]), "%.200s", at + 9);
		argv[5 + n] = name[n];
		n++;
	}
	return run("apt-get download", argv, DOWNLOAD_MS, NULL, err);
}

static int unpack(const char *top, struct sg_err *err)
{
	char *argv[] = { "sh",
			 "-c",
			 "cd \"$1\" && mkdir -p root/usr/lib && ln -s usr/lib root/lib && "
			 "for d in *.deb; do dpkg-deb --fsys-tarfile \"$d\" | "
			 "tar -x -C root --keep-directory-symlink --no-same-owner || exit 1; done",
			 "sh",
			 (char *)(uintptr_t)top,
			 NULL };

	return run("dpkg-deb", argv, UNPACK_MS, NULL, err);
}

/* Where the packages of different times have the kernel. */
static bool find_image(const char *root, const char *release, char *ret)
{
	snprintf(ret, PATH_MAX, "%.3800s/boot/vmlinuz-%s", root, release);
	if (!access(ret, R_OK))
		return true;
	snprintf(ret, PATH_MAX, "%.3800s/usr/lib/modules/%s/vmlinuz", root, release);
	return !access(ret, R_OK);
}

static int fetch(const char *cache, char *release, size_t cap, struct sg_err *err)
{
	char top[PATH_MAX], root[PATH_MAX + 8], image[PATH_MAX], depmod[PATH_MAX], *list = NULL;
	char *dep[] = { depmod, "-b", root, release, NULL };
	char *update[] = { "apt-get", "-q", "update", NULL };
	int rc = sg_tool_find("depmod", "kmod", depmod, err);

	if (!rc)
		rc = find_packages(release, cap, &list, err);
	if (rc && rc != -ENOMEM && !geteuid()) {
		/* the lists may never have been fetched */
		free(list);
		list = NULL;
		rc = run("apt-get update", update, DOWNLOAD_MS, NULL, err);
		if (!rc)
			rc = find_packages(release, cap, &list, err);
	}
	snprintf(top, sizeof(top), "%.3900s/" SG_VMIMAGE_UNFINISHED "XXXXXX", cache);
	if (!rc && !mkdtemp(top))
		rc = sg_err_set(err, -errno, "cannot make a folder in %s: %s", cache, strerror(errno));
	if (rc) {
		free(list);
		return rc;
	}
	snprintf(root, sizeof(root), "%s/root", top);
	rc = download(top, release, list, err);
	free(list);
	if (!rc)
		rc = unpack(top, err);
	if (!rc)
		rc = run("depmod", dep, UNPACK_MS, NULL, err);
	if (!rc && !find_image(root, release, image))
		rc = sg_err_set(err, -ENOENT, "no kernel in the package linux-image-%s", release);
	if (!rc)
		rc = collect(cache, release, image, root, err);
	sg_tree_remove(top);
	return rc;
}

int sg_vmkernel_get(struct sg_vmkernel *ret, const char *cache, void (*progress)(void *ctx, const char *text),
		    void *ctx, struct sg_err *err)
{
	char image[PATH_MAX];
	struct sg_err why;
	int rc = 0;

	if (!newest(cache, SG_VMKERNEL_PREFIX, "-amd64", NULL, ret->release, sizeof(ret->release))) {
		if (newest("/boot", "vmlinuz-", "-amd64", has_modules, ret->release, sizeof(ret->release))) {
			snprintf(image, sizeof(image), "/boot/vmlinuz-%s", ret->release);
			rc = collect(cache, ret->release, image, "/", err);
		} else {
			if (progress)
				progress(ctx, "fetching Debian's cloud kernel (some 30 MB), once");
			rc = fetch(cache, ret->release, sizeof(ret->release), &why);
			if (rc == -EINTR)
				sg_err_set(err, rc, "interrupted");
			else if (rc)
				sg_err_set(err, rc, "cannot fetch a kernel for virtual machines: %.300s",
					   why.msg);
		}
	}
	if (snprintf(ret->dir, sizeof(ret->dir), "%.3900s/" SG_VMKERNEL_PREFIX "%s", cache, ret->release) >=
	    (int)sizeof(ret->dir))
		rc = sg_err_set(err, -ENAMETOOLONG, "the path %.100s is too long", cache);
	return rc;
}
