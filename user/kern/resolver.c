/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/resolver.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Stacks that may wait: 4.4 MiB. */
#define QUEUE_MAX 8192

struct item {
	union {
		struct sg_stack stack;
		char bytes[sizeof(struct sg_stack) + SG_STACK_MAX * sizeof(uint64_t)];
	};
	uint32_t exec_tgid; /* not 0: no stack, the process runs another program */
};

struct sg_resolver {
	struct sg_intern *intern;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct item *queue;
	size_t head, n;
	uint64_t dropped;
	bool ending, running;
};

/* Takes the oldest item; false when the queue is empty for good. */
static bool take(struct sg_resolver *r, struct item *ret)
{
	bool some;

	pthread_mutex_lock(&r->lock);
	while (!r->n && !r->ending)
		pthread_cond_wait(&r->more, &r->lock);
	some = r->n > 0;
	if (some) {
		*ret = r->queue[r->head];
		r->head = (r->head + 1) % QUEUE_MAX;
		r->n--;
	}
	pthread_mutex_unlock(&r->lock);
	return some;
}

static void *resolver_main(void *arg)
{
	struct sg_resolver *r = arg;
	struct item it;
	int failed = 0;

	setpriority(PRIO_PROCESS, 0, 10); /* of this thread: names are in no hurry, and what is measured is */
	while (take(r, &it)) {
		if (it.exec_tgid)
			sg_intern_exec(r->intern, it.exec_tgid);
		else if (!failed)
			failed = sg_intern_stack(r->intern, &it.stack);
	}
	return NULL;
}

int sg_resolver_new(struct sg_resolver **ret, sg_emit_fn emit, void *ctx)
{
	struct sg_resolver *r = calloc(1, sizeof(*r));
	int e = r ? 0 : -ENOMEM;

	if (e)
		return e;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->more, NULL);
	r->queue = malloc(QUEUE_MAX * sizeof(*r->queue));
	e = r->queue ? sg_intern_new(&r->intern, emit, ctx) : -ENOMEM;
	if (!e)
		e = -pthread_create(&r->thread, NULL, resolver_main, r);
	r->running = !e;
	if (e) {
		sg_resolver_free(r);
		return e;
	}
	*ret = r;
	return 0;
}

static bool give(struct sg_resolver *r, const struct sg_stack *raw, uint32_t exec_tgid)
{
	struct item *it;
	bool room;

	pthread_mutex_lock(&r->lock);
	room = r->n < QUEUE_MAX;
	if (room) {
		it = &r->queue[(r->head + r->n++) % QUEUE_MAX];
		it->exec_tgid = exec_tgid;
		if (raw)
			memcpy(it->bytes, raw, sizeof(*raw) + raw->n * sizeof(raw->ip[0]));
	} else {
		r->dropped++;
	}
	pthread_cond_signal(&r->more);
	pthread_mutex_unlock(&r->lock);
	return room;
}

bool sg_resolver_stack(struct sg_resolver *r, const struct sg_stack *raw)
{
	return raw->n <= SG_STACK_MAX && give(r, raw, 0);
}

void sg_resolver_exec(struct sg_resolver *r, uint32_t tgid)
{
	give(r, NULL, tgid);
}

void sg_resolver_finish(struct sg_resolver *r)
{
	if (!r || !r->running)
		return;
	pthread_mutex_lock(&r->lock);
	r->ending = true;
	pthread_cond_signal(&r->more);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	r->running = false;
}

uint64_t sg_resolver_dropped(const struct sg_resolver *r)
{
	return r->dropped;
}

void sg_resolver_free(struct sg_resolver *r)
{
	if (!r)
		return;
	sg_resolver_finish(r);
	sg_intern_free(r->intern);
	pthread_cond_destroy(&r->more);
	pthread_mutex_destroy(&r->lock);
	free(r->queue);
	free(r);
}
