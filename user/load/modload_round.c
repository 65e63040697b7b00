/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* One round of the module-load workload. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "load/modload_priv.h"
#include "load/pagecache.h"

#define READY_MS  120000
#define ANSWER_S  300
#define GUEST_DIR "/work"
/*
 * Probes go into Sentries only that are up for sure, which takes record 5 s of their life. Where they are asked for all
 * rounds wait as long.
 */
#define SENTRY_UP_NS 7000000000u
/* Between the last loader's "ready" and the order: longer than a recorder needs to begin and to look around. */
#define SETTLE_NS 3000000000u

static int start_loader(struct modload *b, unsigned i, struct sg_err *err)
{
	struct sg_child_opts o = { .in = true, .out = true, .err = true, .group = true };
	struct sg_args a = { 0 };
	char name[48];
	int rc;

	snprintf(name, sizeof(name), "loader %u (%s)", i, b->container[i].runtime->name);
	o.name = name;
	sg_sandbox_exec(b->box, &b->container[i], GUEST_DIR, &a);
	sg_arg(&a, "node");
	sg_arg(&a, GUEST_DIR "/load.js");
	rc = a.failed ? sg_err_set(err, -ENOMEM, "out of memory")
		      : sg_child_spawn(&b->loader[i], &o, a.v, err);
	sg_args_free(&a);
	return rc;
}

static int wait_ready(struct modload *b, unsigned i, struct sg_err *err)
{
	struct sg_child *c = &b->loader[i];
	char line[64];
	int rc = sg_child_line(c, b->o.sigfd, READY_MS, line, sizeof(line));

	if (rc == -EPIPE) {
		sg_child_wait_any(&c, 1, -1, -1, 2000);
		return sg_child_dead(c, err);
	}
	if (rc == -EINTR)
		return sg_err_set(err, rc, "interrupted");
	if (rc == -ETIMEDOUT)
		return sg_err_set(err, rc, "%s did not start within %d s", c->name, READY_MS / 1000);
	if (rc || strcmp(line, "ready"))
		return sg_err_set(err, rc ? rc : -EPROTO, "%s did not say that it is ready", c->name);
	return 0;
}

static int start_all(struct modload *b, const struct sg_modload_combo *c, struct sg_err *err)
{
	char name[64], bind[PATH_MAX];
	const char *binds[] = { bind, NULL };
	struct sg_sandbox_run run = { .name = name, .runtime = b->o.runtime[c->runtime], .binds = binds };
	unsigned n = b->o.count[c->count];
	int rc = 0;

	snprintf(bind, sizeof(bind), "%s:" GUEST_DIR, b->work);
	for (unsigned i = 0; i < n && !rc; i++) {
		snprintf(name, sizeof(name), "sandglass-modload-%u", i);
		rc = sg_stopped(b->o.sigfd, err);
		if (!rc)
			rc = sg_sandbox_start(b->box, &run, &b->container[i], err);
	}
	for (unsigned i = 0; i < n && !rc; i++)
		rc = start_loader(b, i, err);
	for (unsigned i = 0; i < n && !rc; i++)
		rc = wait_ready(b, i, err);
	return rc;
}

static int remove_all(struct modload *b, struct sg_err *err)
{
	struct sg_err later;
	int rc = 0, one;

	sg_child_term(&b->client, 5000);
	for (unsigned i = 0; i < SG_MODCLIENT_MAX; i++) {
		sg_child_kill(&b->loader[i]);
		one = sg_sandbox_remove(b->box, &b->container[i], &later);
		if (one && !rc) {
			rc = one;
			*err = later;
		}
	}
	return rc;
}

static int set_cache(const struct modload *b, struct sg_err *err)
{
	uint64_t resident, pages;
	int rc;

	if (!b->o.cold)
		return sg_pagecache_fill(b->work, err);
	rc = sg_pagecache_drop(b->work, err);
	if (!rc)
		rc = sg_pagecache_count(b->work, &resident, &pages, err);
	if (!rc && resident > pages / 20)
		rc = sg_err_set(
			err, -EBUSY,
			"--cold: %" PRIu64 " of %" PRIu64
			" pages of %s stay in the page cache: its file system keeps no cache that can be "
			"dropped, or somebody has them mapped",
			resident, pages, b->work);
	return rc;
}

