/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Scenarios about processes: children, exec, exit, and tasks that move or overlap. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "truth.h"

static uint64_t cpu_of(const struct rusage *r)
{
	return (r->ru_utime.tv_sec + r->ru_stime.tv_sec) * SEC +
	       (r->ru_utime.tv_usec + r->ru_stime.tv_usec) * 1000;
}

/* ---- a tree: child sleeps, its own child computes, one after the other --- */
static void grandchild(struct truth *t, void *arg)
{
	pid_t *above = arg;
	struct truth_clk c;

	truth_wait_blocked(above[0]);
	truth_wait_blocked(above[1]);
	c = truth_clk();
	truth_burn(20 * MSEC);
	t->w[2] = truth_since(&c).cpu;
}

static void child(struct truth *t, void *arg)
{
	pid_t above[2] = { *(pid_t *)arg, getpid() };

	truth_wait_blocked(above[0]);
	t->w[1] = truth_sleep(25 * MSEC);
	truth_reap(t, truth_fork(t, grandchild, above));
}

static void proc_tree(struct truth *t)
{
	pid_t self = getpid(), pid;
	struct truth_span s;
	struct truth_clk c;

	truth_begin(t, "proc_tree");
	pid = truth_fork(t, child, &self);
	c = truth_clk();
	truth_reap(t, pid);
	s = truth_since(&c);
	truth_end(t, "proc_tree");
	truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
	truth_cpu_leaf(t, NULL, t->w[2]);
	truth_blocked(t, "ipc.child", &s);
}

/* ---- exec --------------------------------------------------------------- */
static void exec_one(struct truth *t, bool through_shell)
{
	int fd = memfd_create("truth", 0);
	struct truth_span s;
	struct truth_clk c;
	char num[16], line[256], self[128];
	uint64_t slept = 0;
	ssize_t n = readlink(t->exe, self, sizeof(self) - 1);
	pid_t pid;

	if (fd < 0 || n < 0)
		truth_fail(t, "cannot find myself");
	self[n] = 0;
	snprintf(num, sizeof(num), "%d", fd);
	snprintf(line, sizeof(line), "exec sh -c 'exec \"%s\" --helper sleep 40 %d'", self, fd);
	truth_begin(t, t->name);
	c = truth_clk();
	pid = vfork();
	if (!pid) {
		if (through_shell)
			execl("/bin/sh", "sh", "-c", line, NULL);
		else
			execl(self, "truth", "--helper", "sleep", "40", num, NULL);
		_exit(127);
	}
	truth_reap(t, pid);
	s = truth_since(&c);
	truth_end(t, t->name);
	if (pread(fd, &slept, sizeof(slept), 0) != sizeof(slept))
		truth_fail(t, "the child did not say how long it slept");
	truth_leaf(t, "timer.sleep", TRUTH_EQ, slept);
	truth_blocked(t, "ipc.child", &s);
}

static void proc_vfork(struct truth *t)
{
	exec_one(t, false);
}

static void proc_exec_chain(struct truth *t)
{
	exec_one(t, true);
}

/* ---- many short children ------------------------------------------------ */
static void short_life(struct truth *t, void *arg)
{
	(void)arg;
	t->w[3]++;
	truth_burn(100000);
}

static void proc_200(struct truth *t)
{
	struct truth_span s;
	struct truth_clk c;
	struct rusage a, b;

	getrusage(RUSAGE_CHILDREN, &a);
	truth_begin(t, "proc_200");
	c = truth_clk();
	for (int i = 0; i < 200; i++)
		truth_reap(t, truth_fork(t, short_life, NULL));
	s = truth_since(&c);
	truth_end(t, "proc_200");
	getrusage(RUSAGE_CHILDREN, &b);
	truth_blocked(t, "ipc.child", &s);
	/* The children ran while it waited, or while it ran itself: never more than both. */
	truth_leaf(t, "cpu", TRUTH_GE, s.cpu);
	truth_leaf(t, "cpu", TRUTH_LE, s.cpu + cpu_of(&b) - cpu_of(&a) + MSEC);
	truth_leaf(t, "cpu.user", TRUTH_GE, 200 * 90000ull);
}

/* ---- exit of a process with much memory --------------------------------- */
#define HUGE_MM (384ul << 20)

static void huge(struct truth *t, void *arg)
{
	struct timespec ts;

	(void)arg;
	if (mmap(NULL, HUGE_MM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) ==
	    MAP_FAILED)
		_exit(1);
	t->w[0] = 1;
	truth_wait_asker(t, getppid());
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	t->w[2] = ts.tv_sec * SEC + ts.tv_nsec;
	_exit(0);
}

