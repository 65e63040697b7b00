/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The socket that a sandbox's trace session sends to. */
#ifndef SG_GVTRACE_SOCK_H
#define SG_GVTRACE_SOCK_H

#include <stdbool.h>
#include "base/err.h"
#include "env/gvtrace_msg.h"

/* Bytes asked for the way from the Sentry to us (the kernel doubles it, and counts its own overhead). */
#define SG_GVSOCK_BYTES (16 << 20)

/**
 * sg_gvsock_listen() - listen at @path, whose folder is made when missing (0700)
 * @ret_left: a recorder that was killed had left this path: its session may still be there
 *
 * Return: the descriptor; -EBUSY when a living recorder listens there.
 */
int sg_gvsock_listen(const char *path, bool *ret_left, struct sg_err *err);

/**
 * sg_gvsock_greet() - handshake with the one that has just connected to @path
 * @ret_big: its send buffer could be made larger, so that reading may wait for more
 *
 * Waits a second at most. Only our own user and root are listened to. Return: 0; -EACCES, -EPROTO, other errno.
 */
int sg_gvsock_greet(int fd, const char *path, struct sg_gvdec *d, bool *ret_big);

#endif
