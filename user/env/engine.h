/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The Docker Engine API over its unix socket (libcurl). Only what sandglass needs;
 * answers are json-c objects as documented in the Engine API reference, v1.41.
 * All texts from a daemon are hostile input.
 */
#ifndef SG_ENGINE_H
#define SG_ENGINE_H

#include <json-c/json.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
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
/**
 * sg_engine_open_until() - the same for one who may not wait for ever
 * @stall_s: as sg_engine_set_stall(), from the first request on
 * @quit: once it is true, this and every request under way or made later ends with -ECANCELED within 0.1 s, from
 *	  whatever thread; must outlive the engine. NULL: none.
 */
int sg_engine_open_until(struct sg_engine **ret, const char *socket, unsigned stall_s,
			 const atomic_bool *quit, struct sg_err *err);
void sg_engine_close(struct sg_engine *e);
const char *sg_engine_socket(const struct sg_engine *e);

/**
 * sg_engine_socket_of() - the socket that a value of $DOCKER_HOST names. Pure.
 * @host: the value; NULL or "": SG_ENGINE_SOCKET
 *
 * Return: 0; -EPROTONOSUPPORT when it is no unix:// address, -ENAMETOOLONG when no socket can have that path.
 */
int sg_engine_socket_of(const char *host, char *ret, size_t cap, struct sg_err *err);

/** sg_engine_errno() - what a status of HTTP means to sg_engine_check(): 0 below 400, else negative errno. Pure. */
int sg_engine_errno(int status);

/** sg_engine_set_stall() - seconds without progress after which a request ends with -ETIMEDOUT (default 30) */
void sg_engine_set_stall(struct sg_engine *e, unsigned stall_s);

/**
 * sg_engine_call() - one request
 * @method: "GET", "POST", "DELETE"; @path: from "/" on, without version, already escaped
 * @body: JSON to send, or NULL (not consumed)
 * @ret: the answer (json_object_put() it; NULL inside when it is empty), may be NULL when the body is not wanted or is no JSON
 *
 * Bounded: 30 s without progress, 64 MiB of answer, 256 MiB as objects. Calls of several threads wait for each other.
 * Return: HTTP status (100..599) with *ret, or negative errno with @err: -ETIMEDOUT, -ECONNRESET or -ECONNREFUSED
 * the daemon is gone, -EMSGSIZE too large an answer, -EPROTO no HTTP or no JSON.
 */
int sg_engine_call(struct sg_engine *e, const char *method, const char *path, struct json_object *body,
		   struct json_object **ret, struct sg_err *err);

/** sg_engine_check() - as sg_engine_call(), but a status >= 400 is -EPROTO (-ENOENT for 404, -EEXIST for 409) with the daemon's message in @err */
int sg_engine_check(struct sg_engine *e, const char *method, const char *path, struct json_object *body,
		    struct json_object **ret, struct sg_err *err);

/** sg_engine_import() - make image @ref ("name:tag") of the tar archive @tar (a file); replaces one of that name */
int sg_engine_import(struct sg_engine *e, const char *tar, const char *ref, struct sg_err *err);

/*
 * Events (/events) of containers: one call per event until it returns false or the daemon goes away. Blocks;
 * sg_engine_events_stop() from another thread ends it, for good. Uses a connection of its own. Nothing
 * that happened since sg_engine_open() is missed (the daemon keeps the last events), so listing containers
 * before or after makes no gap; when called again it goes on after the last event.
 * Return: 0 when ended by fn or by stop; -ECONNRESET, -ECONNREFUSED when the daemon went away; -EPROTO.
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
	const char *cgroup_parent; /* "/name": its cgroup is made below it; NULL: the daemon's default */
};
/**
 * sg_engine_start() - create and start; nothing is left of it when it does not start
 * @ret_id: 65 bytes; @ret_pid: first process on the host (gVisor: the Sentry), 0 when it has ended already
 *
 * Return: 0; -ENOENT no such image, -EEXIST the name is in use, -EPROTO with the daemon's message, ...
 */
int sg_engine_start(struct sg_engine *e, const struct sg_engine_run *r, char *ret_id, uint32_t *ret_pid,
		    struct sg_err *err);
/** sg_engine_remove() - kill and remove, with its volumes; not an error when it is gone */
int sg_engine_remove(struct sg_engine *e, const char *id, struct sg_err *err);

/**
 * sg_engine_wait() - until the container has ended
 * Return: its exit status (128 + signal), or negative errno: -ETIMEDOUT after @timeout_ms, -ENOENT.
 */
int sg_engine_wait(struct sg_engine *e, const char *id, unsigned timeout_ms, struct sg_err *err);
/**
 * sg_engine_logs() - what it has written so far, standard output and error as they came
 * @ret: @cap bytes, NUL-terminated; what does not fit is dropped from the front. Return: bytes in @ret or negative errno.
 */
int sg_engine_logs(struct sg_engine *e, const char *id, char *ret, size_t cap, struct sg_err *err);

#endif
