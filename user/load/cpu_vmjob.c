/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "env/vmagent.h"
#include "load/child.h"
#include "load/cpu_vmjob.h"
#include "sandglass/mark.h"

/* Sooner than the runner gives its jobs up; an hour less some. */
#define JOB_MS 3500000

/* 'word', with every ' of it as '\'' */
static size_t put_word(char *buf, size_t cap, size_t n, const char *before, const char *word)
{
	FILE *f = n < cap ? fmemopen(buf + n, cap - n, "w") : NULL;
	long at;

	if (!f)
		return cap;
	fprintf(f, "%s", before);
	for (; *word; word++)
		if (*word == '\'')
			fputs("'\\''", f);
		else
			fputc(*word, f);
	fputc('\'', f);
	at = fflush(f) ? -1 : ftell(f);
	fclose(f);
	return at < 0 || n + (size_t)at >= cap ? cap : n + (size_t)at;
}

int sg_cpu_vmjob_command(char *buf, size_t cap, const char *dir, const char *const *argv, bool quiet)
{
	char begin[96];
	size_t n;

	snprintf(begin, sizeof(begin), "exec '%s/", dir);
	n = put_word(buf, cap, 0, begin, argv[0]);
	for (const char *const *a = argv + 1; *a; a++)
		n = put_word(buf, cap, n, " '", *a);
	if (n < cap)
		n += (size_t)snprintf(buf + n, cap - n, "%s", quiet ? " >/dev/null" : "");
	return n < cap ? 0 : -E2BIG;
}

int sg_cpu_marked_main(uint64_t id, const char *task, char *const *argv, int *ret_status, struct sg_err *err)
{
	struct sg_child c = SG_CHILD_NONE, *cp = &c;
	struct sg_child_opts o = { .name = task };
	int rc;

	SG_TASK_BEGIN(id, task);
	rc = sg_child_spawn(&c, &o, argv, err);
	if (!rc && sg_child_wait_any(&cp, 1, -1, -1, -1))
		rc = sg_err_set(err, -ECHILD, "cannot wait for %s", task);
	SG_TASK_END(id, rc ? rc : c.status);
	*ret_status = WIFSIGNALED(c.status) ? 128 + WTERMSIG(c.status) : WEXITSTATUS(c.status);
	sg_child_kill(&c);
	return rc;
}

int sg_cpu_vmjob_main(int pid, int agent, int used, const char *command, int *ret_status, struct sg_err *err)
{
	struct sg_vmagent_result *r = calloc(1, sizeof(*r));
	int owner = (int)syscall(SYS_pidfd_open, pid, 0);
	int fd = owner < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, owner, agent, 0);
	int out = fd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, owner, used, 0);
	struct sg_cpu_used u;
	int rc = 0;

	/* sees the job's end at once, as the runner does */
	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 });
	if (out < 0)
		rc = sg_err_set(err, -errno,
				"cannot take the virtual machine's connection from process %d: %s", pid,
				strerror(errno));
	else if (!r)
		rc = sg_err_set(err, -ENOMEM, "out of memory");
	if (!rc)
		rc = sg_vmagent_run(fd, command, JOB_MS, -1, r, err);
	if (!rc && r->len == SG_VMAGENT_OUT_MAX)
		rc = sg_err_set(err, -EPROTO,
				"the job says more than %d bytes, which a virtual machine cannot pass on",
				SG_VMAGENT_OUT_MAX);
	if (!rc) {
		u = (struct sg_cpu_used){ .user_ns = r->user_ns, .sys_ns = r->system_ns };
		if (pwrite(out, &u, sizeof(u), 0) != sizeof(u))
			rc = sg_err_set(err, -EIO, "cannot tell what the job used");
	}
	if (!rc) {
		FILE *to = r->status ? stderr : stdout;

		if (fwrite(r->out, 1, r->len, to) != r->len || fflush(to))
			rc = sg_err_set(err, -EIO, "cannot pass on what the job says");
		*ret_status = r->status;
	}
	for (const int *f = (const int[]){ owner, fd, out, -2 }; *f != -2; f++)
		if (*f >= 0)
			close(*f);
	free(r);
	return rc;
}
