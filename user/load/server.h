/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The server of the task workload: on GET, many small writes that make a file; the reply says how long that took. */
#ifndef SG_SERVER_H
#define SG_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

/*
 * How the writes reach the file. STREAM is what the published server does: each
 * write is copied into a queue in memory, as a Node.js write stream does when its
 * writer does not wait for 'drain'; then writev takes the queue to the file, 1024
 * writes a call. The queue's memory is kept for the next request. STDIO: fwrite
 * with a buffer of 16 KiB, almost no memory. SYSCALL: one write call each.
 */
#define SG_WRITE_MODE_LIST(X) X(STREAM, "stream") X(STDIO, "stdio") X(SYSCALL, "syscall")
enum sg_write_mode {
#define SG_X(sym, name) SG_WRITE_##sym,
	SG_WRITE_MODE_LIST(SG_X)
#undef SG_X
		SG_WRITE_MODE_MAX,
};
extern const char *const sg_write_mode_names[SG_WRITE_MODE_MAX];

/* One write: 2,000,000 of them are the published file of 30 MB. */
#define SG_SERVER_LINE "sandglass line\n"

/** sg_write_mode_find() - mode called @name, or -EINVAL */
int sg_write_mode_find(const char *name);

/**
 * sg_server_queue_bytes() - memory that one server keeps for @writes writes
 *
 * Of STREAM; the others keep next to nothing.
 */
uint64_t sg_server_queue_bytes(enum sg_write_mode mode, uint64_t writes);

/**
 * sg_server_run() - serve on 127.0.0.1:@port (0: any) until killed
 * @outside: on every address instead: in a virtual machine, whose network brings the requests
 * @marks: requests whose client says which task they are (SG_CLIENT_HEADER) are marked as that task here, too
 *
 * Says "port N" on standard output once it listens. Only returns on failure.
 */
int sg_server_run(unsigned port, const char *file, uint64_t writes, enum sg_write_mode mode, bool outside,
		  bool marks, struct sg_err *err);

/** sg_server_node_source() - the same server for Node.js and express: node SOURCE PORT FILE WRITES */
const char *sg_server_node_source(void);

#endif
