/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* From the recordings of a combination's rounds to its blame. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "load/modload.h"
#include "model/analysis.h"

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

static int read_recording(struct explain *x, const char *path, int fd, struct sg_err *err)
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
			rc = sg_err_set(err, -EIO, "the recording %s is damaged: %s", path,
					sg_reader_damage(r));
		sg_analysis_info(a, &info);
		x->c->lost += info.model.lost;
	}
	sg_analysis_free(a);
	sg_reader_close(r);
	return rc;
}

int sg_modload_explain(struct sg_modload_combo *c, const struct sg_modload_opts *o, const char *path,
		       struct sg_err *err)
{
	struct explain x = { .c = c };
	uint64_t before = c->whole;
	int rc = 0, fd;

	sg_modload_task(x.name, sizeof(x.name), o, c, '/');
	if (!c->blame)
		rc = sg_blame_new(&c->blame);
	if (rc)
		return sg_err_set(err, rc, "out of memory");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sg_err_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
	rc = read_recording(&x, path, fd, err);
	close(fd);
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
