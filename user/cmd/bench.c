/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass bench: which workload, and what the workloads have in common. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/bench.h"

struct workload {
	const char *word;
	void (*defaults)(struct sg_bench_args *a);
	void (*check)(struct argp_state *s, struct sg_bench_args *a);
	int (*run)(struct sg_bench_args *a, struct sg_err *err);
};

static const struct workload workloads[SG_BENCH_MAX] = {
#define SG_X(word, fn) { word, sg_bench_##fn##_defaults, sg_bench_##fn##_check, sg_bench_##fn##_run },
	SG_BENCH_LIST(SG_X)
#undef SG_X
};

#define SG_X(word, fn) " " word
#define WORDS	       SG_BENCH_LIST(SG_X)
static const char words[] = "there is:" WORDS;
#undef SG_X

#define CHILDREN (SG_BENCH_MAX + 1) /* the workloads' options, and the virtual machines' */

enum { OPT_ROUNDS = 512, OPT_JSON, OPT_NO_RECORD, OPT_ENV };

static const struct argp_option options[] = {
	{ "env", OPT_ENV, "LIST", 0,
	  "where it runs; several are compared with each other. task: the servers on the host (the default), "
	  "or each "
	  "in a container: docker (runc), gvisor (the systrap platform), gvisor-systrap, gvisor-ptrace, "
	  "gvisor-lisafs; or each in a virtual machine: kvm, docker-in-kvm; one after the other, compared "
	  "with the host if it is one of them, else with the first. cpu: the jobs on the host (the "
	  "default), or each in a virtual machine of its own: kvm",
	  8 },
	{ "rounds", OPT_ROUNDS, "N", 0,
	  "rounds of measurement (default: task 50 requests to each server; modload 5 fresh sets of "
	  "containers; cpu 5 runs of each combination)",
	  9 },
	{ "output", 'o', "DIR", 0,
	  "folder for recordings, times, folded files and charts (default bench-task, bench-modload, "
	  "bench-cpu)",
	  9 },
	{ "json", OPT_JSON, NULL, 0, "print the result as JSON", 9 },
	{ "no-record", OPT_NO_RECORD, NULL, 0, "only measure the times", 9 },
	{ 0 },
};

void sg_bench_number(struct argp_state *s, const char *name, const char *text, uint64_t min, uint64_t max,
		     uint64_t *ret)
{
	if (sg_parse_u64(text, min, max, ret))
		argp_error(s, "--%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'", name, min, max,
			   text);
}

int sg_bench_word(struct argp_state *s, const char *name, const char *text, int (*find)(const char *),
		  const char *list)
{
	int v = find(text);

	if (v < 0)
		argp_error(s, "--%s is one of %s, not '%s'", name, list, text);
	return v;
}

void sg_bench_progress(void *ctx, const char *text)
{
	fprintf(stderr, "bench %s: %s\n", (const char *)ctx, text);
}

static void which(struct argp_state *s, struct sg_bench_args *a, const char *word)
{
	if (a->what >= 0)
		argp_error(s, "one workload at a time, not also '%s'", word);
	for (int i = 0; i < SG_BENCH_MAX; i++)
		if (!strcmp(word, workloads[i].word))
			a->what = i;
	if (a->what < 0)
		argp_error(s, "no workload '%s'; %s", word, words);
}

