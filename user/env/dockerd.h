/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A Docker daemon of our own, beside any other: data, sockets and state under one
 * folder, no bridge, no firewall rules. For benches and tests; leaves nothing behind.
 */
#ifndef SG_DOCKERD_H
#define SG_DOCKERD_H

#include "base/err.h"

/* A runtime as the daemon's configuration wants it. */
struct sg_runtime {
	const char *name;	 /* "runsc-ptrace" */
	const char *path;	 /* of the OCI binary */
	const char *const *args; /* NULL-terminated */
};

struct sg_dockerd;
/**
 * sg_dockerd_start() - start one under @dir (made when missing) and wait until it answers
 * @dir: everything is in its folder "dockerd"; what else is there stays. At most 61 bytes of path (a socket's
 *       is at most 107 bytes). What a start in the same folder left behind, killed, is removed first.
 * @rt:  runtimes besides runc, ends with a NULL name; may be NULL
 *
 * The daemon dies with the calling thread. Return: 0; -ENOENT when dockerd or containerd is not installed (@err
 * says which package), -EBUSY when a daemon of a living process is there, -EEXIST when "dockerd" is somebody
 * else's folder, -ETIMEDOUT after 30 s without progress, -EIO when it ended, with its last words in @err.
 */
int sg_dockerd_start(struct sg_dockerd **ret, const char *dir, const struct sg_runtime *rt,
		     struct sg_err *err);
/** sg_dockerd_socket() - path of its unix socket */
const char *sg_dockerd_socket(const struct sg_dockerd *d);
/** sg_dockerd_state() - its exec-root (runtimes keep their state below: runtime-runc/moby) */
const char *sg_dockerd_state(const struct sg_dockerd *d);
/**
 * sg_dockerd_stop() - remove all its containers, stop it and containerd, unmount and remove its folder. NULL is fine.
 *
 * @dir itself goes too when sg_dockerd_start() made it and nothing else is in it. Return: 0, or negative errno when something could not be removed:
 * the next start in @dir tries again.
 */
int sg_dockerd_stop(struct sg_dockerd *d);

/**
 * sg_runsc_get() - path of a runsc of Debian release @suite
 * @suite: "bookworm" (the installed package: 20221219) or "trixie" (20240729: fetched from the machine's
 *         own package mirror with a private apt configuration under @dir and unpacked there, not installed)
 *
 * Idempotent. Return: 0 with @ret (PATH_MAX bytes), -ENOENT with @err saying what to install or do.
 */
int sg_runsc_get(const char *suite, const char *dir, char *ret, struct sg_err *err);

#endif
