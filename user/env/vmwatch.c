/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "env/vmwatch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "env/vmwatch_priv.h"

#define RING_MAX  8192u		/* new processes that wait to be looked at; a power of two */
#define AFTER_NS  300000000ull	/* most monitors have their machine by then */
#define AGAIN_NS  1000000000ull /* any process is looked at twice */
#define AGAIN_MAX 10		/* one that is known to be a monitor is looked at so often */
#define FINISH_NS 200000000ull	/* at the end, for all that still wait */
#define FINISH_S  2		/* then speakers that hang are left behind */

struct seen {
	uint32_t pid, tries;
};

/* One thread writes (the recorder's, which must not wait), one reads. */
struct looker {
	struct sg_vmw *w;
	uint32_t *ring;
	_Atomic uint32_t head, tail;
	_Atomic uint64_t dropped;
	struct seen *wait; /* RING_MAX, those taken from the ring, oldest first */
	uint64_t *due_ns;
	uint32_t first, n;
	pthread_t thread;
	bool running;
	int wake_fd;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void poke(int fd)
{
	uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return; /* it is awake already */
}

/* ---- processes ---------------------------------------------------------------------------------- */

/* Every process that begins or becomes another program; those whose monitor is slow come again. */
static void watch_event(void *ctx, const struct sg_hdr *h)
{
	struct looker *k = ctx;
	const struct sg_thread *t = (const struct sg_thread *)h;
	uint32_t head = atomic_load_explicit(&k->head, memory_order_relaxed);

	if (h->kind != SG_REC_THREAD || (t->tid != t->tgid && !(t->flags & SG_TF_EXEC)) ||
	    t->flags & (SG_TF_KTHREAD | SG_TF_BEFORE))
		return;
	if (head - atomic_load_explicit(&k->tail, memory_order_acquire) >= RING_MAX) {
		atomic_fetch_add(&k->dropped, 1);
		return;
	}
	k->ring[head % RING_MAX] = t->tgid;
	atomic_store_explicit(&k->head, head + 1, memory_order_release);
}

static void queue(struct looker *k, uint32_t pid, uint32_t tries)
{
	uint32_t at = (k->first + k->n) % RING_MAX;

	if (k->n == RING_MAX) {
		atomic_fetch_add(&k->dropped, 1);
		return;
	}
	k->wait[at] = (struct seen){ pid, tries };
	k->due_ns[at] = now_ns() + (tries ? AGAIN_NS : AFTER_NS);
	k->n++;
}

static void take(struct looker *k)
{
	uint32_t tail = atomic_load_explicit(&k->tail, memory_order_relaxed), pid, last = 0;

	while (tail != atomic_load_explicit(&k->head, memory_order_acquire)) {
		pid = k->ring[tail++ % RING_MAX];
		atomic_store_explicit(&k->tail, tail, memory_order_release);
		if (pid != last)
			queue(k, pid, 0);
		last = pid;
	}
}

static void look(struct looker *k, const struct seen *s, struct sg_vm_info *room)
{
	int r = sg_vm_of_pid(s->pid, &k->w->o.from, room);

	if (!r) {
		sg_vmw_found(k->w, room);
		poke(k->w->virt_fd);
	} else if (r == -ENOENT &&
		   (!s->tries || (s->tries < AGAIN_MAX && sg_vm_is_monitor(s->pid, &k->w->o.from)))) {
		queue(k, s->pid, s->tries + 1);
	}
}

static void look_at_due(struct looker *k, bool all, struct sg_vm_info *room)
{
	uint64_t until = now_ns() + FINISH_NS;

	for (uint32_t left = k->n; left && k->n; left--) {
		struct seen s = k->wait[k->first];

		if (all ? now_ns() > until : k->due_ns[k->first] > now_ns())
			break;
		k->first = (k->first + 1) % RING_MAX;
		k->n--;
		look(k, &s, room);
	}
}

static void *looker_main(void *arg)
{
	struct looker *k = arg;
	struct sg_vm_info *room = calloc(1, sizeof(*room));
	struct sg_vm_list l = { 0 };

	if (!sg_vm_host_list(&l, &k->w->o.from, NULL))
		for (size_t i = 0; i < l.n; i++)
			sg_vmw_found(k->w, &l.v[i]);
	sg_vms_free(&l);
	poke(k->w->virt_fd);
	while (room && !atomic_load(&k->w->ending)) {
		struct pollfd p = { .fd = k->wake_fd, .events = POLLIN };

		poll(&p, 1, k->n ? 100 : 300);
		take(k);
		look_at_due(k, false, room);
	}
	take(k);
	if (room)
		look_at_due(k, true, room);
	free(room);
	return NULL;
}

/* ---- the companion -------------------------------------------------------------------------------- */

static void speak(struct sg_vmw *w, void *(*main)(void *))
{
	pthread_t t;

	pthread_mutex_lock(&w->lock);
	w->refs++;
	w->speakers++;
	pthread_mutex_unlock(&w->lock);
	if (pthread_create(&t, NULL, main, w))
		sg_vmw_speaker_ends(w);
	else
		pthread_detach(t);
}

static int watch_start(void *ctx, sg_put_fn put, void *put_ctx, struct sg_err *err)
{
	struct looker *k = ctx;
	struct sg_vmw *w = k->w;
	int e;

	w->put = put;
	w->put_ctx = put_ctx;
	if (w->o.only)
		sg_vmw_found(w, &w->only);
	e = -pthread_create(&k->thread, NULL, looker_main, k);
	if (e)
		return sg_err_set(err, e, "no thread to watch virtual machines with: %s", strerror(-e));
	k->running = true;
	speak(w, sg_vmw_virt_main);
	sg_vmw_target_begin(w);
	if (w->ears)
		speak(w, sg_vmw_target_main);
	if (w->o.only && w->only.qmp[0] && strcmp(w->only.source, "libvirt"))
		speak(w, sg_vmw_qmp_main);
	return 0;
}

static void watch_finish(void *ctx)
{
	struct looker *k = ctx;
	struct sg_vmw *w = k->w;
	struct timespec until;

	atomic_store(&w->ending, true);
	poke(k->wake_fd);
	poke(w->virt_fd);
	poke(w->qmp_fd);
	poke(w->target_fd);
	if (k->running)
		pthread_join(k->thread, NULL);
	k->running = false;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += FINISH_S;
	pthread_mutex_lock(&w->lock);
	while (w->speakers && !pthread_cond_timedwait(&w->ended, &w->lock, &until))
		;
	w->put = NULL;
	pthread_mutex_unlock(&w->lock);
}

static struct sg_vmw *shared_new(const struct sg_vmwatch_opts *o)
{
	struct sg_vmw *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->ended, NULL);
	w->refs = 1;
	w->virt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->qmp_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->target_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o)
		w->o = *o;
	if (w->o.only)
		w->only = *w->o.only;
	if (w->virt_fd >= 0 && w->qmp_fd >= 0 && w->target_fd >= 0)
		return w;
	sg_vmw_unref(w);
	return NULL;
}

