/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Inside of a virtual machine: the task workload's server in a container of a Docker Engine there. */
#ifndef SG_VMDOCKER_H
#define SG_VMDOCKER_H

#include "base/err.h"

/**
 * sg_vmdocker_run() - start Docker Engine, import the image of this machine, run a command in a container of it
 * @argv: ends with NULL; the container shares the machine's network, and /data/files as its /data
 * @port: TCP port on which the command listens
 *
 * Says "port N" on standard output once something listens there. Returns when the container ended, or on failure.
 */
int sg_vmdocker_run(const char *const *argv, unsigned port, struct sg_err *err);

#endif
