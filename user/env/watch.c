/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "env/watch_priv.h"

/* Records that may wait: forks of seconds; 2.3 MiB. A power of two. */
#define QUEUE_MAX 16384u

/*
 * One thread writes (the recorder's, which must not wait for anybody), one reads: two
 * counters that only grow. The reader says when it sleeps; only then is a system call due.
 */
struct sg_watch {
	struct sg_watch_out out;
	struct sg_boxes boxes;
	struct sg_ask ask;
	struct sg_watch_roles *roles;
	struct sg_watch_item *queue;
	_Atomic uint32_t head, tail; /* written, read */
	_Atomic uint64_t dropped;
	atomic_bool sleeping, ending;
	pthread_t thread;
	bool running;
	int wake_fd;
};

uint64_t sg_watch_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ---- the queue ------------------------------------------------------------------------ */
static void fill_item(struct sg_watch_item *it, const struct sg_hdr *h)
{
	const struct sg_cgname *c = (const struct sg_cgname *)h;
	const struct sg_thread *t = (const struct sg_thread *)h;

	it->ts = h->ts;
	it->is_name = h->kind == SG_REC_CGNAME;
	if (it->is_name) {
		it->cgroup = c->id;
		memcpy(it->name, c->name, sizeof(it->name));
		it->name[sizeof(it->name) - 1] = 0;
		return;
	}
	it->cgroup = t->cgroup;
	it->uid = h->uid;
	it->tid = t->tid;
	it->tgid = t->tgid;
	it->creator = t->creator;
	it->flags = t->flags;
}

static void wake(struct sg_watch *w)
{
	uint64_t one = 1;

	if (atomic_exchange(&w->sleeping, false) && write(w->wake_fd, &one, sizeof(one)) < 0)
		atomic_store(&w->sleeping, true); /* try again with the next record */
}

static void watch_event(void *ctx, const struct sg_hdr *h)
{
	struct sg_watch *w = ctx;
	uint32_t head = atomic_load_explicit(&w->head, memory_order_relaxed);

	if (h->kind != SG_REC_THREAD && h->kind != SG_REC_CGNAME)
		return;
	if (head - atomic_load_explicit(&w->tail, memory_order_acquire) >= QUEUE_MAX) {
		atomic_fetch_add(&w->dropped, 1);
		return;
	}
	fill_item(&w->queue[head % QUEUE_MAX], h);
	atomic_store(&w->head, head + 1);
	wake(w);
}

static bool take(struct sg_watch *w, struct sg_watch_item *ret)
{
	uint32_t tail = atomic_load_explicit(&w->tail, memory_order_relaxed);

	if (tail == atomic_load(&w->head))
		return false;
	*ret = w->queue[tail % QUEUE_MAX];
	atomic_store_explicit(&w->tail, tail + 1, memory_order_release);
	return true;
}

static void *watch_main(void *arg)
{
	struct sg_watch *w = arg;
	struct sg_watch_item it;

	for (;;) {
		struct pollfd p = { .fd = w->wake_fd, .events = POLLIN };
		bool last = atomic_load(&w->ending);
		uint64_t n;

		while (take(w, &it))
			sg_watch_roles_item(w->roles, &it);
		if (last)
			return NULL;
		atomic_store(&w->sleeping, true);
		/* what came between the last look and the word that we sleep */
		if (atomic_load(&w->head) != atomic_load(&w->tail) || atomic_load(&w->ending))
			continue;
		if (poll(&p, 1, 1000) > 0 && read(w->wake_fd, &n, sizeof(n)) < 0)
			continue;
	}
}

/* ---- the companion -------------------------------------------------------------------- */
static int watch_start(void *ctx, sg_put_fn put, void *put_ctx, struct sg_err *err)
{
	struct sg_watch *w = ctx;
	int e;

	w->out.put = put;
	w->out.ctx = put_ctx;
	e = sg_ask_open(&w->ask, &w->boxes, err);
	if (e)
		return e;
	sg_watch_roles_existing(w->roles);
	e = sg_ask_start(&w->ask, err);
	if (!e) {
		e = -pthread_create(&w->thread, NULL, watch_main, w);
		w->running = !e;
		if (e)
			sg_err_set(err, e, "no thread to watch containers with: %s", strerror(-e));
	}
	if (e)
		sg_ask_finish(&w->ask);
	return e;
}

static void watch_finish(void *ctx)
{
	struct sg_watch *w = ctx;

	if (w->running) {
		atomic_store(&w->ending, true);
		atomic_store(&w->sleeping, true);
		wake(w);
		pthread_join(w->thread, NULL);
		w->running = false;
	}
	sg_ask_finish(&w->ask);
}

int sg_watch_new(struct sg_companion *ret, const struct sg_watch_opts *o, struct sg_err *err)
{
	static const struct sg_watch_opts none;
	struct sg_watch *w = calloc(1, sizeof(*w));
	int e = w ? 0 : -ENOMEM;

	memset(ret, 0, sizeof(*ret));
	o = o ? o : &none;
	if (!e) {
		w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		w->ask.wake_fd = -1;
		w->queue = calloc(QUEUE_MAX, sizeof(*w->queue));
		e = w->wake_fd < 0 ? -errno : w->queue ? sg_boxes_init(&w->boxes, &w->out, o) : -ENOMEM;
	}
	if (!e)
		e = sg_watch_roles_new(&w->roles, o->proc, &w->boxes, &w->out);
	*ret = (struct sg_companion){
		.ctx = w, .start = watch_start, .event = watch_event, .finish = watch_finish
	};
	if (e) {
		sg_watch_free(ret);
		return sg_err_set(err, e, "watching containers: %s", strerror(-e));
	}
	return 0;
}

void sg_watch_free(struct sg_companion *c)
{
	struct sg_watch *w = c->ctx;

	memset(c, 0, sizeof(*c));
	if (!w)
		return;
	watch_finish(w);
	sg_ask_close(&w->ask);
	sg_watch_roles_free(w->roles);
	sg_boxes_free(&w->boxes);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	free(w->queue);
	free(w);
}

void sg_watch_stats(const struct sg_companion *c, struct sg_watch_stats *ret)
{
	struct sg_watch *w = c->ctx;

	*ret = (struct sg_watch_stats){
		.roles = w->out.roles,
		.containers = w->out.containers,
		.dropped = w->dropped,
		.crowded = w->out.crowded,
		.nameless = sg_boxes_nameless(&w->boxes),
	};
	sg_ask_note(&w->ask, ret->note);
}
