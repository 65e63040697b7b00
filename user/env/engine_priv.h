/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The Engine API's client, inside: one request, and what it brought. */
#ifndef SG_ENGINE_PRIV_H
#define SG_ENGINE_PRIV_H

#include <curl/curl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include "env/engine.h"

#define SG_ENGINE_ANSWER_MAX  ((size_t)64 << 20)
#define SG_ENGINE_OBJECTS_MAX ((uint64_t)256 << 20)
#define SG_ENGINE_EVENT_MAX   ((size_t)1 << 20)
#define SG_ENGINE_DEPTH	      64

struct sg_engine {
	char socket[PATH_MAX];
	char version[16];	 /* of the API, as the paths want it: "v1.41" */
	CURL *easy;		 /* for requests, one at a time */
	CURLM *requests;	 /* what drives it, and keeps its connection */
	const atomic_bool *quit; /* the caller's: answers are not wanted any more; or NULL */
	pthread_mutex_t lock;
	unsigned stall_s;
	CURLM *events;
	atomic_bool stop;
	uint64_t since_ns; /* CLOCK_REALTIME: events before it are known */
};

/* Bytes of an answer, and what they would cost as objects: a daemon that sends 64 MiB of "{}," means 15 GB. */
struct sg_engine_body {
	char *p; /* NUL-terminated when len > 0 */
	size_t len, cap;
	uint64_t cost_bytes;
	bool raw, over;
};

struct sg_engine_req {
	const char *method, *path;
	const char *text; /* to send: JSON, or NULL */
	FILE *file;	  /* to send: a tar archive of file_bytes, or NULL */
	uint64_t file_bytes;
	unsigned stall_s;    /* 0: the engine's */
	unsigned timeout_ms; /* of the whole request, 0 = none */
	bool raw;	     /* the answer is no JSON: its cost as objects does not matter */
	bool apart;	     /* on a connection of its own, while others go on */
};

/** sg_engine_handle() - a curl handle that knows the socket and nothing else; NULL = out of memory */
CURL *sg_engine_handle(const struct sg_engine *e);

/** sg_engine_given_up() - nobody wants answers any more */
bool sg_engine_given_up(const struct sg_engine *e);

/** sg_engine_request() - status of HTTP with @ret (free p), or negative errno with @err */
int sg_engine_request(struct sg_engine *e, const struct sg_engine_req *q, struct sg_engine_body *ret,
		      struct sg_err *err);

/** sg_engine_curl_err() - a sentence for what curl says */
int sg_engine_curl_err(const struct sg_engine *e, CURLcode code, const char *what, struct sg_err *err);

/** sg_engine_cost() - bytes that these @len bytes of JSON are worth as objects, at least. Pure. */
uint64_t sg_engine_cost(const char *p, size_t len);

/** sg_engine_parse() - JSON of a daemon: one value, nothing behind it. -EPROTO, -EMSGSIZE, -ENOMEM. Pure. */
int sg_engine_parse(const char *p, size_t len, struct json_object **ret);

/** sg_engine_fail() - status >= 400 as sentence and errno; @body as it came */
int sg_engine_fail(int status, const char *what, const struct sg_engine_body *body, struct sg_err *err);

/** sg_engine_plain() - printable ASCII of @text into @ret, at most @cap - 1 bytes; returns @ret */
const char *sg_engine_plain(const char *text, char *ret, size_t cap);

/**
 * sg_engine_demux() - the text in a stream of frames (8 bytes: kind, 3 zeroes, length; then the bytes). Pure.
 *
 * Keeps the last @cap - 1 bytes. A frame that is cut short gives what there is of it. Return: bytes in @ret.
 */
size_t sg_engine_demux(const char *p, size_t len, char *ret, size_t cap);

/** sg_engine_str() - string under @key of an object, NULL when there is none */
const char *sg_engine_str(struct json_object *o, const char *key);

#endif
