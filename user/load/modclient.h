/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The client of the module-load workload: tells loaders to load a module, all at once. Each load is a task. */
#ifndef SG_MODCLIENT_H
#define SG_MODCLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

#define SG_MODCLIENT_MAX 64 /* loaders */
#define SG_MODULE_MAX	 30 /* bytes of a module's name with its NUL: a task's name holds it */

/* What loading took, from outside and from inside. */
struct sg_modclient_time {
	uint64_t latency_ns; /* from the order to the complete answer, as the client saw it: the task */
	uint64_t require_ns; /* require(), as the loader's own clock tells */
};

/* Pipes to one loader: what it reads, what it writes. */
struct sg_modclient_pipe {
	int in, out;
};

/**
 * sg_modclient_run() - order all loaders to load @module, take the times
 * @task:	of the marks, e.g. "runc/1/express"
 * @begin_ns:	not before this time of CLOCK_MONOTONIC: what came before has settled, recorded or not
 * @out:	one line per loader in its order, and "end"
 *
 * Fails with the first loader that fails, ends or is silent for @timeout_s.
 */
int sg_modclient_run(const struct sg_modclient_pipe *p, unsigned n, const char *task, const char *module,
		     uint64_t begin_ns, unsigned timeout_s, FILE *out, struct sg_err *err);

/** sg_modclient_read() - read back what sg_modclient_run() wrote: @n rows into @ret; -EPIPE when not complete */
int sg_modclient_read(FILE *in, unsigned n, struct sg_modclient_time *ret, struct sg_err *err);

/**
 * sg_modclient_answer() - a loader's answer to "load @module", without its newline. Pure.
 *
 * "done MODULE MS" gives the time; "fail TEXT" is -EIO; all else -EPROTO. @err has the sentence: bytes of a
 * sandbox are hostile, only printable ones are shown.
 */
int sg_modclient_answer(const char *line, const char *module, uint64_t *ret_ns, struct sg_err *err);

/** sg_loader_source() - the loader, for Node.js: "ready", then "load MODULE" lines on its standard input */
const char *sg_loader_source(void);

#endif
