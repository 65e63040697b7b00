/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass record: from the rings into a file. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/cmd.h"
#include "cmd/guests.h"
#include "cmd/recfile.h"
#include "cmd/recopts.h"

enum { OPT_DURATION = 256, OPT_READY_FD };

struct args {
	struct sg_recopts rec;
	struct sg_guests guests;
	struct sg_recfile file;
	const char *out, *cgroup;
	bool quiet;
	char target[256];
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "What to record (with or without a PROGRAM):", 1 },
	{ "all", 'a', NULL, 0, "every thread of the system", 1 },
	{ "pid", 'p', "PID", 0, "a process, its threads and all its children; may be repeated", 1 },
	{ "cgroup", 'G', "CGROUP", 0, "all processes of a cgroup and below: a path or a name", 1 },
	{ "duration", OPT_DURATION, "TIME", 0, "stop after this time, e.g. 10s", 1 },
	{ NULL, 0, NULL, 0, "Output:", 2 },
	{ "output", 'o', "FILE", 0,
	  "recording (default sandglass.sgt; '-' is standard output); what is there stays until this one has "
	  "begun",
	  2 },
	{ "quiet", 'q', NULL, 0, "no progress and no closing line", 2 },
	{ "ready-fd", OPT_READY_FD, "N", 0,
	  "write a newline to descriptor N, and close it, when the recording has begun: scripts need not "
	  "guess",
	  2 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;
	uint64_t v = 0;

	switch (key) {
	case ARGP_KEY_INIT:
		s->child_inputs[0] = &a->rec;
		s->child_inputs[1] = &a->guests;
		break;
	case 'a':
		a->rec.o.live.all = true;
		break;
	case 'p':
		if (sg_parse_u64(arg, 1, 1u << 22, &v) || a->rec.o.npid == SG_PID_MAX)
			argp_error(s, "-p takes a process id, not '%s'", arg);
		else
			a->rec.pid[a->rec.o.npid++] = v;
		break;
	case 'G':
		a->cgroup = arg;
		break;
	case OPT_DURATION:
		if (sg_parse_duration(arg, 1000000000ull, &a->rec.o.duration_ns))
			argp_error(s, "--duration takes a time like 10s or 500ms, not '%s'", arg);
		break;
	case OPT_READY_FD:
		if (sg_parse_u64(arg, 0, INT_MAX, &v) || fcntl(v, F_SETFD, FD_CLOEXEC))
			argp_error(s, "--ready-fd takes the number of an open descriptor, not '%s'", arg);
		else
			a->rec.o.ready_fd = v;
		break;
	case 'o':
		a->out = arg;
		break;
	case 'q':
		a->quiet = true;
		break;
	case ARGP_KEY_ARG:
		a->rec.o.argv = s->argv + s->next - 1;
		s->next = s->argc;
		break;
	case ARGP_KEY_END:
		if (!a->rec.o.argv && !a->rec.o.npid && !a->cgroup && !a->rec.container && !a->rec.vm &&
		    !a->rec.o.live.all)
			argp_error(s, "say what to record: -- PROGRAM, -p PID, -G CGROUP, --container NAME, "
				      "--vm NAME or -a");
		if (a->cgroup && a->rec.container)
			argp_error(s, "-G and --container together: the kernel side follows one cgroup");
		if (a->cgroup && a->rec.vm)
			argp_error(s, "-G and --vm together: record one of them, or the whole system (-a)");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &sg_recopts_argp, 0, NULL, 10 },
					      { &sg_guests_argp, 0, NULL, 5 },
					      { 0 } };

/* clang-format off */
const struct argp sg_argp_record = {
	options, parse, "[-- PROGRAM [ARG...]]",
	"Record where time goes: one record per stay of a thread on a CPU, and what explains the wait before it.\v"
	"Examples:\n"
	"  sandglass record -- make -j2           a command and all its children\n"
	"  sandglass record -p 1234 --duration 10s\n"
	"  sandglass record -G docker/4f5e... -o web.sgt\n"
	"  sandglass record --container web --duration 10s\n"
	"  sandglass record --vm web --duration 10s\n"
	"  sandglass record -a --duration 5s      the whole system\n"
	"  sandglass record -a --duration 5s --guest web=vsock:3:7777 --token-file token\n"
	"                                         and the guest web, that runs sandglass agent\n"
	"  sandglass report sandglass.sgt         then read it\n\n"
	"The exit code is the program's own when one was given; 125 when sandglass itself failed.",
	children, NULL, NULL
};
/* clang-format on */

