/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Who asks for containers: one thread listens to the daemon's events (a container
 * that is gone when asked for was named there), one asks for what is not known yet.
 * Without a daemon: state files. Neither the recording's begin nor its end waits for a slow daemon.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "env/container_priv.h" /* one request for one container, not a listing of all */
#include "env/gvisor_proc.h"
#include "env/watch_priv.h"

#define RETRY_MS 1000 /* between two attempts to hear a daemon that went away */
#define STALL_S	 3    /* a daemon says nothing of a container that is stuck in its start */
#define START_MS 150  /* the recording waits so long for what exists already */
#define LAST_MS	 700  /* and at its end for what is not known yet */

static void note(struct sg_ask *a, const struct sg_err *err)
{
	pthread_mutex_lock(&a->lock);
	snprintf(a->note, sizeof(a->note), "%s", err->msg);
	pthread_mutex_unlock(&a->lock);
}

void sg_ask_note(struct sg_ask *a, char ret[384])
{
	pthread_mutex_lock(&a->lock);
	memcpy(ret, a->note, sizeof(a->note));
	pthread_mutex_unlock(&a->lock);
}

/* ---- events ---------------------------------------------------------------------------- */
static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static bool on_event(void *ctx, struct json_object *ev)
{
	struct sg_ask *a = ctx;
	struct json_object *actor = member(ev, "Actor"), *attr = member(actor, "Attributes");
	const char *id = sg_ct_member(actor, "ID"), *what = sg_ct_member(ev, "Action");
	bool starts = !strcmp(what, "start"), creates = !strcmp(what, "create");
	bool ends = !strcmp(what, "die") || !strcmp(what, "destroy");

	if (!strcmp(sg_ct_member(ev, "Type"), "container") && sg_ct_is_id(id, strlen(id)) &&
	    (creates || starts || ends || !strcmp(what, "rename")))
		sg_boxes_told(a->boxes, id, sg_ct_member(attr, "name"), sg_ct_member(attr, "image"), creates,
			      starts, ends);
	return !atomic_load(&a->stop);
}

static void *listener_main(void *arg)
{
	struct sg_ask *a = arg;
	struct pollfd p = { .fd = a->wake_fd, .events = POLLIN };

	while (!atomic_load(&a->stop)) {
		struct sg_err err = { 0 };

		if (!sg_engine_events(a->engine, on_event, a, &err) || atomic_load(&a->stop))
			continue;
		note(a, &err);
		poll(&p, 1, RETRY_MS); /* it may be restarted: its containers need not end with it */
	}
	return NULL;
}

/* ---- questions ---------------------------------------------------------------------------- */
/* From state files: all at once, for those that ask alone cost as much. */
static void ask_host(struct sg_ask *a)
{
	struct sg_container_opts o = a->boxes->where;
	struct sg_container_list l;

	o.engine = "";
	if (sg_containers(&l, &o, false, NULL))
		return;
	for (size_t i = 0; i < l.n; i++)
		sg_boxes_info(a->boxes, &l.c[i]);
	sg_containers_free(&l);
}

/*
 * Does process @c->pid (still) belong to this container? Then its cgroup is known, too. What has its id now may
 * be anything; and one that is ending shows no command line, so that a Sentry is not known as one.
 */
static bool is_its(struct sg_ask *a, struct sg_container_info *c)
{
	const char *proc = sg_ct_proc(&a->boxes->where);
	struct sg_container_info *in = calloc(1, sizeof(*in));
	struct sg_gv_args args = { 0 };
	struct sg_gv_proc gv;
	bool is = in && !sg_gv_args_read(proc, c->pid, &args) && args.n &&
		  !sg_ct_of_proc(&a->boxes->where, c->pid, in) && !strcmp(in->id, c->id);

	if (is)
		c->cgroup_id = in->cgroup_id;
	sg_gv_args_free(&args);
	free(in);
	return is || (!sg_gv_identify(proc, c->pid, &gv) && gv.role == SG_GV_SENTRY && !strcmp(gv.id, c->id));
}

static void ask_one(struct sg_ask *a, struct sg_container_info *c)
{
	uint32_t pid = c->pid;
	struct sg_err err = { 0 };
	bool answered = false;

	if (a->engine) {
		int e = sg_ct_engine_detail(a->engine, c, &err);

		answered = !e;
		if (e)
			note(a, &err);
	}
	c->pid = c->pid ? c->pid : pid;
	if (c->pid && is_its(a, c))
		sg_ct_platform(&a->boxes->where, c);
	if (!strcmp(c->platform, "runc") && !is_its(a, c))
		c->platform[0] = 0;
	sg_boxes_info(a->boxes, c);
	if (!atomic_load(&a->quit) && !c->name[0] && (!answered || !a->boxes->where.engine))
		ask_host(a); /* another daemon's, or none's */
	if (!c->pid || !answered)
		sg_boxes_again(a->boxes, c->id);
}

