/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kern/live.h"
#include "load/folded.h"
#include "load/modload_priv.h"

#define TRIES 3

static int keep_times(struct sg_modload_combo *c, const struct sg_modclient_time *t, unsigned n,
		      uint32_t round, enum sg_modload_source source)
{
	if (c->ntime + n > c->cap) {
		size_t cap = 2 * c->cap + n;
		struct sg_modload_time *v = realloc(c->time, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		c->time = v;
		c->cap = cap;
	}
	for (unsigned i = 0; i < n; i++)
		c->time[c->ntime++] = (struct sg_modload_time){
			.round = round, .container = i, .source = source, .t = t[i]
		};
	return 0;
}

static int explain(struct modload *b, struct sg_modload_combo *c, const char *name, const char *recording,
		   bool first, struct sg_err *err)
{
	char folded[PATH_MAX];
	int rc = sg_modload_explain(c, &b->o, recording, err);

	for (const char *const *v = (const char *const[]){ "path", "cause", NULL }; *v && !rc; v++) {
		snprintf(folded, sizeof(folded), "%s/%s.%s.folded", b->dir, name, *v);
		rc = sg_folded_export(b->self, recording, folded, *v, !first, b->o.sigfd, err);
	}
	return rc;
}

/*
 * A sandbox did not start: seen with systrap, whose Sentry then traces its first
 * stub for ever. The daemon waits for it, so both go; nothing of the round counts.
 */
static int start_over(struct modload *b, struct sg_err *err)
{
	int rc;

	sg_say(b->o.progress, b->o.ctx, "%s; once more, with a new daemon", err->msg);
	rc = sg_sandbox_close(b->box, err);
	b->box = NULL;
	memset(b->container, 0, sizeof(b->container));
	return rc ? rc : sg_modload_open(b, err);
}

static int one_round(struct modload *b, struct sg_modload_combo *c, uint32_t round,
		     enum sg_modload_source source, struct sg_err *err)
{
	bool by_default = source == SG_SOURCE_DEFAULT;
	struct sg_modclient_time t[SG_MODCLIENT_MAX];
	char name[64], recording[PATH_MAX];
	int rc;

	sg_modload_task(name, sizeof(name), &b->o, c, '.');
	snprintf(recording, sizeof(recording), "%s/%s%s%s.r%" PRIu32 ".sgt", b->dir, name,
		 by_default ? "" : ".", by_default ? "" : sg_modload_sources_names[source], round);
	rc = sg_modload_round(b, c, source, recording, t, err);
	for (unsigned i = 0; i < TRIES && rc == -ETIMEDOUT; i++) {
		rc = start_over(b, err);
		if (!rc)
			rc = sg_modload_round(b, c, source, recording, t, err);
	}
	if (rc)
		return rc;
	rc = keep_times(c, t, b->o.count[c->count], round, source);
	if (rc)
		return sg_err_set(err, rc, "out of memory");
	if (by_default)
		return explain(b, c, name, recording, !round, err);
	return source == SG_SOURCE_NONE ? 0 : sg_modload_seen(&c->seen[source], source, recording, err);
}

/* The lowest number of containers is where the price of recording is asked for. */
static bool is_paired(const struct sg_modload_opts *o, const struct sg_modload_combo *c)
{
	if (!o->record || o->pairs == SG_PAIRS_NONE)
		return false;
	for (unsigned i = 0; i < o->ncount && o->pairs == SG_PAIRS_FIRST; i++)
		if (o->count[i] < o->count[c->count])
			return false;
	return true;
}

/* By what one combination is recorded, each once a round. */
static unsigned sources_of(const struct sg_modload_opts *o, const struct sg_modload_combo *c,
			   enum sg_modload_source ret[SG_SOURCES_MAX])
{
	unsigned n = 0;

	if (o->record)
		ret[n++] = SG_SOURCE_DEFAULT;
	if (!o->record || is_paired(o, c))
		ret[n++] = SG_SOURCE_NONE;
	/* the others are gVisor's */
	for (unsigned s = SG_SOURCE_DEFAULT + 1; s < SG_SOURCES_MAX && n > 1; s++)
		if (o->sources >> s & 1 && o->runtime[c->runtime]->suite)
			ret[n++] = (enum sg_modload_source)s;
	return n;
}

/*
 * Rounds are the outer loop, so that what changes on the machine meanwhile meets
 * all runtimes alike; what is compared takes turns in who goes first.
 */
static int run_all(struct modload *b, struct sg_modload_result *r, struct sg_err *err)
{
	enum sg_modload_source source[SG_SOURCES_MAX];
	int rc = sg_modload_setup(b, err);
	char name[64];

	for (uint32_t round = 0; round < b->o.rounds && !rc; round++)
		for (size_t i = 0; i < r->ncombo && !rc; i++) {
			struct sg_modload_combo *c = &r->combo[i];
			unsigned n = sources_of(&b->o, c, source);

			sg_say(b->o.progress, b->o.ctx, "round %" PRIu32 " of %u: %s", round + 1, b->o.rounds,
			       sg_modload_task(name, sizeof(name), &b->o, c, '/'));
			for (unsigned k = 0; k < n && !rc; k++)
				rc = one_round(b, c, round, source[(round + k) % n], err);
		}
	return rc;
}

static int make_combos(struct sg_modload_result *r)
{
	const struct sg_modload_opts *o = &r->opts;
	size_t n = (size_t)o->nruntime * o->ncount * o->nmodule;

	r->combo = calloc(n, sizeof(*r->combo));
	if (!r->combo)
		return -ENOMEM;
	for (unsigned k = 0; k < o->ncount; k++)
		for (unsigned m = 0; m < o->nmodule; m++)
			for (unsigned t = 0; t < o->nruntime; t++)
				r->combo[r->ncombo++] =
					(struct sg_modload_combo){ .runtime = t, .count = k, .module = m };
	for (unsigned t = 0; t < o->nruntime; t++)
		if (!o->runtime[t]->suite)
			r->base = t;
	return 0;
}

static int close_box(void *box, struct sg_err *err)
{
	return sg_sandbox_close(box, err);
}

int sg_modload_run(struct sg_modload_result *r, const struct sg_modload_opts *opts, struct sg_err *err)
{
	struct modload *b = calloc(1, sizeof(*b));
	int rc;

	memset(r, 0, sizeof(*r));
	if (!b)
		return sg_err_set(err, -ENOMEM, "out of memory");
	b->o = r->opts = *opts;
	if (geteuid()) {
		rc = sg_err_set(err, -EPERM, "bench modload starts a Docker daemon: run it as root");
		goto out;
	}
	rc = sg_live_possible(err);
	if (rc)
		goto out;
	rc = make_combos(r);
	if (rc) {
		sg_err_set(err, rc, "out of memory");
		goto out;
	}
	rc = sg_guard_start(&b->guard, err);
	if (!rc)
		rc = run_all(b, r, err);
	rc = sg_guard_ending(b->guard, rc, close_box, b->box, err);
out:
	free(b);
	return rc;
}

void sg_modload_free(struct sg_modload_result *r)
{
	for (size_t i = 0; i < r->ncombo; i++) {
		free(r->combo[i].time);
		sg_blame_free(r->combo[i].blame);
	}
	free(r->combo);
	memset(r, 0, sizeof(*r));
}