static void describe(struct args *a)
{
	const struct sg_record_opts *o = &a->rec.o;
	int n = 0;

	if (o->argv)
		n = snprintf(a->target, sizeof(a->target), "command %s", o->argv[0]);
	else if (o->live.all)
		n = snprintf(a->target, sizeof(a->target), "the whole system");
	else if (a->rec.container)
		n = snprintf(a->target, sizeof(a->target), "%s", a->rec.container_text);
	else if (a->rec.vm)
		n = snprintf(a->target, sizeof(a->target), "%s", a->rec.vm_text);
	else if (a->cgroup)
		n = snprintf(a->target, sizeof(a->target), "cgroup %s", a->cgroup);
	if (o->npid && a->rec.others && n < (int)sizeof(a->target))
		snprintf(a->target + n, sizeof(a->target) - n, "%sprocess %u", n ? ", " : "", a->rec.pid[0]);
	a->rec.o.target = a->target;
}

static int open_output(struct args *a, struct sg_err *err)
{
	struct sg_record_opts *o = &a->rec.o;
	int e;

	if (a->guests.n) {
		o->begun = sg_guests_begin;
		o->begun_ctx = &a->guests;
		a->rec.more = a->guests.companion;
		a->rec.nmore = a->guests.n;
		return sg_guests_open(&a->guests, a->out, err);
	}
	if (!strcmp(a->out, "-")) {
		if (isatty(STDOUT_FILENO))
			return sg_err_set(err, -EINVAL,
					  "a recording is not text: send it to a file or a pipe");
		return STDOUT_FILENO;
	}
	e = sg_recfile_open(&a->file, a->out, O_WRONLY, err);
	o->begun = sg_recfile_begin;
	o->begun_ctx = &a->file;
	return e ? e : a->file.fd;
}

static void closing_line(const struct args *a, const struct sg_record_result *res)
{
	fprintf(stderr, "recorded %.3f s: %" PRIu64 " slices, %.1f KiB in %s", res->wall_ns / 1e9,
		res->slices, res->bytes / 1024.0, a->out);
	if (res->lost)
		fprintf(stderr, "; %" PRIu64 " records LOST, a larger --ring may help", res->lost);
	if (res->targets_gone)
		fprintf(stderr, "; the %s exited",
			a->rec.container ? "container"
			: a->rec.vm	 ? "virtual machine"
					 : "target");
	fprintf(stderr, "\nread it with: sandglass report %s\n", a->out);
}

int sg_cmd_record(int argc, char **argv)
{
	static const char name[] = "sandglass record";
	struct args *a = calloc(1, sizeof(*a));
	struct sg_record_result res = { 0 };
	struct sg_err err = { 0 };
	int r, code = SG_EXIT_CANNOT;
	bool whole = true;

	if (!a)
		return SG_EXIT_CANNOT;
	sg_recopts_init(&a->rec);
	a->file.fd = -1;
	a->out = "sandglass.sgt";
	argv[0] = (char *)name;
	argp_err_exit_status = SG_EXIT_USAGE;
	argp_parse(&sg_argp_record, argc, argv, ARGP_IN_ORDER, NULL, a);
	a->rec.o.progress = !a->quiet && isatty(STDERR_FILENO);
	r = sg_recopts_pids(&a->rec, &err);
	if (!r && a->rec.container)
		r = sg_recopts_container(&a->rec, &err);
	if (!r && a->rec.vm)
		r = sg_recopts_vm(&a->rec, &err);
	describe(a);
	if (!r && a->cgroup)
		r = sg_recopts_cgroup(&a->rec, a->cgroup, &err);
	if (!r && geteuid())
		r = sg_err_set(
			&err, -EPERM,
			"recording needs root (CAP_BPF, CAP_PERFMON, CAP_SYS_RESOURCE); run it with sudo");
	if (!r)
		r = a->rec.o.out_fd = open_output(a, &err);
	if (r >= 0)
		r = sg_recopts_record(&a->rec, name, &res, &err);
	if (a->guests.n && res.begun)
		whole = sg_guests_end(&a->guests, a->out, a->rec.o.level, name, a->quiet);
	sg_guests_close(&a->guests);
	sg_recfile_close(&a->file);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", name, err.msg[0] ? err.msg : strerror(-r));
	} else {
		if (!a->quiet && res.begun)
			closing_line(a, &res);
		if (res.exec_errno)
			fprintf(stderr, "%s: can't run %s: %s\n", name, a->rec.o.argv[0],
				strerror(res.exec_errno));
		code = res.ran					  ? sg_recopts_exit(&res)
		       : !whole					  ? SG_EXIT_FAIL
		       : res.targets_gone && a->rec.o.duration_ns ? SG_EXIT_FAIL
								  : SG_EXIT_OK;
	}
	free(a);
	return code;
}
