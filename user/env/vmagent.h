/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Commands for a virtual machine of ours, over a byte stream (a virtio-serial port): one at a time.
 *
 * The guest begins with "ready\n". The host asks "run TIMEOUT_MS LEN\n" and LEN bytes for sh -c; the guest answers
 * "done STATUS WALL_NS USER_NS SYSTEM_NS LEN\n" and LEN bytes, the last of what the command wrote.
 */
#ifndef SG_VMAGENT_H
#define SG_VMAGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define SG_VMAGENT_COMMAND_MAX 8192
#define SG_VMAGENT_OUT_MAX     16384

struct sg_vmagent_result {
	int status; /* of the command: 128 + signal; 124: it took too long and was killed */
	uint64_t wall_ns, user_ns,
		system_ns; /* by the guest's clocks; CPU time of it and all it waited for */
	size_t len;
	char out[SG_VMAGENT_OUT_MAX +
		 1]; /* standard output and error, the last of it, NUL-terminated; hostile bytes */
};

/**
 * sg_vmagent_serve() - the guest's side
 * @lasting: the other end may be absent for a while (a port of a virtual machine); else its end ends this
 *
 * Return: 0 when the other end closed, negative errno.
 */
int sg_vmagent_serve(int fd, bool lasting, struct sg_err *err);

/** sg_vmagent_ready() - wait for the guest's "ready"; -ETIMEDOUT, -EINTR after a signal of @sigfd (-1: none), -EPIPE */
int sg_vmagent_ready(int fd, int sigfd, int timeout_ms, struct sg_err *err);

/**
 * sg_vmagent_run() - run a command there, wait for its end
 * @timeout_ms: the guest kills it after that; some seconds later the guest itself is given up: -ETIMEDOUT
 *
 * Return: 0 with @ret, whatever the command's status; -EINTR, -EPIPE the machine is gone, -EPROTO.
 */
int sg_vmagent_run(int fd, const char *command, int timeout_ms, int sigfd, struct sg_vmagent_result *ret,
		   struct sg_err *err);

#endif
