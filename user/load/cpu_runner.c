/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/parse.h"
#include "load/cpu_runner.h"
#include "sandglass/mark.h"

#define TASK_MAX 48
/* A combination of jobs is given up after this long: it then waits for something that will not come. */
#define ANSWER_MS 3600000

struct batch {
	unsigned n;
	uint64_t id;
	char task[TASK_MAX];
	pthread_barrier_t begin;
	int stop; /* eventfd: one has failed, so the others end too */
};

struct job {
	struct batch *b;
	unsigned i;
	pthread_t thread;
	bool affinity;
	cpu_set_t cpus;
	struct sg_args args;
	struct sg_cpu_life life;
	struct sg_err err;
	int rc;
};

void sg_cpu_life_print(char *buf, size_t cap, const struct sg_cpu_life *l)
{
	snprintf(buf, cap, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
		 l->pid, l->begin_ns, l->end_ns, l->user_ns, l->sys_ns, l->switches, l->majflt);
}

int sg_cpu_life_parse(const char *line, struct sg_cpu_life *ret)
{
	uint64_t *const v[] = { &ret->pid,    &ret->begin_ns, &ret->end_ns, &ret->user_ns,
				&ret->sys_ns, &ret->switches, &ret->majflt };
	char word[24];

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		size_t n = strcspn(line, " ");

		if (n >= sizeof(word) || (line[n] == ' ') == (i == sizeof(v) / sizeof(*v) - 1))
			return -EPROTO;
		memcpy(word, line, n);
		word[n] = 0;
		if (sg_parse_u64(word, 0, UINT64_MAX / 2, v[i]))
			return -EPROTO;
		line += n + 1;
	}
	return ret->end_ns >= ret->begin_ns ? 0 : -EPROTO;
}

/* ---- the runner ---------------------------------------------------------- */

static uint64_t usec_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * 1000000000u + (uint64_t)tv.tv_usec * 1000u;
}

/* A line of the order: CPUs or '-', then the command line, apart by tabs. */
static int parse_job(char *line, struct job *j)
{
	char *word = strsep(&line, "\t");
	unsigned cpu[CPU_SETSIZE];
	int n;

	if (!line)
		return -EPROTO;
	j->affinity = strcmp(word, "-");
	n = j->affinity ? sg_parse_cpus(word, CPU_SETSIZE, cpu, CPU_SETSIZE) : 0;
	if (n < 0)
		return -EPROTO;
	CPU_ZERO(&j->cpus);
	for (int i = 0; i < n; i++)
		CPU_SET(cpu[i], &j->cpus);
	while ((word = strsep(&line, "\t")))
		sg_arg(&j->args, "%s", word);
	return j->args.failed ? -ENOMEM : 0;
}

/* The task is from before the start until its end is known: what a shell's `time` would call real. */
static void run_job(struct job *j)
{
	char name[32];
	struct sg_child c = SG_CHILD_NONE, *cp = &c;
	struct sg_child_opts o = {
		.name = name, .quiet = true, .err = true, .cpus = j->affinity ? &j->cpus : NULL
	};
	uint64_t id = j->b->id + j->i, one = 1;

	snprintf(name, sizeof(name), "job %u", j->i);
	j->life.begin_ns = sg_now_ns();
	SG_TASK_BEGIN(id, j->b->task);
	j->rc = sg_child_spawn(&c, &o, j->args.v, &j->err);
	j->life.pid = (uint64_t)c.pid;
	if (!j->rc) {
		j->rc = sg_child_wait_any(&cp, 1, -1, j->b->stop, -1);
		j->life.end_ns = sg_now_ns();
		SG_TASK_END(id, c.status);
	}
	if (!j->rc && c.status)
		j->rc = sg_child_dead(&c, &j->err);
	else if (j->rc < 0 && !j->err.msg[0])
		sg_err_set(&j->err, j->rc, "interrupted");
	j->life.user_ns = usec_ns(c.ru.ru_utime);
	j->life.sys_ns = usec_ns(c.ru.ru_stime);
	j->life.switches = (uint64_t)c.ru.ru_nivcsw;
	j->life.majflt = (uint64_t)c.ru.ru_majflt;
	if (j->rc && write(j->b->stop, &one, sizeof(one)) < 0)
		j->rc = -errno;
	sg_child_kill(&c);
}

static void *job_thread(void *arg)
{
	struct job *j = arg;

	/* sees the end at once, whoever has the CPU; its children don't inherit it. Without the right to, later. */
	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &(struct sched_param){ .sched_priority = 1 });
	pthread_barrier_wait(&j->b->begin);
	run_job(j);
	return NULL;
}

static int run_batch(struct batch *b, struct job *j, FILE *out)
{
	const struct job *bad = NULL;
	unsigned started = 0;
	char line[256];

	b->stop = eventfd(0, EFD_CLOEXEC);
	if (b->stop < 0 || pthread_barrier_init(&b->begin, NULL, b->n))
		return -errno;
	for (; started < b->n; started++)
		if (pthread_create(&j[started].thread, NULL, job_thread, &j[started]))
			_exit(1); /* those that were started wait for the others for ever */
	for (unsigned i = 0; i < b->n; i++)
		pthread_join(j[i].thread, NULL);
	pthread_barrier_destroy(&b->begin);
	close(b->stop);
	/* the one that failed by itself, not those that were stopped for it */
	for (unsigned i = 0; i < b->n; i++)
		if (j[i].rc && (!bad || bad->rc == -EINTR))
			bad = &j[i];
	if (bad)
		fprintf(out, "fail %s\n", bad->err.msg);
	for (unsigned i = 0; i < b->n && !bad; i++) {
		sg_cpu_life_print(line, sizeof(line), &j[i].life);
		fprintf(out, "%s\n", line);
	}
	return fflush(out) ? -errno : 0;
}

