/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Scenarios about locks: the time belongs to what the holder did. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "truth.h"

/* Locks and conditions of one scenario; shared between processes where it forks. */
struct room {
	struct truth *t;
	pthread_mutex_t a, b;
	pthread_cond_t c1, c2;
	int step1, step2;
	pid_t asker; /* who is blocked while the holder works */
};

static struct room *room_new(struct truth *t)
{
	struct room *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;

	if (r == MAP_FAILED)
		truth_fail(t, "mmap: %s", strerror(errno));
	r->t = t;
	r->asker = gettid();
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
	pthread_condattr_init(&ca);
	pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&r->a, &ma);
	pthread_mutex_init(&r->b, &ma);
	pthread_cond_init(&r->c1, &ca);
	pthread_cond_init(&r->c2, &ca);
	return r;
}

static uint64_t burnt(uint64_t ns)
{
	struct truth_clk c = truth_clk();

	truth_burn(ns);
	return truth_since(&c).cpu;
}

/* Start @fn and return once it says (w[0]) that it holds its lock. */
static pthread_t start_holder(struct room *r, void *(*fn)(void *))
{
	pthread_t th;

	if (pthread_create(&th, NULL, fn, r))
		truth_fail(r->t, "no thread");
	while (!r->t->w[0])
		truth_nap(100000);
	return th;
}

static void *holder_sleeps(void *arg)
{
	struct room *r = arg;

	pthread_mutex_lock(&r->a);
	r->t->w[0] = 1;
	truth_wait_asker(r->t, r->asker);
	r->t->w[1] = truth_sleep(40 * MSEC);
	pthread_mutex_unlock(&r->a);
	return NULL;
}

static void *holder_burns(void *arg)
{
	struct room *r = arg;

	pthread_mutex_lock(&r->a);
	r->t->w[0] = 1;
	truth_wait_asker(r->t, r->asker);
	r->t->w[1] = burnt(40 * MSEC);
	pthread_mutex_unlock(&r->a);
	return NULL;
}

static void mutex_one(struct truth *t, void *(*fn)(void *), bool sleeps)
{
	struct room *r = room_new(t);
	pthread_t th = start_holder(r, fn);
	struct truth_span s;
	struct truth_clk c;

	truth_begin(t, t->name);
	c = truth_clk();
	pthread_mutex_lock(&r->a);
	s = truth_since(&c);
	truth_end(t, t->name);
	pthread_mutex_unlock(&r->a);
	pthread_join(th, NULL);
	if (sleeps)
		truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
	else
		truth_cpu_leaf(t, NULL, t->w[1]);
	truth_blocked(t, "ipc.futex", &s);
}

static void mutex_sleep(struct truth *t)
{
	mutex_one(t, holder_sleeps, true);
}

static void mutex_cpu(struct truth *t)
{
	mutex_one(t, holder_burns, false);
}

static void *inner_holder(void *arg)
{
	struct room *r = arg;

	pthread_mutex_lock(&r->b);
	r->t->w[4] = 1;
	truth_wait_asker(r->t, r->asker);
	truth_wait_blocked((pid_t)r->t->w[3]);
	r->t->w[1] = truth_sleep(40 * MSEC);
	pthread_mutex_unlock(&r->b);
	return NULL;
}

static void *outer_holder(void *arg)
{
	struct room *r = arg;
	pthread_t th;

	r->t->w[3] = gettid();
	pthread_create(&th, NULL, inner_holder, r);
	while (!r->t->w[4])
		truth_nap(100000);
	pthread_mutex_lock(&r->a);
	r->t->w[0] = 1;
	truth_wait_asker(r->t, r->asker);
	pthread_mutex_lock(&r->b);
	pthread_mutex_unlock(&r->b);
	r->t->w[2] = burnt(15 * MSEC);
	pthread_mutex_unlock(&r->a);
	pthread_join(th, NULL);
	return NULL;
}

/* The holder of the lock waits for another lock, whose holder sleeps. */
static void mutex_nested(struct truth *t)
{
	struct room *r = room_new(t);
	pthread_t th = start_holder(r, outer_holder);
	struct truth_span s;
	struct truth_clk c;

	truth_begin(t, "mutex_nested");
	c = truth_clk();
	pthread_mutex_lock(&r->a);
	s = truth_since(&c);
	truth_end(t, "mutex_nested");
	pthread_mutex_unlock(&r->a);
	pthread_join(th, NULL);
	truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
	truth_cpu_leaf(t, NULL, t->w[2]);
	truth_blocked(t, "ipc.futex", &s);
}

/* ---- condition variables: first sleeps, then tells the second, which works, then tells the asker. */
static void *cond_first(void *arg)
{
	struct room *r = arg;

	truth_wait_asker(r->t, r->asker);
	while (!r->t->w[3])
		truth_nap(100000);
	truth_wait_blocked((pid_t)r->t->w[3]);
	r->t->w[1] = truth_sleep(30 * MSEC);
	pthread_mutex_lock(&r->a);
	r->step1 = 1;
	pthread_cond_signal(&r->c1);
	pthread_mutex_unlock(&r->a);
	return NULL;
}

static void *cond_second(void *arg)
{
	struct room *r = arg;

	r->t->w[3] = gettid();
	pthread_mutex_lock(&r->a);
	while (!r->step1)
		pthread_cond_wait(&r->c1, &r->a);
	pthread_mutex_unlock(&r->a);
	r->t->w[2] = burnt(20 * MSEC);
	pthread_mutex_lock(&r->b);
	r->step2 = 1;
	pthread_cond_signal(&r->c2);
	pthread_mutex_unlock(&r->b);
	return NULL;
}

