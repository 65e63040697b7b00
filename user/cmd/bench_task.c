/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass bench task: the options, and the results into its folder and onto the screen. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/parse.h"
#include "cmd/bench.h"

#define SERVERS_DEFAULT 4
#define ROUNDS_DEFAULT	50
#define WRITES_DEFAULT	2000000
#define HOG_DEFAULT	(256ull << 20)

#define SG_X(name, runtime, vm) " " name
static const char env_words[] = "the servers run on or in one of" SG_TASK_ENV_LIST(SG_X);
#undef SG_X

enum {
	OPT_SERVERS = 256,
	OPT_WRITES,
	OPT_PRESSURE,
	OPT_SERVER,
	OPT_MODE,
	OPT_MEMORY,
	OPT_SWAP,
	OPT_SWAP_SIZE,
	OPT_HOG,
	OPT_HOG_SIZE,
	OPT_PORT,
};

static const struct argp_option options[] = {
	{ "servers", OPT_SERVERS, "N", 0,
	  "HTTP servers (default 4; with virtual machines as many of them as fit into memory)", 1 },
	{ "writes", OPT_WRITES, "N", 0, "writes of 15 bytes per request (default 2000000: a file of 30 MB)",
	  1 },
	{ "server", OPT_SERVER, "KIND", 0,
	  "native (C, the default) or node (Node.js and express, brought by npm)", 1 },
	{ "write-mode", OPT_MODE, "MODE", 0,
	  "native server: stream (queue all writes in memory, then writev; the default), stdio or syscall",
	  1 },
	{ "pressure", OPT_PRESSURE, "LIST", 0, "levels: memory hogs of each, e.g. 0,1,2 (the default)", 2 },
	{ "memory", OPT_MEMORY, "SIZE", 0,
	  "memory limit of servers and hogs together (default: what the servers need "
	  "and an eighth more)",
	  2 },
	{ "swap", OPT_SWAP, "FILE|zram|none", 0,
	  "swap to make for the run (default: a file in DIR); none: use what is there", 2 },
	{ "swap-size", OPT_SWAP_SIZE, "SIZE", 0, "size of that swap (default: enough for all)", 2 },
	{ "hog", OPT_HOG, "KIND", 0,
	  "stress (Debian's stress -m 1), own, or auto (stress when it is installed; the default)", 2 },
	{ "hog-size", OPT_HOG_SIZE, "SIZE", 0, "memory of one hog (default 256M)", 2 },
	{ "port", OPT_PORT, "PORT", 0, "TCP port of the first server, the others follow (default: free ones)",
	  3 },
	{ 0 },
};

static void pressure(struct argp_state *s, const char *text, struct sg_task_opts *o)
{
	int n = sg_parse_list(text, SG_HOG_MAX, o->level, SG_LEVELS_MAX);

	if (n < 0)
		argp_error(s,
			   "--pressure takes up to %d different numbers from 0 to %d, like 0,1,2, not '%s'",
			   SG_LEVELS_MAX, SG_HOG_MAX, text);
	else
		o->nlevel = (unsigned)n;
}

static int server_kind(const char *text)
{
	return !strcmp(text, "native") ? 0 : !strcmp(text, "node") ? 1 : -EINVAL;
}

