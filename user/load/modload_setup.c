/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What a run of the module-load workload needs before its first round: folders, modules, containers. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "load/modload_priv.h"

#define NPM_MS 300000

static int setup_dirs(struct modload *b, struct sg_err *err)
{
	int rc = sg_self_path(b->self, sizeof(b->self), err);

	if (!rc)
		rc = sg_result_dir(b->o.dir, b->dir, sizeof(b->dir), err);
	if (rc)
		return rc;
	/* the volume is given to the daemon as HOST:GUEST */
	if (strchr(b->dir, ':'))
		return sg_err_set(err, -EINVAL, "the path %s has a ':' in it, which a volume cannot have",
				  b->dir);
	snprintf(b->work, sizeof(b->work), "%s/modules", b->dir);
	return sg_make_dir(b->work, err);
}

static int write_loader(struct modload *b, struct sg_err *err)
{
	char path[PATH_MAX];
	FILE *f;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/load.js", b->work);
	f = fopen(path, "we");
	if (!f || fputs(sg_loader_source(), f) < 0)
		rc = -errno;
	if (f && fclose(f) && !rc)
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

static bool have_module(const struct modload *b, unsigned i)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/node_modules/%s/package.json", b->work, b->o.module[i].name);
	return !access(path, R_OK);
}

/* All modules are there, and the same versions were asked for when they came. */
static bool have_all(const struct modload *b, const char *want)
{
	char path[PATH_MAX], have[SG_MODLOAD_MODULES * (2 * SG_MODULE_MAX + 1) + 8] = "";
	FILE *f;

	for (unsigned i = 0; i < b->o.nmodule; i++)
		if (!have_module(b, i))
			return false;
	snprintf(path, sizeof(path), "%s/asked-for", b->work);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(have, sizeof(have), f))
		have[0] = 0;
	fclose(f);
	return !strcmp(have, want);
}

static void note_asked(const struct modload *b, const char *want)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/asked-for", b->work);
	f = fopen(path, "we");
	if (!f)
		return; /* then npm is asked again the next time */
	fputs(want, f);
	fclose(f);
}

static int run_npm(struct modload *b, struct sg_err *err)
{
	struct sg_child c = SG_CHILD_NONE, *cp = &c;
	struct sg_child_opts o = { .name = "npm", .dir = b->work, .quiet = true, .err = true, .group = true };
	char said[200] = "", fate[64];
	struct sg_args a = { 0 };
	int rc;

	for (const char *const *w = (const char *const[]){ "npm", "install", "--no-audit", "--no-fund",
							   "--no-update-notifier", "--loglevel=error",
							   "--ignore-scripts", "--prefix", b->work, NULL };
	     *w; w++)
		sg_arg(&a, "%s", *w);
	for (unsigned i = 0; i < b->o.nmodule; i++)
		sg_arg(&a, "%s", b->o.module[i].spec);
	rc = a.failed ? sg_err_set(err, -ENOMEM, "out of memory") : sg_child_spawn(&c, &o, a.v, err);
	sg_args_free(&a);
	if (rc == -ENOENT)
		return sg_err_set(err, rc,
				  "npm is not installed, and brings the modules: install the package npm");
	if (rc)
		return rc;
	rc = sg_child_wait_any(&cp, 1, -1, b->o.sigfd, NPM_MS);
	sg_child_read_err(&c, said, sizeof(said));
	if (rc == -EINTR)
		sg_err_set(err, rc, "interrupted");
	else if (rc == -ETIMEDOUT)
		sg_err_set(err, rc, "npm did not bring the modules within %d s", NPM_MS / 1000);
	else if (rc < 0 || c.status)
		rc = sg_err_set(err, -ENOENT, "npm could not bring the modules (%s): %s",
				rc < 0 ? strerror(-rc) : sg_child_fate(&c, fate, sizeof(fate)), said);
	else
		rc = 0;
	sg_child_kill(&c);
	return rc;
}

static int setup_modules(struct modload *b, struct sg_err *err)
{
	char want[SG_MODLOAD_MODULES * (2 * SG_MODULE_MAX + 1) + 8] = "";
	size_t at = 0;
	int rc = write_loader(b, err);

	for (unsigned i = 0; i < b->o.nmodule; i++)
		at += (size_t)snprintf(want + at, sizeof(want) - at, "%s ", b->o.module[i].spec);
	if (rc || have_all(b, want))
		return rc;
	sg_say(b->o.progress, b->o.ctx, "npm brings %sinto %s", want, b->work);
	rc = run_npm(b, err);
	for (unsigned i = 0; i < b->o.nmodule && !rc; i++)
		if (!have_module(b, i))
			rc = sg_err_set(err, -ENOENT, "npm brought no module %s", b->o.module[i].name);
	if (!rc)
		note_asked(b, want);
	return rc;
}

int sg_modload_open(struct modload *b, struct sg_err *err)
{
	char cache[PATH_MAX];
	struct sg_sandbox_opts so = { .guard = b->guard,
				      .cache = cache,
				      .runtime = b->o.runtime,
				      .nruntime = b->o.nruntime,
				      .node = true,
				      .progress = b->o.progress,
				      .ctx = b->o.ctx };
	int rc;

	snprintf(cache, sizeof(cache), "%s/cache", b->dir);
	rc = sg_sandbox_open(&b->box, &so, err);
	return rc ? rc : sg_stopped(b->o.sigfd, err);
}

int sg_modload_setup(struct modload *b, struct sg_err *err)
{
	int rc = setup_dirs(b, err);

	if (!rc)
		rc = setup_modules(b, err);
	if (!rc)
		rc = sg_stopped(b->o.sigfd, err);
	return rc ? rc : sg_modload_open(b, err);
}
