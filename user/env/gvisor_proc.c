/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/gvisor_proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "kern/proc.h"

/* A Sentry with many mounts has a long command line; the container's id is its end. */
#define CMDLINE_MAX (256u << 10)

static ssize_t read_file(const char *proc, uint32_t pid, const char *file, size_t max, char **ret)
{
	char path[4096];
	ssize_t n;

	if ((size_t)snprintf(path, sizeof(path), "%s/%u/%s", proc, pid, file) >= sizeof(path))
		return -ENAMETOOLONG;
	n = sg_proc_read(path, max, ret);
	return n == -ENOENT ? -ESRCH : n;
}

int sg_gv_args_read(const char *proc, uint32_t pid, struct sg_gv_args *ret)
{
	ssize_t len;

	ret->text = NULL;
	ret->n = 0;
	len = read_file(proc, pid, "cmdline", CMDLINE_MAX, &ret->text);
	if (len < 0)
		return (int)len;
	/* the last one counts too: what is too much is left out in the middle */
	for (const char *p = ret->text; p < ret->text + len; p += strlen(p) + 1) {
		if (ret->n == SG_GV_ARGS)
			ret->n--;
		ret->v[ret->n++] = p;
	}
	return 0;
}

void sg_gv_args_free(struct sg_gv_args *a)
{
	free(a->text);
	a->text = NULL;
	a->n = 0;
}

const char *sg_gv_args_flag(const struct sg_gv_args *a, const char *name, const char *bare)
{
	size_t len = strlen(name);

	for (size_t i = 1; i < a->n; i++) {
		const char *p = a->v[i];

		if (*p++ != '-')
			continue;
		p += *p == '-';
		if (strncmp(p, name, len))
			continue;
		if (p[len] == '=')
			return p + len + 1;
		if (!p[len])
			return bare ? bare : i + 1 < a->n ? a->v[i + 1] : NULL;
	}
	return NULL;
}

static bool has_arg(const struct sg_gv_args *a, const char *what)
{
	for (size_t i = 1; i < a->n; i++)
		if (!strcmp(a->v[i], what))
			return true;
	return false;
}

/* runsc takes no other id; longer ones are cut. */
static bool take_id(const char *s, char id[65])
{
	if (!isalnum((unsigned char)*s) && *s != '_')
		return false;
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_-+.", *p))
			return false;
	snprintf(id, 65, "%.64s", s);
	return true;
}

enum sg_gv_role sg_gv_args_role(const struct sg_gv_args *a, char id[65])
{
	const char *bundle;

	id[0] = 0;
	if (a->n < 3)
		return SG_GV_NONE;
	if (!strcmp(a->v[0], "runsc-sandbox"))
		return has_arg(a, "boot") && take_id(a->v[a->n - 1], id) ? SG_GV_SENTRY : SG_GV_NONE;
	if (strcmp(a->v[0], "runsc-gofer") || !has_arg(a, "gofer"))
		return SG_GV_NONE;
	bundle = sg_gv_args_flag(a, "bundle", NULL);
	if (!bundle)
		return SG_GV_NONE;
	/* a bundle's folder has the container's name by custom only: without one it is a Gofer all the same */
	if (strrchr(bundle, '/'))
		bundle = strrchr(bundle, '/') + 1;
	if (!take_id(bundle, id))
		id[0] = 0;
	return SG_GV_GOFER;
}

static uint32_t field(const char *text, const char *name)
{
	uint64_t v;

	return sg_proc_field(text, name, &v) && v <= UINT32_MAX ? (uint32_t)v : 0;
}

int sg_gv_status(const char *proc, uint32_t pid, struct sg_gv_status *ret)
{
	char *text, *state;
	ssize_t n = read_file(proc, pid, "status", 16384, &text);

	if (n < 0)
		return (int)n;
	state = strstr(text, "\nState:\t");
	*ret = (struct sg_gv_status){
		.tgid = field(text, "Tgid"),
		.ppid = field(text, "PPid"),
		.tracer = field(text, "TracerPid"),
		.state = state ? state[8] : '?',
	};
	free(text);
	return 0;
}

static bool exe_of(const char *proc, uint32_t pid, struct stat *ret)
{
	char path[4096];

	return (size_t)snprintf(path, sizeof(path), "%s/%u/exe", proc, pid) < sizeof(path) &&
	       !stat(path, ret);
}

bool sg_gv_same_exe(const char *proc, uint32_t a, uint32_t b)
{
	struct stat x, y;

	return exe_of(proc, a, &x) && exe_of(proc, b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int sg_gv_each(const char *proc, sg_gv_each_fn fn, void *ctx)
{
	DIR *d = opendir(proc);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		char *end;
		unsigned long pid = strtoul(e->d_name, &end, 10);

		if (isdigit((unsigned char)e->d_name[0]) && !*end && pid && pid <= INT32_MAX &&
		    !fn(ctx, (uint32_t)pid))
			break;
	}
	closedir(d);
	return 0;
}
