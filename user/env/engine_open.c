/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Finding a daemon, and the version of the API to speak with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "env/engine_priv.h"

#define API_MAJOR 1
#define API_MINOR 41
#define STALL_S	  30

/* curl would say "could not connect" to all of them. */
static int probe(const char *path, struct sg_err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc = 0;

	if (fd < 0)
		return sg_err_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	strcpy(a.sun_path, path);
	/* EAGAIN: it listens, and many wait already */
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) && errno != EAGAIN)
		rc = -errno;
	close(fd);
	switch (rc) {
	case 0:
		return 0;
	case -ENOENT:
	case -ENOTDIR:
		return sg_err_set(err, -ENOENT, "there is no container daemon's socket at %s", path);
	case -ECONNREFUSED:
		return sg_err_set(err, rc, "no container daemon answers behind %s: is it running?", path);
	case -EACCES:
	case -EPERM:
		return sg_err_set(err, -EACCES, "%s may not be used by this user: be root", path);
	default:
		return sg_err_set(err, rc, "cannot connect to %s: %s", path, strerror(-rc));
	}
}

/* "1.41" as 1041; 0 = no version */
static unsigned version_number(const char *text)
{
	unsigned major, minor;
	char end;

	return text && sscanf(text, "%3u.%3u%c", &major, &minor, &end) == 2 && major ? major * 1000 + minor
										     : 0;
}

/* Ours where the daemon speaks it, else the nearest that it does. */
static int negotiate(struct sg_engine *e, struct sg_err *err)
{
	struct json_object *o;
	unsigned max, min, use = API_MAJOR * 1000 + API_MINOR;
	int rc = sg_engine_check(e, "GET", "/version", NULL, &o, err);

	if (rc < 0)
		return rc;
	max = version_number(sg_engine_str(o, "ApiVersion"));
	min = version_number(sg_engine_str(o, "MinAPIVersion"));
	json_object_put(o);
	if (!max)
		return sg_err_set(err, -EPROTO,
				  "what answers behind %s is no Engine API: it names no version of it",
				  e->socket);
	if (use > max)
		use = max;
	if (use < min)
		use = min;
	snprintf(e->version, sizeof(e->version), "v%u.%u", use / 1000 % 1000, use % 1000);
	return 0;
}

int sg_engine_open(struct sg_engine **ret, const char *socket, struct sg_err *err)
{
	return sg_engine_open_until(ret, socket, STALL_S, NULL, err);
}

int sg_engine_open_until(struct sg_engine **ret, const char *socket, unsigned stall_s,
			 const atomic_bool *quit, struct sg_err *err)
{
	struct sg_engine *e = calloc(1, sizeof(*e));
	struct timespec now;
	char *host = NULL;
	int rc;

	*ret = NULL;
	if (!e || curl_global_init(CURL_GLOBAL_NOTHING)) {
		free(e);
		return sg_err_set(err, -ENOMEM, "out of memory");
	}
	pthread_mutex_init(&e->lock, NULL);
	e->stall_s = stall_s;
	e->quit = quit;
	if (socket && asprintf(&host, "unix://%s", socket) < 0)
		host = NULL;
	rc = sg_engine_socket_of(socket ? host : getenv("DOCKER_HOST"), e->socket, sizeof(e->socket), err);
	free(host);
	if (!rc)
		rc = probe(e->socket, err);
	if (!rc) {
		e->easy = sg_engine_handle(e);
		e->requests = curl_multi_init();
		e->events = curl_multi_init();
		if (!e->easy || !e->requests || !e->events)
			rc = sg_err_set(err, -ENOMEM, "out of memory");
	}
	clock_gettime(CLOCK_REALTIME, &now);
	e->since_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	if (!rc)
		rc = negotiate(e, err);
	if (rc)
		sg_engine_close(e);
	else
		*ret = e;
	return rc;
}

void sg_engine_close(struct sg_engine *e)
{
	if (!e)
		return;
	curl_easy_cleanup(e->easy);
	curl_multi_cleanup(e->requests);
	curl_multi_cleanup(e->events);
	pthread_mutex_destroy(&e->lock);
	free(e);
	curl_global_cleanup();
}

const char *sg_engine_socket(const struct sg_engine *e)
{
	return e->socket;
}

void sg_engine_set_stall(struct sg_engine *e, unsigned stall_s)
{
	e->stall_s = stall_s ? stall_s : STALL_S;
}
