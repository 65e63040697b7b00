/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The rooms of gvtrace: gvtrace.c (who, when), gvtrace_session.c (runsc), gvtrace_rx.c (messages to records). */
#ifndef SG_GVTRACE_PRIV_H
#define SG_GVTRACE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "env/gvisor.h"
#include "env/gvtrace.h"
#include "env/gvtrace_pair.h"

/* One sandbox with a session. The receiver's thread owns what is not said to be another's. */
struct sg_gvbox {
	struct sg_gvrx *rx;
	struct sg_gv_sandbox sb; /* set before the receiver knows it */
	char sock[108];
	uint64_t sentry_start_ns; /* with the pid: which process it is */
	int listen_fd, fd;
	bool big;
	bool left, on, had; /* the owner's: see sg_gvsession_listen(); the session exists; did */
	uint64_t told_ns;
	uint32_t dropped_last; /* as the wire has it: wraps */
	uint64_t dropped;
	struct sg_gvpair *pair;
	int64_t mono_minus_real_ns;
	uint64_t now_ns, since_ns;
	atomic_bool greeted, over;	   /* over: the Sentry has closed its end */
	atomic_uint_fast64_t dropped_told; /* by "runsc trace list", at the end */
};

/* ---- gvtrace_rx.c: all sandboxes' messages, in one thread ------------------------- */
struct sg_gvrx;
/** sg_gvrx_new() - no thread yet; @put as sg_put_fn */
int sg_gvrx_new(struct sg_gvrx **ret, sg_put_fn put, void *put_ctx, struct sg_err *err);
/** sg_gvrx_add() - take @b's connections from now on; starts the thread with the first. @b stays the caller's. */
int sg_gvrx_add(struct sg_gvrx *rx, struct sg_gvbox *b, struct sg_err *err);
/** sg_gvrx_hand() - take @fd as @b's connection, after its handshake (tests) */
int sg_gvrx_hand(struct sg_gvrx *rx, struct sg_gvbox *b, int fd);
/** sg_gvrx_cut() - calls that end from now on are cut here: the recording is over */
void sg_gvrx_cut(struct sg_gvrx *rx);
/** sg_gvrx_stop() - end the thread; what is still on its way is lost */
void sg_gvrx_stop(struct sg_gvrx *rx);
/** sg_gvrx_close() - after the stop: open calls end, the loss is told, descriptors close */
void sg_gvrx_close(struct sg_gvrx *rx, struct sg_gvbox *b);
void sg_gvrx_stats(const struct sg_gvrx *rx, struct sg_gvtrace_stats *ret);
void sg_gvrx_free(struct sg_gvrx *rx);

/* ---- gvtrace_session.c: what runsc does for us; waits for it ---------------------- */
/** sg_gvsession_listen() - the socket of @b's session, known to @rx; @b->left: a killed recorder's was there */
int sg_gvsession_listen(struct sg_gvbox *b, struct sg_gvrx *rx, const char *dir, struct sg_err *err);
/** sg_gvsession_begin() - create the session; may be tried again. -EBUSY: there is one that is somebody else's. */
int sg_gvsession_begin(struct sg_gvbox *b, struct sg_err *err);
/** sg_gvsession_end() - ask for the drops, delete the session, wait for the last message (2 s at most) */
int sg_gvsession_end(struct sg_gvbox *b, struct sg_err *err);
/** sg_gvsession_drops() - of the remote sink, from what "runsc trace list" prints; false: not told. Pure. */
bool sg_gvsession_drops(const char *list, uint64_t *ret);

#endif
