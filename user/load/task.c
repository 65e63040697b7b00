/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kern/live.h"
#include "load/inside.h"
#include "load/swap.h"
#include "load/task.h"
#include "load/task_priv.h"

#define MIB		  ((uint64_t)1024 * 1024)
#define READY_MS	  30000
#define REQUEST_TIMEOUT_S 1800
#define TELL_MS		  15000

/* What a server's process needs beside its queue and its file. */
#define NATIVE_BASE_BYTES (8 * MIB)
#define NODE_BASE_BYTES	  (80 * MIB)
/* Kernel, init and agent of a guest, some 60 MiB by estimate, and some page cache; Docker Engine beside them. */
#define GUEST_BYTES  (96 * MIB)
#define ENGINE_BYTES (192 * MIB)
/* A Sentry and a Gofer, measured at rest with one server. */
#define GVISOR_BYTES (64 * MIB)
/* Node 20, measured: 585 MB resident after one request of 2,000,000 writes, 1.3 GB after four. */
#define NODE_WRITE_BYTES 650

static uint64_t process_need(const struct sg_task_opts *o)
{
	uint64_t file = o->writes * (sizeof(SG_SERVER_LINE) - 1);

	if (o->node)
		return NODE_BASE_BYTES + file + o->writes * NODE_WRITE_BYTES;
	return NATIVE_BASE_BYTES + file + sg_server_queue_bytes(o->mode, o->writes);
}

/* What one server holds when all goes on in memory, just so. */
static uint64_t server_need(const struct sg_task_opts *o)
{
	uint64_t need = process_need(o) + (o->gvisor ? GVISOR_BYTES : 0), vm = 0;

	need += need / 8;
	/* a guest that runs long has touched all of its memory */
	if (o->vm)
		vm = o->vm_memory_bytes + SG_VMS_VMM_HELD_BYTES;
	return need > vm ? need : vm;
}

void sg_task_defaults(struct sg_task_opts *o)
{
	uint64_t need, hogs = 0;

	if (o->vm && !o->vm_memory_bytes) {
		need = process_need(o) + GUEST_BYTES + (o->vm == SG_TASK_VM_DOCKER ? ENGINE_BYTES : 0);
		need += o->inside ? sg_inside_bytes(o->vcpus) : 0;
		o->vm_memory_bytes = (need + 64 * MIB - 1) / (64 * MIB) * (64 * MIB);
	}
	need = server_need(o) * o->servers;
	for (unsigned i = 0; i < o->nlevel; i++)
		hogs = o->level[i] * o->hog_bytes > hogs ? o->level[i] * o->hog_bytes : hogs;
	/* without hogs all fits; each hog then is too much */
	if (!o->memory_bytes)
		o->memory_bytes = need / MIB * MIB;
	if (!o->swap_bytes)
		o->swap_bytes = (need + hogs + hogs / 4 + 64 * MIB) / MIB * MIB;
}

void sg_task_say(const struct sg_task_opts *o, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (o->progress)
		o->progress(o->ctx, text);
}

int sg_task_dead(struct bench *b, const struct sg_child *c, struct sg_err *err)
{
	struct sg_memlimit_stat st;
	char fate[64], said[160] = "";

	sg_memlimit_stat(&b->limit, &st);
	if (st.oom_kill)
		return sg_err_set(err, -ENOMEM,
				  "the kernel killed %s: memory (%" PRIu64
				  " MiB, --memory) and swap (%" PRIu64
				  " MiB, --swap-size) are too small for this load",
				  c->name, b->o.memory_bytes / MIB, b->o.swap_bytes / MIB);
	sg_child_read_err((struct sg_child *)(uintptr_t)c, said, sizeof(said));
	return sg_err_set(err, -ECHILD, "%s ended (%s)%s%s", c->name, sg_child_fate(c, fate, sizeof(fate)),
			  said[0] ? ": " : "", said);
}

/* The server's command line; in a container its files are where the container has them. */
static void server_args(const struct bench *b, unsigned i, struct sg_args *a)
{
	const char *dir = b->box ? "" : b->dir;

	if (b->box)
		sg_sandbox_exec(b->box, &b->container[i], "/", a);
	if (b->o.node) {
		sg_arg(a, "node");
		/* as much heap as the writes need: the default ceiling depends on the machine */
		sg_arg(a, "--max-old-space-size=16384");
		sg_arg(a, "%s/node/server.js", dir);
	} else {
		sg_arg(a, "%s", b->box ? SG_TASK_GUEST_SELF : b->self);
		sg_arg(a, "bench");
		sg_arg(a, "task-server");
	}
	sg_arg(a, "%u", b->o.port ? b->o.port + i : 0);
	sg_arg(a, "%s/data/server%u", dir, i);
	sg_arg(a, "%" PRIu64, b->o.writes);
	if (!b->o.node)
		sg_arg(a, "%s", sg_write_mode_names[b->o.mode]);
}

