/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/gvtrace.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "env/gvtrace_priv.h"
#include "kern/proc.h"

#define DIR_DEFAULT "/run/sandglass"
#define DIR_MAX	    60
/* A Sentry that has just started has no sandbox to ask yet: ask this often, and this long. */
#define TRY_NS	    50000000
#define GIVE_UP_NS  5000000000
#define WAITING_MAX 256

/* A process that was executed while recording, and may be a Sentry. */
struct waiting {
	uint32_t pid;
	int64_t first_ns, next_ns; /* asked first, and again from then on; 0: not yet */
};

struct gvtrace {
	uint32_t *sentry;
	size_t nsentry;
	char *dir, *proc;
	struct sg_gvrx *rx;
	struct sg_gvbox **box;
	size_t nbox;
	struct sg_gvtrace_stats st;
	/* the looker: new sandboxes */
	pthread_t looker;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool looking, stop;
	struct waiting waiting[WAITING_MAX];
	size_t nwaiting;
};

static void failed(struct gvtrace *g, const struct sg_err *e)
{
	g->st.failed++;
	if (!g->st.err.code)
		g->st.err = *e;
}

static bool known(const struct gvtrace *g, uint32_t sentry)
{
	for (size_t i = 0; i < g->nbox; i++)
		if (g->box[i]->sb.sentry == sentry)
			return true;
	return false;
}

/* The box of the sandbox of @sentry, listening. A box stays until the end: the receiver may look at it any time. */
static int box_add(struct gvtrace *g, uint32_t sentry, struct sg_gvbox **ret, struct sg_err *err)
{
	struct sg_gvbox *b;
	int rc;

	if (g->nbox == SG_GVTRACE_SANDBOXES)
		return sg_err_set(err, -E2BIG, "more than %d sandboxes: the rest is not traced",
				  SG_GVTRACE_SANDBOXES);
	b = calloc(1, sizeof(*b));
	if (!b)
		return sg_err_set(err, -ENOMEM, "out of memory");
	b->listen_fd = b->fd = -1;
	rc = sg_gv_sandbox(g->proc, sentry, &b->sb, err);
	if (!rc && !*b->sb.id)
		rc = sg_err_set(err, -ENOENT, "the sandbox of process %u does not tell its container",
				sentry);
	if (rc) {
		free(b);
		return rc;
	}
	g->box[g->nbox++] = b;
	*ret = b;
	return sg_gvsession_listen(b, g->rx, g->dir, err);
}

static int attach(struct gvtrace *g, uint32_t sentry, struct sg_err *err)
{
	struct sg_gvbox *b;
	int rc = box_add(g, sentry, &b, err);

	return rc ? rc : sg_gvsession_begin(b, err);
}

/* Every sandbox of this machine. @ret: how many there are. */
static int attach_all(struct gvtrace *g, size_t *ret, struct sg_err *err)
{
	DIR *d = opendir(g->proc);
	struct dirent *e;

	*ret = 0;
	if (!d)
		return sg_err_set(err, -errno, "cannot read %s: %s", g->proc, strerror(errno));
	while ((e = readdir(d))) {
		uint32_t pid =
			isdigit((unsigned char)*e->d_name) ? (uint32_t)strtoul(e->d_name, NULL, 10) : 0;
		struct sg_gv_proc p;
		struct sg_err why = { 0 };

		if (!pid || sg_gv_identify(g->proc, pid, &p) || p.role != SG_GV_SENTRY || known(g, pid))
			continue;
		(*ret)++;
		if (attach(g, pid, &why))
			failed(g, &why);
	}
	closedir(d);
	return 0;
}

/* ---- sandboxes that start while recording ------------------------------------------ */

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* True when it is done with: attached, none of ours, or given up. */
static bool look_at(struct gvtrace *g, struct waiting *w)
{
	struct sg_err why = { 0 };
	struct sg_gvbox *b = NULL;
	int64_t now = now_ns();
	struct sg_gv_proc p;
	int rc = 0;

	if (now < w->next_ns)
		return false;
	if (sg_gv_identify(g->proc, w->pid, &p) || p.role != SG_GV_SENTRY)
		return true;
	for (size_t i = 0; i < g->nbox; i++)
		if (g->box[i]->sb.sentry == w->pid)
			b = g->box[i];
	if (b && (b->on || !w->first_ns))
		return true;
	if (!b)
		rc = box_add(g, w->pid, &b, &why);
	if (!rc)
		rc = sg_gvsession_begin(b, &why);
	if (!rc)
		return true;
	w->first_ns = w->first_ns ? w->first_ns : now;
	w->next_ns = now_ns() + TRY_NS;
	if (now - w->first_ns < GIVE_UP_NS && rc != -EBUSY && rc != -E2BIG && rc != -ENOMEM)
		return false;
	failed(g, &why);
	return true;
}

