/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The Docker Engine API over its unix socket (libcurl). Only what sandglass needs;
 * answers are json-c objects as documented in the Engine API reference, v1.41.
 * All texts from a daemon are hostile input.
 */
#ifndef SG_ENGINE_H
#define SG_ENGINE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define SG_ENGINE_SOCKET "/var/run/docker.sock"

struct sg_engine;

/**
 * sg_engine_open() - connect and ask for the version
 * @socket: path of the unix socket; NULL: $DOCKER_HOST if it is unix://, else SG_ENGINE_SOCKET
 *
 * Return: 0; -ENOENT no such socket, -ECONNREFUSED no daemon behind it, -EACCES, -EPROTO, -ETIMEDOUT
 * with @err, one sentence.
 */
int sg_engine_open(struct sg_engine **ret, const char *socket, struct sg_err *err);
void sg_engine_close(struct sg_engine *e);
const char *sg_engine_socket(const struct sg_engine *e);

/**
 * sg_engine_call() - one request
 * @method: "GET", "POST", "DELETE"; @path: from "/" on, without version, already escaped
 * @body: JSON to send, or NULL (not consumed)
 * @ret: the answer (json_object_put() it), may be NULL when the body is not wanted or is no JSON
 *
 * Bounded: 30 s without progress, 64 MiB of answer. Return: HTTP status (100..599) with *ret, or negative errno with @err.
 */
int sg_engine_call(struct sg_engine *e, const char *method, const char *path, struct json_object *body,
		   struct json_object **ret, struct sg_err *err);

/** sg_engine_check() - as sg_engine_call(), but a status >= 400 is -EPROTO (-ENOENT for 404, -EEXIST for 409) with the daemon's message in @err */
int sg_engine_check(struct sg_engine *e, const char *method, const char *path, struct json_object *body,
		    struct json_object **ret, struct sg_err *err);

/** sg_engine_import() - make image @ref ("name:tag") of the tar archive @tar (a file) */
int sg_engine_import(struct sg_engine *e, const char *tar, const char *ref, struct sg_err *err);

/*
 * Events (/events): one call per event until it returns false or the daemon goes away. Blocks;
 * sg_engine_events_stop() from another thread ends it. Uses a connection of its own.
 */
typedef bool (*sg_engine_event_fn)(void *ctx, struct json_object *ev);
int sg_engine_events(struct sg_engine *e, sg_engine_event_fn fn, void *ctx, struct sg_err *err);
void sg_engine_events_stop(struct sg_engine *e);

/* ---- containers that this program makes ------------------------------------------- */
struct sg_engine_run {
	const char *name, *image, *runtime; /* runtime NULL: the daemon's default */
	const char *const *argv;
	const char *const *binds; /* "HOST:GUEST[:ro]", NULL-terminated, or NULL */
	const char *const *env;
	const char *workdir;
	uint64_t memory_bytes, memory_swap_bytes; /* 0 = no limit; swap: memory + swap, as Docker's */
	const char *network;			  /* NULL: "none" */
};
/** sg_engine_start() - create and start; @ret_id: 65 bytes; @ret_pid: first process on the host (gVisor: the Sentry) */
int sg_engine_start(struct sg_engine *e, const struct sg_engine_run *r, char *ret_id, uint32_t *ret_pid,
		    struct sg_err *err);
/** sg_engine_remove() - kill and remove, with its volumes; not an error when it is gone */
int sg_engine_remove(struct sg_engine *e, const char *id, struct sg_err *err);

#endif
