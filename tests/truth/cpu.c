/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Scenarios about having, losing and giving away the CPU. */
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "truth.h"

static void cpu_user(struct truth *t)
{
	struct truth_span s;
	struct truth_clk c;

	truth_begin(t, "cpu_user");
	c = truth_clk();
	truth_burn(60 * MSEC);
	s = truth_since(&c);
	truth_end(t, "cpu_user");
	truth_cpu_leaf(t, NULL, s.cpu);
	truth_leaf(t, "timer.sleep+ipc+io+mem", TRUTH_LE, MSEC);
}

/* Both marks in the middle of one long stay on the CPU: the slice must be cut exactly there. */
static void cpu_slice_mark(struct truth *t)
{
	struct truth_clk c;
	struct truth_span s;

	truth_burn(25 * MSEC);
	truth_begin(t, "cpu_slice_mark");
	c = truth_clk();
	truth_burn(30 * MSEC);
	s = truth_since(&c);
	truth_end(t, "cpu_slice_mark");
	truth_burn(25 * MSEC);
	truth_cpu_leaf(t, NULL, s.cpu);
}

static void *spin_setter(void *arg)
{
	struct truth *t = arg;

	truth_nap(40 * MSEC);
	t->w[0] = 1;
	return NULL;
}

/* Waiting by spinning is on-CPU time of the spinner; no wait may be invented. */
static void cpu_spin(struct truth *t)
{
	struct truth_clk c;
	struct truth_span s;
	pthread_t th;

	pthread_create(&th, NULL, spin_setter, t);
	truth_begin(t, "cpu_spin");
	c = truth_clk();
	while (!t->w[0])
		__builtin_ia32_pause();
	s = truth_since(&c);
	truth_end(t, "cpu_spin");
	pthread_join(th, NULL);
	truth_cpu_leaf(t, NULL, s.cpu);
	truth_leaf(t, "timer+ipc", TRUTH_LE, MSEC);
}

static void hog(struct truth *t, void *arg)
{
	(void)arg;
	truth_pin(-1);
	t->w[0] = 1;
	for (;;)
		truth_burn(SEC);
}

/* A pinned hog takes half of the CPU. */
static void cpu_stolen(struct truth *t)
{
	pid_t pid = truth_fork(t, hog, NULL);
	struct truth_clk c;
	struct truth_span s;

	while (!t->w[0])
		truth_nap(100000);
	truth_pin(-1);
	truth_begin(t, "cpu_stolen");
	c = truth_clk();
	truth_burn(50 * MSEC);
	s = truth_since(&c);
	truth_end(t, "cpu_stolen");
	kill(pid, SIGKILL);
	truth_reap(t, pid);
	if (s.delay < 20 * MSEC)
		truth_fail(t, "the hog stole only %llu ns", (unsigned long long)s.delay);
	truth_leaf(t, "sched.runq", TRUTH_EQ, s.delay);
	truth_cpu_leaf(t, NULL, s.cpu);
}

static uint64_t throttled(const char *dir)
{
	return truth_read_u64(dir, "cpu.stat", "throttled_time") +
	       truth_read_u64(dir, "cpu.stat", "throttled_usec") * 1000;
}

static void cpu_quota(struct truth *t)
{
	const char *dir = truth_join_cgroup(t, "TRUTH_CPUCG");
	struct truth_clk c;
	struct truth_span s;
	uint64_t held;

	truth_pin(-1);
	truth_burn(20 * MSEC);
	truth_begin(t, "cpu_quota");
	held = throttled(dir);
	c = truth_clk();
	/* On a busy machine the quota lasts longer than the CPU. */
	do {
		truth_burn(10 * MSEC);
	} while (throttled(dir) - held < 60 * MSEC && truth_now() - c.wall < 3 * SEC);
	s = truth_since(&c);
	held = throttled(dir) - held;
	truth_end(t, "cpu_quota");
	if (held < 20 * MSEC)
		truth_fail(t, "the quota held it back for only %llu ns", (unsigned long long)held);
	truth_leaf(t, "sched.throttle", TRUTH_EQ, held);
	truth_leaf(t, "cpu", TRUTH_EQ, s.cpu);
	truth_leaf(t, "cpu.user", TRUTH_GE, s.cpu * 3 / 4);
}

#define CALLS 100000

/* N cheap system calls: the count of the cause is exact. */
static void cpu_syscalls(struct truth *t)
{
	struct truth_clk c;
	struct truth_span s;

	truth_begin(t, "cpu_syscalls");
	c = truth_clk();
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getpid);
	s = truth_since(&c);
	truth_end(t, "cpu_syscalls");
	truth_leaf(t, "cpu.sys.getpid", TRUTH_CNT, CALLS);
	truth_leaf(t, "cpu.user+cpu.sys+cpu.irq", TRUTH_EQ, s.cpu);
}

static void *yielder(void *arg)
{
	struct truth *t = arg;

	truth_pin(-1);
	t->w[0] = 1;
	while (!t->w[1]) {
		truth_burn(200000); /* so that a turn is longer than what a switch costs */
		sched_yield();
	}
	return NULL;
}

