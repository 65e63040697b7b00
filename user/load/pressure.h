/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Memory pressure: hogs that hold memory in a cgroup and go over it without a pause. */
#ifndef SG_PRESSURE_H
#define SG_PRESSURE_H

#include "load/child.h"
#include "load/memlimit.h"

#define SG_HOG_MAX 64

#define SG_HOG_KIND_LIST(X) X(AUTO, "auto") X(STRESS, "stress") X(OWN, "own")
enum sg_hog_kind {
#define SG_X(sym, name) SG_HOG_##sym,
	SG_HOG_KIND_LIST(SG_X)
#undef SG_X
		SG_HOG_KIND_MAX,
};
extern const char *const sg_hog_kind_names[SG_HOG_KIND_MAX];

/** sg_hog_kind_find() - kind called @name, or -EINVAL */
int sg_hog_kind_find(const char *name);

/** sg_hog_kind_resolve() - AUTO becomes STRESS when that program is here, else OWN */
enum sg_hog_kind sg_hog_kind_resolve(enum sg_hog_kind kind);

/** sg_hog_run() - be a hog: fill @bytes with data, then touch page after page, until killed */
int sg_hog_run(uint64_t bytes, struct sg_err *err);

/** sg_hogs_held() - bytes that the processes of @n hogs hold, in memory and in swap (RssAnon and VmSwap) */
uint64_t sg_hogs_held(const struct sg_child *hog, unsigned n);

/**
 * sg_hogs_start() - start @n hogs of @bytes each in @m, and wait until they hold their memory
 * @self: program that knows "bench task-hog"
 * @ret:  room for @n children; ret[i].pid is 0 for those not started
 */
int sg_hogs_start(struct sg_child *ret, unsigned n, enum sg_hog_kind kind, uint64_t bytes, const char *self,
		  const struct sg_memlimit *m, int sigfd, struct sg_err *err);

#endif
