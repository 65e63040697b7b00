/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Events on their way from threads that are in no hurry to the one that writes
 * the recording. No lock: a thread of low priority that is put off the CPU while
 * it holds one would make the drain wait for it. Seen before: half a second and
 * more under a load of many threads, and 55,000 records lost.
 */
#ifndef SG_MAILBOX_H
#define SG_MAILBOX_H

#include "trace/event.h"

struct sg_mailbox;

int sg_mailbox_new(struct sg_mailbox **ret);
/** sg_mailbox_free() - with what is in it; nobody puts any more */
void sg_mailbox_free(struct sg_mailbox *m);
/**
 * sg_mailbox_put() - from any thread but the one that takes; copies
 * While more than 4 MiB wait to be taken this waits too, but once for a second at most until the next take.
 */
int sg_mailbox_put(struct sg_mailbox *m, const struct sg_hdr *ev);
/**
 * sg_mailbox_take() - hand all that is in it to @fn; each thread's events in their order
 * Return: 0, or the first negative value of @fn (the rest is dropped then).
 */
int sg_mailbox_take(struct sg_mailbox *m, int (*fn)(void *ctx, const struct sg_hdr *ev), void *ctx);

#endif
