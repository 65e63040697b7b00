/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/cmd.h"
#include "cmd/input.h"
#include "cmd/outfile.h"

enum { OPT_TASKS = 512, OPT_GROUP_BY, OPT_MEM_CAP };

#define MEM_CAP_DEFAULT (1ull << 30)

static const struct argp_option options[] = {
	{ "tasks", OPT_TASKS, "proc|thread|marked", 0,
	  "what a task is: every process from exec to exit, every thread, or marked tasks only "
	  "(default: marked tasks and the recorded command; threads when there are none)",
	  20 },
	{ "group-by", OPT_GROUP_BY, "name|component|container", 0,
	  "tasks of one name (the default), of one component or of one container form a group", 20 },
	{ "mem-cap", OPT_MEM_CAP, "SIZE", 0,
	  "memory for the timelines of open tasks (default 1G); what does not fit is unknown.lost", 20 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *s)
{
	struct sg_analysis_opts *o = s->input;

	switch (key) {
	case ARGP_KEY_INIT:
		o->mem_cap = MEM_CAP_DEFAULT;
		break;
	case OPT_TASKS:
		if (!strcmp(arg, "proc"))
			o->tasks = SG_TASKS_PROC;
		else if (!strcmp(arg, "thread"))
			o->tasks = SG_TASKS_THREAD;
		else if (!strcmp(arg, "marked"))
			o->tasks = SG_TASKS_MARKED;
		else
			argp_error(s, "--tasks is proc, thread or marked, not '%s'", arg);
		break;
	case OPT_GROUP_BY:
		o->by_component = !strcmp(arg, "component");
		o->by_container = !strcmp(arg, "container");
		if (!o->by_component && !o->by_container && strcmp(arg, "name"))
			argp_error(s, "--group-by is name, component or container, not '%s'", arg);
		break;
	case OPT_MEM_CAP:
		if (sg_parse_size(arg, &o->mem_cap))
			argp_error(s, "--mem-cap takes a size like 512M, not '%s'", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp sg_input_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };

/* A file is read for its containers first; of a pipe what has come before a task ends must do. */
static int learn(struct sg_input *in, struct sg_err *err)
{
	struct sg_reader *r;
	int ret;

	if (lseek(in->fd, 0, SEEK_CUR))
		return 0;
	ret = sg_reader_open(&r, in->fd, err);
	if (ret)
		return ret;
	ret = sg_analysis_learn(in->a, r, err);
	sg_reader_close(r);
	if (!ret && lseek(in->fd, 0, SEEK_SET))
		ret = sg_err_set(err, -errno, "can't read %s twice: %s", in->path, strerror(errno));
	return ret;
}

static int run_once(struct sg_input *in, const struct sg_analysis_opts *o,
		    void (*before)(void *ctx, struct sg_analysis *a), struct sg_err *err)
{
	int ret = sg_analysis_new(&in->a, o);

	if (ret)
		return sg_err_set(err, ret, "out of memory");
	if (o->by_container)
		ret = learn(in, err);
	if (!ret)
		ret = sg_reader_open(&in->reader, in->fd, err);
	if (ret)
		return ret;
	if (before)
		before(o->ctx, in->a);
	return sg_analysis_run(in->a, in->reader, err);
}

int sg_input_run(struct sg_input *in, const char *path, const struct sg_analysis_opts *o,
		 void (*before)(void *ctx, struct sg_analysis *a), struct sg_err *err)
{
	struct sg_analysis_opts again = *o;
	struct sg_analysis_info info;
	int ret;

	*in = (struct sg_input){ .path = path };
	in->fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	if (in->fd < 0)
		return sg_err_set(err, -errno, "can't open %s: %s", path, strerror(errno));
	ret = run_once(in, o, before, err);
	if (ret)
		return ret;
	sg_analysis_info(in->a, &info);
	if (info.tasks || o->tasks != SG_TASKS_AUTO || o->only || o->on_event || o->on_span || o->on_sample ||
	    lseek(in->fd, 0, SEEK_SET))
		return 0;
	sg_analysis_free(in->a);
	sg_reader_close(in->reader);
	in->a = NULL;
	in->reader = NULL;
	in->fell_back = true;
	again.tasks = SG_TASKS_THREAD;
	return run_once(in, &again, before, err);
}

const char *sg_input_damage(const struct sg_input *in)
{
	return in->reader ? sg_reader_damage(in->reader) : NULL;
}

void sg_input_close(struct sg_input *in)
{
	sg_analysis_free(in->a);
	if (in->reader)
		sg_reader_close(in->reader);
	if (in->fd >= 0)
		close(in->fd);
	in->fd = -1;
}

int sg_input_fail(const char *name, const struct sg_err *err, int ret)
{
	fprintf(stderr, "%s: %s\n", name, err->msg[0] ? err->msg : strerror(-ret));
	return SG_EXIT_FAIL;
}

FILE *sg_output_open(const char *path, const char *const *in, size_t n, struct sg_err *err)
{
	struct stat st;
	FILE *f;
	int fd;

	if (!path || !strcmp(path, "-"))
		return stdout;
	for (size_t i = 0; i < n; i++)
		if (in[i] && !(strcmp(in[i], "-") ? stat(in[i], &st) : fstat(STDIN_FILENO, &st)) &&
		    sg_outfile_apart(path, &st, err))
			return NULL;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f) {
		sg_err_set(err, -errno, "can't write %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return f;
}

int sg_output_close(FILE *f, const char *path, int ret, struct sg_err *err)
{
	errno = 0;
	if (!ret && (fflush(f) || ferror(f)))
		ret = errno ? -errno : -EIO;
	if (f != stdout && fclose(f) && !ret)
		ret = -errno;
	if (ret && !err->code)
		sg_err_set(err, ret, "writing %s failed: %s", path && strcmp(path, "-") ? path : "the output",
			   strerror(-ret));
	return ret;
}