static int start_server(struct bench *b, unsigned i, struct sg_err *err)
{
	char name[32], line[64];
	struct sg_child_opts o = {
		.name = name, .cgroup = b->box ? NULL : b->limit.path, .out = true, .err = true, .group = true
	};
	struct sg_child *c = &b->server[i];
	struct sg_args a = { 0 };
	int rc;

	snprintf(name, sizeof(name), "server %u", i);
	server_args(b, i, &a);
	rc = a.failed ? sg_err_set(err, -ENOMEM, "out of memory") : sg_child_spawn(c, &o, a.v, err);
	sg_args_free(&a);
	if (rc)
		return rc;
	rc = sg_child_line(c, b->o.sigfd, READY_MS, line, sizeof(line));
	if (rc == -EPIPE) {
		sg_child_wait_any(&c, 1, -1, -1, 2000);
		return sg_task_dead(b, c, err);
	}
	if (rc == -EINTR)
		return sg_err_set(err, rc, "interrupted");
	if (rc || sscanf(line, "port %u", &b->port[i]) != 1)
		return sg_err_set(err, rc ? rc : -EPROTO, "%s did not say where it listens", c->name);
	return 0;
}

static int setup_level(struct bench *b, struct sg_err *err)
{
	char name[64], file[PATH_MAX];
	int rc = 0;

	/* before the groups, so cleaned after them: a server that lives makes its file again */
	for (unsigned i = 0; i < b->o.servers && !rc; i++) {
		snprintf(file, sizeof(file), "%s/data/server%u", b->dir, i);
		rc = sg_guard_add(b->guard, SG_GUARD_FILE, file, err);
	}
	snprintf(name, sizeof(name), "sandglass-bench-%d", (int)getpid());
	if (!rc)
		rc = sg_memlimit_make(&b->limit, b->guard, name, b->o.memory_bytes, err);
	if (!rc)
		rc = sg_task_env_level(b, err);
	for (unsigned i = 0; i < b->o.servers && !rc && !b->vms; i++)
		rc = start_server(b, i, err);
	return rc;
}

static int end_level(struct bench *b, struct sg_err *err)
{
	char file[PATH_MAX];
	struct sg_err first;
	int rc, rc2, one;

	sg_child_term(&b->client, 5000);
	for (unsigned i = 0; i < SG_HOG_MAX; i++)
		sg_child_kill(&b->hog[i]);
	for (unsigned i = 0; i < SG_CLIENT_MAX; i++)
		sg_child_kill(&b->server[i]);
	rc = sg_task_env_end_level(b, err);
	rc2 = sg_memlimit_remove(&b->limit, b->guard, rc ? &first : err);
	rc = rc ? rc : rc2;
	for (unsigned i = 0; i < b->o.servers && b->guard; i++) {
		snprintf(file, sizeof(file), "%s/data/server%u", b->dir, i);
		one = sg_guard_clean(b->guard, SG_GUARD_FILE, file, &first);
		if (one && !rc) {
			rc = one;
			*err = first;
		}
	}
	return rc;
}

/* ---- one level ----------------------------------------------------------- */

/* How far it is: only told when it takes long. */
static void tell_round(struct bench *b, const char *times, bool measured)
{
	if (measured)
		sg_task_say(&b->o, "%zu of %u rounds are done", sg_client_done(times) / b->o.servers,
			    b->o.rounds);
	else
		sg_task_say(&b->o, "the first round, which is not measured, goes on");
}