static void *look(void *arg)
{
	struct gvtrace *g = arg;
	struct waiting list[WAITING_MAX];
	size_t n = 0;

	pthread_mutex_lock(&g->lock);
	while (!g->stop) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TRY_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (!g->nwaiting && n)
			pthread_cond_timedwait(&g->cond, &g->lock, &until);
		else if (!g->nwaiting)
			pthread_cond_wait(&g->cond, &g->lock);
		for (size_t i = 0; i < g->nwaiting && n < WAITING_MAX; i++)
			list[n++] = g->waiting[i];
		g->nwaiting = 0;
		pthread_mutex_unlock(&g->lock);
		for (size_t i = 0; i < n;)
			if (look_at(g, &list[i]))
				list[i] = list[--n];
			else
				i++;
		pthread_mutex_lock(&g->lock);
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

static void on_event(void *ctx, const struct sg_hdr *h)
{
	const struct sg_thread *t = (const struct sg_thread *)h;
	struct gvtrace *g = ctx;

	if (h->kind != SG_REC_THREAD || !(t->flags & SG_TF_EXEC) || !g->looking)
		return;
	pthread_mutex_lock(&g->lock);
	if (g->nwaiting < WAITING_MAX)
		g->waiting[g->nwaiting++] = (struct waiting){ .pid = t->tgid };
	pthread_cond_signal(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

static void looker_stop(struct gvtrace *g)
{
	if (!g->looking)
		return;
	pthread_mutex_lock(&g->lock);
	g->stop = true;
	pthread_cond_signal(&g->cond);
	pthread_mutex_unlock(&g->lock);
	pthread_join(g->looker, NULL);
	g->looking = false;
}

/* ---- companion --------------------------------------------------------------------- */
static void end(struct gvtrace *g)
{
	struct sg_gvtrace_stats st;

	looker_stop(g);
	if (!g->rx)
		return;
	sg_gvrx_cut(g->rx);
	for (size_t i = 0; i < g->nbox; i++) {
		struct sg_err why = { 0 };

		if (sg_gvsession_end(g->box[i], &why))
			failed(g, &why);
	}
	sg_gvrx_stop(g->rx);
	for (size_t i = 0; i < g->nbox; i++) {
		sg_gvrx_close(g->rx, g->box[i]);
		free(g->box[i]);
	}
	g->nbox = 0;
	sg_gvrx_stats(g->rx, &st);
	st.failed = g->st.failed;
	st.err = g->st.err;
	g->st = st;
	sg_gvrx_free(g->rx);
	g->rx = NULL;
}

static int start(void *ctx, sg_put_fn put, void *put_ctx, struct sg_err *err)
{
	struct gvtrace *g = ctx;
	size_t n = g->nsentry;
	int rc = sg_gvrx_new(&g->rx, put, put_ctx, err);

	for (size_t i = 0; !rc && i < g->nsentry; i++)
		if (!known(g, g->sentry[i]))
			rc = attach(g, g->sentry[i], err);
	if (!rc && !g->nsentry)
		rc = attach_all(g, &n, err);
	if (!rc && !g->nsentry && n && g->st.failed == n) {
		if (err)
			*err = g->st.err;
		rc = g->st.err.code ? g->st.err.code : -EIO;
	}
	if (!rc && !g->nsentry) {
		rc = -pthread_create(&g->looker, NULL, look, g);
		g->looking = !rc;
		if (rc)
			sg_err_set(err, rc, "cannot look for new sandboxes: %s", strerror(-rc));
	}
	if (rc)
		end(g);
	return rc;
}

static void finish(void *ctx)
{
	end(ctx);
}

int sg_gvtrace_new(struct sg_companion *ret, const struct sg_gvtrace_opts *o, struct sg_err *err)
{
	const char *dir = o->dir ? o->dir : DIR_DEFAULT;
	struct gvtrace *g;

	*ret = (struct sg_companion){ 0 };
	if (strlen(dir) > DIR_MAX)
		return sg_err_set(err, -EINVAL, "the folder for sockets has too long a name: %s", dir);
	g = calloc(1, sizeof(*g));
	if (!g)
		return sg_err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->cond, NULL);
	ret->ctx = g;
	g->dir = strdup(dir);
	g->proc = strdup(o->proc ? o->proc : "/proc");
	g->box = calloc(SG_GVTRACE_SANDBOXES, sizeof(struct sg_gvbox *));
	g->sentry = calloc(o->nsentry + 1, sizeof(*g->sentry));
	if (!g->dir || !g->proc || !g->box || !g->sentry) {
		sg_gvtrace_free(ret);
		return sg_err_set(err, -ENOMEM, "out of memory");
	}
	g->nsentry = o->nsentry;
	if (o->nsentry)
		memcpy(g->sentry, o->sentry, o->nsentry * sizeof(*g->sentry));
	ret->start = start;
	ret->event = on_event;
	ret->finish = finish;
	return 0;
}

void sg_gvtrace_stats(const struct sg_companion *c, struct sg_gvtrace_stats *ret)
{
	*ret = ((const struct gvtrace *)c->ctx)->st;
}

void sg_gvtrace_free(struct sg_companion *c)
{
	struct gvtrace *g = c->ctx;

	if (!g)
		return;
	end(g);
	pthread_cond_destroy(&g->cond);
	pthread_mutex_destroy(&g->lock);
	free(g->dir);
	free(g->proc);
	free(g->box);
	free(g->sentry);
	free(g);
	c->ctx = NULL;
}
