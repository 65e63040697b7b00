/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/cmd.h"
#include "load/task.h"

#define SERVERS_DEFAULT 4
#define ROUNDS_DEFAULT	50
#define WRITES_DEFAULT	2000000
#define HOG_DEFAULT	(256ull << 20)
#define WRITES_MAX	1000000000ull
#define ROUNDS_MAX	1000000

enum {
	OPT_ENV = 256,
	OPT_SERVERS,
	OPT_ROUNDS,
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
	OPT_JSON,
	OPT_NO_RECORD,
};

static const struct argp_option options[] = {
	{ "env", OPT_ENV, "ENV", 0, "environment of the servers: host", 1 },
	{ "servers", OPT_SERVERS, "N", 0, "HTTP servers (default 4)", 1 },
	{ "rounds", OPT_ROUNDS, "N", 0, "rounds, in each of which every server is asked once (default 50)",
	  1 },
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
	{ "output", 'o', "DIR", 0,
	  "folder for recordings, times, folded files and charts (default bench-task)", 3 },
	{ "json", OPT_JSON, NULL, 0, "print the result as JSON", 3 },
	{ "no-record", OPT_NO_RECORD, NULL, 0, "only measure the times", 3 },
	{ 0 },
};

struct args {
	struct sg_task_opts o;
	const char *what; /* the workload */
	bool json;
};

static void number(struct argp_state *s, const char *name, const char *text, uint64_t min, uint64_t max,
		   uint64_t *ret)
{
	if (sg_parse_u64(text, min, max, ret))
		argp_error(s, "--%s takes a number from %llu to %llu, not '%s'", name,
			   (unsigned long long)min, (unsigned long long)max, text);
}

static void size(struct argp_state *s, const char *name, const char *text, uint64_t *ret)
{
	if (sg_parse_size(text, ret) || *ret < (1 << 20) || *ret > 1ull << 44)
		argp_error(s, "--%s takes a size from 1M, like 640M or 2G, not '%s'", name, text);
}

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

static int word(struct argp_state *s, const char *name, const char *text, int (*find)(const char *),
		const char *words)
{
	int v = find(text);

	if (v < 0)
		argp_error(s, "--%s is one of %s, not '%s'", name, words, text);
	return v;
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
		size(s, "memory", arg, &o->memory_bytes);
		return 0;
	case OPT_SWAP:
		if (!*arg)
			argp_error(s, "--swap takes a file, zram or none");
		o->swap = arg;
		return 0;
	case OPT_SWAP_SIZE:
		size(s, "swap-size", arg, &o->swap_bytes);
		return 0;
	case OPT_HOG:
		o->hog = (enum sg_hog_kind)word(s, "hog", arg, sg_hog_kind_find, "auto, stress, own");
		return 0;
	case OPT_HOG_SIZE:
		size(s, "hog-size", arg, &o->hog_bytes);
		return 0;
	case OPT_PORT:
		number(s, "port", arg, 1, 65535, &v);
		o->port = (unsigned)v;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;
	struct sg_task_opts *o = &a->o;
	uint64_t v = 0;

	switch (key) {
	case OPT_ENV:
		if (strcmp(arg, "host"))
			argp_error(s,
				   "--env '%s': this version runs the workload on the host only (--env host)",
				   arg);
		return 0;
	case OPT_SERVERS:
		number(s, "servers", arg, 1, SG_CLIENT_MAX, &v);
		o->servers = (unsigned)v;
		return 0;
	case OPT_ROUNDS:
		number(s, "rounds", arg, 1, ROUNDS_MAX, &v);
		o->rounds = (unsigned)v;
		return 0;
	case OPT_WRITES:
		number(s, "writes", arg, 1, WRITES_MAX, &o->writes);
		return 0;
	case OPT_SERVER:
		o->node = word(s, "server", arg, server_kind, "native, node");
		return 0;
	case OPT_MODE:
		o->mode = (enum sg_write_mode)word(s, "write-mode", arg, sg_write_mode_find,
						   "stream, stdio, syscall");
		return 0;
	case OPT_PRESSURE:
		pressure(s, arg, o);
		return 0;
	case 'o':
		o->dir = arg;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_NO_RECORD:
		o->record = false;
		return 0;
	case ARGP_KEY_ARG:
		if (a->what)
			argp_error(s, "one workload at a time, not also '%s'", arg);
		if (strcmp(arg, "task"))
			argp_error(s, "no workload '%s'; there is: task", arg);
		a->what = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->what)
			argp_error(s, "which workload? there is: task");
		if (o->port && o->port + o->servers - 1 > 65535)
			argp_error(s, "--port %u leaves no ports for %u servers", o->port, o->servers);
		return 0;
	}
	return parse_swap(key, arg, s, o);
}

const struct argp sg_argp_bench = {
	options,
	parse,
	"task",
	"The published task experiment as one command: HTTP servers that write a file per request, asked all "
	"at once by a "
	"client, under growing memory pressure with real swap; each level recorded, and its slowdown "
	"explained cause by "
	"cause.\v"
	"The command makes a cgroup with a memory limit and swap space, and removes both when it ends, in "
	"whatever way. "
	"It needs root. Example: sandglass bench task --servers 2 --rounds 10 --pressure 0,2",
	NULL,
	NULL,
	NULL,
};

/* ---- the processes of the workload: this program again ------------------- */

