/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include "env/engine_priv.h"

#define OBJECT_BYTES	700 /* json-c's empty object or array, measured, rounded up */
#define VALUE_BYTES	100
#define CONNECT_TIMEOUT 10
#define LOOK_MS		100 /* between two looks at whether anybody still waits for an answer */

int sg_engine_socket_of(const char *host, char *ret, size_t cap, struct sg_err *err)
{
	const char *path = host;

	if (!host || !*host)
		path = SG_ENGINE_SOCKET;
	else if (!strncmp(host, "unix://", 7))
		path = host[7] ? host + 7 : SG_ENGINE_SOCKET;
	else
		return sg_err_set(err, -EPROTONOSUPPORT,
				  "DOCKER_HOST is %.120s, but only the Engine API's unix socket is asked: "
				  "set it to unix://PATH or unset it",
				  host);
	if (path[0] != '/')
		return sg_err_set(err, -EPROTONOSUPPORT,
				  "DOCKER_HOST must name the socket with its whole path, from / on");
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path) || strlen(path) >= cap)
		return sg_err_set(err, -ENAMETOOLONG, "no socket can have a path as long as %.160s...", path);
	strcpy(ret, path);
	return 0;
}

int sg_engine_errno(int status)
{
	switch (status) {
	case 404:
		return -ENOENT;
	case 409:
		return -EEXIST;
	default:
		return status >= 400 || status < 100 ? -EPROTO : 0;
	}
}

const char *sg_engine_plain(const char *text, char *ret, size_t cap)
{
	size_t n = 0;

	for (; *text && n + 1 < cap; text++) {
		unsigned char c = (unsigned char)*text;

		if (c > 32 && c < 127)
			ret[n++] = (char)c;
		else if (c > 127)
			ret[n++] = '?';
		else if (n && ret[n - 1] != ' ')
			ret[n++] = ' ';
	}
	while (n && ret[n - 1] == ' ')
		n--;
	ret[n] = 0;
	return ret;
}

const char *sg_engine_str(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) &&
			       json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : NULL;
}

uint64_t sg_engine_cost(const char *p, size_t len)
{
	uint64_t cost = 0;

	/* those inside of strings count too: an estimate from above */
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '{' || p[i] == '[')
			cost += OBJECT_BYTES;
		else if (p[i] == ',')
			cost += VALUE_BYTES;
	}
	return cost + len;
}

int sg_engine_parse(const char *p, size_t len, struct json_object **ret)
{
	struct json_tokener *tok;
	enum json_tokener_error why;
	int rc = 0;

	*ret = NULL;
	if (len > SG_ENGINE_ANSWER_MAX || sg_engine_cost(p, len) > SG_ENGINE_OBJECTS_MAX)
		return -EMSGSIZE;
	tok = json_tokener_new_ex(SG_ENGINE_DEPTH);
	if (!tok)
		return -ENOMEM;
	/* strict: also refuses whatever stands behind the value */
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	*ret = json_tokener_parse_ex(tok, p, (int)len);
	why = json_tokener_get_error(tok);
	if (why == json_tokener_continue) {
		/* a number at the end is only known to be whole when something follows */
		*ret = json_tokener_parse_ex(tok, " ", 1);
		why = json_tokener_get_error(tok);
	}
	if (why != json_tokener_success) {
		json_object_put(*ret);
		*ret = NULL;
		rc = -EPROTO;
	}
	json_tokener_free(tok);
	return rc;
}

bool sg_engine_given_up(const struct sg_engine *e)
{
	return e->quit && atomic_load(e->quit);
}

CURL *sg_engine_handle(const struct sg_engine *e)
{
	CURL *c = curl_easy_init();

	if (c && (curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, e->socket) ||
		  curl_easy_setopt(c, CURLOPT_NOPROXY, "*") ||
		  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http") ||
		  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) ||
		  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT))) {
		curl_easy_cleanup(c);
		c = NULL;
	}
	return c;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct sg_engine_body *b = ctx;
	size_t len = size * n;

	if (!b->raw)
		b->cost_bytes += sg_engine_cost(p, len);
	if (len > SG_ENGINE_ANSWER_MAX - b->len || b->cost_bytes > SG_ENGINE_OBJECTS_MAX) {
		b->over = true;
		return 0;
	}
	if (b->len + len + 1 > b->cap) {
		size_t cap = (b->len + len + 1) * 2;
		char *q = realloc(b->p, cap);

		if (!q)
			return 0;
		b->p = q;
		b->cap = cap;
	}
	memcpy(b->p + b->len, p, len);
	b->len += len;
	b->p[b->len] = 0;
	return len;
}

