/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Stacks to symbols, beside the drain. Reading a process's maps waits for its mm
 * (a swapping process holds it for seconds), opening its files waits for the disk:
 * the thread that drains the rings must wait for neither. Seen before: 14 million
 * records lost while the recorder read the maps of a swapping process.
 */
#ifndef SG_RESOLVER_H
#define SG_RESOLVER_H

#include "kern/intern.h"

struct sg_resolver;

/** sg_resolver_new() - starts the thread; @emit is called from it, for the dictionary and the STACKREFs */
int sg_resolver_new(struct sg_resolver **ret, sg_emit_fn emit, void *ctx);
/** sg_resolver_stack() - hand over a stack (copied). Bounded: false when the queue is full and it was dropped. */
bool sg_resolver_stack(struct sg_resolver *r, const struct sg_stack *raw);
/** sg_resolver_exec() - process @tgid runs another program from here on */
void sg_resolver_exec(struct sg_resolver *r, uint32_t tgid);
/**
 * sg_resolver_finish() - end the thread when the queue is empty
 * Waits for that, at most @ms: what is emitted meanwhile may have to be taken.
 * Return: true when it has ended.
 */
bool sg_resolver_finish(struct sg_resolver *r, unsigned ms);
uint64_t sg_resolver_dropped(const struct sg_resolver *r);
/** sg_resolver_free() - NULL is fine; finishes when nobody did */
void sg_resolver_free(struct sg_resolver *r);

#endif