static int say(const struct sg_err *err)
{
	fprintf(stderr, "sandglass: %s\n", err->msg);
	return SG_EXIT_FAIL;
}

/* bench task-server PORT FILE WRITES MODE */
static int run_server(char **v, struct sg_err *err)
{
	uint64_t port, writes;
	int mode = sg_write_mode_find(v[3]);

	if (sg_parse_u64(v[0], 0, 65535, &port) || sg_parse_u64(v[2], 1, WRITES_MAX, &writes) || mode < 0)
		return sg_err_set(err, -EINVAL, "task-server: PORT FILE WRITES MODE");
	return sg_server_run((unsigned)port, v[1], writes, (enum sg_write_mode)mode, err);
}

/* bench task-client FILE ROUNDS TIMEOUT PORT... */
static int run_client(int n, char **v, struct sg_err *err)
{
	unsigned port[SG_CLIENT_MAX];
	uint64_t rounds, timeout, p;
	FILE *f;
	int rc;

	if (n > 3 + SG_CLIENT_MAX || sg_parse_u64(v[1], 1, ROUNDS_MAX, &rounds) ||
	    sg_parse_u64(v[2], 1, 86400, &timeout))
		return sg_err_set(err, -EINVAL, "task-client: FILE ROUNDS TIMEOUT PORT...");
	for (int i = 3; i < n; i++) {
		if (sg_parse_u64(v[i], 1, 65535, &p))
			return sg_err_set(err, -EINVAL, "task-client: no port: %s", v[i]);
		port[i - 3] = (unsigned)p;
	}
	f = fopen(v[0], "we");
	if (!f)
		return sg_err_set(err, -errno, "cannot write %s: %s", v[0], strerror(errno));
	rc = sg_client_run(port, (unsigned)n - 3, (unsigned)rounds, (unsigned)timeout, f, err);
	if (fclose(f) && !rc)
		rc = sg_err_set(err, -errno, "cannot write %s: %s", v[0], strerror(errno));
	return rc;
}

/* True when @argv asks for one of them; its exit code in @ret. */
static bool run_part(int argc, char **argv, int *ret)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct sg_err err = { 0 };
	uint64_t bytes;
	int rc;

	if (!strcmp(what, "task-server") && argc == 6)
		rc = run_server(argv + 2, &err);
	else if (!strcmp(what, "task-client") && argc >= 6)
		rc = run_client(argc - 2, argv + 2, &err);
	else if (!strcmp(what, "task-hog") && argc == 3 && !sg_parse_size(argv[2], &bytes))
		rc = sg_hog_run(bytes, &err);
	else
		return false;
	*ret = rc ? say(&err) : 0;
	return true;
}

/* ---- the command --------------------------------------------------------- */

static void progress(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "bench task: %s\n", text);
}

/* Results into DIR, whatever goes to the screen. */
static int store(const struct sg_task_result *r, struct sg_err *err)
{
	char path[PATH_MAX];
	FILE *f;
	int rc;

	snprintf(path, sizeof(path), "%s/result.json", r->opts.dir);
	f = fopen(path, "we");
	if (!f)
		return sg_err_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
	rc = sg_task_json(f, r);
	if (fclose(f) && !rc)
		rc = -errno;
	return rc ? sg_err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : sg_task_plot(r, err);
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

/* The signal that stopped the run, as an exit code. */
static int stopped(int sigfd)
{
	struct signalfd_siginfo si;

	if (read(sigfd, &si, sizeof(si)) != sizeof(si))
		return SG_EXIT_FAIL;
	return 128 + (int)si.ssi_signo;
}

int sg_cmd_bench(int argc, char **argv)
{
	struct args a = { .o = { .servers = SERVERS_DEFAULT,
				 .rounds = ROUNDS_DEFAULT,
				 .writes = WRITES_DEFAULT,
				 .nlevel = 3,
				 .level = { 0, 1, 2 },
				 .hog_bytes = HOG_DEFAULT,
				 .dir = "bench-task",
				 .record = true,
				 .progress = progress } };
	struct sg_task_result *r;
	struct sg_err err = { 0 };
	sigset_t stop, old;
	int rc;

	if (run_part(argc, argv, &rc))
		return rc;
	argv[0] = (char *)(uintptr_t) "sandglass bench"; /* what argp calls us in its sentences */
	argp_err_exit_status = SG_EXIT_USAGE;
	if (argp_parse(&sg_argp_bench, argc, argv, 0, NULL, &a))
		return SG_EXIT_USAGE;
	r = calloc(1, sizeof(*r));
	sigemptyset(&stop);
	for (const int *s = (const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT, 0 }; *s; s++)
		sigaddset(&stop, *s);
	sigprocmask(SIG_BLOCK, &stop, &old);
	a.o.sigfd = signalfd(-1, &stop, SFD_CLOEXEC);
	if (!r || a.o.sigfd < 0)
		return say(&(struct sg_err){ .msg = "out of memory or file descriptors" });
	rc = sg_task_run(r, &a.o, &err);
	if (!rc)
		rc = store(r, &err);
	if (!rc)
		rc = show(r, a.json, &err);
	if (rc)
		say(&err);
	rc = rc == -EINTR ? stopped(a.o.sigfd) : rc ? SG_EXIT_FAIL : SG_EXIT_OK;
	close(a.o.sigfd);
	sg_task_free(r);
	free(r);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return rc;
}
