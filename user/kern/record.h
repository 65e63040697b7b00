/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The recorder: runs or watches the target, drains the rings into a recording until it is told to stop. */
#ifndef SG_RECORD_H
#define SG_RECORD_H

#include "kern/companion.h"
#include "kern/live.h"

struct sg_role_arg {
	const char *name;
	uint32_t tgid; /* 0 = the command itself ("self") */
};

struct sg_record_opts {
	struct sg_live_opts live;
	int out_fd;
	/*
	 * The recording has begun, and the command was executed: from here on @out_fd is written to, and not before, so that
	 * what is in a file stays when it comes to nothing. NULL: nothing to do. An error ends the recording.
	 */
	int (*begun)(void *ctx, struct sg_err *err);
	void *begun_ctx;
	char *const *argv;    /* command to run, NULL = none */
	const uint32_t *pids; /* processes to watch, with their children */
	size_t npid;
	const struct sg_role_arg *roles;
	size_t nrole;
	uint64_t duration_ns; /* 0 = until the command ends or a signal comes */
	bool progress;	      /* a live line on standard error */
	int ready_fd;	      /* gets a newline and is closed when the recording has begun; -1 = none */
	int level;	      /* zlib */
	const char *target;   /* what is recorded, for the report's head */
	const struct sg_companion *companions;
	size_t ncompanion;
	bool (*gone)(
		void *ctx); /* asked now and then: has what is recorded ended? NULL: pids and the command only */
	void *gone_ctx;
};

struct sg_record_result {
	bool ran;	      /* the command was started */
	bool begun;	      /* out_fd was written to */
	int wait_status;      /* its status, as of waitpid() */
	int exec_errno;	      /* the command could not be executed */
	unsigned gv_probed;   /* binaries of gVisor that got probes */
	struct sg_err gv_err; /* why the last one that should have, did not */
	uint64_t slices, events, bytes, lost, stacks_dropped, wall_ns;
	bool interrupted;  /* SIGINT or SIGTERM ended it */
	bool targets_gone; /* every -p process exited before the time was up */
};

/**
 * sg_record() - record as @o says
 *
 * SIGINT and SIGTERM end the recording in order; a command gets them too. When
 * writing fails (a full disk) the error is returned, what was written stays
 * readable, and the command goes on. Needs root.
 * Return: 0 or negative errno with @err.
 */
int sg_record(const struct sg_record_opts *o, struct sg_record_result *ret, struct sg_err *err);

/** sg_record_defaults() - the defaults of every command that records. */
void sg_record_defaults(struct sg_record_opts *o);

#endif
