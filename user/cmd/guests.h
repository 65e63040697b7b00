/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The guests that `record --guest` records beside the host: options, files, companions, and the merging at the end. */
#ifndef SG_GUESTS_H
#define SG_GUESTS_H

#include <argp.h>
#include <limits.h>
#include "cmd/outfile.h"
#include "env/agentlink.h"
#include "kern/record.h"

#define SG_GUESTS_MAX (SG_MACHINE_MAX - 1)

struct sg_guests {
	struct sg_guest_arg {
		char name[SG_MACHINE_NAME];
		struct sg_addr addr;
		char from[300]; /* the same, as text */
		uint32_t vmm;
		struct sg_outfile part; /* its own recording */
		struct sg_agent_link *link;
	} g[SG_GUESTS_MAX];
	size_t n;
	const char *token_file;
	bool keep;
	uint64_t rest_bytes; /* 0: the default */
	struct sg_token token;
	struct sg_companion companion[SG_GUESTS_MAX];
	struct sg_outfile host; /* the host's own recording */
};

extern const struct argp sg_guests_argp; /* input: struct sg_guests */

/** sg_guests_open() - the token, and a file for the host and each guest. The host's descriptor, or negative errno with @err. */
int sg_guests_open(struct sg_guests *gs, const char *out, struct sg_err *err);

/** sg_guests_begin() - all record: the files take their places beside the output; as sg_record_opts.begun takes it */
int sg_guests_begin(void *gs, struct sg_err *err);

/**
 * sg_guests_end() - after the recording: merge into @out and say what there is to say
 * Return: true when every guest was recorded to its end and all are in @out
 */
bool sg_guests_end(struct sg_guests *gs, const char *out, int level, const char *name, bool quiet);
/** sg_guests_close() - files that have not taken their place are gone */
void sg_guests_close(struct sg_guests *gs);

#endif
