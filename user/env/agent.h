/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The guest's side: waits for a host that knows the token, records when it asks, and sends
 * what was recorded. A host that goes away costs the guest the spool and, for a while, the recording.
 */
#ifndef SG_AGENT_H
#define SG_AGENT_H

#include "env/addr.h"
#include "env/conn.h"

struct sg_agent_opts {
	struct sg_addr listen;
	const struct sg_token *token;
	char *const *
		argv; /* the recorder, a command of this same program; it writes a recording to its standard output */
	uint64_t spool_bytes;			  /* blocks that wait for a host, at most */
	uint64_t hold_ns;			  /* how long a recording goes on whose host went away */
	void (*say)(void *ctx, const char *line); /* one sentence each */
	void *say_ctx;
};

/** sg_agent_run() - serve one host after the other until SIGINT or SIGTERM. 0 or negative errno with @err. */
int sg_agent_run(const struct sg_agent_opts *o, struct sg_err *err);

#endif
