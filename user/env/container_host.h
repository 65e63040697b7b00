/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* One look at all processes, and the files it leads to. Private to container_host.c and container_files.c. */
#ifndef SG_CONTAINER_HOST_H
#define SG_CONTAINER_HOST_H

#include "env/container_priv.h"

/* A process in a container. */
struct sg_ct_proc_entry {
	uint32_t pid, ppid;
	uint64_t start_ns;
	size_t of; /* index in the list */
};

struct sg_ct_host {
	const struct sg_container_opts *o;
	struct sg_container_list *l;
	struct sg_ct_proc_entry *m; /* by pid, after the scan */
	struct sg_ct_keeper *k;
	struct sg_ct_daemon *d;
	size_t nm, capm, nk, capk, nd, capd;
};

bool sg_ct_host_member(const struct sg_ct_host *h, const struct sg_container_info *c, uint32_t pid);
bool sg_ct_host_trusts(const struct sg_ct_daemon *d, const struct sg_container_info *c,
		       const struct sg_ct_keeper *k);

/** sg_ct_files() - names, image, runtime and manager from the files that @k (NULL: nobody) leads to */
void sg_ct_files(struct sg_ct_host *h, struct sg_container_info *c, const struct sg_ct_keeper *k);
/** sg_ct_files_state() - pid and platform from the runtime's own state */
void sg_ct_files_state(struct sg_ct_host *h, struct sg_container_info *c, const struct sg_ct_keeper *k);

#endif
