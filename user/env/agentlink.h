/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The host's side of a guest that is recorded by an agent: a companion of the recorder with a thread of
 * its own, that takes the guest's recording piece by piece into a file, asks for its time once a second,
 * and goes on where it was when the connection breaks. A guest is not trusted: once its end was asked for it has so
 * long and so many bytes to come to it, and a signal ends the waiting at once.
 */
#ifndef SG_AGENTLINK_H
#define SG_AGENTLINK_H

#include "env/addr.h"
#include "env/conn.h"
#include "kern/companion.h"
#include "trace/clockmap.h"
#include "trace/machine.h"

/* A spool that is full, rings of many CPUs that are full, and what ends a recording; the default spool is 64 MiB. */
#define SG_AGENT_REST_BYTES (1ull << 30)
#define SG_AGENT_REST_NS    600000000000ull

struct sg_agent_link; /* a guest as its host sees it */

struct sg_agent_link_opts {
	const char *name; /* of the machine; outlives it, as all here */
	struct sg_addr addr;
	const struct sg_token *token;
	uint32_t number; /* in the recording, from 1 */
	uint32_t vmm;	 /* process id of its VMM, 0 not known */
	int out_fd;	 /* readable too */
	/* after its end was asked for: what it may send, and how long that may take; 0: SG_AGENT_REST_BYTES, SG_AGENT_REST_NS */
	uint64_t rest_bytes, rest_ns;
};

struct sg_agent_link_result {
	bool begun, complete; /* complete: the agent sent all there was, and its recorder ended well */
	uint64_t pieces, bytes;
	struct sg_link_dropped dropped;
	unsigned breaks;   /* how often the connection was made anew */
	struct sg_err err; /* a sentence when it is not complete */
	char kernel[64];
	uint32_t meta;	 /* CRC-32 of its recording's description */
	uint32_t vmm;	 /* as given, or found by the vsock's id */
	bool stepped;	 /* a clock was set: the map ends there */
	bool doubted;	 /* KVM's TSC offset contradicted the exchange */
	uint16_t source; /* enum sg_clockmap_source of most points */
};

int sg_agent_link_new(struct sg_agent_link **ret, const struct sg_agent_link_opts *o);
void sg_agent_link_free(struct sg_agent_link *g);

/** sg_agent_link_companion() - start() waits until the guest records, so that nothing begins before it; finish() until all has come */
void sg_agent_link_companion(struct sg_agent_link *g, struct sg_companion *ret);

/* After finish(). The clocks are finished. */
const struct sg_agent_link_result *sg_agent_link_result(const struct sg_agent_link *g);
const struct sg_clocks *sg_agent_link_clocks(const struct sg_agent_link *g);

#endif