static void proc_exit(struct truth *t)
{
	struct truth_span s;
	struct truth_clk c;
	struct rusage a, b;
	uint64_t gone;
	pid_t pid;

	getrusage(RUSAGE_CHILDREN, &a);
	pid = truth_fork(t, huge, NULL);
	while (!t->w[0])
		truth_nap(100000);
	truth_begin(t, "proc_exit");
	c = truth_clk();
	truth_reap(t, pid);
	s = truth_since(&c);
	truth_end(t, "proc_exit");
	getrusage(RUSAGE_CHILDREN, &b);
	gone = cpu_of(&b) - cpu_of(&a) - t->w[2];
	if (gone < 2 * MSEC)
		truth_fail(t, "its exit took only %llu ns", (unsigned long long)gone);
	truth_leaf(t, "cpu.sys.exit", TRUTH_EQ, gone);
	truth_blocked(t, "ipc.child", &s);
}

/* ---- tasks -------------------------------------------------------------- */
struct hop {
	struct truth *t;
	pthread_mutex_t m;
	pthread_cond_t c;
	int go;
};

static void *hop_second(void *arg)
{
	struct hop *h = arg;
	struct truth_clk c;

	pthread_mutex_lock(&h->m);
	while (!h->go)
		pthread_cond_wait(&h->c, &h->m);
	pthread_mutex_unlock(&h->m);
	c = truth_clk();
	truth_burn(20 * MSEC);
	h->t->w[2] = truth_since(&c).cpu;
	truth_end(h->t, "task_hop");
	return NULL;
}

/* Begun by one thread, handed over, ended by another. */
static void task_hop(struct truth *t)
{
	struct hop h = { t, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
	pthread_t th;
	uint64_t slept;

	pthread_create(&th, NULL, hop_second, &h);
	truth_nap(2 * MSEC);
	truth_begin(t, "task_hop");
	slept = truth_sleep(20 * MSEC);
	pthread_mutex_lock(&h.m);
	h.go = 1;
	pthread_cond_signal(&h.c);
	pthread_mutex_unlock(&h.m);
	pthread_join(th, NULL);
	truth_cpu_leaf(t, NULL, t->w[2]);
	truth_leaf(t, "timer.sleep", TRUTH_EQ, slept);
}

/* Two tasks of one thread that cross: each has its own account. */
static void task_overlap(struct truth *t)
{
	struct truth_span work;
	struct truth_clk c;
	uint64_t s1, s2;

	truth_begin(t, "overlap_first");
	s1 = truth_sleep(15 * MSEC);
	truth_begin(t, "overlap_second");
	c = truth_clk();
	truth_burn(20 * MSEC);
	work = truth_since(&c);
	truth_end(t, "overlap_first");
	s2 = truth_sleep(30 * MSEC);
	truth_end(t, "overlap_second");
	truth_want(t, "overlap_first", "app", "timer.sleep", TRUTH_EQ, s1);
	truth_cpu_leaf(t, "overlap_first", work.cpu);
	truth_want(t, "overlap_second", "app", "timer.sleep", TRUTH_EQ, s2);
	truth_cpu_leaf(t, "overlap_second", work.cpu);
}

/* No mark at all: the command itself, from exec to exit. */
static void task_command(struct truth *t)
{
	uint64_t ns = truth_sleep(40 * MSEC);
	struct truth_clk c = truth_clk();
	struct truth_span s;

	truth_burn(30 * MSEC);
	s = truth_since(&c);
	truth_leaf(t, "timer.sleep", TRUTH_EQ, ns);
	truth_cpu_leaf(t, NULL, s.cpu);
}

const struct truth_scenario truth_proc[] = {
	{ "task_command", task_command, 0, "the command itself, without marks" },
	{ "task_hop", task_hop, 0, "begun by one thread, ended by another" },
	{ "task_overlap", task_overlap, 0, "two tasks of one thread that cross" },
	{ "proc_tree", proc_tree, 0, "a child that sleeps and waits for its own child" },
	{ "proc_vfork", proc_vfork, 0, "vfork and exec of a program that sleeps" },
	{ "proc_exec_chain", proc_exec_chain, 0, "sh -c exec sh -c exec a program that sleeps" },
	{ "proc_200", proc_200, 0, "200 short children, one after the other" },
	{ "proc_exit", proc_exit, 0, "a child with 384 MB exits" },
	{ 0 },
};
