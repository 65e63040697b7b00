// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* sandglass containers: which run here, what runs them, what they use. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/cmd.h"
#include "cmd/listing.h"
#include "env/container_usage.h"
#include "out/json.h"

#define CMD "sandglass containers"

enum { OPT_JSON = 256, OPT_ENGINE, OPT_WATCH };

struct args {
	struct sg_container_opts from;
	bool json, all;
	uint64_t watch_ns; /* 0 = once */
};

/* clang-format off */
static const struct argp_option options[] = {
	{ "all", 'a', NULL, 0, "stopped ones too, as far as a daemon knows of them", 0 },
	{ "engine", OPT_ENGINE, "SOCKET", 0, "ask only the Docker daemon behind this socket; '' asks none and looks at processes, cgroups and state files (default: both)", 0 },
	{ "watch", OPT_WATCH, "TIME", 0, "again every TIME, e.g. 2s, until interrupted, with the share of a CPU used since the last time", 0 },
	{ "json", OPT_JSON, NULL, 0, "one JSON object (with --watch: one a line) instead of the table", 0 },
	{ 0 },
};
/* clang-format on */

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;

	switch (key) {
	case 'a':
		a->all = true;
		return 0;
	case OPT_ENGINE:
		a->from.engine = arg;
		return 0;
	case OPT_WATCH:
		if (sg_parse_duration(arg, 1000000000ull, &a->watch_ns) || a->watch_ns < 100000000ull ||
		    a->watch_ns > 3600000000000ull)
			argp_error(s, "--watch takes a time of 100ms to 1h, like 2s, not '%s'", arg);
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(s, "containers takes no argument, '%s' was given", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* clang-format off */
const struct argp sg_argp_containers = {
	options, parse, NULL,
	"List the containers of this machine: Docker's, podman's, Kubernetes', with what runs their code "
	"(runc, or gVisor's ptrace, systrap or kvm platform), their first process, their cgroup and what they use.\v"
	"Examples:\n"
	"  sandglass containers\n"
	"  sandglass containers --watch 2s        and their CPU use, every 2 seconds\n"
	"  sandglass record --container web       then record one of them\n\n"
	"CPU is time on all CPUs since the container's start; MEMORY leaves out page cache that could be dropped.",
	NULL, NULL, NULL
};
/* clang-format on */

/* One container at one time. */
struct sample {
	char id[SG_CONTAINER_ID];
	struct sg_container_usage use;
	double percent; /* of one CPU since the sample before; negative: there was none */
};

struct frame {
	struct sg_container_list list;
	struct sample *s; /* list.n */
	uint64_t at_ns;
};

static void frame_free(struct frame *f)
{
	sg_containers_free(&f->list);
	free(f->s);
	*f = (struct frame){ 0 };
}

static double percent(const struct frame *before, const struct sample *now, uint64_t at_ns)
{
	for (size_t i = 0; i < before->list.n; i++) {
		const struct sample *s = &before->s[i];

		if (strcmp(s->id, now->id))
			continue;
		if (!s->use.cpu_known || !now->use.cpu_known || now->use.cpu_ns < s->use.cpu_ns ||
		    at_ns <= before->at_ns)
			return -1;
		return 100.0 * (double)(now->use.cpu_ns - s->use.cpu_ns) / (double)(at_ns - before->at_ns);
	}
	return -1;
}

static int by_name(const void *a, const void *b)
{
	const struct sg_container_info *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : strcmp(x->id, y->id);
}

static int frame_take(struct frame *f, const struct args *a, const struct frame *before, struct sg_err *err)
{
	struct timespec t;
	int r = sg_containers(&f->list, &a->from, a->all, err);

	if (r)
		return r;
	if (f->list.n)
		qsort(f->list.c, f->list.n, sizeof(f->list.c[0]), by_name);
	f->s = calloc(f->list.n + 1, sizeof(*f->s));
	if (!f->s)
		return sg_err_set(err, -ENOMEM, "out of memory");
	clock_gettime(CLOCK_MONOTONIC, &t);
	f->at_ns = (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
	for (size_t i = 0; i < f->list.n; i++) {
		memcpy(f->s[i].id, f->list.c[i].id, sizeof(f->s[i].id));
		sg_container_usage(&f->list.c[i], &a->from, &f->s[i].use);
		f->s[i].percent = percent(before, &f->s[i], f->at_ns);
	}
	return 0;
}

/* ---- JSON ----------------------------------------------------------------- */

static struct json_object *one_json(const struct sg_container_info *c, const struct sample *s)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "id", sg_json_text(c->id));
	json_object_object_add(o, "name", sg_json_text(c->name));
	json_object_object_add(o, "image", sg_json_text(c->image));
	json_object_object_add(o, "runtime", sg_json_text(c->runtime));
	json_object_object_add(o, "platform", sg_json_text(c->platform));
	json_object_object_add(o, "manager", sg_json_text(c->manager));
	json_object_object_add(o, "running", json_object_new_boolean(c->running));
	json_object_object_add(o, "pid", json_object_new_int64(c->pid));
	json_object_object_add(o, "cgroup", sg_json_text(c->cgroup));
	json_object_object_add(o, "cgroup_id", json_object_new_uint64(c->cgroup_id));
	if (s->use.cpu_known)
		json_object_object_add(o, "cpu_ns", json_object_new_uint64(s->use.cpu_ns));
	if (s->use.memory_known)
		json_object_object_add(o, "memory_bytes", json_object_new_uint64(s->use.memory_bytes));
	if (s->percent >= 0)
		json_object_object_add(o, "cpu_percent", json_object_new_double(s->percent));
	return o;
}

static int print_json(const struct frame *f, bool line)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < f->list.n; i++)
		json_object_array_add(list, one_json(&f->list.c[i], &f->s[i]));
	return sg_listing_json("containers", list, line ? JSON_C_TO_STRING_PLAIN : JSON_C_TO_STRING_PRETTY);
}