/* Two threads on one CPU hand it to each other. */
static void cpu_yield(struct truth *t)
{
	struct truth_clk c;
	struct truth_span s;
	pthread_t th;

	pthread_create(&th, NULL, yielder, t);
	while (!t->w[0])
		truth_nap(100000);
	truth_pin(-1);
	truth_begin(t, "cpu_yield");
	c = truth_clk();
	do {
		for (int i = 0; i < 100; i++)
			sched_yield();
	} while (truth_now() - c.wall < 60 * MSEC);
	s = truth_since(&c);
	truth_end(t, "cpu_yield");
	t->w[1] = 1;
	pthread_join(th, NULL);
	if (s.delay < 10 * MSEC)
		truth_fail(t, "yielding cost only %llu ns", (unsigned long long)s.delay);
	truth_leaf(t, "sched.yield+sched.runq", TRUTH_EQ, s.delay);
	truth_leaf(t, "sched.yield", TRUTH_GE, s.delay * 7 / 10);
}

/* Steps of a spinning loop that took longer than @floor_ns, time that others had: until there are @enough. */
static uint64_t stolen_steps(uint64_t enough, uint64_t floor_ns, uint64_t *cnt)
{
	uint64_t t0 = truth_now(), last = t0, sum = 0, now;

	*cnt = 0;
	while (*cnt < enough && (now = truth_now()) - t0 < 2 * SEC) {
		if (now - last > floor_ns) {
			sum += now - last;
			++*cnt;
		}
		last = now;
	}
	return sum;
}

/* A timer interrupt every 20 us on the victim's CPU, armed by somebody else. */
static void irq_timer(struct truth *t)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE,
				     .size = sizeof(a),
				     .config = PERF_COUNT_SW_CPU_CLOCK,
				     .sample_period = 20000 };
	int cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1, fd;
	struct truth_clk c;
	struct truth_span s;
	uint64_t sum, cnt;

	truth_pin(-1);
	fd = syscall(SYS_perf_event_open, &a, -1, cpu, -1, 8UL);
	if (fd < 0)
		truth_fail(t, "perf_event_open: no cpu-clock event");
	truth_begin(t, "irq_timer");
	c = truth_clk();
	sum = stolen_steps(3000, 1000, &cnt);
	s = truth_since(&c);
	truth_end(t, "irq_timer");
	close(fd);
	if (cnt < 300)
		truth_fail(t, "only %llu interruptions", (unsigned long long)cnt);
	sum = sum > s.delay ? sum - s.delay : 0;
	/* Between a step's two clock reads lies also the entry and exit of the interrupt, no probe's to see. */
	truth_leaf(t, "cpu.irq", TRUTH_GE, sum / 8);
	truth_leaf(t, "cpu.irq", TRUTH_CNT_GE, cnt * 8 / 10);
	truth_leaf(t, "cpu.irq", TRUTH_LE, sum + MSEC);
	truth_leaf(t, "cpu.user+cpu.irq", TRUTH_EQ, s.cpu);
}

static void udp_flood(struct truth *t, void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(9),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), rx = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(a);
	char buf[512] = { 0 };

	(void)arg;
	truth_pin(0);
	a.sin_port = 0;
	if (bind(rx, (struct sockaddr *)&a, sizeof(a)) || getsockname(rx, (struct sockaddr *)&a, &len))
		_exit(1);
	t->w[0] = 1;
	for (;;) {
		sendto(fd, buf, sizeof(buf), 0, (struct sockaddr *)&a, sizeof(a));
		t->w[1]++;
		if (t->w[1] % 64 == 0)
			while (recv(rx, buf, sizeof(buf), MSG_DONTWAIT) > 0)
				;
	}
}

/* The sender sits on CPU 0; its packets are received in soft interrupts of the victim's CPU. */
static void irq_softirq(struct truth *t)
{
	pid_t pid = truth_fork(t, udp_flood, NULL);
	struct truth_clk c;
	struct truth_span s;
	uint64_t sum, cnt, n0;

	truth_pin(-1);
	while (!t->w[0] || t->w[1] < 100)
		truth_nap(100000);
	truth_begin(t, "irq_softirq");
	n0 = t->w[1];
	c = truth_clk();
	sum = stolen_steps(2000, 1000, &cnt);
	s = truth_since(&c);
	n0 = t->w[1] - n0;
	truth_end(t, "irq_softirq");
	kill(pid, SIGKILL);
	truth_reap(t, pid);
	if (n0 < 500 || cnt < 500)
		truth_fail(t, "only %llu packets, %llu interruptions", (unsigned long long)n0,
			   (unsigned long long)cnt);
	sum = sum > s.delay ? sum - s.delay : 0;
	truth_leaf(t, "cpu.irq", TRUTH_GE, sum / 8);
	truth_leaf(t, "cpu.irq", TRUTH_LE, sum + MSEC);
	truth_leaf(t, "cpu.user+cpu.irq", TRUTH_EQ, s.cpu);
	truth_leaf(t, "sched.runq", TRUTH_EQ, s.delay);
}

const struct truth_scenario truth_cpu[] = {
	{ "cpu_user", cpu_user, 0, "60 ms of its own code" },
	{ "cpu_slice_mark", cpu_slice_mark, 0, "both marks inside one long slice" },
	{ "cpu_spin", cpu_spin, TRUTH_CPUS, "spinning on shared memory for 40 ms is not a wait" },
	{ "cpu_stolen", cpu_stolen, TRUTH_CPUS, "a hog pinned to the same CPU" },
	{ "cpu_quota", cpu_quota, TRUTH_CPU_CG, "a CFS quota of 30 %" },
	{ "cpu_syscalls", cpu_syscalls, 0, "100000 getpid" },
	{ "cpu_yield", cpu_yield, 0, "two threads yield to each other on one CPU" },
	{ "irq_timer", irq_timer, 0, "a timer interrupt every 20 us" },
	{ "irq_softirq", irq_softirq, TRUTH_CPUS | TRUTH_RPS,
	  "soft interrupts of packets another CPU sends" },
	{ 0 },
};
