/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* sandglass run: like time(1), but it explains. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/cmd.h"
#include "cmd/recfile.h"
#include "cmd/recopts.h"
#include "out/json.h"
#include "out/text.h"

enum { OPT_JSON = 256, OPT_BY, OPT_ROWS };

struct args {
	struct sg_recopts rec;
	struct sg_text_opts text;
	struct sg_recfile file;
	const char *out, *json;
	bool want_json;
};

/* clang-format off */
static const struct argp_option options[] = {
	{ "json", OPT_JSON, "FILE", OPTION_ARG_OPTIONAL, "print JSON to FILE (or standard output) instead of tables", 1 },
	{ "output", 'o', "FILE", 0, "keep the recording, for report and export; what is there stays until this one has begun", 1 },
	{ "by", OPT_BY, "leaf|wait", 0, "leaf: where the time really passed (the default); wait: what the command itself waited for", 1 },
	{ "rows", OPT_ROWS, "N", 0, "rows of the table (default 16)", 1 },
	{ 0 },
};
/* clang-format on */

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct args *a = s->input;
	uint64_t v = 0;

	switch (key) {
	case ARGP_KEY_INIT:
		s->child_inputs[0] = &a->rec;
		break;
	case OPT_JSON:
		a->want_json = true;
		a->json = arg;
		break;
	case 'o':
		a->out = arg;
		break;
	case OPT_BY:
		if (strcmp(arg, "leaf") && strcmp(arg, "wait"))
			argp_error(s, "--by is leaf or wait, not '%s'", arg);
		a->text.by_wait = !strcmp(arg, "wait");
		break;
	case OPT_ROWS:
		if (sg_parse_u64(arg, 1, 1000, &v))
			argp_error(s, "--rows takes 1 to 1000, not '%s'", arg);
		a->text.rows = v;
		break;
	case ARGP_KEY_ARG:
		a->rec.o.argv = s->argv + s->next - 1;
		s->next = s->argc;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(s, "say which command to run: sandglass run -- PROGRAM [ARG...]");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &sg_recopts_argp, 0, NULL, 10 }, { 0 } };

/* clang-format off */
const struct argp sg_argp_run = {
	options, parse, "[--] PROGRAM [ARG...]",
	"Run a command as one task and print where its time went: every nanosecond belongs to one component and cause.\v"
	"Examples:\n"
	"  sandglass run -- make -j2\n"
	"  sandglass run --by wait -- ./client     what the command's main thread waited for\n"
	"  sandglass run --container web -- curl -s localhost   what goes on in the container is part of the path\n"
	"  sandglass run --vm web -- curl -s http://web/        and what the virtual machine does\n"
	"  sandglass run --json=why.json -o run.sgt -- ./job\n\n"
	"The command's output is untouched; the blame goes to standard error (JSON: to FILE or standard output). "
	"The exit code is the command's own, 128+N when signal N killed it, 125 when sandglass itself failed, "
	"126 or 127 when the command could not be run.",
	children, NULL, NULL
};
/* clang-format on */

/* Where the recording goes while the command runs: a file the user named, or one without a name. */
static int open_recording(struct args *a, struct sg_err *err)
{
	char tmp[] = "/tmp/sandglass-XXXXXX";
	int fd, e;

	if (a->out) {
		e = sg_recfile_open(&a->file, a->out, O_RDWR, err);
		a->rec.o.begun = sg_recfile_begin;
		a->rec.o.begun_ctx = &a->file;
		return e ? e : a->file.fd;
	}
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return sg_err_set(err, -errno, "can't make a file in /tmp: %s", strerror(errno));
	unlink(tmp);
	return fd;
}

struct explain {
	struct sg_analysis *a;
	struct sg_reader *r;
	struct sg_json *json;
	FILE *spool;
};

static void explain_free(struct explain *x)
{
	sg_json_free(x->json);
	if (x->spool)
		fclose(x->spool);
	sg_analysis_free(x->a);
	sg_reader_close(x->r);
}

