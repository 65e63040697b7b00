/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* From a level's recording to its blames, and to the folded files beside it. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "load/folded.h"
#include "load/marked.h"
#include "load/task_priv.h"

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
	/* what a guest did of a task that the host's recording has not whole */
	if (t->incomplete || !sg_told_task(&x->l->told, m, t))
		return 0;
	x->whole++;
	rc = sg_blame_add(x->l->blame, m, t);
	return rc ? rc : sg_blame_add(x->l->server_blame[server], m, t);
}

static void clocks(void *ctx, const struct sg_model *m)
{
	sg_told_clocks(&((struct explain *)ctx)->l->told, m);
}

int sg_task_explain(struct sg_task_level *l, const char *dir, unsigned servers, struct sg_err *err)
{
	struct explain x = { .l = l, .servers = servers };
	struct sg_marked mk = { .on_task = on_task, .after = l->told.asked ? clocks : NULL, .ctx = &x };
	char path[PATH_MAX];
	int rc;

	rc = sg_blame_new(&l->blame);
	if (!rc)
		sg_blame_alike(l->blame);
	for (unsigned i = 0; i < servers && !rc; i++)
		if (!(rc = sg_blame_new(&l->server_blame[i])))
			sg_blame_alike(l->server_blame[i]);
	if (rc)
		return sg_err_set(err, rc, "out of memory");
	snprintf(path, sizeof(path), "%s/%s", dir, l->file);
	rc = sg_marked_read(path, &mk, &l->lost, err);
	if (rc)
		return rc;
	l->missing = l->ntime > x.whole ? l->ntime - x.whole : 0;
	if (l->ntime && !x.whole)
		return sg_err_set(err, -ENODATA,
				  "the recording %s holds no whole request: see 'sandglass doctor' for marks",
				  l->file);
	if (l->told.asked && !l->told.tasks)
		return sg_err_set(err, -ENODATA,
				  "the recording %s tells of no request what its virtual machine did for it: "
				  "were marks "
				  "or the guest's records lost?",
				  l->file);
	return 0;
}

int sg_task_export(const struct sg_task_level *l, const char *dir, const char *self, int sigfd,
		   struct sg_err *err)
{
	char in[PATH_MAX], out[PATH_MAX];
	int rc = 0;

	snprintf(in, sizeof(in), "%s/%s", dir, l->file);
	for (const char *const *v = (const char *const[]){ "path", "oncpu", "offcpu", NULL }; *v && !rc;
	     v++) {
		snprintf(out, sizeof(out), "%s/p%u.%s.folded", dir, l->pressure, *v);
		rc = sg_folded_export(self, in, out, *v, false, sigfd, err);
	}
	return rc;
}
