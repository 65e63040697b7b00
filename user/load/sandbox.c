/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/dockerd.h"
#include "env/tool.h"
#include "load/sandbox.h"

#define IMAGE "sandglass-bench:1"
/* Not below the results' folder: paths of sockets must be short, and its file system may be anything. */
#define PLACE "/var/tmp/sandglass-bench-%d"

#define SG_SANDBOX_ARGS_MAX 8

#define ARGS(...)		     ((const char *const[]){ __VA_ARGS__ })
#define SG_X(name, suite, args, sum) { name, suite, args, sum },
const struct sg_sandbox_runtime sg_sandbox_runtimes[] = { SG_SANDBOX_RUNTIME_LIST(SG_X){ 0 } };
#undef SG_X
#undef ARGS

struct sg_sandbox {
	struct sg_sandbox_opts o;
	struct sg_dockerd *daemon;
	struct sg_engine *engine;
	char place[64], top[96];
	char path[SG_SANDBOX_RUNTIMES_MAX][PATH_MAX];			    /* of the runtimes' programs */
	const char *args[SG_SANDBOX_RUNTIMES_MAX][SG_SANDBOX_ARGS_MAX + 1]; /* their flags, end with NULL */
};

const struct sg_sandbox_runtime *sg_sandbox_runtime(const char *name)
{
	for (const struct sg_sandbox_runtime *r = sg_sandbox_runtimes; r->name; r++)
		if (!strcmp(r->name, name))
			return r;
	return NULL;
}

static void say(const struct sg_sandbox *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct sg_sandbox *s, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (s->o.progress)
		s->o.progress(s->o.ctx, text);
}

static int fetch_runtimes(struct sg_sandbox *s, struct sg_err *err)
{
	if (mkdir(s->o.cache, 0755) && errno != EEXIST)
		return sg_err_set(err, -errno, "cannot make the folder %s: %s", s->o.cache, strerror(errno));
	for (unsigned i = 0; i < s->o.nruntime; i++) {
		const struct sg_sandbox_runtime *rt = s->o.runtime[i];
		int rc;

		rc = rt->suite ? sg_runsc_get(rt->suite, s->o.cache, s->path[i], err)
			       : sg_tool_find("runc", "runc", s->path[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

/* The flags of the table, with the network that is wanted. */
static void set_args(struct sg_sandbox *s)
{
	for (unsigned i = 0; i < s->o.nruntime; i++)
		for (unsigned k = 0; k < SG_SANDBOX_ARGS_MAX && s->o.runtime[i]->args[k]; k++) {
			const char *arg = s->o.runtime[i]->args[k];

			if (s->o.host_network && !strncmp(arg, "--network=", 10))
				arg = "--network=host";
			s->args[i][k] = arg;
		}
}

static int start_daemon(struct sg_sandbox *s, struct sg_err *err)
{
	struct sg_runtime rt[SG_SANDBOX_RUNTIMES_MAX + 1] = { 0 };
	size_t n = 0;
	int rc;

	for (unsigned i = 0; i < s->o.nruntime; i++)
		if (s->o.runtime[i]->suite)
			rt[n++] = (struct sg_runtime){ s->o.runtime[i]->name, s->path[i], s->args[i] };
	snprintf(s->place, sizeof(s->place), PLACE, (int)getpid());
	snprintf(s->top, sizeof(s->top), "%s/dockerd", s->place);
	rc = sg_guard_add(s->o.guard, SG_GUARD_DIR, s->place, err);
	if (!rc)
		rc = sg_guard_add(s->o.guard, SG_GUARD_DOCKERD, s->top, err);
	if (!rc)
		rc = sg_dockerd_start(&s->daemon, s->place, rt, err);
	return rc ? rc : sg_engine_open(&s->engine, sg_dockerd_socket(s->daemon), err);
}

int sg_sandbox_open(struct sg_sandbox **ret, const struct sg_sandbox_opts *o, struct sg_err *err)
{
	struct sg_sandbox *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return sg_err_set(err, -ENOMEM, "out of memory");
	if (o->nruntime > SG_SANDBOX_RUNTIMES_MAX) {
		free(s);
		return sg_err_set(err, -E2BIG, "more than %d runtimes", SG_SANDBOX_RUNTIMES_MAX);
	}
	s->o = *o;
	*ret = s; /* whatever fails: sg_sandbox_close() removes what was made */
	set_args(s);
	rc = fetch_runtimes(s, err);
	if (!rc) {
		say(s, "starting a Docker daemon of our own, and making its image");
		rc = start_daemon(s, err);
	}
	/* the archive goes where the guard cleans */
	return rc ? rc : sg_image_make_with(s->engine, s->top, IMAGE, o->node, o->files, err);
}

int sg_sandbox_close(struct sg_sandbox *s, struct sg_err *err)
{
	int rc = 0;

	if (!s)
		return 0;
	sg_engine_close(s->engine);
	if (sg_dockerd_stop(s->daemon))
		rc = sg_err_set(err, -EBUSY, "not all of the Docker daemon in %s could be removed", s->top);
	if (s->top[0] && !rc)
		rc = sg_guard_clean(s->o.guard, SG_GUARD_DOCKERD, s->top, err);
	if (s->top[0] && !rc)
		rc = sg_guard_clean(s->o.guard, SG_GUARD_DIR, s->place, err);
	free(s);
	return rc;
}

int sg_sandbox_start(struct sg_sandbox *s, const struct sg_sandbox_run *run, struct sg_sandbox_container *ret,
		     struct sg_err *err)
{
	static const char *const sleeper[] = { "/bin/sleep", "1000000", NULL };
	struct sg_engine_run r = { .name = run->name,
				   .image = IMAGE,
				   .runtime = run->runtime->name,
				   .argv = run->argv ? run->argv : sleeper,
				   .binds = run->binds,
				   .cgroup_parent = run->cgroup_parent,
				   .network = s->o.host_network ? "host" : NULL };

	ret->runtime = run->runtime;
	return sg_engine_start(s->engine, &r, ret->id, &ret->pid, err);
}

int sg_sandbox_remove(struct sg_sandbox *s, struct sg_sandbox_container *c, struct sg_err *err)
{
	int rc = 0;

	if (s && c->id[0])
		rc = sg_engine_remove(s->engine, c->id, err);
	c->id[0] = 0;
	return rc;
}

void sg_sandbox_exec(const struct sg_sandbox *s, const struct sg_sandbox_container *c, const char *cwd,
		     struct sg_args *a)
{
	unsigned i = 0;

	while (i + 1 < s->o.nruntime && s->o.runtime[i] != c->runtime)
		i++;
	sg_arg(a, "%s", s->path[i]);
	sg_arg(a, "--root");
	sg_arg(a, "%s/runtime-runc/moby", sg_dockerd_state(s->daemon));
	for (const char *const *f = s->args[i]; *f; f++)
		sg_arg(a, "%s", *f);
	sg_arg(a, "exec");
	sg_arg(a, "--user");
	sg_arg(a, "0");
	sg_arg(a, "--cwd");
	sg_arg(a, "%s", cwd);
	sg_arg(a, "%s", c->id);
}
