/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kern/live.h"
#include "load/cpu.h"
#include "load/cpu_sums.h"

#define READY_MS 180000
#define END_MS	 300000
#define SAID_MAX 65536 /* what a job writes on the way to its check */

struct cpu {
	struct sg_cpu_opts o;
	struct sg_cpu_result *r;
	struct sg_guard *guard;
	char self[1024];
	char dir[1024]; /* absolute */
	char data[1100];
	struct sg_cpu_program program[SG_CPU_JOB_MAX + 1];
	void *env[SG_CPU_ENVS];
	struct sg_child runner;
	uint64_t id; /* of the next task's marks */
};

static const struct sg_cpu_env *env_of(const struct cpu *b, unsigned e)
{
	return b->o.env[e]->env;
}

static struct sg_cpu_where where_of(const struct cpu *b, unsigned e)
{
	return (struct sg_cpu_where){ .env = b->o.env[e]->name,
				      .data = env_of(b, e)->data ? env_of(b, e)->data : b->data };
}

/* ---- before the first round ---------------------------------------------- */

static int setup(struct cpu *b, struct sg_err *err)
{
	int rc = sg_self_path(b->self, sizeof(b->self), err);

	if (!rc)
		rc = sg_result_dir(b->o.dir, b->dir, sizeof(b->dir), err);
	if (rc)
		return rc;
	for (const char *c = b->dir; *c; c++)
		if ((unsigned char)*c <= ' ')
			return sg_err_set(err, -EINVAL,
					  "the path of %s has a blank or a control character in it, which "
					  "the jobs' scripts cannot have",
					  b->o.dir);
	for (unsigned i = 0; i < b->o.njob; i++)
		b->program[i] = sg_cpu_programs[b->o.job[i]];
	snprintf(b->data, sizeof(b->data), "%s/data", b->dir);
	rc = sg_guard_add(b->guard, SG_GUARD_DIR, b->data, err);
	return rc ? rc : sg_make_dir(b->data, err);
}

static int setup_jobs(struct cpu *b, struct sg_err *err)
{
	struct sg_cpu_where where[SG_CPU_ENVS];
	int rc = 0;

	for (unsigned e = 0; e < b->o.nenv; e++)
		where[e] = where_of(b, e);
	for (unsigned i = 0; i < b->o.njob && !rc; i++)
		rc = sg_cpu_job_setup(b->o.job[i], &b->o.size, b->data, where, b->o.nenv, b->guard, err);
	return rc;
}

static int open_envs(struct cpu *b, struct sg_err *err)
{
	struct sg_cpu_env_opts eo = { .guard = b->guard,
				      .places = b->o.count[b->o.ncount - 1],
				      .self = b->self,
				      .dir = b->dir,
				      .data = b->data,
				      .program = b->program,
				      .vm = &b->o.vm,
				      .sigfd = b->o.sigfd,
				      .progress = b->o.progress,
				      .ctx = b->o.ctx };
	int rc = 0;

	for (unsigned e = 0; e < b->o.nenv && !rc; e++) {
		rc = env_of(b, e)->open(&b->env[e], &eo, err);
		if (!rc)
			rc = sg_stopped(b->o.sigfd, err);
	}
	return rc;
}

/* One start of a job: the command line of this machine into @ret, for the caller to free. */
static int start_of(struct cpu *b, const struct sg_cpu_combo *c, unsigned place, const char *task, bool quiet,
		    cpu_set_t *cpus, struct sg_cpu_start *ret, struct sg_err *err)
{
	struct sg_args a = { 0 };
	const struct sg_cpu_where where = where_of(b, c->env);
	struct sg_cpu_order order = { .cpus = cpus, .task = task, .id = b->id + place, .quiet = quiet };
	int rc;

	sg_cpu_set(&b->o, c->pinned, place, cpus);
	sg_cpu_job_args(b->o.job[c->job], &where, &a);
	order.argv = (const char *const *)(uintptr_t)a.v;
	rc = a.failed ? sg_err_set(err, -ENOMEM, "out of memory")
		      : env_of(b, c->env)->start(b->env[c->env], place, &order, ret, err);
	sg_args_free(&a);
	return rc;
}

