/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/kvmtsc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ssize_t slurp(const char *path, char *buf, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t at = 0;
	ssize_t n = -1;

	if (fd < 0)
		return -errno;
	while (at < room - 1 && (n = read(fd, buf + at, room - 1 - at)) > 0)
		at += (size_t)n;
	close(fd);
	buf[at] = 0;
	return n < 0 ? -EIO : (ssize_t)at;
}

/* Is @cid the one behind "guest-cid", in whatever way QEMU was told (guest-cid=3, "guest-cid":3)? */
static bool says_cid(const char *words, size_t len, uint32_t cid)
{
	const char *p = words, *end = words + len;

	while ((p = memmem(p, (size_t)(end - p), "guest-cid", 9))) {
		char *stop;

		p += 9;
		while (p < end && strchr("\"=: ", *p) && *p)
			p++;
		if (strtoul(p, &stop, 0) == cid && stop > p)
			return true;
	}
	return false;
}

static bool has_cid(const char *proc, uint32_t pid, uint32_t cid)
{
	static const size_t most = 64 << 10;
	char path[PATH_MAX], *words = malloc(most);
	ssize_t n;
	bool yes;

	snprintf(path, sizeof(path), "%s/%u/cmdline", proc, pid);
	n = words ? slurp(path, words, most) : -1;
	yes = n > 0 && says_cid(words, (size_t)n, cid);
	free(words);
	return yes;
}

static int number(const char *dir, const char *vcpu, const char *file, uint64_t *ret)
{
	char path[PATH_MAX], text[64];
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/%s/%s", dir, vcpu, file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	n = slurp(path, text, sizeof(text));
	if (n <= 0)
		return n < 0 ? (int)n : -ENODATA;
	*ret = strtoull(text, NULL, 0); /* an offset may be negative: modulo 2^64 */
	return 0;
}

static int read_vcpu(const char *dir, const char *vcpu, struct sg_kvmtsc *k)
{
	uint64_t frac = 0;
	int e = number(dir, vcpu, "tsc-offset", &k->offset);

	if (e)
		return e;
	if (!number(dir, vcpu, "tsc-scaling-ratio", &k->ratio) &&
	    !number(dir, vcpu, "tsc-scaling-ratio-frac-bits", &frac) && frac < 64 && k->ratio)
		k->frac = (unsigned)frac;
	if (!k->frac || k->ratio == 1ull << k->frac)
		k->ratio = k->frac = 0;
	return 0;
}

static int read_vm(const char *dir, struct sg_kvmtsc *ret)
{
	DIR *d = opendir(dir);
	bool any = false;
	struct dirent *de;
	int e = 0;

	if (!d)
		return -errno;
	while (!e && (de = readdir(d))) {
		struct sg_kvmtsc k = { .pid = ret->pid };

		if (strncmp(de->d_name, "vcpu", 4))
			continue;
		e = read_vcpu(dir, de->d_name, &k);
		if (!e && any && !sg_kvmtsc_same(&k, ret))
			e = -ENOTUNIQ;
		if (!e)
			*ret = k;
		any = true;
	}
	closedir(d);
	return e ? e : any ? 0 : -ENOENT;
}

int sg_kvmtsc_read(const char *root, const char *proc, uint32_t pid, uint32_t cid, struct sg_kvmtsc *ret)
{
	DIR *d = opendir(root);
	char dir[PATH_MAX];
	struct dirent *de;
	int e = -ENOENT;

	memset(ret, 0, sizeof(*ret));
	if (!d)
		return errno == EACCES || errno == EPERM ? -EACCES : -ENOENT;
	while (e == -ENOENT && (de = readdir(d))) {
		char *dash;
		unsigned long p = strtoul(de->d_name, &dash, 10);

		if (*dash != '-' || !p || (pid ? p != pid : !cid || !has_cid(proc, (uint32_t)p, cid)))
			continue;
		if (snprintf(dir, sizeof(dir), "%s/%s", root, de->d_name) >= (int)sizeof(dir))
			continue;
		ret->pid = (uint32_t)p;
		e = read_vm(dir, ret);
	}
	closedir(d);
	return e;
}

uint64_t sg_kvmtsc_host(const struct sg_kvmtsc *k, uint64_t guest)
{
	uint64_t scaled = guest - k->offset;

	return k->frac ? (uint64_t)(((unsigned __int128)scaled << k->frac) / k->ratio) : scaled;
}
