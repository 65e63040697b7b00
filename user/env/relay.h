/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A recorder as a child of the agent: what it writes is cut into pieces and kept for the host. It is
 * read without ever waiting for anybody, so that a host that went away does not hold up the recording.
 */
#ifndef SG_RELAY_H
#define SG_RELAY_H

#include <sys/types.h>
#include "env/spooler.h"

struct sg_relay {
	pid_t pid;	    /* 0: has ended and was waited for */
	int out_fd, err_fd; /* non-blocking; -1 at their end */
	struct sg_spooler *spool;
	struct sg_units units;
	uint8_t *buf;
	size_t len, cap;
	bool begun;		       /* its first events have come */
	int status;		       /* exit code, after its end: 128 + a signal's number */
	char text[SG_LINK_TEXT_BYTES]; /* the last line it said */
	size_t text_len;
};

/** sg_relay_start() - run @argv (as argv[0] names it); its standard output is a recording */
int sg_relay_start(struct sg_relay *r, char *const *argv, uint64_t spool_bytes, struct sg_err *err);
/** sg_relay_read() - take what has come. Negative errno: it writes no recording, or memory is short; it is killed then. */
int sg_relay_read(struct sg_relay *r);
/** sg_relay_ended() - it has exited and all it wrote was read */
bool sg_relay_ended(struct sg_relay *r);
/** sg_relay_stop() - ask it to end in order */
void sg_relay_stop(struct sg_relay *r);
/** sg_relay_free() - end it if it still runs, and wait for it */
void sg_relay_free(struct sg_relay *r);

#endif