/* Wait for the client (or its recorder), and notice when something it needs ends before. */
static int wait_client(struct bench *b, const char *times, bool measured, struct sg_err *err)
{
	struct sg_child *all[1 + SG_CLIENT_MAX + SG_HOG_MAX];
	char said[300], fate[64];
	size_t n = 0;
	int rc;

	all[n++] = &b->client;
	for (unsigned i = 0; i < b->o.servers && !b->vms; i++)
		all[n++] = &b->server[i];
	for (unsigned i = 0; i < SG_HOG_MAX && b->hog[i].pid > 0; i++)
		all[n++] = &b->hog[i];
	while ((rc = sg_child_wait_any(all, n, b->vms ? b->vm_end : -1, b->o.sigfd, TELL_MS)) == -ETIMEDOUT)
		tell_round(b, times, measured);
	if (rc == (int)n)
		return sg_task_vm_dead(b, err);
	if (rc == -EINTR)
		return sg_err_set(err, rc, "interrupted");
	if (rc < 0)
		return sg_err_set(err, rc, "cannot wait for the client: %s", strerror(-rc));
	if (rc > 0)
		return sg_task_dead(b, all[rc], err);
	if (!b->client.status)
		return 0;
	/* the client fails when a server dies under it: then the server is the news */
	if (b->vms && sg_child_wait_any(NULL, 0, b->vm_end, -1, 50) == 0)
		return sg_task_vm_dead(b, err);
	for (size_t i = 1; i < n; i++)
		if (sg_child_wait_any(&all[i], 1, -1, -1, 50) == 0)
			return sg_task_dead(b, all[i], err);
	sg_child_read_err(&b->client, said, sizeof(said));
	if (said[0])
		return sg_err_set(err, -EIO, "%s", sg_child_sentence(said));
	return sg_err_set(err, -EIO, "the client ended with %s",
			  sg_child_fate(&b->client, fate, sizeof(fate)));
}

/*
 * The client as a command: "record ... -- SELF bench task-client FILE ROUNDS TIMEOUT PORT...",
 * or without the first part for the unrecorded warm-up.
 */
static int run_client(struct bench *b, const char *record, const char *times, bool measured,
		      struct sg_err *err)
{
	struct sg_args a = { 0 };
	char said[240];
	struct sg_child_opts o = { .name = "the client", .err = true, .quiet = true, .group = true };
	int rc;

	if (record) {
		sg_arg(&a, "%s", b->self);
		sg_arg(&a, "record");
		sg_arg(&a, "-q");
		sg_arg(&a, "-o");
		sg_arg(&a, "%s", record);
		sg_arg(&a, "--role");
		sg_arg(&a, "client=self");
		if (sg_task_inside(b))
			sg_task_inside_args(b, &a);
		if (b->box) {
			sg_arg(&a, "-G");
			sg_arg(&a, "%s", b->limit.path);
		}
		for (unsigned i = 0; i < b->o.servers; i++) {
			pid_t pid = sg_task_env_pid(b, i);

			if (!b->box) {
				sg_arg(&a, "-p");
				sg_arg(&a, "%d", (int)pid);
			}
			/* on KVM the recorder tells the parts of a VMM apart itself */
			if (pid && !(b->vms && sg_vms_accel(b->vms) == SG_ACCEL_KVM)) {
				sg_arg(&a, "--role");
				sg_arg(&a, "%s=%d", b->vms ? "vmm" : "server", (int)pid);
			}
		}
		sg_arg(&a, "--");
	}
	sg_arg(&a, "%s", b->self);
	sg_arg(&a, "bench");
	sg_arg(&a, "task-client");
	sg_arg(&a, "%s", times);
	sg_arg(&a, "%u", measured ? b->o.rounds : 1);
	sg_arg(&a, "%d", REQUEST_TIMEOUT_S);
	for (unsigned i = 0; i < b->o.servers; i++)
		sg_arg(&a, "%u", b->port[i]);
	rc = a.failed ? sg_err_set(err, -ENOMEM, "out of memory") : sg_child_spawn(&b->client, &o, a.v, err);
	sg_args_free(&a);
	if (rc)
		return rc;
	rc = wait_client(b, times, measured, err);
	/* of a recording that went well but for a guest */
	sg_child_read_err(&b->client, said, sizeof(said));
	if (!rc && record && said[0])
		sg_task_say(&b->o, "%s", said);
	sg_child_term(&b->client, 5000);
	return rc;
}

static int measure(struct bench *b, struct sg_task_level *l, struct sg_err *err)
{
	char times[PATH_MAX], record[PATH_MAX];
	uint64_t in0, out0;
	FILE *f;
	int rc;

	snprintf(times, sizeof(times), "%s/p%u.times.tsv", b->dir, l->pressure);
	snprintf(record, sizeof(record), "%s/p%u.sgt", b->dir, l->pressure);
	sg_swap_pages(&in0, &out0);
	rc = run_client(b, b->o.record ? record : NULL, times, true, err);
	if (rc)
		return rc;
	sg_swap_pages(&l->swapin_pages, &l->swapout_pages);
	l->swapin_pages -= in0;
	l->swapout_pages -= out0;
	sg_memlimit_stat(&b->limit, &l->mem);
	if (b->o.record)
		snprintf(l->file, sizeof(l->file), "p%u.sgt", l->pressure);
	l->told.asked = sg_task_inside(b);
	f = fopen(times, "re");
	if (!f)
		return sg_err_set(err, -errno, "cannot read %s: %s", times, strerror(errno));
	rc = sg_client_read(f, b->o.servers, b->o.rounds, &l->time, &l->ntime, err);
	fclose(f);
	return rc;
}