/* The client, or its recorder, with all loaders' pipes. */
static int start_client(struct modload *b, const struct sg_modload_combo *c, enum sg_modload_source source,
			const char *recording, const char *times, struct sg_err *err)
{
	unsigned n = b->o.count[c->count];
	int keep[2 * SG_MODCLIENT_MAX + 1], rc;
	struct sg_child_opts o = {
		.name = "the client", .err = true, .quiet = true, .group = true, .keep = keep
	};
	static const char *const option[SG_SOURCES_MAX] = {
#define SG_X(sym, name, option, src) option,
		SG_SOURCES_LIST(SG_X)
#undef SG_X
	};
	struct sg_args a = { 0 };
	char task[64];

	if (source != SG_SOURCE_NONE) {
		sg_arg(&a, "%s", b->self);
		sg_arg(&a, "record");
		sg_arg(&a, "-q");
		sg_arg(&a, "-a");
		sg_arg(&a, "-o");
		sg_arg(&a, "%s", recording);
		sg_arg(&a, "--role");
		sg_arg(&a, "client=self");
		if (option[source])
			sg_arg(&a, "%s", option[source]);
		sg_arg(&a, "--");
	}
	sg_arg(&a, "%s", b->self);
	sg_arg(&a, "bench");
	sg_arg(&a, "modload-client");
	sg_arg(&a, "%s", times);
	sg_arg(&a, "%s", sg_modload_task(task, sizeof(task), &b->o, c, '/'));
	sg_arg(&a, "%s", b->o.module[c->module].name);
	sg_arg(&a, "%" PRIu64, sg_now_ns() + SETTLE_NS);
	sg_arg(&a, "%d", ANSWER_S);
	for (unsigned i = 0; i < n; i++) {
		keep[2 * i] = b->loader[i].in;
		keep[2 * i + 1] = b->loader[i].out;
		sg_arg(&a, "%d", b->loader[i].in);
		sg_arg(&a, "%d", b->loader[i].out);
	}
	keep[2 * n] = -1;
	rc = a.failed ? sg_err_set(err, -ENOMEM, "out of memory") : sg_child_spawn(&b->client, &o, a.v, err);
	sg_args_free(&a);
	return rc;
}

/* Wait for the client, and notice when a loader ends before. */
static int wait_client(struct modload *b, unsigned n, struct sg_err *err)
{
	struct sg_child *all[1 + SG_MODCLIENT_MAX] = { &b->client };
	char said[300], fate[64];
	int rc;

	for (unsigned i = 0; i < n; i++)
		all[1 + i] = &b->loader[i];
	rc = sg_child_wait_any(all, 1 + n, -1, b->o.sigfd, -1);
	if (rc == -EINTR)
		return sg_err_set(err, rc, "interrupted");
	if (rc < 0)
		return sg_err_set(err, rc, "cannot wait for the client: %s", strerror(-rc));
	if (rc > 0)
		return sg_child_dead(all[rc], err);
	if (!b->client.status)
		return 0;
	/* the client fails when a loader dies under it: then the loader is the news */
	for (unsigned i = 1; i <= n; i++)
		if (sg_child_wait_any(&all[i], 1, -1, -1, 50) == 0)
			return sg_child_dead(all[i], err);
	sg_child_read_err(&b->client, said, sizeof(said));
	if (said[0])
		return sg_err_set(err, -EIO, "%s", sg_child_sentence(said));
	return sg_err_set(err, -EIO, "the client ended with %s",
			  sg_child_fate(&b->client, fate, sizeof(fate)));
}

static int read_times(const char *path, unsigned n, struct sg_modclient_time *ret, struct sg_err *err)
{
	FILE *f = fopen(path, "re");
	int rc;

	if (!f)
		return sg_err_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
	rc = sg_modclient_read(f, n, ret, err);
	fclose(f);
	return rc;
}

/* Until the containers are old enough for every source that is asked for, or a signal comes. */
static int let_age(struct modload *b, uint64_t born, struct sg_err *err)
{
	uint64_t now = sg_now_ns(), until = born + SENTRY_UP_NS;
	struct pollfd p = { .fd = b->o.sigfd, .events = POLLIN };

	if (!(b->o.sources >> SG_SOURCE_UPROBES & 1) || now >= until)
		return 0;
	if (poll(&p, 1, (int)((until - now) / 1000000 + 1)) > 0)
		return sg_err_set(err, -EINTR, "interrupted");
	return 0;
}

int sg_modload_round(struct modload *b, const struct sg_modload_combo *c, enum sg_modload_source source,
		     const char *recording, struct sg_modclient_time *ret, struct sg_err *err)
{
	unsigned n = b->o.count[c->count];
	char times[PATH_MAX];
	struct sg_err later;
	uint64_t born;
	int rc, rc2;

	snprintf(times, sizeof(times), "%s/round", b->dir);
	rc = sg_guard_add(b->guard, SG_GUARD_FILE, times, err);
	if (!rc)
		rc = start_all(b, c, err);
	born = sg_now_ns();
	if (!rc)
		rc = let_age(b, born, err);
	if (!rc)
		rc = set_cache(b, err);
	if (!rc)
		rc = start_client(b, c, source, recording, times, err);
	if (!rc)
		rc = wait_client(b, n, err);
	if (!rc)
		rc = read_times(times, n, ret, err);
	rc2 = remove_all(b, &later);
	if (!rc2)
		rc2 = sg_guard_clean(b->guard, SG_GUARD_FILE, times, &later);
	if (!rc && rc2)
		*err = later;
	return rc ? rc : rc2;
}
