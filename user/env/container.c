// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
#include "env/container.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "env/container_priv.h"
#include "env/engine.h"
#include "out/text.h"

#define NAMED_MAX 4 /* candidates in a sentence */

struct sg_container_info *sg_ct_add(struct sg_container_list *l)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct sg_container_info *c = l->n < SG_CT_MAX ? reallocarray(l->c, cap, sizeof(*c)) : NULL;

		if (!c)
			return NULL;
		l->c = c;
		l->cap = cap;
	}
	memset(&l->c[l->n], 0, sizeof(l->c[0]));
	return &l->c[l->n++];
}

struct sg_container_info *sg_ct_by_id(const struct sg_container_list *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->c[i].id, id))
			return &l->c[i];
	return NULL;
}

void sg_containers_free(struct sg_container_list *l)
{
	free(l->c);
	*l = (struct sg_container_list){ 0 };
}

/* ---- from a word to one container ----------------------------------------------------- */

enum fit { FIT_NONE, FIT_PREFIX, FIT_NAME, FIT_ID };

static enum fit fits(const struct sg_container_info *c, const char *what)
{
	size_t n = strlen(what);

	if (!n)
		return FIT_NONE;
	if (!strcmp(c->id, what))
		return FIT_ID;
	if (!strcmp(c->name, what))
		return FIT_NAME;
	return strncmp(c->id, what, n) ? FIT_NONE : FIT_PREFIX;
}

static int ambiguous(const struct sg_container_list *l, const char *what, enum fit best, size_t n,
		     struct sg_err *err)
{
	char list[256] = "", name[40];
	size_t at = 0, named = 0;

	for (size_t i = 0; i < l->n && named < NAMED_MAX; i++) {
		const struct sg_container_info *c = &l->c[i];

		if (fits(c, what) != best)
			continue;
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%.12s%s%s%s", named ? ", " : "",
				       c->id, c->name[0] ? " (" : "",
				       sg_text_clean(name, sizeof(name), c->name), c->name[0] ? ")" : "");
		named++;
	}
	return sg_err_set(err, -ENOTUNIQ, "'%s' fits %zu containers: %s%s; give more of the id",
			  sg_text_clean(name, sizeof(name), what), n, list, n > named ? " ..." : "");
}

int sg_ct_pick(const struct sg_container_list *l, const char *what, const struct sg_container_info **ret,
	       struct sg_err *err)
{
	enum fit best = FIT_NONE;
	size_t n = 0, running = 0;
	char clean[80];

	what += *what == '/'; /* as Docker's own lists have it */
	for (size_t i = 0; i < l->n; i++) {
		enum fit f = fits(&l->c[i], what);

		running += l->c[i].running;
		if (f < best || f == FIT_NONE)
			continue;
		n = f > best ? 1 : n + 1;
		*ret = f > best ? &l->c[i] : *ret;
		best = f;
	}
	if (n > 1)
		return ambiguous(l, what, best, n, err);
	if (n)
		return 0;
	return sg_err_set(
		err, -ENOENT,
		"no container has the name '%s' or an id that begins so; 'sandglass containers' lists "
		"the %zu that run here",
		sg_text_clean(clean, sizeof(clean), what), running);
}

/* ---- from where ------------------------------------------------------------------------- */

/* What an Engine told, made whole with what this machine sees of it. */
static void complete(const struct sg_container_opts *o, struct sg_container_info *c)
{
	struct sg_container_info seen = { 0 };

	if (!c->running || !c->pid)
		return;
	/* A daemon of another machine, or in another process namespace, has pids that mean others here. */
	if (!sg_ct_of_proc(o, c->pid, &seen) && !strcmp(seen.id, c->id)) {
		sg_ct_copy(c->cgroup, sizeof(c->cgroup), seen.cgroup);
		c->cgroup_id = seen.cgroup_id;
		if (!strcmp(seen.manager, "podman"))
			sg_ct_copy(c->manager, sizeof(c->manager), seen.manager);
	}
	sg_ct_platform(o, c);
}

/*
 * The Engine's first, then what the machine runs beside them. ret_engine: open when it answered, else NULL and
 * @why says why not. An Engine that was named must answer, and is then the only one asked.
 */