/* Everything a child writes, until it closes its output. */
static int read_all(struct cpu *b, struct sg_child *c, char *buf, size_t cap, struct sg_err *err)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0) {
		int rc = sg_child_wait_any(NULL, 0, c->out, b->o.sigfd, -1);

		if (rc)
			return sg_err_set(err, rc, rc == -EINTR ? "interrupted" : "cannot read what %s says",
					  c->name);
		n = read(c->out, buf + len, cap - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		if (len == cap - 1)
			return sg_err_set(err, -EPROTO, "%s says too much", c->name);
	}
	buf[len] = 0;
	return 0;
}

/* A job once in a place, before anything is measured: is its work done, and its input in the page cache. */
static int try_job(struct cpu *b, const struct sg_cpu_combo *c, unsigned place, struct sg_err *err)
{
	bool quiet = b->o.job[c->job] == SG_CPU_JOB_BZIP2;
	struct sg_cpu_start st = { 0 };
	struct sg_child child = SG_CHILD_NONE, *cp = &child;
	cpu_set_t cpus;
	struct sg_child_opts o = { .out = !quiet, .quiet = quiet, .err = true, .group = true };
	char name[48], *said = calloc(1, SAID_MAX);
	int rc = said ? start_of(b, c, place, NULL, quiet, &cpus, &st, err)
		      : sg_err_set(err, -ENOMEM, "out of memory");

	snprintf(name, sizeof(name), "%s on %s, place %u", sg_cpu_programs[b->o.job[c->job]].name,
		 b->o.env[c->env]->name, place);
	o.name = name;
	o.cpus = st.affinity ? &cpus : NULL;
	if (!rc)
		rc = sg_child_spawn(&child, &o, st.args.v, err);
	if (!rc && !quiet)
		rc = read_all(b, &child, said, SAID_MAX, err);
	if (!rc) {
		rc = sg_child_wait_any(&cp, 1, -1, b->o.sigfd, -1);
		if (rc)
			sg_err_set(err, rc, rc == -EINTR ? "interrupted" : "cannot wait for %s", child.name);
		else if (child.status)
			rc = sg_child_dead(&child, err);
	}
	if (!rc)
		rc = sg_cpu_job_check(b->o.job[c->job], &b->o.size, said, err);
	sg_child_kill(&child);
	sg_args_free(&st.args);
	free(said);
	return rc;
}

static int try_all(struct cpu *b, struct sg_err *err)
{
	int rc = 0;

	for (unsigned e = 0; e < b->o.nenv; e++)
		for (unsigned j = 0; j < b->o.njob; j++) {
			struct sg_cpu_combo c = { .env = e, .job = j, .pinned = b->o.pin == SG_CPU_PIN_YES };
			/* processes of this machine have one page cache */
			unsigned places = env_of(b, e)->data ? b->o.count[b->o.ncount - 1] : 1;

			sg_say(b->o.progress, b->o.ctx, "%s: trying %s", b->o.env[e]->name,
			       sg_cpu_programs[b->o.job[j]].job);
			for (unsigned i = 0; i < places && !rc; i++)
				rc = try_job(b, &c, i, err);
		}
	return rc;
}

/* ---- one round ----------------------------------------------------------- */

