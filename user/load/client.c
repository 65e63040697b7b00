/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include "load/client.h"
#include "load/common.h"
#include "sandglass/mark.h"

struct request {
	CURL *easy;
	char url[48];
	char task[32];
	struct curl_slist *tells; /* the server which task it works for, and by which name */
	char body[512];
	size_t len;
	uint64_t id;
	uint64_t begin_ns;
	struct sg_client_time t;
};

struct client {
	CURLM *multi;
	struct request *rq;
	unsigned n;
	int timeout_ms;
	bool warm;     /* this round is neither marked nor measured */
	uint64_t base; /* of the tasks' ids */
	FILE *out;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct request *r = ctx;
	size_t len = size * n;

	if (len > sizeof(r->body) - 1 - r->len)
		return 0; /* our servers never say this much: curl reports a write error */
	memcpy(r->body + r->len, p, len);
	r->len += len;
	r->body[r->len] = 0;
	return len;
}

static int64_t json_number(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int)
		       ? json_object_get_int64(v)
		       : -1;
}

/* The server's own figures out of its reply. */
static int parse_reply(struct request *r, unsigned server, struct sg_err *err)
{
	struct json_object *o = json_tokener_parse(r->body);
	int64_t ns = o ? json_number(o, "ns") : -1, majflt = o ? json_number(o, "majflt") : -1;

	json_object_put(o);
	if (ns < 0 || majflt < 0)
		return sg_err_set(err, -EPROTO, "server %u gave a reply that is not its own: %.80s", server,
				  r->body);
	r->t.write_ns = (uint64_t)ns;
	r->t.majflt = (uint64_t)majflt;
	return 0;
}

static int request_done(struct client *c, unsigned i, CURLcode code, struct sg_err *err)
{
	struct request *r = &c->rq[i];
	long http = 0;
	int rc;

	r->t.latency_ns = now_ns() - r->begin_ns;
	if (!c->warm)
		SG_TASK_END(r->id, code);
	if (code)
		return sg_err_set(err, -EIO, "server %u did not answer: %s", i, curl_easy_strerror(code));
	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &http);
	r->body[strcspn(r->body, "\r\n")] = 0;
	if (http != 200)
		return sg_err_set(err, -EIO, "server %u answered with HTTP status %ld: %.160s", i, http,
				  r->body);
	rc = parse_reply(r, i, err);
	if (rc || c->warm)
		return rc;
	if (fprintf(c->out, "%u\t%u\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", r->t.round, r->t.server,
		    r->t.latency_ns, r->t.write_ns, r->t.majflt) < 0)
		return sg_err_set(err, -EIO, "cannot store the times: %s", strerror(errno));
	return 0;
}

/* Take what is finished off the multi handle; the number still going on in @left. */
static int collect(struct client *c, unsigned *left, struct sg_err *err)
{
	CURLMsg *m;
	int queued;

	while ((m = curl_multi_info_read(c->multi, &queued))) {
		struct request *r;
		CURL *easy = m->easy_handle;
		CURLcode code = m->data.result;
		int rc;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&r);
		rc = request_done(c, (unsigned)(r - c->rq), code, err);
		curl_multi_remove_handle(c->multi, easy);
		(*left)--;
		if (rc)
			return rc;
	}
	return 0;
}

static int tell(struct request *r, bool warm)
{
	char text[80];

	curl_slist_free_all(r->tells);
	snprintf(text, sizeof(text), SG_CLIENT_HEADER ": %" PRIu64 " %s", r->id, r->task);
	r->tells = warm ? NULL : curl_slist_append(NULL, text);
	if ((!r->tells && !warm) || curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->tells))
		return -ENOMEM;
	return 0;
}

