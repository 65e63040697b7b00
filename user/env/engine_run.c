/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Containers that this program makes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "env/engine_priv.h"

#define ID_BYTES       65
#define REMOVE_STALL_S 60 /* a sandbox that does not die takes the daemon's own patience */

/* Add @v, which is consumed, under @key. */
static int put(struct json_object *o, const char *key, struct json_object *v)
{
	if (!v || json_object_object_add(o, key, v)) {
		json_object_put(v);
		return -ENOMEM;
	}
	return 0;
}

static int put_str(struct json_object *o, const char *key, const char *v)
{
	return v ? put(o, key, json_object_new_string(v)) : 0;
}

static int put_list(struct json_object *o, const char *key, const char *const *v)
{
	struct json_object *a;

	if (!v)
		return 0;
	a = json_object_new_array();
	for (; a && *v; v++) {
		struct json_object *s = json_object_new_string(*v);

		if (!s || json_object_array_add(a, s)) {
			json_object_put(s);
			json_object_put(a);
			return -ENOMEM;
		}
	}
	return put(o, key, a);
}

static int put_bytes(struct json_object *o, const char *key, uint64_t v)
{
	return v ? put(o, key, json_object_new_int64((int64_t)v)) : 0;
}

/* Body of POST /containers/create; NULL = out of memory */
static struct json_object *create_body(const struct sg_engine_run *r)
{
	struct json_object *o = json_object_new_object(), *host = json_object_new_object();

	if (!o || !host || put_str(host, "Runtime", r->runtime) || put_list(host, "Binds", r->binds) ||
	    put_bytes(host, "Memory", r->memory_bytes) ||
	    put_bytes(host, "MemorySwap", r->memory_swap_bytes) ||
	    put_str(host, "NetworkMode", r->network ? r->network : "none") ||
	    put_str(host, "CgroupParent", r->cgroup_parent) || put_str(o, "Image", r->image) ||
	    put_list(o, "Cmd", r->argv) || put_list(o, "Env", r->env) ||
	    put_str(o, "WorkingDir", r->workdir)) {
		json_object_put(host);
		json_object_put(o);
		return NULL;
	}
	if (put(o, "HostConfig", host)) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

/* One request about a container: @fmt has one %s, the name or id, escaped. */
__attribute__((format(printf, 3, 0))) static int about(struct sg_engine *e, const char *method,
						       const char *fmt, const char *id,
						       struct json_object *body, struct json_object **ret,
						       struct sg_err *err)
{
	char *esc = curl_easy_escape(NULL, id, 0), *path = NULL;
	int rc;

	if (!esc || asprintf(&path, fmt, esc) < 0) {
		path = NULL;
		rc = sg_err_set(err, -ENOMEM, "out of memory");
	} else {
		rc = sg_engine_check(e, method, path, body, ret, err);
	}
	free(path);
	curl_free(esc);
	return rc;
}

static int create(struct sg_engine *e, const struct sg_engine_run *r, char *ret_id, struct sg_err *err)
{
	struct json_object *body = create_body(r), *o = NULL;
	const char *id;
	int rc;

	if (!body)
		return sg_err_set(err, -ENOMEM, "out of memory");
	rc = r->name ? about(e, "POST", "/containers/create?name=%s", r->name, body, &o, err)
		     : sg_engine_check(e, "POST", "/containers/create", body, &o, err);
	json_object_put(body);
	if (rc < 0)
		return rc;
	id = sg_engine_str(o, "Id");
	rc = 0;
	if (!id || strlen(id) >= ID_BYTES || strspn(id, "0123456789abcdef") != strlen(id) || !*id)
		rc = sg_err_set(err, -EPROTO, "the container daemon made a container but told no id of it");
	else
		strcpy(ret_id, id);
	json_object_put(o);
	return rc;
}

/* Pid of its first process, 0 when it has ended. */
static int first_pid(struct sg_engine *e, const char *id, uint32_t *ret, struct sg_err *err)
{
	struct json_object *o, *state, *pid;
	int rc = about(e, "GET", "/containers/%s/json", id, NULL, &o, err);
	int64_t n = 0;

	if (rc < 0)
		return rc;
	if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "State", &state) &&
	    json_object_is_type(state, json_type_object) && json_object_object_get_ex(state, "Pid", &pid))
		n = json_object_get_int64(pid);
	json_object_put(o);
	*ret = n > 0 && n <= INT32_MAX ? (uint32_t)n : 0;
	return 0;
}

int sg_engine_start(struct sg_engine *e, const struct sg_engine_run *r, char *ret_id, uint32_t *ret_pid,
		    struct sg_err *err)
{
	int rc = create(e, r, ret_id, err);