static int start_runner(struct cpu *b, const char *recording, struct sg_err *err)
{
	struct sg_child_opts o = { .name = recording ? "the recorder" : "the runner",
				   .in = true,
				   .out = true,
				   .err = true,
				   .group = true };
	struct sg_args a = { 0 };
	char line[64];
	int rc = 0;

	if (recording) {
		for (const char *const *w = (const char *const[]){ b->self, "record", "-q", "-a", "-o",
								   recording, "--role", "client=self", NULL };
		     *w; w++)
			sg_arg(&a, "%s", *w);
		for (unsigned e = 0; e < b->o.nenv && !rc; e++)
			if (env_of(b, e)->follow)
				rc = env_of(b, e)->follow(b->env[e], &a, err);
		sg_arg(&a, "--");
	}
	for (const char *const *w = (const char *const[]){ b->self, "bench", "cpu-runner", NULL }; *w; w++)
		sg_arg(&a, "%s", *w);
	if (!rc)
		rc = a.failed ? sg_err_set(err, -ENOMEM, "out of memory")
			      : sg_child_spawn(&b->runner, &o, a.v, err);
	sg_args_free(&a);
	if (rc)
		return rc;
	rc = sg_child_line(&b->runner, b->o.sigfd, READY_MS, line, sizeof(line));
	if (rc == -EINTR)
		return sg_err_set(err, rc, "interrupted");
	if (rc == -EPIPE)
		return sg_cpu_runner_gone(&b->runner, err);
	if (rc || strcmp(line, "ready"))
		return sg_err_set(err, rc ? rc : -EPROTO, "%s is not ready after %d s", o.name,
				  READY_MS / 1000);
	return 0;
}

/* The end of its input is the runner's end, and the recorder's after it. */
static int stop_runner(struct cpu *b, struct sg_err *err)
{
	struct sg_child *c = &b->runner;
	int rc;

	close(c->in);
	c->in = -1;
	rc = sg_child_wait_any(&c, 1, -1, b->o.sigfd, END_MS);
	if (rc == -EINTR)
		return sg_err_set(err, rc, "interrupted");
	if (rc)
		return sg_err_set(err, rc, "%s does not end", c->name);
	if (c->status)
		return sg_cpu_runner_gone(c, err);
	sg_child_kill(c);
	return 0;
}

static int keep_times(struct sg_cpu_combo *c, const struct sg_cpu_life *l, unsigned n, uint32_t round)
{
	if (c->ntime + n > c->cap) {
		size_t cap = 2 * c->cap + n;
		struct sg_cpu_time *v = realloc(c->time, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		c->time = v;
		c->cap = cap;
	}
	for (unsigned i = 0; i < n; i++)
		c->time[c->ntime++] = (struct sg_cpu_time){ .round = round, .place = i, .life = l[i] };
	return 0;
}

static int ask_used(struct cpu *b, const struct sg_cpu_combo *c, struct sg_cpu_life *l, unsigned n,
		    struct sg_err *err)
{
	struct sg_cpu_used used;
	int rc = 0;

	for (unsigned i = 0; i < n && env_of(b, c->env)->used && !rc; i++) {
		rc = env_of(b, c->env)->used(b->env[c->env], i, &used, err);
		l[i].user_ns = used.user_ns;
		l[i].sys_ns = used.sys_ns;
	}
	return rc;
}

static int one_combo(struct cpu *b, struct sg_cpu_combo *c, uint32_t round, struct sg_err *err)
{
	unsigned n = b->o.count[c->count];
	struct sg_cpu_start *st = calloc(n, sizeof(*st));
	struct sg_cpu_life *l = calloc(n, sizeof(*l));
	cpu_set_t *cpus = calloc(n, sizeof(*cpus));
	char task[64];
	int rc = st && l && cpus ? 0 : sg_err_set(err, -ENOMEM, "out of memory");

	sg_cpu_task(task, sizeof(task), &b->o, c, '/');
	sg_say(b->o.progress, b->o.ctx, "round %" PRIu32 " of %u: %s", round + 1, b->o.rounds, task);
	for (unsigned i = 0; i < n && !rc; i++)
		rc = start_of(b, c, i, task, true, &cpus[i], &st[i], err);
	if (!rc)
		rc = sg_cpu_runner_order(&b->runner, task, b->id, st, cpus, n, b->o.sigfd, l, err);
	b->id += n;
	if (!rc)
		rc = ask_used(b, c, l, n, err);
	if (!rc && keep_times(c, l, n, round))
		rc = sg_err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; st && i < n; i++)
		sg_args_free(&st[i].args);
	free(st);
	free(l);
	free(cpus);
	return rc;
}

