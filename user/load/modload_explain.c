/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* From the recordings of a combination's rounds to its blame. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
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

int sg_modload_seen(uint64_t *ret, enum sg_modload_source source, const char *path, struct sg_err *err)
{
	static const uint8_t src[SG_SOURCES_MAX] = {
#define SG_X(sym, name, option, src) src,
		SG_SOURCES_LIST(SG_X)
#undef SG_X
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
	struct sg_reader *r = NULL;
	const struct sg_hdr *ev;

	if (fd < 0)
		return sg_err_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
	rc = sg_reader_open(&r, fd, err);
	while (!rc && (rc = sg_reader_next(r, &ev, err)) > 0) {
		const struct sg_guest *g = (const void *)ev;

		*ret += ev->kind == SG_REC_GUEST && g->src == src[source] && g->what == SG_GUEST_CALL &&
			g->nr != SG_GUEST_DROPPED;
		rc = 0;
	}
	if (r)
		sg_reader_close(r);
	close(fd);
	return rc;
}