static size_t on_file(char *p, size_t size, size_t n, void *ctx)
{
	size_t got = fread(p, 1, size * n, ctx);

	return !got && ferror((FILE *)ctx) ? CURL_READFUNC_ABORT : got;
}

int sg_engine_curl_err(const struct sg_engine *e, CURLcode code, const char *what, struct sg_err *err)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return sg_err_set(err, -ETIMEDOUT, "the container daemon behind %s does not answer (%s)",
				  e->socket, what);
	case CURLE_COULDNT_CONNECT:
		return sg_err_set(err, -ECONNREFUSED, "no container daemon answers behind %s any more (%s)",
				  e->socket, what);
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return sg_err_set(err, -ECONNRESET,
				  "the container daemon behind %s went away in the middle of %s", e->socket,
				  what);
	case CURLE_OUT_OF_MEMORY:
		return sg_err_set(err, -ENOMEM, "out of memory");
	case CURLE_ABORTED_BY_CALLBACK:
		if (sg_engine_given_up(e))
			return sg_err_set(err, -ECANCELED,
					  "the container daemon behind %s was too slow to be waited for any "
					  "longer (%s)",
					  e->socket, what);
		return sg_err_set(err, -EIO, "cannot read the file to send (%s)", what);
	default:
		return sg_err_set(err, -EPROTO, "what answers behind %s is no Engine API (%s: %s)", e->socket,
				  what, curl_easy_strerror(code));
	}
}

/* Everything about one request but its execution. */
static int set_request(const struct sg_engine *e, CURL *c, const struct sg_engine_req *q, const char *url,
		       struct curl_slist *headers)
{
	bool post = !strcmp(q->method, "POST");
	long stall_s = q->stall_s ? q->stall_s : e->stall_s;

	/* the options of the last request must not stay, its connection may */
	if (curl_easy_setopt(c, CURLOPT_HTTPGET, 1L) || curl_easy_setopt(c, CURLOPT_POST, post ? 1L : 0L) ||
	    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, post ? NULL : q->method) ||
	    curl_easy_setopt(c, CURLOPT_URL, url) || curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) ||
	    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) ||
	    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) ||
	    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, stall_s) ||
	    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)q->timeout_ms))
		return -ENOMEM;
	if (!post)
		return 0;
	if (q->file)
		return curl_easy_setopt(c, CURLOPT_POSTFIELDS, NULL) ||
				       curl_easy_setopt(c, CURLOPT_READFUNCTION, on_file) ||
				       curl_easy_setopt(c, CURLOPT_READDATA, q->file) ||
				       curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
							(curl_off_t)q->file_bytes)
			       ? -ENOMEM
			       : 0;
	return curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
				(curl_off_t)(q->text ? strlen(q->text) : 0)) ||
			       curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->text ? q->text : "")
		       ? -ENOMEM
		       : 0;
}

/* To its end, or until nobody waits for it any more: curl_easy_perform() would not look up for a second. */
static CURLcode transfer(const struct sg_engine *e, CURLM *m, CURL *c)
{
	CURLcode code = CURLE_OK;
	int running = 1, queued;
	CURLMsg *msg;

	if (curl_multi_add_handle(m, c))
		return CURLE_OUT_OF_MEMORY;
	while (running && !code) {
		if (sg_engine_given_up(e))
			code = CURLE_ABORTED_BY_CALLBACK;
		else if (curl_multi_perform(m, &running) ||
			 (running && curl_multi_poll(m, NULL, 0, LOOK_MS, NULL)))
			code = CURLE_OUT_OF_MEMORY;
	}
	while (!code && (msg = curl_multi_info_read(m, &queued)))
		if (msg->msg == CURLMSG_DONE)
			code = msg->data.result;
	curl_multi_remove_handle(m, c);
	return code;
}