static void check(struct argp_state *s, struct sg_bench_args *a)
{
	if (a->what < 0)
		argp_error(s, "which workload? %s", words);
	for (int i = 0; i < SG_BENCH_MAX; i++)
		if (i != a->what && a->given[i])
			argp_error(s, "--%s is an option of bench %s", a->given[i], workloads[i].word);
	if (a->given_vm && a->what == SG_BENCH_modload)
		argp_error(s, "--%s is an option of bench task and bench cpu", a->given_vm);
	workloads[a->what].check(s, a);
}

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct sg_bench_args *a = s->input;

	switch (key) {
	case ARGP_KEY_INIT:
		for (int i = 0; i < CHILDREN; i++)
			s->child_inputs[i] = a;
		return 0;
	case OPT_ROUNDS:
		sg_bench_number(s, "rounds", arg, 1, SG_BENCH_ROUNDS_MAX, &a->rounds);
		return 0;
	case 'o':
		a->dir = arg;
		return 0;
	case OPT_ENV:
		a->envs = arg;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_NO_RECORD:
		a->no_record = true;
		return 0;
	case ARGP_KEY_ARG:
		which(s, a, arg);
		return 0;
	case ARGP_KEY_END:
		check(s, a);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[CHILDREN + 1] = {
	{ &sg_bench_task_argp, 0, "bench task:", 1 },
	{ &sg_bench_modload_argp, 0, "bench modload:", 2 },
	{ &sg_bench_cpu_argp, 0, "bench cpu:", 3 },
	{ &sg_bench_vm_argp, 0, "bench task and bench cpu, virtual machines:", 4 },
	{ 0 },
};

/* clang-format off */
const struct argp sg_argp_bench = {
	options, parse, "task\nmodload\ncpu",
	"The published experiments, each as one command; each step recorded, and what makes it slower explained cause by cause.\n"
	"\n"
	"task: HTTP servers that write a file per request, asked all at once by a client, under growing memory pressure with "
	"real swap.\n"
	"\n"
	"modload: Node.js in fresh containers loads a module from a shared volume, under runc and gVisor, one or several "
	"containers at once.\n"
	"\n"
	"cpu: the same job one or several times at once, on as many CPUs as there are and one less, pinned to CPUs and not; on the host, or each in a "
	"virtual machine.\v"
	"The command sets up what it needs (task: a cgroup with a memory limit and swap space, containers, virtual machines; modload: a Docker daemon, two "
	"releases of gVisor, an image; cpu: the jobs' input, virtual machines) and removes it when it ends, in whatever way. It needs root. Examples:\n"
	"  sandglass bench task --servers 2 --rounds 10 --pressure 0,2\n"
	"  sandglass bench task --env host,docker,kvm --rounds 10\n"
	"  sandglass bench modload --runtime runc,runsc-systrap --modules express\n"
	"  sandglass bench cpu --env host --jobs 3,4 --pin both --job bzip2,gobmk\n"
	"  sandglass bench cpu --env host,kvm --job bzip2",
	children, NULL, NULL
};
/* clang-format on */

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
	struct sg_bench_args *a;
	struct sg_err err = { 0 };
	sigset_t stop, old;
	int rc;

	if (sg_bench_part(argc, argv, &rc))
		return rc;
	argv[0] = (char *)(uintptr_t) "sandglass bench"; /* what argp calls us in its sentences */
	argp_err_exit_status = SG_EXIT_USAGE;
	a = calloc(1, sizeof(*a));
	if (!a)
		return SG_EXIT_FAIL;
	a->what = -1;
	for (int i = 0; i < SG_BENCH_MAX; i++)
		workloads[i].defaults(a);
	a->vm.vcpus = 1;
	if (argp_parse(&sg_argp_bench, argc, argv, 0, NULL, a))
		return SG_EXIT_USAGE;
	sigemptyset(&stop);
	for (const int *s = (const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT, 0 }; *s; s++)
		sigaddset(&stop, *s);
	sigprocmask(SIG_BLOCK, &stop, &old);
	a->sigfd = signalfd(-1, &stop, SFD_CLOEXEC);
	rc = a->sigfd < 0 ? sg_err_set(&err, -errno, "no file descriptor for signals: %s", strerror(errno))
			  : workloads[a->what].run(a, &err);
	if (rc)
		fprintf(stderr, "sandglass: %s\n", err.msg);
	rc = rc == -EINTR ? stopped(a->sigfd) : rc ? SG_EXIT_FAIL : SG_EXIT_OK;
	if (a->sigfd >= 0)
		close(a->sigfd);
	free(a);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return rc;
}