static struct truth_span cond_ask(struct room *r)
{
	struct truth_clk c = truth_clk();

	pthread_mutex_lock(&r->b);
	while (!r->step2)
		pthread_cond_wait(&r->c2, &r->b);
	pthread_mutex_unlock(&r->b);
	return truth_since(&c);
}

static void cond_wants(struct truth *t, const struct truth_span *s)
{
	truth_leaf(t, "timer.sleep", TRUTH_EQ, t->w[1]);
	truth_cpu_leaf(t, NULL, t->w[2]);
	truth_blocked(t, "ipc.futex", s);
}

static void cond_threads(struct truth *t)
{
	struct room *r = room_new(t);
	struct truth_span s;
	pthread_t a, b;

	pthread_create(&a, NULL, cond_first, r);
	pthread_create(&b, NULL, cond_second, r);
	truth_begin(t, "cond_threads");
	s = cond_ask(r);
	truth_end(t, "cond_threads");
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	cond_wants(t, &s);
}

static void cond_first_child(struct truth *t, void *arg)
{
	(void)t;
	cond_first(arg);
}

static void cond_second_child(struct truth *t, void *arg)
{
	(void)t;
	cond_second(arg);
}

static void cond_procs(struct truth *t)
{
	struct room *r = room_new(t);
	struct truth_span s;
	pid_t a, b;

	a = truth_fork(t, cond_first_child, r);
	b = truth_fork(t, cond_second_child, r);
	truth_begin(t, "cond_procs");
	s = cond_ask(r);
	truth_end(t, "cond_procs");
	truth_reap(t, a);
	truth_reap(t, b);
	cond_wants(t, &s);
}

/* ---- locks inside the kernel -------------------------------------------- */
#define BIG (192u << 20)

static void *inode_holder(void *arg)
{
	struct truth *t = arg;
	char *buf = (char *)(uintptr_t)t->w[5];

	truth_pin(-1);
	t->w[0] = 1;
	if (pwrite((int)t->w[4], buf, BIG, 0) != (ssize_t)BIG)
		t->w[6] = 1;
	return NULL;
}

/* One thread writes 192 MB into a file, another wants to write a byte. On one CPU, so nobody spins. */
static void kernel_inode_lock(struct truth *t)
{
	char *buf =
		mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int fd = memfd_create("truth", MFD_CLOEXEC);
	struct truth_span s;
	struct truth_clk c;
	pthread_t th;

	if (fd < 0 || buf == MAP_FAILED)
		truth_fail(t, "no memory file");
	t->w[4] = fd;
	t->w[5] = (uintptr_t)buf;
	truth_pin(-1);
	pthread_create(&th, NULL, inode_holder, t);
	while (!t->w[0])
		truth_nap(100000);
	truth_nap(2 * MSEC);
	truth_begin(t, "kernel_inode_lock");
	c = truth_clk();
	if (pwrite(fd, "x", 1, 0) != 1)
		truth_fail(t, "pwrite: %s", strerror(errno));
	s = truth_since(&c);
	truth_end(t, "kernel_inode_lock");
	pthread_join(th, NULL);
	if (t->w[6] || s.blocked < 5 * MSEC)
		truth_fail(t, "blocked for only %llu ns", (unsigned long long)s.blocked);
	truth_blocked(t, "lock.kernel", &s);
	/* What the holder did meanwhile is the leaf: one long write, and the turns others took. */
	truth_leaf(t, "cpu.sys.pwrite64", TRUTH_GE, 5 * MSEC);
	truth_leaf(t, "cpu.sys.pwrite64+sched+cpu.irq", TRUTH_GE, s.blocked * 95 / 100);
}

static void *mmap_holder(void *arg)
{
	struct truth *t = arg;

	truth_pin(-1);
	t->w[0] = 1;
	if (mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) ==
	    MAP_FAILED)
		t->w[6] = 1;
	return NULL;
}

/* One thread fills a large mapping, another wants a small one in the same address space. */
static void kernel_mmap_lock(struct truth *t)
{
	struct truth_span s;
	struct truth_clk c;
	pthread_t th;

	truth_pin(-1);
	pthread_create(&th, NULL, mmap_holder, t);
	while (!t->w[0])
		truth_nap(100000);
	truth_nap(2 * MSEC);
	truth_begin(t, "kernel_mmap_lock");
	c = truth_clk();
	if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		truth_fail(t, "mmap: %s", strerror(errno));
	s = truth_since(&c);
	truth_end(t, "kernel_mmap_lock");
	pthread_join(th, NULL);
	if (t->w[6] || s.blocked < 5 * MSEC)
		truth_fail(t, "blocked for only %llu ns", (unsigned long long)s.blocked);
	truth_blocked(t, "lock.kernel", &s);
	truth_leaf(t, "cpu.sys.mmap", TRUTH_GE, 5 * MSEC);
	truth_leaf(t, "cpu.sys.mmap+sched+cpu.irq", TRUTH_GE, s.blocked * 95 / 100);
}

const struct truth_scenario truth_lock[] = {
	{ "mutex_sleep", mutex_sleep, 0, "the holder of a mutex sleeps" },
	{ "mutex_cpu", mutex_cpu, 0, "the holder of a mutex computes" },
	{ "mutex_nested", mutex_nested, 0, "the holder waits for a second mutex" },
	{ "cond_threads", cond_threads, 0, "a chain of conditions over three threads" },
	{ "cond_procs", cond_procs, 0, "the same over three processes" },
	{ "kernel_inode_lock", kernel_inode_lock, 0, "two writers of one file" },
	{ "kernel_mmap_lock", kernel_mmap_lock, 0, "two mmap in one address space" },
	{ 0 },
};
