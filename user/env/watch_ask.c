/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Who asks for containers: one thread listens to the daemon's events (a container
 * that is gone when asked for was named there), one asks for what is not known yet.
 * Without a daemon: state files.
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

#define RETRY_MS 1000	       /* between two attempts to hear a daemon that went away */
#define STALL_S	 3	       /* a daemon says nothing of a container that is stuck in its start */
#define LAST_NS	 3000000000ull /* what is asked at the end may take so long, one request apart */

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
	bool starts = !strcmp(what, "start"), ends = !strcmp(what, "die") || !strcmp(what, "destroy");

	if (!strcmp(sg_ct_member(ev, "Type"), "container") && sg_ct_is_id(id, strlen(id)) &&
	    (starts || ends || !strcmp(what, "create") || !strcmp(what, "rename")))
		sg_boxes_told(a->boxes, id, sg_ct_member(attr, "name"), sg_ct_member(attr, "image"), starts,
			      ends);
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
 * Does process @c->pid (still) belong to this container? What has its id now may be
 * anything; and one that is ending shows no command line, so that a Sentry is not known as one.
 */
static bool is_its(struct sg_ask *a, const struct sg_container_info *c)
{
	const char *proc = sg_ct_proc(&a->boxes->where);
	struct sg_container_info *in = calloc(1, sizeof(*in));
	struct sg_gv_args args;
	struct sg_gv_proc gv;
	bool is = in && !sg_gv_args_read(proc, c->pid, &args) && args.n &&
		  !sg_ct_of_proc(&a->boxes->where, c->pid, in) && !strcmp(in->id, c->id);

	if (in)
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
		if (e && !atomic_load(&a->stop))
			note(a, &err);
	}
	c->pid = c->pid ? c->pid : pid;
	if (c->pid && is_its(a, c))
		sg_ct_platform(&a->boxes->where, c);
	if (!strcmp(c->platform, "runc") && !is_its(a, c))
		c->platform[0] = 0;
	sg_boxes_info(a->boxes, c);
	if (!answered || (!c->name[0] && !a->boxes->where.engine))
		ask_host(a); /* another daemon's, or none's */
	if (!c->pid || !answered)
		sg_boxes_again(a->boxes, c->id);
}

static void *asker_main(void *arg)
{
	struct sg_ask *a = arg;
	struct sg_container_info *c = malloc(sizeof(*c));
	uint64_t end_ns = 0;

	while (c && sg_boxes_next(a->boxes, c)) {
		if (atomic_load(&a->stop) && !end_ns)
			end_ns = sg_watch_now_ns() + LAST_NS;
		if (end_ns && sg_watch_now_ns() > end_ns)
			break;
		ask_one(a, c);
	}
	free(c);
	return NULL;
}

/* ---- begin and end ------------------------------------------------------------------------- */
int sg_ask_open(struct sg_ask *a, struct sg_boxes *x, struct sg_err *err)
{
	const char *socket = x->where.engine;
	struct sg_err why = { 0 };
	int e;

	a->boxes = x;
	a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->wake_fd < 0)
		return sg_err_set(err, -errno, "no event descriptor to watch containers with: %s",
				  strerror(errno));
	if (socket && !*socket)
		return 0;
	e = sg_engine_open(&a->engine, socket, &why);
	if (!e) {
		sg_engine_set_stall(a->engine, STALL_S);
		return 0;
	}
	a->engine = NULL;
	if (socket)
		return sg_err_set(err, e, "%s", why.msg);
	if (e != -ENOENT)
		note(a, &why); /* a socket without a daemon behind it is worth a word, none at all is not */
	return 0;
}

static int list_running(struct sg_ask *a)
{
	struct sg_container_opts o = a->boxes->where;
	struct sg_err err = { 0 };
	struct sg_container_list l;
	int e;

	if (!a->engine)
		o.engine = "";
	e = sg_containers(&l, &o, false, &err);
	if (e) {
		note(a, &err);
		return e;
	}
	for (size_t i = 0; i < l.n; i++)
		sg_boxes_info(a->boxes, &l.c[i]);
	sg_containers_free(&l);
	return 0;
}

int sg_ask_start(struct sg_ask *a, struct sg_err *err)
{
	int e = 0;

	list_running(a); /* what it cannot tell now is asked for when it shows itself */
	if (a->engine) {
		e = -pthread_create(&a->listener, NULL, listener_main, a);
		a->listening = !e;
	}
	if (!e) {
		e = -pthread_create(&a->asker, NULL, asker_main, a);
		a->asking = !e;
	}
	return e ? sg_err_set(err, e, "no thread to ask for containers with: %s", strerror(-e)) : 0;
}

void sg_ask_finish(struct sg_ask *a)
{
	uint64_t one = 1;

	atomic_store(&a->stop, true);
	if (a->listening) {
		sg_engine_events_stop(a->engine);
		if (write(a->wake_fd, &one, sizeof(one)) < 0)
			note(a, &(struct sg_err){ .msg = "the listener to the daemon was late to end" });
		pthread_join(a->listener, NULL);
		a->listening = false;
	}
	if (a->asking) {
		sg_boxes_stop(a->boxes);
		pthread_join(a->asker, NULL);
		a->asking = false;
	}
}

void sg_ask_close(struct sg_ask *a)
{
	sg_engine_close(a->engine);
	a->engine = NULL;
	if (a->wake_fd >= 0)
		close(a->wake_fd);
	a->wake_fd = -1;
}