static error_t parse_swap(int key, char *arg, struct argp_state *s, struct sg_task_opts *o)
{
	uint64_t v = 0;

	switch (key) {
	case OPT_MEMORY:
		sg_bench_size(s, "memory", arg, &o->memory_bytes);
		return 0;
	case OPT_SWAP:
		if (!*arg)
			argp_error(s, "--swap takes a file, zram or none");
		o->swap = arg;
		return 0;
	case OPT_SWAP_SIZE:
		sg_bench_size(s, "swap-size", arg, &o->swap_bytes);
		return 0;
	case OPT_HOG:
		o->hog =
			(enum sg_hog_kind)sg_bench_word(s, "hog", arg, sg_hog_kind_find, "auto, stress, own");
		return 0;
	case OPT_HOG_SIZE:
		sg_bench_size(s, "hog-size", arg, &o->hog_bytes);
		return 0;
	case OPT_PORT:
		sg_bench_number(s, "port", arg, 1, 65535, &v);
		o->port = (unsigned)v;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void environments(struct argp_state *s, const char *text, struct sg_bench_args *a)
{
	char word[32];

	a->nenv = 0;
	for (bool more = true; more; text += strlen(word) + more) {
		size_t n = strcspn(text, ",");

		snprintf(word, sizeof(word), "%.*s", n < sizeof(word) ? (int)n : 0, text);
		more = text[n] == ',';
		a->env[a->nenv] = sg_task_env(word);
		if (!a->env[a->nenv] || strlen(word) != n) {
			argp_error(s, "--env '%.*s': %s", (int)n, text, env_words);
			return;
		}
		for (unsigned i = 0; i < a->nenv; i++)
			if (a->env[i] == a->env[a->nenv])
				argp_error(s, "--env: '%s' twice", word);
		if (++a->nenv == SG_TASK_ENVS_MAX && more) {
			argp_error(s, "--env: more than %d environments", SG_TASK_ENVS_MAX);
			return;
		}
	}
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct sg_bench_args *a = s->input;
	struct sg_task_opts *o = &a->task;
	uint64_t v = 0;

	if (key >= OPT_SERVERS && key <= OPT_PORT)
		for (const struct argp_option *op = options; op->name; op++)
			if (op->key == key)
				a->given[SG_BENCH_task] = op->name;
	switch (key) {
	case OPT_SERVERS:
		sg_bench_number(s, "servers", arg, 1, SG_CLIENT_MAX, &v);
		o->servers = (unsigned)v;
		return 0;
	case OPT_WRITES:
		sg_bench_number(s, "writes", arg, 1, SG_BENCH_WRITES_MAX, &o->writes);
		return 0;
	case OPT_SERVER:
		o->node = sg_bench_word(s, "server", arg, server_kind, "native, node");
		return 0;
	case OPT_MODE:
		o->mode = (enum sg_write_mode)sg_bench_word(s, "write-mode", arg, sg_write_mode_find,
							    "stream, stdio, syscall");
		return 0;
	case OPT_PRESSURE:
		pressure(s, arg, o);
		return 0;
	}
	return parse_swap(key, arg, s, o);
}

const struct argp sg_bench_task_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };

void sg_bench_task_defaults(struct sg_bench_args *a)
{
	a->task = (struct sg_task_opts){
		.writes = WRITES_DEFAULT,
		.nlevel = 3,
		.level = { 0, 1, 2 },
		.hog_bytes = HOG_DEFAULT,
	};
	a->env[0] = sg_task_env("host");
	a->nenv = 1;
}

void sg_bench_task_check(struct argp_state *s, struct sg_bench_args *a)
{
	const struct sg_task_opts *o = &a->task;
	unsigned servers = o->servers ? o->servers : SERVERS_DEFAULT;
	const struct sg_task_env *vm = NULL;

	if (a->envs)
		environments(s, a->envs, a);
	for (unsigned i = 0; i < a->nenv; i++)
		vm = a->env[i]->vm ? a->env[i] : vm;
	if (o->port && o->port + servers - 1 > 65535)
		argp_error(s, "--port %u leaves no ports for %u servers", o->port, servers);
	if (vm && o->node)
		argp_error(s, "--env %s has the native server only, not --server node", vm->name);
	sg_bench_inside_check(s, a, vm, servers);
	if (vm && o->port)
		argp_error(s, "--port: the ports of --env %s are free ones", vm->name);
}

static int write_json(FILE *f, const void *r)
{
	return sg_task_json(f, r);
}

static int show(const struct sg_task_result *r, bool json, struct sg_err *err)
{
	int rc = json ? sg_task_json(stdout, r) : sg_task_text(stdout, r);

	if (!rc && !json)
		printf("\nin %s: result.json, times.svg%s\n", r->opts.dir,
		       r->opts.record ? ", causes.svg, pN.sgt (recordings: sandglass report), pN.times.tsv, "
					"pN.{path,oncpu,offcpu}.folded (for flamegraph.pl)"
				      : ", pN.times.tsv");
	if (!rc && fflush(stdout))
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot print the result: %s", strerror(-rc)) : 0;
}

static int write_against(FILE *f, const void *ctx)
{
	return sg_task_envs_json(f, ctx);
}

/* One environment, into @dir; the result stays with the caller, also on failure. */
static int run_one(const struct sg_task_opts *o, struct sg_task_result *r, struct sg_err *err)
{
	int rc = sg_task_run(r, o, err);

	/* results into the folder, whatever goes to the screen */
	if (!rc)
		rc = sg_result_file(o->dir, "result.json", write_json, r, err);
	return rc ? rc : sg_task_plot(r, err);
}

/* Several environments, each into a folder of its own; then what is between them. */
static int run_envs(struct sg_bench_args *a, struct sg_task_opts *o, struct sg_task_result *r,
		    struct sg_err *err)
{
	struct sg_task_envs all = { .n = a->nenv, .r = r };
	char dir[SG_TASK_ENVS_MAX][PATH_MAX];
	const char *top = o->dir;
	int rc = 0;

	if (mkdir(top, 0755) && errno != EEXIST)
		return sg_err_set(err, -errno, "cannot make the folder %s: %s", top, strerror(errno));
	o->cache = top;
	for (unsigned i = 0; i < a->nenv && !rc; i++) {
		snprintf(dir[i], sizeof(dir[i]), "%s/%s", top, a->env[i]->name);
		o->env = a->env[i];
		o->dir = dir[i];
		rc = run_one(o, &r[i], err);
	}
	all.base = rc ? 0 : sg_task_envs_base(r, a->nenv);
	if (!rc)
		rc = sg_result_file(top, "result.json", write_against, &all, err);
	if (!rc)
		rc = sg_task_envs_plot(&all, top, err);
	if (rc)
		return rc;
	rc = a->json ? sg_task_envs_json(stdout, &all) : sg_task_envs_text(stdout, &all);
	if (!rc && !a->json)
		printf("\nin %s: result.json, times.svg%s, and a folder of each environment with all of "
		       "'bench task'\n",
		       top, o->record ? ", causes.svg" : "");
	if (!rc && fflush(stdout))
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot print the result: %s", strerror(-rc)) : 0;
}

/* How many servers, and what all environments have in common: then what differs is the environment. */
static void settle(const struct sg_bench_args *a, struct sg_task_opts *o)
{
	bool given = o->servers;
	char text[160];

	for (unsigned i = 0; i < a->nenv; i++) {
		if (!strncmp(a->env[i]->name, "gvisor", 6))
			o->gvisor = true;
		if (a->env[i]->vm > o->vm)
			o->vm = a->env[i]->vm;
	}
	if (given)
		return;
	o->servers = SERVERS_DEFAULT;
	if (!o->vm)
		return;
	o->servers = sg_task_vms(o);
	snprintf(text, sizeof(text), "%u servers: %s (--servers)", o->servers,
		 o->servers < SERVERS_DEFAULT ? "no more virtual machines fit into memory"
					      : "as many virtual machines at a time");
	sg_bench_progress((void *)(uintptr_t) "task", text);
}

int sg_bench_task_run(struct sg_bench_args *a, struct sg_err *err)
{
	struct sg_task_result *r = calloc(SG_TASK_ENVS_MAX, sizeof(*r));
	struct sg_task_opts *o = &a->task;
	int rc;

	if (!r)
		return sg_err_set(err, -ENOMEM, "out of memory");
	o->rounds = a->rounds ? (unsigned)a->rounds : ROUNDS_DEFAULT;
	o->dir = a->dir ? a->dir : "bench-task";
	o->record = !a->no_record;
	o->sigfd = a->sigfd;
	o->progress = sg_bench_progress;
	o->ctx = (void *)(uintptr_t) "task";
	o->env = a->env[0];
	o->accel = a->vm.accel;
	o->vm_memory_bytes = a->vm.memory_bytes;
	o->vcpus = a->vm.vcpus;
	o->inside = a->vm.inside;
	o->vm_cache = a->vm.cache;
	settle(a, o);
	/* now, not after the environments before it */
	rc = o->vm ? sg_vms_check(o->accel, err) : 0;
	if (!rc && a->nenv > 1) {
		rc = run_envs(a, o, r, err);
	} else if (!rc) {
		rc = run_one(o, r, err);
		if (!rc)
			rc = show(r, a->json, err);
	}
	for (unsigned i = 0; i < SG_TASK_ENVS_MAX; i++)
		sg_task_free(&r[i]);
	free(r);
	return rc;
}