int sg_vmwatch_new(struct sg_companion *ret, const struct sg_vmwatch_opts *o, struct sg_err *err)
{
	struct looker *k = calloc(1, sizeof(*k));

	memset(ret, 0, sizeof(*ret));
	if (k) {
		k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		k->ring = calloc(RING_MAX, sizeof(*k->ring));
		k->wait = calloc(RING_MAX, sizeof(*k->wait));
		k->due_ns = calloc(RING_MAX, sizeof(*k->due_ns));
		k->w = shared_new(o);
	}
	*ret = (struct sg_companion){
		.ctx = k, .start = watch_start, .event = watch_event, .finish = watch_finish
	};
	if (k && k->wake_fd >= 0 && k->ring && k->wait && k->due_ns && k->w)
		return 0;
	sg_vmwatch_free(ret);
	return sg_err_set(err, -ENOMEM, "watching virtual machines: out of memory or descriptors");
}

void sg_vmwatch_free(struct sg_companion *c)
{
	struct looker *k = c->ctx;

	memset(c, 0, sizeof(*c));
	if (!k)
		return;
	if (k->w) {
		watch_finish(k);
		sg_vmw_unref(k->w);
	}
	if (k->wake_fd >= 0)
		close(k->wake_fd);
	free(k->ring);
	free(k->wait);
	free(k->due_ns);
	free(k);
}

void sg_vmwatch_stats(const struct sg_companion *c, struct sg_vmwatch_stats *ret)
{
	struct looker *k = c->ctx;

	pthread_mutex_lock(&k->w->lock);
	*ret = k->w->st;
	pthread_mutex_unlock(&k->w->lock);
	ret->dropped = atomic_load(&k->dropped);
}
