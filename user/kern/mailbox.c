/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include "kern/mailbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FULL_BYTES (4u << 20)
#define WAIT_US	   1000
#define WAITS	   1000 /* then it is taken that nobody comes for a while, as at the end */

struct letter {
	struct letter *next;
	size_t size;
	_Alignas(8) char ev[];
};

struct sg_mailbox {
	_Atomic(struct letter *) in; /* the newest first */
	_Atomic(struct letter *)
		read; /* to be freed by who puts: freeing takes a lock of the allocator's as well */
	atomic_size_t bytes;
	atomic_bool unattended;
};

int sg_mailbox_new(struct sg_mailbox **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

/* Puts the list from @first to @last in front. */
static void push(_Atomic(struct letter *) *head, struct letter *first, struct letter *last)
{
	struct letter *was = atomic_load(head);

	do
		last->next = was;
	while (!atomic_compare_exchange_weak(head, &was, first));
}

static void list_free(struct letter *l)
{
	while (l) {
		struct letter *next = l->next;

		free(l);
		l = next;
	}
}

void sg_mailbox_free(struct sg_mailbox *m)
{
	if (!m)
		return;
	list_free(atomic_load(&m->in));
	list_free(atomic_load(&m->read));
	free(m);
}

int sg_mailbox_put(struct sg_mailbox *m, const struct sg_hdr *ev)
{
	size_t size = sg_event_size(ev, SG_EVENT_MAX);
	struct letter *l;
	int waits = 0;

	list_free(atomic_exchange(&m->read, NULL));
	if (!size)
		return -EINVAL;
	while (atomic_load(&m->bytes) > FULL_BYTES && !atomic_load(&m->unattended)) {
		usleep(WAIT_US);
		if (++waits == WAITS)
			atomic_store(&m->unattended, true);
	}
	l = malloc(sizeof(*l) + size);
	if (!l)
		return -ENOMEM;
	l->size = sizeof(*l) + size;
	memcpy(l->ev, ev, size);
	atomic_fetch_add(&m->bytes, l->size);
	push(&m->in, l, l);
	return 0;
}

int sg_mailbox_take(struct sg_mailbox *m, int (*fn)(void *ctx, const struct sg_hdr *ev), void *ctx)
{
	struct letter *l = atomic_exchange(&m->in, NULL), *last = l, *oldest = NULL;
	size_t bytes = 0;
	int e = 0;

	atomic_store(&m->unattended, false);
	while (l) {
		struct letter *next = l->next;

		l->next = oldest;
		oldest = l;
		l = next;
	}
	for (l = oldest; l; l = l->next) {
		bytes += l->size;
		e = e < 0 ? e : fn(ctx, (const struct sg_hdr *)l->ev);
	}
	if (oldest)
		push(&m->read, oldest, last);
	atomic_fetch_sub(&m->bytes, bytes);
	return e < 0 ? e : 0;
}
