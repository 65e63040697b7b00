/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Pieces of the watch: watch.c queue and threads, watch_roles.c processes, watch_cgroup.c and watch_boxes.c
 * containers, watch_ask.c who asks for them.
 */
#ifndef SG_WATCH_PRIV_H
#define SG_WATCH_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include "env/container.h"
#include "env/engine.h"
#include "env/gvisor.h"
#include "env/watch.h"

/* What is kept of a THREAD or CGNAME record until the thread gets to it. */
struct sg_watch_item {
	uint64_t ts, cgroup;
	uint32_t uid, tid, tgid, creator, flags;
	bool is_name; /* CGNAME: cgroup and name; else THREAD: all but name */
	char name[SG_CGROUP_NAME];
};

/* ---- the way out, shared by all threads ----------------------------------------------- */
struct sg_watch_out {
	sg_put_fn put;
	void *ctx;
	_Atomic uint64_t roles, containers, crowded;
};
uint64_t sg_watch_now_ns(void);

/* ---- containers: any thread ------------------------------------------------------------- */
#define SG_BOX_CGROUPS 4
struct sg_box {
	char id[SG_CONTAINER_ID];
	char name[256], image[256], runtime[64], platform[32];
	uint64_t cgroup[SG_BOX_CGROUPS]; /* 0: none; more than one when it has groups of its own below */
	uint32_t pid;
	uint8_t tries;	 /* how often it was asked for in vain */
	bool ask, ended; /* to be asked for; the daemon told its end */
	bool starting;	 /* it told that it made it, and not yet that it runs */
	uint64_t not_before_ns;
};
struct sg_boxes {
	struct sg_watch_out *out;
	struct sg_container_opts where;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct sg_box *b;
	size_t n, cap;
	bool stop;
};
int sg_boxes_init(struct sg_boxes *x, struct sg_watch_out *out, const struct sg_watch_opts *o);
void sg_boxes_free(struct sg_boxes *x);
/* What becomes known, in any order; a CONTAINER event goes out when it is more than before and a cgroup is known. */
void sg_boxes_info(struct sg_boxes *x, const struct sg_container_info *c);
void sg_boxes_cgroup(struct sg_boxes *x, const char *id, uint64_t cgroup);
void sg_boxes_sentry(struct sg_boxes *x, const char *id, uint32_t pid, const char *platform);
/** sg_boxes_told() - by a daemon's event; @creates: it exists; @starts: it can be asked for its process now; @ends: no more */
void sg_boxes_told(struct sg_boxes *x, const char *id, const char *name, const char *image, bool creates,
		   bool starts, bool ends);
/** sg_boxes_next() - wait for one to ask for, and take it; false: stopped and none is left. Asked in vain: sg_boxes_again(). */
bool sg_boxes_next(struct sg_boxes *x, struct sg_container_info *ret);
void sg_boxes_again(struct sg_boxes *x, const char *id);
/** sg_boxes_ask() - a known one is to be asked for */
void sg_boxes_ask(struct sg_boxes *x, const char *id);
void sg_boxes_stop(struct sg_boxes *x);
uint64_t sg_boxes_nameless(struct sg_boxes *x);

/* ---- who asks the daemon: two threads of its own ------------------------------------------ */
struct sg_ask {
	struct sg_boxes *boxes;
	struct sg_engine *engine; /* NULL: none answers. The asker's from sg_ask_start() on. */
	pthread_t asker;
	bool asking;
	atomic_bool stop; /* the recording has ended */
	atomic_bool quit; /* and no answer is waited for any more */
	int wake_fd;	  /* eventfd: ends the listener's pause */
	pthread_mutex_t lock;
	pthread_cond_t said;
	bool listed, done; /* the asker: what existed is known; it has nothing left to ask */
	char note[384];
};
/** sg_ask_open() - a daemon that was named must answer now; the machine's own is looked for by the asker */
int sg_ask_open(struct sg_ask *a, struct sg_boxes *x, struct sg_err *err);
/** sg_ask_start() - the threads start; waits 150 ms at most until what runs now is in the boxes */
int sg_ask_start(struct sg_ask *a, struct sg_err *err);
/** sg_ask_finish() - asks for what is not known yet, for 0.7 s at most; then all requests are given up */
void sg_ask_finish(struct sg_ask *a);
void sg_ask_close(struct sg_ask *a);
void sg_ask_note(struct sg_ask *a, char ret[384]);

/* ---- cgroups: the thread of the processes ------------------------------------------------------ */
#define SG_WATCH_CGROUPS 64
struct sg_watch_cgroups {
	struct sg_boxes *boxes;
	uint64_t other[SG_WATCH_CGROUPS]; /* whose name is of no container, newest; 0: free */
	uint32_t n;
};
void sg_watch_cgroup_named(struct sg_watch_cgroups *g, const struct sg_watch_item *it);
void sg_watch_cgroup_used(struct sg_watch_cgroups *g, const struct sg_watch_item *it);

/* ---- processes: one thread ------------------------------------------------------------------ */
struct sg_watch_roles;
int sg_watch_roles_new(struct sg_watch_roles **ret, const char *proc, struct sg_boxes *boxes,
		       struct sg_watch_out *out);
void sg_watch_roles_free(struct sg_watch_roles *r);
/** sg_watch_roles_existing() - all that are there now */
void sg_watch_roles_existing(struct sg_watch_roles *r);
void sg_watch_roles_item(struct sg_watch_roles *r, const struct sg_watch_item *it);

#endif