static int collect(struct sg_container_list *l, const struct sg_container_opts *o, bool all, bool detail,
		   struct sg_engine **ret_engine, size_t *ret_n, struct sg_err *why, struct sg_err *err)
{
	const char *socket = o ? o->engine : NULL;
	struct sg_container_list host = { 0 };
	int r = -ENOENT;

	*ret_engine = NULL;
	*ret_n = 0;
	if (!socket || *socket)
		r = sg_engine_open(ret_engine, socket, why);
	if (*ret_engine && (r = sg_ct_engine_list(l, *ret_engine, all, detail, why))) {
		sg_engine_close(*ret_engine);
		*ret_engine = NULL;
		sg_containers_free(l);
	}
	*ret_n = l->n;
	if (socket && *socket)
		return r ? sg_err_set(err, r, "%s", why->msg) : 0;
	r = sg_ct_host_list(&host, o, err);
	for (size_t i = 0; !r && i < host.n; i++) {
		struct sg_container_info *c = sg_ct_by_id(l, host.c[i].id) ? NULL : sg_ct_add(l);

		if (c)
			*c = host.c[i];
	}
	sg_containers_free(&host);
	return r;
}

int sg_containers(struct sg_container_list *ret, const struct sg_container_opts *o, bool all,
		  struct sg_err *err)
{
	struct sg_err why = { 0 };
	struct sg_engine *e;
	size_t n;
	int r;

	*ret = (struct sg_container_list){ 0 };
	r = collect(ret, o, all, true, &e, &n, &why, err);
	for (size_t i = 0; !r && i < n; i++)
		complete(o, &ret->c[i]);
	sg_engine_close(e);
	if (r)
		sg_containers_free(ret);
	return r;
}

static int not_running(const struct sg_container_info *c, struct sg_err *err)
{
	char name[80];

	return sg_err_set(err, -ESRCH, "container %s (%.12s) is not running: start it first",
			  sg_text_clean(name, sizeof(name), c->name[0] ? c->name : "without a name"), c->id);
}

int sg_container_find(const char *what, const struct sg_container_opts *o, struct sg_container_info *ret,
		      struct sg_err *err)
{
	const struct sg_container_info *c = NULL;
	struct sg_container_list l = { 0 };
	struct sg_err why = { 0 };
	struct sg_engine *e;
	size_t n;
	int r = collect(&l, o, true, false, &e, &n, &why, err);

	if (!r) {
		r = sg_ct_pick(&l, what, &c, err);
		if (r == -ENOENT && !e && why.msg[0] && err)
			snprintf(err->msg + strlen(err->msg), sizeof(err->msg) - strlen(err->msg),
				 " (without Docker's help: %s)", why.msg);
	}
	if (!r) {
		*ret = *c;
		if ((size_t)(c - l.c) < n && ret->running)
			r = sg_ct_engine_detail(e, ret, err);
		if (!r && !ret->running)
			r = not_running(ret, err);
		if (!r && (size_t)(c - l.c) < n)
			complete(o, ret);
	}
	sg_engine_close(e);
	sg_containers_free(&l);
	return r;
}

int sg_container_of_pid(uint32_t pid, const struct sg_container_opts *o, struct sg_container_info *ret,
			struct sg_err *err)
{
	struct sg_container_opts host = o ? *o : (struct sg_container_opts){ 0 };
	struct sg_container_list l = { 0 };
	struct sg_container_info in = { 0 }, *c = NULL;
	int r = sg_ct_of_proc(o, pid, &in);

	if (r == -ESRCH)
		return sg_err_set(err, r, "no process %u", pid);
	if (!r && !sg_container_find(in.id, o, ret, NULL))
		return 0;
	/* Not a daemon's we know, or a sandbox without a cgroup of its own. */
	host.engine = "";
	r = sg_containers(&l, &host, false, err);
	for (size_t i = 0; !r && !c && i < l.n; i++)
		if (in.id[0] ? !strcmp(l.c[i].id, in.id) : l.c[i].pid == pid)
			c = &l.c[i];
	if (c)
		*ret = *c;
	else if (in.id[0])
		*ret = in;
	else if (!r)
		r = sg_err_set(err, -ENOENT, "process %u is in no container", pid);
	sg_containers_free(&l);
	return r;
}
