/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* From the recordings of a combination's rounds to its blame. */
#include <errno.h>
#include <string.h>
#include "load/marked.h"
#include "load/modload.h"

struct explain {
	struct sg_modload_combo *c;
	char name[64];
};

static int on_task(void *ctx, const struct sg_model *m, const struct sg_task *t, struct sg_blame *tb)
{
	struct explain *x = ctx;

	(void)tb;
	if (!t->name || strcmp(t->name, x->name) || t->incomplete)
		return 0;
	x->c->whole++;
	return sg_blame_add(x->c->blame, m, t);
}

int sg_modload_explain(struct sg_modload_combo *c, const struct sg_modload_opts *o, const char *path,
		       struct sg_err *err)
{
	struct explain x = { .c = c };
	struct sg_marked mk = { .on_task = on_task, .ctx = &x };
	uint64_t before = c->whole;
	int rc = 0;

	sg_modload_task(x.name, sizeof(x.name), o, c, '/');
	if (!c->blame)
		rc = sg_blame_new(&c->blame);
	if (rc)
		return sg_err_set(err, rc, "out of memory");
	rc = sg_marked_read(path, &mk, &c->lost, err);
	if (rc)
		return rc;
	if (c->whole == before)
		return sg_err_set(err, -ENODATA,
				  "the recording %s holds no whole load: see 'sandglass doctor' for marks",
				  path);
	before = c->whole - before;
	c->missing += o->count[c->count] > before ? o->count[c->count] - before : 0;
	return 0;
}
