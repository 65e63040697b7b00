/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A libvirtd of our own in session mode, beside any other: configuration, sockets and state under one folder.
 *
 * It runs in a user namespace in which our user has another number (unshare of util-linux): so libvirtd takes the
 * session's way although root started it, keeps out of /etc, /run, /var and of cgroups, and neither it nor its
 * virtual machines have root's privileges; files and /dev/kvm are reached as their owner.
 */
#ifndef SG_LIBVIRTD_H
#define SG_LIBVIRTD_H

#include <stddef.h>
#include "env/libvirt.h"
#include "env/owndaemon.h"

struct sg_libvirtd;

/**
 * sg_libvirtd_start() - start one in the new folder @top and connect
 * @top: must not exist; at most 60 bytes of path (a socket's is at most 107 bytes)
 * @cache: folder that exists; what libvirtd learns about QEMU stays there for the next start; NULL: below @top
 *
 * Return: 0; -ENOENT with the Debian package that is missing, -EEXIST, -ENAMETOOLONG, -ETIMEDOUT, -EIO with its last words.
 */
int sg_libvirtd_start(struct sg_libvirtd **ret, const char *top, const char *cache, int sigfd,
		      struct sg_err *err);

const struct sg_libvirt *sg_libvirtd_lib(const struct sg_libvirtd *d);
virConnectPtr sg_libvirtd_conn(const struct sg_libvirtd *d);
const char *sg_libvirtd_top(const struct sg_libvirtd *d);
/** sg_libvirtd_pid_file() - path of the file that has the process number of domain @name */
int sg_libvirtd_pid_file(const struct sg_libvirtd *d, const char *name, char *ret, size_t cap);

/** sg_libvirtd_stop() - end it and its virtual machines, remove the folder; NULL is fine. 0 or negative errno */
int sg_libvirtd_stop(struct sg_libvirtd *d);

/**
 * sg_libvirtd_sweep() - end all processes that name folder @top, remove it; needs no daemon
 *
 * For the guard. Touches nothing of other daemons. Return: 0, -EBUSY when something stayed.
 */
int sg_libvirtd_sweep(const char *top);

/* Its processes and its virtual machines' */
extern const struct sg_owndaemon_kin sg_libvirtd_kin;

#endif
