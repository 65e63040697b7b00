/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * An agent inside each of a workload's virtual machines: it records beside the host, and what the machine does for a task
 * is marked there by the task's number and name. The agents' token is a file of each machine's own disk.
 */
#ifndef SG_INSIDE_H
#define SG_INSIDE_H

#include "env/domain.h"
#include "load/args.h"
#include "trace/machine.h"

/* As many at a time as a recording has machines beside the host. */
#define SG_INSIDE_MAX (SG_MACHINE_MAX - 1)

/** sg_inside_bytes() - memory that an agent and its recorder need in a machine, with what they keep for the host */
uint64_t sg_inside_bytes(unsigned vcpus);

/** sg_inside_token() - a new token into the file "token" of the folder @dir, of which the machines' disks become copies */
int sg_inside_token(const char *dir, struct sg_err *err);

/**
 * sg_inside_start() - start the agent of @d, which listens when this returns
 * @what:     the machine, for a sentence: "server 0"
 * @ret_port: of 127.0.0.1
 */
int sg_inside_start(struct sg_domain *d, const char *what, unsigned *ret_port, struct sg_err *err);

/** sg_inside_guest() - the machine @i as an option of `sandglass record` */
void sg_inside_guest(struct sg_args *a, unsigned i, pid_t pid, unsigned port);
/** sg_inside_key() - the folder's token as an option of `sandglass record` */
void sg_inside_key(struct sg_args *a, const char *dir);

#endif
