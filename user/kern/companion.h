/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Company of the recorder: something that learns from what is recorded and adds
 * events of its own (whose a container is, which process is a Gofer ...). Runs
 * threads of its own; never holds up the drain.
 */
#ifndef SG_COMPANION_H
#define SG_COMPANION_H

#include "base/err.h"
#include "trace/event.h"

/* Into the recording, from any thread; copies. hdr.ts is CLOCK_MONOTONIC now or a little earlier. 0 or negative errno. */
typedef int (*sg_put_fn)(void *ctx, const struct sg_hdr *ev);

struct sg_companion {
	void *ctx;
	/* Everything is attached, nothing is recorded yet; existing things are looked at here. Threads that it makes get a low priority. NULL: nothing to do. */
	int (*start)(void *ctx, sg_put_fn put, void *put_ctx, struct sg_err *err);
	/* THREAD and CGNAME records as they are drained, in the recorder's thread: must not block, and copies what it keeps. */
	void (*event)(void *ctx, const struct sg_hdr *ev);
	/* The kernel side has stopped: what takes long to end begins to end, so that several end at once. Must not block. NULL: nothing to do. */
	void (*stop)(void *ctx);
	/* The kernel side has stopped and is drained: last chance to put. All threads end. A signal that is pending now ends whatever is waited for. */
	void (*finish)(void *ctx);
};

#endif
