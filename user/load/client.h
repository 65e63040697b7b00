/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The client of the task workload: asks all servers at once, waits for all, next round. Each request is a task. */
#ifndef SG_CLIENT_H
#define SG_CLIENT_H

#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

#define SG_CLIENT_MAX 32 /* servers */

/* Of each measured request, "ID NAME": a server that marks its part of the task does it by these. */
#define SG_CLIENT_HEADER "Sandglass-Task"

/* One answered request. */
struct sg_client_time {
	uint32_t round, server;
	uint64_t latency_ns; /* request to complete reply, as the client saw it: the task */
	uint64_t write_ns;   /* the writes, as the server measured them */
	uint64_t majflt;     /* major page faults of the server meanwhile */
};

/**
 * sg_client_run() - @rounds rounds of requests to 127.0.0.1:@port[0..n)
 *
 * A round before them, neither marked nor measured, makes the connections and
 * lets the servers' memory settle.
 * @out: one line of figures per answer, in order of arrival, and "end" after the last
 *
 * Fails with the first request that fails.
 */
int sg_client_run(const unsigned *port, unsigned n, unsigned rounds, unsigned timeout_s, FILE *out,
		  struct sg_err *err);

/** sg_client_done() - answers in the file @path, which sg_client_run() still writes */
size_t sg_client_done(const char *path);

/**
 * sg_client_read() - read back what sg_client_run() wrote
 * @ret: rows, to be freed by the caller
 *
 * -EPIPE (and a sentence) when it is not complete.
 */
int sg_client_read(FILE *in, unsigned n, unsigned rounds, struct sg_client_time **ret, size_t *ret_n,
		   struct sg_err *err);

#endif