static int one_round(struct client *c, unsigned round, struct sg_err *err)
{
	unsigned left = c->n;
	int running, rc;

	for (unsigned i = 0; i < c->n; i++) {
		struct request *r = &c->rq[i];

		r->len = 0;
		r->body[0] = 0;
		r->t = (struct sg_client_time){ .round = round, .server = i };
		r->id = c->base + (uint64_t)round * c->n + i + 1;
		if (tell(r, c->warm))
			return sg_err_set(err, -ENOMEM, "out of memory");
		r->begin_ns = now_ns();
		if (!c->warm)
			SG_TASK_BEGIN(r->id, r->task);
		if (curl_multi_add_handle(c->multi, r->easy))
			return sg_err_set(err, -ENOMEM, "out of memory");
	}
	while (left) {
		CURLMcode code = curl_multi_perform(c->multi, &running);

		if (!code && (unsigned)running == left)
			/* no waking up in between: a wait that only a timer ends explains nothing */
			code = curl_multi_poll(c->multi, NULL, 0, c->timeout_ms, NULL);
		if (code)
			return sg_err_set(err, -EIO, "cannot ask the servers: %s", curl_multi_strerror(code));
		rc = collect(c, &left, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int prepare(struct client *c, const unsigned *port, unsigned timeout_s)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct request *r = &c->rq[i];

		snprintf(r->url, sizeof(r->url), "http://127.0.0.1:%u/", port[i]);
		snprintf(r->task, sizeof(r->task), "GET server%u", i);
		r->easy = curl_easy_init();
		if (!r->easy || curl_easy_setopt(r->easy, CURLOPT_URL, r->url) ||
		    curl_easy_setopt(r->easy, CURLOPT_NOPROXY, "*") ||
		    curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L) ||
		    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT, (long)timeout_s) ||
		    /* this timer, too, would wake us up for nothing */
		    curl_easy_setopt(r->easy, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, (long)timeout_s * 1000) ||
		    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body) ||
		    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r) ||
		    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r))
			return -ENOMEM;
	}
	return 0;
}

int sg_client_run(const unsigned *port, unsigned n, unsigned rounds, unsigned timeout_s, FILE *out,
		  struct sg_err *err)
{
	struct client c = { .n = n, .timeout_ms = (int)timeout_s * 1000, .warm = true, .out = out };
	int rc = 0;

	prctl(PR_SET_NAME, "bench-client");
	c.base = sg_task_ids();
	if (curl_global_init(CURL_GLOBAL_NOTHING))
		return sg_err_set(err, -ENOMEM, "libcurl cannot start");
	c.multi = curl_multi_init();
	c.rq = calloc(n, sizeof(*c.rq));
	if (!c.multi || !c.rq || prepare(&c, port, timeout_s))
		rc = sg_err_set(err, -ENOMEM, "out of memory");
	if (!rc)
		rc = one_round(&c, 0, err);
	c.warm = false;
	for (unsigned i = 0; i < rounds && !rc; i++) {
		rc = one_round(&c, i, err);
		/* whoever looks at the file sees how far it is */
		fflush(out);
	}
	if (!rc && (fprintf(out, "end\n") < 0 || fflush(out)))
		rc = sg_err_set(err, -EIO, "cannot store the times: %s", strerror(errno));
	for (unsigned i = 0; c.rq && i < n; i++) {
		if (c.rq[i].easy) {
			curl_multi_remove_handle(c.multi, c.rq[i].easy);
			curl_easy_cleanup(c.rq[i].easy);
			curl_slist_free_all(c.rq[i].tells);
		}
	}
	free(c.rq);
	curl_multi_cleanup(c.multi);
	curl_global_cleanup();
	return rc;
}

size_t sg_client_done(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t n = 0;

	for (int c; f && (c = getc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

int sg_client_read(FILE *in, unsigned n, unsigned rounds, struct sg_client_time **ret, size_t *ret_n,
		   struct sg_err *err)
{
	size_t want = (size_t)n * rounds, have = 0;
	struct sg_client_time *v = calloc(want ? want : 1, sizeof(*v));
	char line[160];
	bool end = false;

	if (!v)
		return sg_err_set(err, -ENOMEM, "out of memory");
	while (!end && fgets(line, sizeof(line), in)) {
		struct sg_client_time *t = &v[have];

		if (!strcmp(line, "end\n"))
			end = true;
		else if (have == want ||
			 sscanf(line, "%" SCNu32 "\t%" SCNu32 "\t%" SCNu64 "\t%" SCNu64 "\t%" SCNu64,
				&t->round, &t->server, &t->latency_ns, &t->write_ns, &t->majflt) != 5 ||
			 t->server >= n || t->round >= rounds)
			break;
		else
			have++;
	}
	if (!end || have != want) {
		free(v);
		return sg_err_set(err, -EPIPE, "the client's times are not complete: %zu of %zu requests",
				  have, want);
	}
	*ret = v;
	*ret_n = have;
	return 0;
}