static int read_batch(FILE *in, char **line, size_t *cap, struct batch *b, struct job *j)
{
	int rc = 0;

	for (unsigned i = 0; i < b->n && !rc; i++) {
		if (getline(line, cap, in) < 0)
			return -EPROTO;
		(*line)[strcspn(*line, "\n")] = 0;
		j[i].b = b;
		j[i].i = i;
		rc = parse_job(*line, &j[i]);
	}
	return rc;
}

int sg_cpu_runner_main(FILE *in, FILE *out, struct sg_err *err)
{
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	prctl(PR_SET_NAME, "bench-runner");
	if (fputs("ready\n", out) < 0 || fflush(out))
		rc = -errno;
	while (!rc && getline(&line, &cap, in) > 0) {
		struct batch b = { 0 };
		struct job *j;
		int end = 0;

		if (sscanf(line, "run %47s %" SCNu64 " %u%n", b.task, &b.id, &b.n, &end) != 3 ||
		    strcmp(line + end, "\n") || !b.n || b.n > SG_CPU_JOBS_MAX) {
			rc = -EPROTO;
			break;
		}
		j = calloc(b.n, sizeof(*j));
		rc = j ? read_batch(in, &line, &cap, &b, j) : -ENOMEM;
		if (!rc)
			rc = run_batch(&b, j, out);
		for (unsigned i = 0; j && i < b.n; i++)
			sg_args_free(&j[i].args);
		free(j);
	}
	free(line);
	return rc ? sg_err_set(err, rc, "cpu-runner: %s",
			       rc == -EPROTO ? "an order that is none" : strerror(-rc))
		  : 0;
}

/* ---- the other end ------------------------------------------------------- */

static int put_order(FILE *f, const char *task, uint64_t id, const struct sg_cpu_start *start,
		     const cpu_set_t *cpus, unsigned n, struct sg_err *err)
{
	fprintf(f, "run %s %" PRIu64 " %u\n", task, id, n);
	for (unsigned i = 0; i < n; i++) {
		const char *sep = "";

		for (unsigned c = 0; c < CPU_SETSIZE && start[i].affinity; c++)
			if (CPU_ISSET(c, &cpus[i])) {
				fprintf(f, "%s%u", sep, c);
				sep = ",";
			}
		if (!start[i].affinity)
			fputc('-', f);
		for (size_t k = 0; k < start[i].args.n; k++) {
			if (strpbrk(start[i].args.v[k], "\t\n"))
				return sg_err_set(err, -EINVAL,
						  "a path with a tab or a line break in it is not supported");
			fprintf(f, "\t%s", start[i].args.v[k]);
		}
		fputc('\n', f);
	}
	return 0;
}

int sg_cpu_runner_gone(struct sg_child *c, struct sg_err *err)
{
	char said[300] = "", fate[64];

	sg_child_wait_any(&c, 1, -1, -1, 10000);
	sg_child_read_err(c, said, sizeof(said));
	if (said[0])
		return sg_err_set(err, -EIO, "%s", sg_child_sentence(said));
	return sg_err_set(err, -EIO, "%s ended with %s", c->name, sg_child_fate(c, fate, sizeof(fate)));
}

static int take_answer(struct sg_child *c, const char *task, int sigfd, struct sg_cpu_life *ret,
		       struct sg_err *err)
{
	char line[512];
	int rc = sg_child_line(c, sigfd, ANSWER_MS, line, sizeof(line));

	if (rc == -EPIPE)
		return sg_cpu_runner_gone(c, err);
	if (rc == -EINTR)
		return sg_err_set(err, rc, "interrupted");
	if (rc)
		return sg_err_set(err, rc, "the jobs did not end within %d s", ANSWER_MS / 1000);
	if (!strncmp(line, "fail ", 5))
		return sg_err_set(err, -ECHILD, "%s: %s", task, line + 5);
	rc = sg_cpu_life_parse(line, ret);
	return rc ? sg_err_set(err, rc, "%s gave an answer that is none", c->name) : 0;
}

int sg_cpu_runner_order(struct sg_child *c, const char *task, uint64_t id, const struct sg_cpu_start *start,
			const cpu_set_t *cpus, unsigned n, int sigfd, struct sg_cpu_life *ret,
			struct sg_err *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int rc = f ? put_order(f, task, id, start, cpus, n, err) : -ENOMEM;

	if (f && fclose(f) && !rc)
		rc = -ENOMEM;
	if (rc == -ENOMEM)
		sg_err_set(err, rc, "out of memory");
	for (size_t at = 0; at < len && !rc;) {
		ssize_t w = write(c->in, text + at, len - at);

		if (w < 0 && errno != EINTR)
			rc = sg_cpu_runner_gone(c, err);
		at += w > 0 ? (size_t)w : 0;
	}
	free(text);
	for (unsigned i = 0; i < n && !rc; i++)
		rc = take_answer(c, task, sigfd, &ret[i], err);
	return rc;
}
