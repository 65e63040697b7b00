/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Containers as they become known: id from a cgroup's name, the rest from whoever can tell, in any order. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "env/watch_priv.h"

#define BOXES_MAX 8192
#define TRIES_MAX 6
#define PAUSE_NS  100000000ull	/* doubled by each try: 6 s in all */
#define START_NS  3000000000ull /* a daemon tells of a start within that, or is asked */

int sg_boxes_init(struct sg_boxes *x, struct sg_watch_out *out, const struct sg_watch_opts *o)
{
	pthread_condattr_t a;

	x->out = out;
	x->where = (struct sg_container_opts){ .engine = o->engine, .proc = o->proc, .cgroup = o->cgroup };
	pthread_mutex_init(&x->lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&x->more, &a);
	pthread_condattr_destroy(&a);
	return 0;
}

void sg_boxes_free(struct sg_boxes *x)
{
	free(x->b);
	x->b = NULL;
	x->n = x->cap = 0;
}

/* ---- one container: all with the lock held ---------------------------------------------- */
static struct sg_box *box_find(struct sg_boxes *x, const char *id)
{
	for (size_t i = x->n; i-- > 0;) /* the newest are asked about */
		if (!strcmp(x->b[i].id, id))
			return &x->b[i];
	return NULL;
}

static struct sg_box *box_get(struct sg_boxes *x, const char *id)
{
	struct sg_box *b = *id ? box_find(x, id) : NULL;

	if (b || !*id)
		return b;
	if (x->n == x->cap) {
		size_t cap = x->cap ? 2 * x->cap : 16;
		struct sg_box *p = cap <= BOXES_MAX ? reallocarray(x->b, cap, sizeof(*p)) : NULL;

		if (!p) {
			x->out->crowded++;
			return NULL;
		}
		x->b = p;
		x->cap = cap;
	}
	b = &x->b[x->n++];
	memset(b, 0, sizeof(*b));
	snprintf(b->id, sizeof(b->id), "%s", id);
	return b;
}

/* Text @s becomes known. Return: it was not before. */
static bool learn(char *dst, size_t cap, const char *s)
{
	if (!s || !*s || !strncmp(dst, s, cap - 1))
		return false;
	snprintf(dst, cap, "%s", s);
	return true;
}

static bool learn_cgroup(struct sg_box *b, uint64_t cgroup)
{
	for (int i = 0; cgroup && i < SG_BOX_CGROUPS; i++) {
		if (b->cgroup[i] == cgroup)
			return false;
		if (!b->cgroup[i]) {
			b->cgroup[i] = cgroup;
			return true;
		}
	}
	return false;
}

/* One that was gone before it could be looked at ran on what others of its runtime run on. */
static const char *platform_of(const struct sg_boxes *x, const struct sg_box *b)
{
	if (b->platform[0] || !b->runtime[0])
		return b->platform;
	for (size_t i = x->n; i-- > 0;)
		if (x->b[i].platform[0] && !strcmp(x->b[i].runtime, b->runtime))
			return x->b[i].platform;
	return !strcmp(b->runtime, "runc") || !strcmp(b->runtime, "crun") ? "runc" : "";
}

static void put_one(struct sg_boxes *x, const struct sg_box *b, uint64_t cgroup)
{
	const char *text[] = { b->id, b->name, b->image, b->runtime, platform_of(x, b) };
	union {
		struct sg_container c;
		char bytes[sizeof(struct sg_container) + SG_CONTAINER_ID + 256 + 256 + 64 + 32];
	} ev = { .c = { .h = { .ts = sg_watch_now_ns(), .kind = SG_REC_CONTAINER },
			.cgroup = cgroup,
			.pid = b->pid } };

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		size_t n = strlen(text[i]) + 1;

		memcpy(ev.bytes + sizeof(struct sg_container) + ev.c.len, text[i], n);
		ev.c.len = (uint16_t)(ev.c.len + n);
	}
	if (!x->out->put(x->out->ctx, &ev.c.h))
		x->out->containers++;
}

/* With the lock held, so that the last event of a container is the one that knows most. */
static void put_box(struct sg_boxes *x, const struct sg_box *b)
{
	for (int i = 0; i < SG_BOX_CGROUPS && b->cgroup[i]; i++)
		put_one(x, b, b->cgroup[i]);
}

/* A daemon that is starting one says nothing of it until that is done, and would keep all others waiting. */
static void ask_for(struct sg_boxes *x, struct sg_box *b)
{
	b->ask = true;
	b->not_before_ns = b->starting ? sg_watch_now_ns() + START_NS : 0;
	pthread_cond_signal(&x->more);
}

/* ---- what becomes known ------------------------------------------------------------------- */
void sg_boxes_info(struct sg_boxes *x, const struct sg_container_info *c)
{
	struct sg_box *b;
	bool more;

	pthread_mutex_lock(&x->lock);
	b = box_get(x, c->id);
	if (b) {
		more = learn_cgroup(b, c->cgroup_id);
		more |= learn(b->name, sizeof(b->name), c->name);
		more |= learn(b->image, sizeof(b->image), c->image);
		more |= learn(b->runtime, sizeof(b->runtime), c->runtime);
		if (!b->platform[0]) /* the first look was at the liveliest process */
			more |= learn(b->platform, sizeof(b->platform), c->platform);
		more |= c->pid && c->pid != b->pid;
		b->pid = c->pid ? c->pid : b->pid;
		if (more)
			put_box(x, b);
	}
	pthread_mutex_unlock(&x->lock);
}

