/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* An agent inside each of the task workload's virtual machines; the server marks there what it does for the client's task. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "load/inside.h"
#include "load/task_priv.h"

static void folder(const struct bench *b, char *ret)
{
	snprintf(ret, PATH_MAX, "%s/inside", sg_vms_folder(b->vms));
}

/* Each level's machines have a token of their own. */
int sg_task_inside_token(struct bench *b, char *ret_dir, struct sg_err *err)
{
	folder(b, ret_dir);
	if (mkdir(ret_dir, 0700) && errno != EEXIST)
		return sg_err_set(err, -errno, "cannot make the folder %s: %s", ret_dir, strerror(errno));
	return sg_inside_token(ret_dir, err);
}

int sg_task_inside_start(struct bench *b, struct sg_err *err)
{
	char what[32];
	int rc = 0;

	for (unsigned i = 0; i < b->o.servers && !rc; i++) {
		snprintf(what, sizeof(what), "server %u", i);
		rc = sg_inside_start(b->domain[i], what, &b->agent_port[i], err);
	}
	return rc;
}

void sg_task_inside_args(const struct bench *b, struct sg_args *a)
{
	char dir[PATH_MAX];

	folder(b, dir);
	for (unsigned i = 0; i < b->o.servers; i++)
		sg_inside_guest(a, i, sg_domain_pid(b->domain[i]), b->agent_port[i]);
	sg_inside_key(a, dir);
}