/* What runs now: the daemon's, then what the machine runs beside them. A named daemon is the only one asked. */
static void list_running(struct sg_ask *a)
{
	const struct sg_container_opts *where = &a->boxes->where;
	struct sg_container_list l = { 0 }, host = { 0 };
	struct sg_err err = { 0 };

	if (a->engine && sg_ct_engine_list(&l, a->engine, false, false, &err))
		note(a, &err);
	for (size_t i = 0; i < l.n; i++) {
		sg_boxes_info(a->boxes, &l.c[i]);
		sg_boxes_ask(a->boxes, l.c[i].id); /* what only a look at each tells */
	}
	if (!where->engine || !*where->engine) {
		if (sg_ct_host_list(&host, where, &err))
			note(a, &err);
		for (size_t i = 0; i < host.n; i++)
			if (!sg_ct_by_id(&l, host.c[i].id))
				sg_boxes_info(a->boxes, &host.c[i]);
	}
	sg_containers_free(&l);
	sg_containers_free(&host);
}

/* ---- the asker ----------------------------------------------------------------------------- */
static void say(struct sg_ask *a, bool *what)
{
	pthread_mutex_lock(&a->lock);
	*what = true;
	pthread_cond_broadcast(&a->said);
	pthread_mutex_unlock(&a->lock);
}

/* Return: it was said in time. */
static bool heard(struct sg_ask *a, const bool *what, unsigned ms)
{
	uint64_t until_ns = sg_watch_now_ns() + ms * 1000000ull;
	struct timespec t = { .tv_sec = (time_t)(until_ns / 1000000000),
			      .tv_nsec = (long)(until_ns % 1000000000) };
	bool is;

	pthread_mutex_lock(&a->lock);
	while (!*what && pthread_cond_timedwait(&a->said, &a->lock, &t) != ETIMEDOUT)
		;
	is = *what;
	pthread_mutex_unlock(&a->lock);
	return is;
}

/* The machine's daemon, if there is one: a socket without one behind it is worth a word, no socket is not. */
static void find_daemon(struct sg_ask *a)
{
	struct sg_err why = { 0 };
	int e;

	if (a->engine || a->boxes->where.engine)
		return;
	e = sg_engine_open_until(&a->engine, NULL, STALL_S, &a->quit, &why);
	if (e && e != -ENOENT)
		note(a, &why);
}

static void *asker_main(void *arg)
{
	struct sg_ask *a = arg;
	struct sg_container_info *c = malloc(sizeof(*c));
	pthread_t listener;
	uint64_t one = 1;
	bool listening;

	find_daemon(a);
	listening = a->engine && !pthread_create(&listener, NULL, listener_main, a);
	list_running(a);
	say(a, &a->listed);
	while (c && !atomic_load(&a->quit) && sg_boxes_next(a->boxes, c))
		ask_one(a, c);
	free(c);
	if (listening) {
		sg_engine_events_stop(a->engine);
		if (write(a->wake_fd, &one, sizeof(one)) < 0)
			note(a, &(struct sg_err){ .msg = "the listener to the daemon was late to end" });
		pthread_join(listener, NULL);
	}
	say(a, &a->done);
	return NULL;
}

/* ---- begin and end ------------------------------------------------------------------------- */
static void ask_init(struct sg_ask *a, struct sg_boxes *x)
{
	pthread_condattr_t clock;

	a->boxes = x;
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&a->said, &clock);
	pthread_condattr_destroy(&clock);
}

int sg_ask_open(struct sg_ask *a, struct sg_boxes *x, struct sg_err *err)
{
	const char *socket = x->where.engine;

	ask_init(a, x);
	a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->wake_fd < 0)
		return sg_err_set(err, -errno, "no event descriptor to watch containers with: %s",
				  strerror(errno));
	return socket && *socket ? sg_engine_open_until(&a->engine, socket, STALL_S, &a->quit, err) : 0;
}

int sg_ask_start(struct sg_ask *a, struct sg_err *err)
{
	int e = -pthread_create(&a->asker, NULL, asker_main, a);

	if (e)
		return sg_err_set(err, e, "no thread to ask for containers with: %s", strerror(-e));
	a->asking = true;
	heard(a, &a->listed, START_MS); /* what it cannot tell by then comes later */
	return 0;
}

void sg_ask_finish(struct sg_ask *a)
{
	if (!a->asking)
		return;
	atomic_store(&a->stop, true);
	sg_boxes_stop(a->boxes);
	if (!heard(a, &a->done, LAST_MS))
		atomic_store(&a->quit, true);
	pthread_join(a->asker, NULL);
	a->asking = false;
}

void sg_ask_close(struct sg_ask *a)
{
	sg_engine_close(a->engine);
	a->engine = NULL;
	if (a->wake_fd >= 0)
		close(a->wake_fd);
	a->wake_fd = -1;
}
