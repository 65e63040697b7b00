/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "load/marked.h"

static int read_all(const char *path, int fd, const struct sg_marked *mk, uint64_t *ret_lost,
		    struct sg_err *err)
{
	struct sg_analysis_opts o = {
		.tasks = SG_TASKS_MARKED, .on_task = mk->on_task, .on_span = mk->on_span, .ctx = mk->ctx
	};
	struct sg_analysis *a = NULL;
	struct sg_reader *r = NULL;
	struct sg_analysis_info info;
	int rc = sg_reader_open(&r, fd, err);

	if (rc)
		return rc;
	rc = sg_analysis_new(&a, &o);
	if (rc) {
		sg_err_set(err, rc, "out of memory");
	} else {
		if (mk->before)
			mk->before(mk->ctx, sg_analysis_model(a));
		rc = sg_analysis_run(a, r, err);
		if (!rc && sg_reader_damage(r))
			rc = sg_err_set(err, -EIO, "the recording %s is damaged: %s", path,
					sg_reader_damage(r));
		if (!rc && mk->after)
			mk->after(mk->ctx, sg_analysis_model(a));
		sg_analysis_info(a, &info);
		*ret_lost += info.model.lost;
	}
	sg_analysis_free(a);
	sg_reader_close(r);
	return rc;
}

int sg_marked_read(const char *path, const struct sg_marked *mk, uint64_t *ret_lost, struct sg_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return sg_err_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
	rc = read_all(path, fd, mk, ret_lost, err);
	close(fd);
	return rc;
}