/* Every second round goes the other way: what drifts meanwhile meets all combinations alike. */
static int one_round(struct cpu *b, uint32_t round, struct sg_err *err)
{
	char recording[PATH_MAX];
	int rc;

	snprintf(recording, sizeof(recording), "%s/r%" PRIu32 ".sgt", b->dir, round);
	rc = start_runner(b, b->o.record ? recording : NULL, err);
	for (size_t i = 0; i < b->r->ncombo && !rc; i++)
		rc = one_combo(b, &b->r->combo[round % 2 ? b->r->ncombo - 1 - i : i], round, err);
	if (!rc)
		rc = stop_runner(b, err);
	if (rc || !b->o.record)
		return rc;
	sg_say(b->o.progress, b->o.ctx, "explaining r%" PRIu32 ".sgt", round);
	return sg_cpu_explain(b->r, round, recording, err);
}

/* ---- all ----------------------------------------------------------------- */

static int run_all(struct cpu *b, struct sg_err *err)
{
	int rc = setup(b, err);

	if (!rc)
		rc = setup_jobs(b, err);
	if (!rc)
		rc = open_envs(b, err);
	if (!rc)
		rc = try_all(b, err);
	for (uint32_t round = 0; round < b->o.rounds && !rc; round++)
		rc = one_round(b, round, err);
	return rc;
}

static int close_all(struct cpu *b, struct sg_err *err)
{
	struct sg_err one;
	int rc = 0, rc1;

	sg_child_term(&b->runner, 5000);
	for (unsigned e = 0; e < b->o.nenv; e++) {
		rc1 = b->env[e] ? env_of(b, e)->close(b->env[e], &one) : 0;
		if (rc1 && !rc) {
			rc = rc1;
			*err = one;
		}
	}
	rc1 = sg_guard_end(b->guard, &one);
	if (rc1 && !rc) {
		rc = rc1;
		*err = one;
	}
	return rc;
}

int sg_cpu_run(struct sg_cpu_result *r, const struct sg_cpu_opts *opts, struct sg_err *err)
{
	struct cpu *b = calloc(1, sizeof(*b));
	void (*pipe_was)(int);
	struct sg_err later;
	cpu_set_t allowed;
	int rc, rc2;

	memset(r, 0, sizeof(*r));
	if (!b)
		return sg_err_set(err, -ENOMEM, "out of memory");
	b->o = *opts;
	b->r = r;
	b->id = sg_task_ids();
	if (geteuid()) {
		rc = sg_err_set(err, -EPERM, "bench cpu records the whole machine: run it as root");
		goto out;
	}
	rc = sg_live_possible(err);
	if (rc)
		goto out;
	if (sched_getaffinity(0, sizeof(allowed), &allowed)) {
		rc = sg_err_set(err, -errno, "cannot see which CPUs may be used: %s", strerror(errno));
		goto out;
	}
	rc = sg_cpu_defaults(&b->o, &allowed, err);
	if (rc)
		goto out;
	r->opts = b->o;
	rc = sg_cpu_combos(r);
	if (rc) {
		sg_err_set(err, rc, "out of memory");
		goto out;
	}
	pipe_was = signal(SIGPIPE, SIG_IGN); /* a runner that is gone is an error of its pipe */
	rc = sg_guard_start(&b->guard, err);
	if (!rc)
		rc = run_all(b, err);
	r->opts.vm = b->o.vm;
	for (size_t i = 0; i < r->ncombo; i++)
		sg_cpu_parts_sort(&r->combo[i]);
	rc2 = close_all(b, &later);
	if (!rc && rc2) {
		rc = rc2;
		*err = later;
	}
	signal(SIGPIPE, pipe_was);
out:
	free(b);
	return rc;
}

void sg_cpu_free(struct sg_cpu_result *r)
{
	for (size_t i = 0; i < r->ncombo; i++) {
		free(r->combo[i].time);
		sg_blame_free(r->combo[i].blame);
		sg_view_free(&r->combo[i].path);
		sg_view_free(&r->combo[i].cause);
	}
	free(r->combo);
	memset(r, 0, sizeof(*r));
}
