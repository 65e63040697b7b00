/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The daemon's events: an answer without an end, taken apart as it comes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "env/engine_priv.h"

#define POLL_MS 60000 /* a stop wakes the poll up; this is only for want of "for ever" */

struct stream {
	struct sg_engine *e;
	CURL *easy;
	sg_engine_event_fn fn;
	void *ctx;
	struct sg_engine_body line; /* of an event, or the reason of a refusal */
	bool ended;		    /* fn wants no more */
	int bad;		    /* negative errno: what came is no event */
};

static void note_time(struct sg_engine *e, struct json_object *ev)
{
	struct json_object *v;
	int64_t ns;

	if (!json_object_is_type(ev, json_type_object) || !json_object_object_get_ex(ev, "timeNano", &v))
		return;
	ns = json_object_get_int64(v);
	if (ns > 0 && (uint64_t)ns >= e->since_ns)
		e->since_ns = (uint64_t)ns + 1;
}

/* One line is one event; empty ones keep the connection alive. */
static void take_line(struct stream *s)
{
	struct sg_engine_body *b = &s->line;
	struct json_object *ev;

	while (b->len && (b->p[b->len - 1] == '\r' || b->p[b->len - 1] == ' '))
		b->len--;
	if (!b->len)
		return;
	s->bad = sg_engine_parse(b->p, b->len, &ev);
	b->len = 0;
	if (s->bad)
		return;
	note_time(s->e, ev);
	s->ended = !s->fn(s->ctx, ev);
	json_object_put(ev);
}

static bool add_byte(struct sg_engine_body *b, char c)
{
	if (b->len + 2 > b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 4096;
		char *p = cap > SG_ENGINE_EVENT_MAX ? NULL : realloc(b->p, cap);

		if (!p)
			return false;
		b->p = p;
		b->cap = cap;
	}
	b->p[b->len++] = c;
	b->p[b->len] = 0;
	return true;
}

static size_t on_bytes(char *p, size_t size, size_t n, void *ctx)
{
	struct stream *s = ctx;
	long status = 0;

	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	for (size_t i = 0; i < size * n; i++) {
		if (atomic_load(&s->e->stop))
			return 0;
		if (status >= 400 || p[i] != '\n') {
			if (!add_byte(&s->line, p[i]))
				s->bad = -EMSGSIZE;
		} else {
			take_line(s);
		}
		if (s->bad || s->ended)
			return 0;
	}
	return size * n;
}

static int set_stream(struct stream *s, const char *url)
{
	return curl_easy_setopt(s->easy, CURLOPT_URL, url) ||
			       curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_bytes) ||
			       curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s)
		       ? -ENOMEM
		       : 0;
}

/* Until the connection ends, or nobody wants more: then CURLE_OK. */
static CURLcode drive(struct stream *s)
{
	CURLM *m = s->e->events;
	CURLMsg *msg;
	int running = 1, queued;

	while (running && !atomic_load(&s->e->stop)) {
		if (curl_multi_perform(m, &running))
			return CURLE_OUT_OF_MEMORY;
		if (running && curl_multi_poll(m, NULL, 0, POLL_MS, NULL))
			return CURLE_OUT_OF_MEMORY;
	}
	if (running)
		return CURLE_OK;
	while ((msg = curl_multi_info_read(m, &queued)))
		if (msg->msg == CURLMSG_DONE)
			/* an answer without an end that ends: the daemon went down in good order */
			return msg->data.result ? msg->data.result : CURLE_PARTIAL_FILE;
	return CURLE_PARTIAL_FILE;
}

static int outcome(struct stream *s, CURLcode code, struct sg_err *err)
{
	long status = 0;

	if (atomic_load(&s->e->stop) || s->ended)
		return 0;
	if (s->bad)
		return sg_err_set(err, s->bad, "the container daemon behind %s sent an event that is %s",
				  s->e->socket, s->bad == -EMSGSIZE ? "too large" : "no JSON");
	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 400)
		return sg_engine_fail((int)status, "its events", &s->line, err);
	return sg_engine_curl_err(s->e, code, "its events", err);
}

int sg_engine_events(struct sg_engine *e, sg_engine_event_fn fn, void *ctx, struct sg_err *err)
{
	struct stream s = { .e = e, .fn = fn, .ctx = ctx, .easy = sg_engine_handle(e) };
	char *url = NULL;
	int rc = -ENOMEM;

	/* filters={"type":["container"]} */
	if (asprintf(&url,
		     "http://localhost/%s/events?since=%" PRIu64 ".%09" PRIu64
		     "&filters=%%7B%%22type%%22%%3A%%5B%%22container%%22%%5D%%7D",
		     e->version, e->since_ns / 1000000000u, e->since_ns % 1000000000u) < 0)
		url = NULL;
	if (s.easy && url && !set_stream(&s, url) && !curl_multi_add_handle(e->events, s.easy)) {
		rc = outcome(&s, drive(&s), err);
		curl_multi_remove_handle(e->events, s.easy);
	} else {
		sg_err_set(err, rc, "out of memory");
	}
	curl_easy_cleanup(s.easy);
	free(s.line.p);
	free(url);
	return rc;
}

void sg_engine_events_stop(struct sg_engine *e)
{
	atomic_store(&e->stop, true);
	curl_multi_wakeup(e->events);
}
