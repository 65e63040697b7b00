/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The CPU workload's jobs as processes of this machine. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "load/cpu_env.h"

struct host {
	const struct sg_cpu_program *program;
};

static int host_open(void **ret, const struct sg_cpu_env_opts *o, struct sg_err *err)
{
	struct host *h = calloc(1, sizeof(*h));
	char path[PATH_MAX];
	int rc = h ? 0 : sg_err_set(err, -ENOMEM, "out of memory");

	for (const struct sg_cpu_program *p = o->program; p->name && !rc; p++)
		rc = sg_cpu_program_path(p, path, sizeof(path), err);
	if (rc) {
		free(h);
		return rc;
	}
	h->program = o->program;
	*ret = h;
	return 0;
}

static int host_close(void *env, struct sg_err *err)
{
	(void)err;
	free(env);
	return 0;
}

static int host_start(void *env, unsigned place, const struct sg_cpu_order *order, struct sg_cpu_start *ret,
		      struct sg_err *err)
{
	const struct host *h = env;
	char path[PATH_MAX];

	(void)place;
	for (const struct sg_cpu_program *p = h->program; p->name; p++) {
		int rc =
			strcmp(p->name, order->argv[0]) ? 0 : sg_cpu_program_path(p, path, sizeof(path), err);

		if (rc)
			return rc;
		if (!strcmp(p->name, order->argv[0]))
			sg_arg(&ret->args, "%s", path);
	}
	for (const char *const *a = order->argv + 1; *a; a++)
		sg_arg(&ret->args, "%s", *a);
	ret->affinity = true;
	return ret->args.failed ? sg_err_set(err, -ENOMEM, "out of memory") : 0;
}

const struct sg_cpu_env sg_cpu_env_host = { .open = host_open, .close = host_close, .start = host_start };