/* Status of HTTP, or negative errno; -ENOMEM has no sentence yet. */
static int perform(const struct sg_engine *e, CURLM *m, CURL *c, const char *what, struct sg_engine_body *ret,
		   struct sg_err *err)
{
	CURLcode code = transfer(e, m, c);
	long status = 0;

	if (ret->over)
		return sg_err_set(err, -EMSGSIZE, "the container daemon's answer to %.80s is too large",
				  what);
	if (code == CURLE_WRITE_ERROR)
		return -ENOMEM;
	if (code)
		return sg_engine_curl_err(e, code, what, err);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (status < 100 || status > 599)
		return sg_err_set(err, -EPROTO, "the container daemon answered %.80s with HTTP status %ld",
				  what, status);
	return (int)status;
}

int sg_engine_request(struct sg_engine *e, const struct sg_engine_req *q, struct sg_engine_body *ret,
		      struct sg_err *err)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:"), *all;
	CURL *c = q->apart ? sg_engine_handle(e) : e->easy;
	CURLM *m = q->apart ? curl_multi_init() : e->requests;
	char *url = NULL;
	int rc = -ENOMEM;

	*ret = (struct sg_engine_body){ .raw = q->raw };
	all = curl_slist_append(headers, q->file ? "Content-Type: application/x-tar"
						 : "Content-Type: application/json");
	if (asprintf(&url, "http://localhost%s%s%s", e->version[0] ? "/" : "", e->version, q->path) < 0)
		url = NULL;
	if (!q->apart)
		pthread_mutex_lock(&e->lock);
	if (c && m && url && all && !set_request(e, c, q, url, all) &&
	    !curl_easy_setopt(c, CURLOPT_WRITEDATA, ret))
		rc = perform(e, m, c, q->path, ret, err);
	if (!q->apart)
		pthread_mutex_unlock(&e->lock);
	if (rc == -ENOMEM)
		sg_err_set(err, rc, "out of memory");
	if (rc < 0) {
		free(ret->p);
		*ret = (struct sg_engine_body){ 0 };
	}
	if (q->apart) {
		curl_easy_cleanup(c);
		curl_multi_cleanup(m);
	}
	curl_slist_free_all(headers);
	free(url);
	return rc;
}

int sg_engine_fail(int status, const char *what, const struct sg_engine_body *body, struct sg_err *err)
{
	struct json_object *o = NULL;
	const char *msg = NULL;
	char plain[240];
	int code = sg_engine_errno(status);

	if (!code)
		return 0;
	if (body->len && !sg_engine_parse(body->p, body->len, &o))
		msg = sg_engine_str(o, "message");
	if (!msg)
		msg = body->len ? body->p : "no reason given";
	sg_err_set(err, code, "the container daemon refused %.80s with HTTP status %d: %s", what, status,
		   sg_engine_plain(msg, plain, sizeof(plain)));
	json_object_put(o);
	return code;
}

static int call(struct sg_engine *e, const char *method, const char *path, struct json_object *body,
		bool check, struct json_object **ret, struct sg_err *err)
{
	struct sg_engine_req q = { .method = method, .path = path };
	struct sg_engine_body b;
	int rc, bad;

	if (ret)
		*ret = NULL;
	if (body)
		q.text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
	if (body && !q.text)
		return sg_err_set(err, -ENOMEM, "out of memory");
	rc = sg_engine_request(e, &q, &b, err);
	if (rc < 0)
		return rc;
	if (check && (bad = sg_engine_fail(rc, path, &b, err)))
		rc = bad;
	else if (ret && b.len && (bad = sg_engine_parse(b.p, b.len, ret)) && rc < 400)
		rc = sg_err_set(err, bad, "the container daemon's answer to %.80s is no JSON", path);
	free(b.p);
	return rc;
}

int sg_engine_call(struct sg_engine *e, const char *method, const char *path, struct json_object *body,
		   struct json_object **ret, struct sg_err *err)
{
	return call(e, method, path, body, false, ret, err);
}

int sg_engine_check(struct sg_engine *e, const char *method, const char *path, struct json_object *body,
		    struct json_object **ret, struct sg_err *err)
{
	return call(e, method, path, body, true, ret, err);
}