	if (rc)
		return rc;
	rc = about(e, "POST", "/containers/%s/start", ret_id, NULL, NULL, err);
	if (rc >= 0)
		rc = first_pid(e, ret_id, ret_pid, err);
	if (rc < 0)
		sg_engine_remove(e, ret_id, NULL);
	return rc < 0 ? rc : 0;
}

int sg_engine_remove(struct sg_engine *e, const char *id, struct sg_err *err)
{
	struct sg_engine_req q = { .method = "DELETE", .stall_s = REMOVE_STALL_S };
	struct sg_engine_body b = { 0 };
	char *esc = curl_easy_escape(NULL, id, 0), *path = NULL;
	int rc = -ENOMEM;

	if (esc && *esc && asprintf(&path, "/containers/%s?force=1&v=1", esc) >= 0) {
		q.path = path;
		rc = sg_engine_request(e, &q, &b, err);
		/* 409: somebody else is removing it */
		if (rc >= 0)
			rc = rc == 404 || rc == 409 ? 0
						    : sg_engine_fail(rc, "to remove a container", &b, err);
	} else {
		rc = esc && !*esc ? sg_err_set(err, -EINVAL, "a container without an id cannot be removed")
				  : sg_err_set(err, rc, "out of memory");
	}
	free(path);
	curl_free(esc);
	free(b.p);
	return rc;
}

/* Exit status out of the answer to /wait. */
static int exit_status(const struct sg_engine_body *b, struct sg_err *err)
{
	struct json_object *o = NULL, *v;
	int64_t status = -1;

	if (b->len && !sg_engine_parse(b->p, b->len, &o) && json_object_is_type(o, json_type_object) &&
	    json_object_object_get_ex(o, "StatusCode", &v) && json_object_is_type(v, json_type_int))
		status = json_object_get_int64(v);
	json_object_put(o);
	if (status < 0 || status > 255)
		return sg_err_set(err, -EPROTO, "the container daemon told no exit status of a container");
	return (int)status;
}

int sg_engine_wait(struct sg_engine *e, const char *id, unsigned timeout_ms, struct sg_err *err)
{
	struct sg_engine_req q = { .method = "POST",
				   .timeout_ms = timeout_ms ? timeout_ms : 1,
				   .apart = true };
	struct sg_engine_body b = { 0 };
	char *esc = curl_easy_escape(NULL, id, 0), *path = NULL;
	int rc = -ENOMEM;

	q.stall_s = timeout_ms / 1000 + 2; /* it is silent until the end */
	if (esc && asprintf(&path, "/containers/%s/wait", esc) >= 0) {
		q.path = path;
		rc = sg_engine_request(e, &q, &b, err);
		if (rc == -ETIMEDOUT)
			sg_err_set(err, rc, "container %.12s has not ended within %u ms", id, timeout_ms);
		if (rc >= 0)
			rc = rc >= 400 ? sg_engine_fail(rc, "to wait for a container", &b, err)
				       : exit_status(&b, err);
	} else {
		sg_err_set(err, rc, "out of memory");
	}
	free(path);
	curl_free(esc);
	free(b.p);
	return rc;
}

size_t sg_engine_demux(const char *p, size_t len, char *ret, size_t cap)
{
	size_t n = 0;

	while (cap > 1 && len >= 8) {
		const unsigned char *h = (const unsigned char *)p;
		size_t part = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
		const char *from = p + 8;

		if (part > len - 8)
			part = len - 8;
		p += 8 + part;
		len -= 8 + part;
		if (part > cap - 1) {
			from += part - (cap - 1);
			part = cap - 1;
		}
		if (n + part > cap - 1) {
			size_t drop = n + part - (cap - 1);

			memmove(ret, ret + drop, n - drop);
			n -= drop;
		}
		memcpy(ret + n, from, part);
		n += part;
	}
	if (cap)
		ret[n] = 0;
	return n;
}

int sg_engine_logs(struct sg_engine *e, const char *id, char *ret, size_t cap, struct sg_err *err)
{
	struct sg_engine_req q = { .method = "GET", .raw = true };
	struct sg_engine_body b = { 0 };
	char *esc = curl_easy_escape(NULL, id, 0), *path = NULL;
	int rc = -ENOMEM;

	if (cap > INT_MAX)
		cap = INT_MAX;
	if (esc && asprintf(&path, "/containers/%s/logs?stdout=1&stderr=1&tail=10000", esc) >= 0) {
		q.path = path;
		rc = sg_engine_request(e, &q, &b, err);
		if (rc >= 0)
			rc = rc >= 400 ? sg_engine_fail(rc, "the output of a container", &b, err)
				       : (int)sg_engine_demux(b.p, b.len, ret, cap);
	} else {
		sg_err_set(err, rc, "out of memory");
	}
	free(path);
	curl_free(esc);
	free(b.p);
	return rc;
}