void sg_boxes_cgroup(struct sg_boxes *x, const char *id, uint64_t cgroup)
{
	struct sg_box *b;

	pthread_mutex_lock(&x->lock);
	b = box_get(x, id);
	if (b && learn_cgroup(b, cgroup)) {
		put_box(x, b);
		if (!b->name[0] || !b->platform[0])
			ask_for(x, b);
	}
	pthread_mutex_unlock(&x->lock);
}

void sg_boxes_sentry(struct sg_boxes *x, const char *id, uint32_t pid, const char *platform)
{
	struct sg_box *b;

	pthread_mutex_lock(&x->lock);
	b = box_get(x, id);
	if (b) {
		bool more = learn(b->platform, sizeof(b->platform), platform) | (b->pid != pid);

		b->pid = pid;
		if (more)
			put_box(x, b);
		ask_for(x, b); /* its platform */
	}
	pthread_mutex_unlock(&x->lock);
}

void sg_boxes_told(struct sg_boxes *x, const char *id, const char *name, const char *image, bool creates,
		   bool starts, bool ends)
{
	struct sg_box *b;

	pthread_mutex_lock(&x->lock);
	b = box_get(x, id);
	if (b) {
		bool more = learn(b->name, sizeof(b->name), name) | learn(b->image, sizeof(b->image), image);

		b->ended = ends || (b->ended && !starts);
		b->starting = !starts && !ends && (b->starting || creates);
		/* also one that nothing recorded is in yet: it may be removed by the time that something is */
		if (starts) {
			b->tries = 0;
			ask_for(x, b);
		}
		if (more)
			put_box(x, b);
	}
	pthread_mutex_unlock(&x->lock);
}

/* ---- who is to be asked for ---------------------------------------------------------------- */
/* Of those that are due the one least often asked for: a container that is stuck keeps nobody waiting but itself. */
static struct sg_box *box_due(struct sg_boxes *x, uint64_t now, uint64_t *ret_due_ns)
{
	struct sg_box *best = NULL;

	*ret_due_ns = 0;
	for (size_t i = 0; i < x->n; i++) {
		struct sg_box *b = &x->b[i];

		if (!b->ask ||
		    (x->stop && !b->cgroup[0])) /* at the end only those that something recorded is in */
			continue;
		if (b->not_before_ns <= now || (x->stop && !b->tries))
			best = best && best->tries <= b->tries ? best : b;
		else if (!*ret_due_ns || b->not_before_ns < *ret_due_ns)
			*ret_due_ns = b->not_before_ns;
	}
	return best;
}

bool sg_boxes_next(struct sg_boxes *x, struct sg_container_info *ret)
{
	struct sg_box *b;
	uint64_t due;

	pthread_mutex_lock(&x->lock);
	while (!(b = box_due(x, sg_watch_now_ns(), &due)) && !x->stop) {
		struct timespec t = { .tv_sec = (time_t)(due / 1000000000),
				      .tv_nsec = (long)(due % 1000000000) };

		if (due)
			pthread_cond_timedwait(&x->more, &x->lock, &t);
		else
			pthread_cond_wait(&x->more, &x->lock);
	}
	if (b) {
		b->ask = false;
		memset(ret, 0, sizeof(*ret));
		snprintf(ret->id, sizeof(ret->id), "%s", b->id);
		snprintf(ret->name, sizeof(ret->name), "%s", b->name);
		snprintf(ret->runtime, sizeof(ret->runtime), "%s", b->runtime);
		ret->pid = b->pid;
	}
	pthread_mutex_unlock(&x->lock);
	return b;
}

void sg_boxes_again(struct sg_boxes *x, const char *id)
{
	struct sg_box *b;

	pthread_mutex_lock(&x->lock);
	b = box_find(x, id);
	if (b && !b->ask && !b->ended && b->tries < TRIES_MAX) {
		b->ask = true;
		b->not_before_ns = sg_watch_now_ns() + (PAUSE_NS << b->tries);
		b->tries++;
	}
	pthread_mutex_unlock(&x->lock);
}

void sg_boxes_ask(struct sg_boxes *x, const char *id)
{
	struct sg_box *b;

	pthread_mutex_lock(&x->lock);
	b = box_find(x, id);
	if (b)
		ask_for(x, b);
	pthread_mutex_unlock(&x->lock);
}

void sg_boxes_stop(struct sg_boxes *x)
{
	pthread_mutex_lock(&x->lock);
	x->stop = true;
	pthread_cond_broadcast(&x->more);
	pthread_mutex_unlock(&x->lock);
}

uint64_t sg_boxes_nameless(struct sg_boxes *x)
{
	uint64_t n = 0;

	pthread_mutex_lock(&x->lock);
	for (size_t i = 0; i < x->n; i++)
		n += x->b[i].cgroup[0] && !x->b[i].name[0];
	pthread_mutex_unlock(&x->lock);
	return n;
}