/* ---- the table -------------------------------------------------------------- */

static void use_text(char cpu[32], char mem[32], const struct sample *s, bool watch)
{
	double mib = (double)s->use.memory_bytes / 1048576;

	snprintf(cpu, 32, "-");
	snprintf(mem, 32, "-");
	if (watch && s->percent >= 0)
		snprintf(cpu, 32, "%.1f%%", s->percent);
	else if (!watch && s->use.cpu_known)
		snprintf(cpu, 32, "%.2f s", (double)s->use.cpu_ns / 1e9);
	if (s->use.memory_known)
		snprintf(mem, 32, mib < 1024 ? "%.1f MiB" : "%.2f GiB", mib < 1024 ? mib : mib / 1024);
}

static int add_row(struct libscols_table *t, const struct sg_container_info *c, const struct sample *s,
		   bool watch)
{
	char id[16], pid[16] = "-", cpu[32], mem[32];
	const char *text[] = { id,  c->name, c->image, c->runtime, c->running ? c->platform : "(stopped)",
			       pid, cpu,     mem,      c->cgroup };

	snprintf(id, sizeof(id), "%.12s", c->id);
	if (c->pid)
		snprintf(pid, sizeof(pid), "%u", c->pid);
	use_text(cpu, mem, s, watch);
	return sg_listing_row(t, text, sizeof(text) / sizeof(text[0]));
}

static int print_table(const struct frame *f, bool watch)
{
	static const struct sg_listing_column column[] = {
		{ "ID", 0 },
		{ "NAME", 0 },
		{ "IMAGE", 0 },
		{ "RUNTIME", 0 },
		{ "PLATFORM", 0 },
		{ "PID", SCOLS_FL_RIGHT },
		{ "CPU", SCOLS_FL_RIGHT },
		{ "MEMORY", SCOLS_FL_RIGHT },
		{ "CGROUP", SCOLS_FL_TRUNC },
	};
	struct libscols_table *t;
	int r;

	if (!f->list.n)
		return puts("No container runs here.") < 0 ? -EIO : 0;
	r = sg_listing_begin(&t, column, sizeof(column) / sizeof(column[0]));
	if (r)
		return r;
	for (size_t i = 0; !r && i < f->list.n; i++)
		r = add_row(t, &f->list.c[i], &f->s[i], watch);
	return sg_listing_end(t, r);
}

/* ---- once, or again and again -------------------------------------------------- */

/* False: interrupted. */
static bool pause_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000ull), .tv_nsec = (long)(ns % 1000000000ull) };
	sigset_t m;

	sigemptyset(&m);
	sigaddset(&m, SIGINT);
	sigaddset(&m, SIGTERM);
	sigprocmask(SIG_BLOCK, &m, NULL);
	return sigtimedwait(&m, NULL, &t) < 0;
}

static int show(const struct args *a, struct sg_err *err)
{
	struct frame before = { 0 }, now;
	bool tty = isatty(STDOUT_FILENO), first = true;
	int r;

	do {
		now = (struct frame){ 0 };
		r = frame_take(&now, a, &before, err);
		if (!r && a->watch_ns && !a->json)
			fputs(tty ? "\033[H\033[J" : first ? "" : "\n", stdout);
		if (!r)
			r = a->json ? print_json(&now, a->watch_ns) : print_table(&now, a->watch_ns);
		frame_free(&before);
		before = now;
		first = false;
	} while (!r && a->watch_ns && pause_ns(a->watch_ns));
	frame_free(&before);
	return r;
}

int sg_cmd_containers(int argc, char **argv)
{
	static const char name[] = CMD;
	struct args a = { 0 };
	struct sg_err err = { 0 };
	int r;

	argv[0] = (char *)name;
	argp_err_exit_status = SG_EXIT_USAGE;
	argp_parse(&sg_argp_containers, argc, argv, 0, NULL, &a);
	r = show(&a, &err);
	if (!r)
		return SG_EXIT_OK;
	fprintf(stderr, CMD ": %s\n", err.msg[0] ? err.msg : strerror(-r));
	return SG_EXIT_FAIL;
}
