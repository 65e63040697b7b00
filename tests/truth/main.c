/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* truth NAME carries out one scenario and writes what it expects, as JSON, to $TRUTH_OUT. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "truth.h"

static const struct truth_scenario *const tables[] = {
	truth_cpu, truth_lock, truth_io,   truth_mem,	  truth_ipc,
	truth_net, truth_trap, truth_proc, truth_reclaim,
};
#define NTABLE (sizeof(tables) / sizeof(tables[0]))

static const char *const need_names[] = {
#define T_X(sym, name) name,
	TRUTH_NEED_LIST(T_X)
#undef T_X
};

static const char *const op_names[] = { "eq", "ge", "le", "count", "count_ge", "count_le" };

/* ---- what scenarios say ------------------------------------------------- */
static struct truth_task *task_find(struct truth *t, const char *name)
{
	for (size_t i = 0; i < t->ntask; i++)
		if (!strcmp(t->task[i].name, name))
			return &t->task[i];
	return NULL;
}

void truth_begin(struct truth *t, const char *name)
{
	struct truth_task *k;
	char path[128];

	if (t->ntask == TRUTH_TASK_MAX)
		truth_fail(t, "too many tasks");
	k = &t->task[t->ntask++];
	k->id = (uint64_t)getpid() * 10 + t->ntask;
	snprintf(k->name, sizeof(k->name), "%s", name);
	snprintf(path, sizeof(path), "/.sandglass/begin/%llu/%s", (unsigned long long)k->id, k->name);
	k->before = truth_now();
	(void)!access(path, F_OK);
	k->begin = truth_now();
	t->begun = true;
}

void truth_end(struct truth *t, const char *name)
{
	struct truth_task *k = task_find(t, name);
	char path[128];

	if (!k)
		truth_fail(t, "task %s ended before it began", name);
	snprintf(path, sizeof(path), "/.sandglass/end/%llu/0", (unsigned long long)k->id);
	k->end = truth_now();
	(void)!access(path, F_OK);
	k->after = truth_now();
}

struct truth_want *truth_want(struct truth *t, const char *task, const char *comp, const char *cause,
			      enum truth_op op, uint64_t value)
{
	struct truth_want *w;

	if (t->nwant == TRUTH_WANT_MAX)
		truth_fail(t, "too many expectations");
	w = &t->want[t->nwant++];
	if (!task)
		task = t->ntask ? t->task[t->ntask - 1].name : "";
	snprintf(w->task, sizeof(w->task), "%s", task);
	snprintf(w->comp, sizeof(w->comp), "%s", comp);
	snprintf(w->cause, sizeof(w->cause), "%s", cause);
	w->op = op;
	w->value = value;
	return w;
}

void truth_leaf(struct truth *t, const char *cause, enum truth_op op, uint64_t value)
{
	truth_want(t, NULL, "app", cause, op, value);
}

void truth_wait(struct truth *t, const char *cause, enum truth_op op, uint64_t value)
{
	truth_want(t, NULL, "app", cause, op, value)->by_wait = true;
}

void truth_cpu_leaf(struct truth *t, const char *task, uint64_t ns)
{
	truth_want(t, task, "app", "cpu.user+cpu.irq", TRUTH_EQ, ns);
	truth_want(t, task, "app", "cpu.user", TRUTH_GE, ns * 3 / 4);
}

/*
 * Where a wait ends and the run queue begins, the wake or being put into the
 * queue, differs by microseconds: much of a short wait. And the kernel counts a
 * blocked thread as queued when it moves one whose dequeue was put off (EEVDF)
 * to another CPU. Their sum is one thing.
 */
void truth_blocked(struct truth *t, const char *cause, const struct truth_span *s)
{
	struct truth_want *w;
	char both[96];

	snprintf(both, sizeof(both), "%s+sched", cause);
	w = truth_want(t, NULL, "app", both, TRUTH_EQ, s->blocked + s->delay);
	w->by_wait = w->stolen = true;
	truth_wait(t, cause, TRUTH_GE, s->blocked * 2 / 3);
}

#define TICK (SEC / (uint64_t)sysconf(_SC_CLK_TCK))

