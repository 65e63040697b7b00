/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Inside the module-load workload: what a run holds. */
#ifndef SG_MODLOAD_PRIV_H
#define SG_MODLOAD_PRIV_H

#include "load/common.h"
#include "load/modload.h"

struct modload {
	struct sg_modload_opts o;
	struct sg_guard *guard;
	struct sg_sandbox *box;
	char self[1024];
	char dir[1024];	 /* absolute */
	char work[1100]; /* the shared volume: loader and modules */
	struct sg_sandbox_container container[SG_MODCLIENT_MAX];
	struct sg_child loader[SG_MODCLIENT_MAX], client;
};

/* Folders (self, dir), the loader and the modules by npm, the daemon. */
int sg_modload_setup(struct modload *b, struct sg_err *err);
/** sg_modload_open() - only the daemon, a new one */
int sg_modload_open(struct modload *b, struct sg_err *err);

/**
 * sg_modload_round() - fresh containers, one load in each at the same time, containers removed
 * @recording: file to record into, by @source
 * @ret: as many as there are containers
 */
int sg_modload_round(struct modload *b, const struct sg_modload_combo *c, enum sg_modload_source source,
		     const char *recording, struct sg_modclient_time *ret, struct sg_err *err);

#endif
