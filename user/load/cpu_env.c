/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "load/cpu_env.h"

static const struct sg_cpu_env_name envs[] = {
#define SG_X(sym, word) { word, &sg_cpu_env_##sym },
	SG_CPU_ENV_LIST(SG_X)
#undef SG_X
		{ 0 },
};

const struct sg_cpu_env_name *sg_cpu_env_find(const char *name)
{
	for (const struct sg_cpu_env_name *e = envs; e->name; e++)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

const char *sg_cpu_env_names(char *buf, size_t cap)
{
	size_t n = 0;

	buf[0] = 0;
	for (const struct sg_cpu_env_name *e = envs; e->name && n < cap; e++)
		n += (size_t)snprintf(buf + n, cap - n, "%s%s", n ? ", " : "", e->name);
	return buf;
}

int sg_cpu_program_path(const struct sg_cpu_program *p, char *ret, size_t cap, struct sg_err *err)
{
	const char *path = getenv("PATH");

	for (const char *at = path ? path : ""; *at;) {
		size_t n = strcspn(at, ":");

		snprintf(ret, cap, "%.*s/%s", (int)n, at, p->name);
		if (n && *at == '/' && !access(ret, X_OK))
			return 0;
		at += n + (at[n] == ':');
	}
	snprintf(ret, cap, "/usr/games/%s", p->name);
	if (!access(ret, X_OK))
		return 0;
	return sg_err_set(err, -ENOENT,
			  "%s is not installed, and is what the job %s runs: install the package %s", p->name,
			  p->job, p->package);
}
