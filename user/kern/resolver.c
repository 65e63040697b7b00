/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/resolver.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* Stacks that may wait: 4.4 MiB. */
#define QUEUE_MAX 8192

struct item {
	union {
		struct sg_stack stack;
		char bytes[sizeof(struct sg_stack) + SG_STACK_MAX * sizeof(uint64_t)];
	};
	uint32_t exec_tgid; /* not 0: no stack, the process runs another program */
};

/* One thread gives and one takes, without a lock: the giver must not wait for a thread of low priority. */
struct sg_resolver {
	struct sg_intern *intern;
	pthread_t thread;
	sem_t more; /* once for every item, and once at the end */
	struct item *queue;
	atomic_size_t given, taken;
	uint64_t dropped;
	bool ending, running;
};

/* Takes the oldest item; false when the queue is empty for good. */
static bool take(struct sg_resolver *r, struct item *ret)
{
	size_t at = atomic_load_explicit(&r->taken, memory_order_relaxed);

	while (sem_wait(&r->more))
		;
	if (at == atomic_load_explicit(&r->given, memory_order_acquire))
		return false;
	*ret = r->queue[at % QUEUE_MAX];
	atomic_store_explicit(&r->taken, at + 1, memory_order_release);
	return true;
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
	sem_init(&r->more, 0, 0);
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
	size_t at = atomic_load_explicit(&r->given, memory_order_relaxed);
	struct item *it = &r->queue[at % QUEUE_MAX];

	if (at - atomic_load_explicit(&r->taken, memory_order_acquire) == QUEUE_MAX) {
		r->dropped++;
		return false;
	}
	it->exec_tgid = exec_tgid;
	if (raw)
		memcpy(it->bytes, raw, sizeof(*raw) + raw->n * sizeof(raw->ip[0]));
	atomic_store_explicit(&r->given, at + 1, memory_order_release);
	sem_post(&r->more);
	return true;
}

bool sg_resolver_stack(struct sg_resolver *r, const struct sg_stack *raw)
{
	return raw->n <= SG_STACK_MAX && give(r, raw, 0);
}

void sg_resolver_exec(struct sg_resolver *r, uint32_t tgid)
{
	give(r, NULL, tgid);
}

bool sg_resolver_finish(struct sg_resolver *r, unsigned ms)
{
	struct timespec t;

	if (!r || !r->running)
		return true;
	if (!r->ending)
		sem_post(&r->more);
	r->ending = true;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += (long)ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	r->running = pthread_clockjoin_np(r->thread, NULL, CLOCK_MONOTONIC, &t) != 0;
	return !r->running;
}

uint64_t sg_resolver_dropped(const struct sg_resolver *r)
{
	return r->dropped;
}

void sg_resolver_free(struct sg_resolver *r)
{
	if (!r)
		return;
	while (!sg_resolver_finish(r, 100))
		;
	sg_intern_free(r->intern);
	sem_destroy(&r->more);
	free(r->queue);
	free(r);
}
