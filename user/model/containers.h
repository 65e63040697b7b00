/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Whose a thread is: its process, the process's role, and the container its
 * cgroup belongs to. Learnt from THREAD, ROLE, CGNAME and CONTAINER records, of
 * which the later ones may come long after the first slices: what is asked at the
 * end is answered with all that was said. Pure; memory is bounded by the limits below.
 */
#ifndef SG_CONTAINERS_H
#define SG_CONTAINERS_H

#include <stdbool.h>
#include <stddef.h>
#include "trace/event.h"

#define SG_OWNERS_CONTAINERS 4096	/* cgroups of containers, and as many names of other cgroups */
#define SG_OWNERS_PROCS	     65536	/* programs run; the processes after them have no name of their own */
#define SG_OWNERS_THREADS    (1u << 20) /* threads; those after them are nobody's */
#define SG_OWNERS_LABEL	     128	/* bytes that are enough for any label */

/* One program run by one process: exec and a reused process id begin a further one. Text is hostile. */
struct sg_owner_proc {
	uint32_t tgid;
	uint32_t sandbox; /* process id of its sandbox's Sentry, 0 none */
	uint64_t cgroup;
	char comm[16];		 /* of its first thread; "?" when never announced */
	char role[SG_ROLE_NAME]; /* "sentry", "gofer" ...; empty: none */
};

/* One cgroup of a container: the last CONTAINER record of it. Text is hostile, never NULL. */
struct sg_owner_container {
	uint64_t cgroup;
	uint32_t pid;
	bool in_scope; /* a thread that the recording follows is in it */
	const char *id, *name, *image, *runtime, *platform;
	char *text; /* holds them */
};

struct sg_owners;

int sg_owners_new(struct sg_owners **ret);
void sg_owners_free(struct sg_owners *o);
/** sg_owners_feed() - next event; kinds it does not need are ignored. 0 or -ENOMEM. */
int sg_owners_feed(struct sg_owners *o, const struct sg_hdr *ev);

/** sg_owners_proc() - number of the program that thread @uid runs now; 0 = not known, which is a number too */
uint32_t sg_owners_proc(const struct sg_owners *o, uint32_t uid);
/** sg_owners_tgid() - number of the program that process @tgid runs now, 0 = not known */
uint32_t sg_owners_tgid(const struct sg_owners *o, uint32_t tgid);
/** sg_owners_proc_at() - that program; never NULL, valid until the next feed */
const struct sg_owner_proc *sg_owners_proc_at(const struct sg_owners *o, uint32_t number);

/** sg_owners_container() - the container of a cgroup, NULL: of none that was told. Valid until the next feed. */
const struct sg_owner_container *sg_owners_container(const struct sg_owners *o, uint64_t cgroup);
/** sg_owners_label() - the container's name, else 12 digits of its id, else the cgroup's name; never NULL */
const char *sg_owners_label(const struct sg_owners *o, uint64_t cgroup, char buf[SG_OWNERS_LABEL]);
/** sg_owners_list() - the containers, those in scope first, by name, each once though it may have several cgroups. Valid until the next feed. */
size_t sg_owners_list(struct sg_owners *o, const struct sg_owner_container *const **ret);

#endif
