/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What a balloon was asked for while it is recorded. Neither libvirt nor QMP has a question for it: it is heard where QEMU
 * itself is asked, at its function qmp_balloon(target, ...), which every command of QMP and of its monitor goes through.
 */
#include <poll.h>
#include <stdlib.h>
#include "env/vmwatch_priv.h"
#include "kern/fncalls.h"

#define EARS_MAX 64  /* machines that are listened to; those beyond are not */
#define LOOK_MS	 500 /* for machines that began meanwhile */

struct ear {
	uint32_t pid;
	uint64_t memory_bytes;
	struct sg_fncalls *calls; /* NULL: its program has no such function */
};

struct sg_vmw_ears {
	struct sg_vmw *w;
	struct ear ear[EARS_MAX];
	size_t n, looked; /* machines that were looked at */
};

static void look(struct sg_vmw_ears *l)
{
	uint64_t memory;
	uint32_t pid;

	for (; l->n < EARS_MAX && sg_vmw_qemu(l->w, l->looked, &pid, &memory); l->looked++) {
		struct ear *e = &l->ear[l->n];

		*e = (struct ear){ .pid = pid, .memory_bytes = memory };
		if (pid && sg_vmw_wanted(l->w, pid) && !sg_fncalls_open(&e->calls, (pid_t)pid, "qmp_balloon"))
			l->n++;
	}
}

static void hear(struct sg_vmw_ears *l)
{
	uint64_t bytes;

	for (size_t i = 0; i < l->n; i++)
		while (sg_fncalls_next(l->ear[i].calls, &bytes)) {
			/* as QEMU does: no balloon makes the memory larger */
			if (l->ear[i].memory_bytes && bytes > l->ear[i].memory_bytes)
				bytes = l->ear[i].memory_bytes;
			sg_vmw_balloon(l->w, l->ear[i].pid, SG_BALLOON_TARGET, bytes);
		}
}

void sg_vmw_target_begin(struct sg_vmw *w)
{
	w->ears = calloc(1, sizeof(*w->ears));
	if (!w->ears)
		return;
	w->ears->w = w;
	look(w->ears);
}

static void drop(struct sg_vmw_ears *l, size_t i)
{
	sg_fncalls_close(l->ear[i].calls);
	l->ear[i] = l->ear[--l->n];
}

void *sg_vmw_target_main(void *arg)
{
	struct sg_vmw *w = arg;
	struct sg_vmw_ears *l = w->ears;

	while (!atomic_load(&w->ending)) {
		struct pollfd p[EARS_MAX + 1];

		look(l);
		for (size_t i = 0; i < l->n; i++)
			p[i] = (struct pollfd){ .fd = sg_fncalls_fd(l->ear[i].calls), .events = POLLIN };
		p[l->n] = (struct pollfd){ .fd = w->target_fd, .events = POLLIN };
		poll(p, l->n + 1, LOOK_MS);
		hear(l);
		/* the event of a process that is gone is always ready */
		for (size_t i = l->n; i-- > 0;)
			if (p[i].revents & (POLLHUP | POLLERR))
				drop(l, i);
	}
	hear(l);
	while (l->n)
		drop(l, l->n - 1);
	sg_vmw_speaker_ends(w);
	return NULL;
}
