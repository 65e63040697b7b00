/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "load/child.h"
#include "load/folded.h"

#define EXPORT_MS 600000

static const char *file_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int sg_folded_export(const char *self, const char *in, const char *out, const char *view, bool append,
		     int sigfd, struct sg_err *err)
{
	const char *const argv[] = { self,     "export", in,	    "--format", "folded",
				     "--view", view,	 "--tasks", "marked",	NULL };
	char name[48], said[200] = "", fate[64];
	struct sg_child c = SG_CHILD_NONE, *cp = &c;
	struct sg_child_opts o = { .name = name, .err = true, .group = true };
	int rc;

	snprintf(name, sizeof(name), "export of %.36s", file_of(in));
	o.out_fd = open(out, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0600);
	if (o.out_fd < 0)
		return sg_err_set(err, -errno, "cannot write %s: %s", out, strerror(errno));
	rc = sg_child_spawn(&c, &o, (char *const *)(uintptr_t)argv, err);
	close(o.out_fd);
	if (rc)
		return rc;
	rc = sg_child_wait_any(&cp, 1, -1, sigfd, EXPORT_MS);
	sg_child_read_err(&c, said, sizeof(said));
	if (rc == -EINTR)
		sg_err_set(err, rc, "interrupted");
	else if (rc < 0)
		sg_err_set(err, rc, "the %s did not finish: %s", name, strerror(-rc));
	else if (c.status)
		rc = sg_err_set(err, -EIO, "the %s failed (%s): %s", name,
				sg_child_fate(&c, fate, sizeof(fate)), said);
	sg_child_kill(&c);
	return rc;
}
