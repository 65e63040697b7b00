/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* From a level's recording to its blames, and to the folded files beside it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "load/task_priv.h"
#include "model/analysis.h"

#define EXPORT_MS 600000

struct explain {
	struct sg_task_level *l;
	unsigned servers;
	uint64_t whole;
};

/* Requests are called "GET serverN"; whatever else is in the recording is no request. */
static int on_task(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct explain *x = ctx;
	unsigned server;
	int rc, end = 0;

	(void)tb;
	if (!t->name || sscanf(t->name, "GET server%u%n", &server, &end) != 1 || t->name[end] ||
	    server >= x->servers)
		return 0;
	if (t->incomplete)
		return 0;
	x->whole++;
	rc = sg_blame_add(x->l->blame, m, t);
	return rc ? rc : sg_blame_add(x->l->server_blame[server], m, t);
}

static int read_recording(struct explain *x, int fd, struct sg_err *err)
{
	struct sg_analysis_opts o = { .tasks = SG_TASKS_MARKED, .on_task = on_task, .ctx = x };
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
		rc = sg_analysis_run(a, r, err);
		if (!rc && sg_reader_damage(r))
			rc = sg_err_set(err, -EIO, "the recording %s is damaged: %s", x->l->file,
					sg_reader_damage(r));
		sg_analysis_info(a, &info);
		x->l->lost = info.model.lost;
	}
	sg_analysis_free(a);
	sg_reader_close(r);
	return rc;
}

int sg_task_explain(struct sg_task_level *l, const char *dir, unsigned servers, struct sg_err *err)
{
	struct explain x = { .l = l, .servers = servers };
	char path[PATH_MAX];
	int rc, fd;

	rc = sg_blame_new(&l->blame);
	for (unsigned i = 0; i < servers && !rc; i++)
		rc = sg_blame_new(&l->server_blame[i]);
	if (rc)
		return sg_err_set(err, rc, "out of memory");
	snprintf(path, sizeof(path), "%s/%s", dir, l->file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sg_err_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
	rc = read_recording(&x, fd, err);
	close(fd);
	if (rc)
		return rc;
	l->missing = l->ntime > x.whole ? l->ntime - x.whole : 0;
	if (l->ntime && !x.whole)
		return sg_err_set(err, -ENODATA,
				  "the recording %s holds no whole request: see 'sandglass doctor' for marks",
				  l->file);
	return 0;
}

static int export_one(const char *dir, const struct sg_task_level *l, const char *self, const char *view,
		      int sigfd, struct sg_err *err)
{
	char in[PATH_MAX], out[PATH_MAX], name[48], said[200] = "", fate[64];
	const char *const argv[] = { self, "export", in, "--format", "folded", "--view", view, NULL };
	struct sg_child c = SG_CHILD_NONE, *cp = &c;
	struct sg_child_opts o = { .name = name, .err = true, .group = true };
	int rc;

	snprintf(name, sizeof(name), "export of %s", l->file);
	snprintf(in, sizeof(in), "%s/%s", dir, l->file);
	snprintf(out, sizeof(out), "%s/p%u.%s.folded", dir, l->pressure, view);
	o.out_fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
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

int sg_task_export(const struct sg_task_level *l, const char *dir, const char *self, int sigfd,
		   struct sg_err *err)
{
	int rc = 0;

	for (const char *const *v = (const char *const[]){ "path", "oncpu", "offcpu", NULL }; *v && !rc; v++)
		rc = export_one(dir, l, self, *v, sigfd, err);
	return rc;
}