/* What hypervisors have taken from all CPUs since boot, in ticks. */
static uint64_t steal_ns(void)
{
	unsigned long long n = 0;
	FILE *f = fopen("/proc/stat", "re");

	if (f && fscanf(f, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n * TICK;
}

/*
 * Where a hypervisor steals, the kernel's CPU clock stands still meanwhile
 * (CONFIG_PARAVIRT_TIME_ACCOUNTING), so what a thread was blocked by it has
 * what was stolen from it on the CPU, which sandglass leaves where it was.
 */
static void steal_allow(struct truth *t)
{
	uint64_t now = steal_ns(), stolen = now - t->steal + TICK;

	for (size_t i = 0, n = now ? t->nwant : 0; i < n; i++) {
		struct truth_want *w = &t->want[i], *most;

		if (!w->stolen)
			continue;
		if (w->op == TRUTH_EQ) {
			most = truth_want(t, w->task, w->comp, w->cause, TRUTH_LE,
					  w->value + w->value / 20 + MSEC);
			most->by_wait = w->by_wait;
		}
		w->op = TRUTH_GE;
		w->value -= w->value < stolen ? w->value : stolen;
	}
}

static int out_write(const struct truth *t)
{
	const char *path = getenv("TRUTH_OUT");
	FILE *f = path ? fopen(path, "we") : stdout;

	if (!f)
		return -errno;
	fprintf(f, "{\"scenario\":\"%s\",\"failed\":\"%s\",\"tasks\":[", t->name, t->failed);
	for (size_t i = 0; i < t->ntask; i++) {
		const struct truth_task *k = &t->task[i];

		fprintf(f, "%s{\"name\":\"%s\",\"inner_ns\":%llu,\"outer_ns\":%llu}", i ? "," : "", k->name,
			(unsigned long long)(k->end - k->begin), (unsigned long long)(k->after - k->before));
	}
	fprintf(f, "],\"want\":[");
	for (size_t i = 0; i < t->nwant; i++) {
		const struct truth_want *w = &t->want[i];

		fprintf(f,
			"%s{\"task\":\"%s\",\"view\":\"%s\",\"component\":\"%s\",\"cause\":\"%s\",\"op\":\"%"
			"s\","
			"\"value\":%llu}",
			i ? "," : "", w->task, w->by_wait ? "by_wait" : "blame", w->comp, w->cause,
			op_names[w->op], (unsigned long long)w->value);
	}
	fprintf(f, "]}\n");
	if (f == stdout)
		return fflush(f) ? -EIO : 0;
	return fclose(f) ? -EIO : 0;
}

void truth_fail(struct truth *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->failed, sizeof(t->failed), fmt, ap);
	va_end(ap);
	for (char *p = t->failed; *p; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
			*p = '\'';
	out_write(t);
	fprintf(stderr, "truth %s: %s\n", t->name, t->failed);
	_exit(3);
}

/* ---- helpers of several subjects ---------------------------------------- */
pid_t truth_fork(struct truth *t, void (*fn)(struct truth *t, void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		truth_fail(t, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fn(t, arg);
	_exit(0);
}

void truth_reap(struct truth *t, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			truth_fail(t, "waitpid: %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			truth_fail(t, "a child failed, status %#x", status);
}

void truth_write(struct truth *t, const char *dir, const char *file, const char *text)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		truth_fail(t, "%s: %s", path, strerror(errno));
	close(fd);
}

const char *truth_join_cgroup(struct truth *t, const char *env)
{
	const char *dir = getenv(env);
	char pid[16];

	if (!dir)
		truth_fail(t, "%s is not set: start this through truthrun", env);
	snprintf(pid, sizeof(pid), "%d", getpid());
	truth_write(t, dir, "cgroup.procs", pid);
	return dir;
}

/* ---- command line ------------------------------------------------------- */
static void list(void)
{
	for (size_t i = 0; i < NTABLE; i++) {
		for (const struct truth_scenario *s = tables[i]; s->name; s++) {
			const char *sep = "";

			printf("%s\t", s->name);
			if (!s->needs)
				printf("-");
			for (int b = 0; b < TRUTH_NB_MAX; b++)
				if (s->needs & 1u << b) {
					printf("%s%s", sep, need_names[b]);
					sep = ",";
				}
			printf("\t%s\n", s->about);
		}
	}
}

/* What scenarios run through exec: sleep, and say in file descriptor argv[4] how long it really was. */
static int helper(int argc, char **argv)
{
	uint64_t v;

	if (argc != 5 || strcmp(argv[2], "sleep"))
		return 2;
	truth_wait_blocked(getppid());
	v = truth_sleep(strtoull(argv[3], NULL, 10) * MSEC);
	return pwrite(atoi(argv[4]), &v, sizeof(v), 0) != sizeof(v);
}

static const struct truth_scenario *find(const char *name)
{
	for (size_t i = 0; i < NTABLE; i++)
		for (const struct truth_scenario *s = tables[i]; s->name; s++)
			if (!strcmp(s->name, name))
				return s;
	return NULL;
}

/* Touch all that a window contains, so that the first use of code and stack does not count as faults of it. */
static void warm_up(struct truth *t)
{
	struct truth_clk c = truth_clk();
	char path[128];

	snprintf(path, sizeof(path), "/.truth/%llu/%s", (unsigned long long)getpid(), t->name);
	(void)!access(path, F_OK);
	truth_since(&c);
	t->task[0].id = t->ntask;
}

int main(int argc, char **argv)
{
	const struct truth_scenario *s = NULL;
	struct truth *t;

	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list(), fflush(stdout) ? 1 : 0;
	if (argc > 2 && !strcmp(argv[1], "--helper"))
		return helper(argc, argv);
	if (argc == 2)
		s = find(argv[1]);
	if (!s)
		return fprintf(stderr, "Usage: truth --list | truth SCENARIO\n"), 2;
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED)
		return perror("truth: mmap"), 1;
	t->name = s->name;
	t->exe = "/proc/self/exe";
	t->dir = getenv("TRUTH_DIR") ?: "/var/tmp";
	t->steal = steal_ns();
	warm_up(t);
	s->fn(t);
	steal_allow(t);
	return out_write(t) ? 1 : 0;
}