static int print_json(const struct args *a, struct explain *x, struct sg_err *err)
{
	FILE *f = a->json ? fopen(a->json, "we") : stdout;
	struct sg_json_end end = { .a = x->a,
				   .meta = sg_reader_meta(x->r),
				   .end_meta = sg_reader_end_meta(x->r),
				   .damage = sg_reader_damage(x->r),
				   .quantile = 0.99 };
	int e;

	if (!f)
		return sg_err_set(err, -errno, "can't write %s: %s", a->json, strerror(errno));
	e = sg_json_end(x->json, f, &end);
	if (fflush(f) && !e)
		e = -errno;
	if (a->json && fclose(f) && !e)
		e = -errno;
	return e ? sg_err_set(err, e, "writing the JSON failed: %s", strerror(-e)) : 0;
}

static int print_text(const struct args *a, struct explain *x, struct sg_err *err)
{
	struct sg_group *const *g;
	size_t n = sg_analysis_groups(x->a, &g);
	struct sg_text_opts t = a->text;

	t.colour = isatty(STDERR_FILENO);
	if (!n)
		return sg_err_set(err, -ENODATA,
				  "the recording holds no task: the command's begin was not seen");
	for (size_t i = 0; i < n && i < 8; i++) {
		fputc('\n', stderr);
		sg_text_group(stderr, g[i], &t);
	}
	return 0;
}

static int explain(const struct args *a, int fd, struct sg_err *err)
{
	struct sg_analysis_opts o = { .mem_cap = 256ull << 20, .slowest = 1 };
	struct explain x = { 0 };
	int e = 0;

	if (a->want_json) {
		x.spool = tmpfile();
		e = x.spool ? sg_json_new(&x.json, x.spool) : -errno;
		o.on_task = sg_json_task;
		o.ctx = x.json;
	}
	if (!e)
		e = lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
	if (!e)
		e = sg_reader_open(&x.r, fd, err);
	if (!e)
		e = sg_analysis_new(&x.a, &o);
	if (!e)
		e = sg_analysis_run(x.a, x.r, err);
	if (!e)
		e = a->want_json ? print_json(a, &x, err) : print_text(a, &x, err);
	if (e && !err->msg[0])
		sg_err_set(err, e, "explaining failed: %s", strerror(-e));
	explain_free(&x);
	return e;
}

int sg_cmd_run(int argc, char **argv)
{
	static const char name[] = "sandglass run";
	struct args *a = calloc(1, sizeof(*a));
	struct sg_record_result res = { 0 };
	struct sg_err err = { 0 };
	int fd = -1, r, code = SG_EXIT_CANNOT;

	if (!a)
		return SG_EXIT_CANNOT;
	sg_recopts_init(&a->rec);
	a->file.fd = -1;
	argv[0] = (char *)name;
	argp_err_exit_status = SG_EXIT_USAGE;
	argp_parse(&sg_argp_run, argc, argv, ARGP_IN_ORDER, NULL, a);
	a->rec.o.target = a->rec.o.argv[0];
	r = geteuid()	       ? sg_err_set(&err, -EPERM,
					    "recording needs root (CAP_BPF, CAP_PERFMON, CAP_SYS_RESOURCE); run "
						     "it with sudo")
	    : a->rec.container ? sg_recopts_container(&a->rec, &err)
			       : 0;
	if (!r && a->rec.vm)
		r = sg_recopts_vm(&a->rec, &err);
	if (!r)
		r = fd = open_recording(a, &err);
	if (r >= 0) {
		a->rec.o.out_fd = fd;
		r = sg_recopts_record(&a->rec, name, &res, &err);
	}
	if (res.ran)
		code = sg_recopts_exit(&res);
	if (res.exec_errno) {
		fprintf(stderr, "%s: can't run %s: %s\n", name, a->rec.o.argv[0], strerror(res.exec_errno));
	} else if (r >= 0) {
		r = explain(a, fd, &err);
	}
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", name, err.msg[0] ? err.msg : strerror(-r));
		code = code ? code : SG_EXIT_CANNOT;
	}
	if (fd >= 0 && fd != a->file.fd)
		close(fd);
	sg_recfile_close(&a->file);
	free(a);
	return code;
}