static const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

static int run_level(struct bench *b, struct sg_task_level *l, struct sg_err *err)
{
	struct sg_memlimit hogs;
	char warm[PATH_MAX];
	struct sg_err later;
	int rc, rc2;

	sg_task_say(&b->o, "%s, pressure %u: %u server%s, %u hog%s of %" PRIu64 " MiB, limit %" PRIu64 " MiB",
		    b->o.env->name, l->pressure, b->o.servers, plural(b->o.servers), l->pressure,
		    plural(l->pressure), b->o.hog_bytes / MIB, b->o.memory_bytes / MIB);
	rc = setup_level(b, err);
	/* one round grows the heaps to their size; it is not measured */
	snprintf(warm, sizeof(warm), "%s/data/warm", b->dir);
	if (!rc)
		rc = sg_guard_add(b->guard, SG_GUARD_FILE, warm, err);
	if (!rc)
		rc = run_client(b, NULL, warm, false, err);
	if (!rc)
		rc = sg_guard_clean(b->guard, SG_GUARD_FILE, warm, err);
	if (!rc)
		rc = sg_task_env_hogs(b, &hogs, err);
	if (!rc)
		rc = sg_hogs_start(b->hog, l->pressure, b->o.hog, b->o.hog_bytes, b->self, &hogs, b->o.sigfd,
				   err);
	if (!rc)
		rc = measure(b, l, err);
	rc2 = end_level(b, &later);
	if (!rc && rc2)
		*err = later;
	return rc ? rc : rc2;
}

/* ---- all ----------------------------------------------------------------- */

static unsigned base_level(const struct sg_task_opts *o)
{
	unsigned base = 0;

	for (unsigned i = 1; i < o->nlevel; i++)
		if (o->level[i] < o->level[base])
			base = i;
	return base;
}

static int run_all(struct bench *b, struct sg_task_result *r, struct sg_err *err)
{
	int rc = sg_task_setup_dirs(b, err);

	if (!rc && b->o.node)
		rc = sg_task_setup_node(b, err);
	if (!rc)
		rc = sg_task_setup_swap(b, err);
	if (!rc)
		rc = sg_task_env_open(b, err);
	for (unsigned i = 0; i < b->o.nlevel && !rc; i++) {
		struct sg_task_level *l = &r->level[i];

		l->pressure = b->o.level[i];
		r->nlevel = i + 1;
		rc = run_level(b, l, err);
		if (rc || !b->o.record)
			continue;
		sg_task_say(&b->o, "pressure %u: explaining %s", l->pressure, l->file);
		rc = sg_task_explain(l, b->dir, b->o.servers, err);
		if (!rc)
			rc = sg_task_export(l, b->dir, b->self, b->o.sigfd, err);
	}
	return rc;
}

static int close_env(void *b, struct sg_err *err)
{
	return sg_task_env_close(b, err);
}

int sg_task_run(struct sg_task_result *r, const struct sg_task_opts *opts, struct sg_err *err)
{
	struct bench *b = calloc(1, sizeof(*b));
	int rc;

	memset(r, 0, sizeof(*r));
	if (!b)
		return sg_err_set(err, -ENOMEM, "out of memory");
	b->o = *opts;
	sg_task_defaults(&b->o);
	r->opts = b->o;
	r->base = base_level(opts);
	if (geteuid()) {
		rc = sg_err_set(err, -EPERM, "bench task limits memory and sets up swap: run it as root");
		goto out;
	}
	rc = sg_live_possible(err);
	if (rc)
		goto out;
	rc = sg_guard_start(&b->guard, err);
	if (!rc)
		rc = run_all(b, r, err);
	if (b->vms)
		r->opts.accel = sg_vms_accel(b->vms);
	rc = sg_guard_ending(b->guard, rc, close_env, b, err);
out:
	free(b);
	return rc;
}

void sg_task_free(struct sg_task_result *r)
{
	for (unsigned i = 0; i < r->nlevel; i++) {
		struct sg_task_level *l = &r->level[i];

		free(l->time);
		sg_blame_free(l->blame);
		for (unsigned s = 0; s < SG_CLIENT_MAX; s++)
			sg_blame_free(l->server_blame[s]);
	}
	memset(r, 0, sizeof(*r));
}
