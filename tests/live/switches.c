/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * switches KIND PAIRS SECONDS [RATE]: context switches that are counted by who makes them. Each pair are two threads on
 * one CPU, the next pair on the next one, that take turns by KIND: pipe, eventfd, futex or yield; RATE (0: no limit) is how many
 * times a second. The kernel counts each thread's switches; they are printed with the times between which they were,
 * as "TID BEGIN END SWITCHES" (CLOCK_MONOTONIC, ns), then a line that begins with "all".
 */
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum kind { PIPE, EVENTFD, FUTEX, YIELD, KINDS };
static const char *const kind_name[KINDS] = { "pipe", "eventfd", "futex", "yield" };

struct pair {
	enum kind kind;
	int cpu, fd[2][2]; /* [side]: read end, write end; an eventfd is both */
	uint32_t turn;	   /* whose it is; 2: nobody's any more */
	uint64_t until, rate, rounds;
};

struct side {
	pthread_t thread;
	struct pair *p;
	uint32_t me;
	pid_t tid;
	uint64_t begin, end, switches;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t switched(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return (uint64_t)u.ru_nvcsw + (uint64_t)u.ru_nivcsw;
}

/* So many there were at that time: no switch came between. */
static uint64_t count_at(uint64_t *ret_ns)
{
	uint64_t n;

	do {
		n = switched();
		*ret_ns = now_ns();
	} while (switched() != n);
	return n;
}

static void futex(uint32_t *word, int op, uint32_t value)
{
	syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Give the turn to the other side, or to nobody. */
static bool give(const struct side *s, uint32_t turn)
{
	struct pair *p = s->p;
	uint64_t one = turn == 2 ? 2 : 1;

	__atomic_store_n(&p->turn, turn, __ATOMIC_SEQ_CST);
	if (p->kind == FUTEX)
		futex(&p->turn, FUTEX_WAKE, 1);
	else if (p->kind != YIELD)
		return write(p->fd[!s->me][1], &one, p->kind == PIPE ? 1 : 8) > 0;
	return true;
}

/* False: there are no more turns. */
static bool wait_turn(const struct side *s)
{
	struct pair *p = s->p;
	uint32_t turn;
	uint64_t word;

	while ((turn = __atomic_load_n(&p->turn, __ATOMIC_SEQ_CST)) == !s->me) {
		if (p->kind == FUTEX)
			futex(&p->turn, FUTEX_WAIT, turn);
		else if (p->kind == YIELD)
			sched_yield();
		else if (read(p->fd[s->me][0], &word, p->kind == PIPE ? 1 : 8) <= 0)
			return false;
	}
	return turn == s->me;
}

static void pace(const struct pair *p, uint64_t begin)
{
	uint64_t due = begin + p->rounds * 1000000000u / p->rate;
	struct timespec t = { .tv_sec = (time_t)(due / 1000000000u), .tv_nsec = (long)(due % 1000000000u) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *side_main(void *arg)
{
	struct side *s = arg;
	struct pair *p = s->p;
	uint64_t first;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(p->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	s->tid = (pid_t)syscall(SYS_gettid);
	first = count_at(&s->begin);
	while (wait_turn(s)) {
		bool over = !s->me && now_ns() >= p->until;

		p->rounds += !s->me;
		if (!s->me && p->rate && p->rounds % 8 == 0)
			pace(p, s->begin);
		if (!give(s, over ? 2 : !s->me) || over)
			break;
	}
	s->switches = count_at(&s->end) - first;
	return NULL;
}

static int side_start(struct side *s)
{
	struct pair *p = s->p;

	if (p->kind == PIPE && pipe(p->fd[s->me]))
		return -1;
	if (p->kind == EVENTFD)
		p->fd[s->me][0] = p->fd[s->me][1] = eventfd(0, 0);
	return 0;
}

static int run(enum kind kind, size_t n, double seconds, uint64_t rate)
{
	struct side *s = calloc(2 * n, sizeof(*s));
	struct pair *p = calloc(n, sizeof(*p));
	int ncpu = (int)sysconf(_SC_NPROCESSORS_ONLN), bad = !s || !p;
	uint64_t begin = now_ns(), all = 0, rounds = 0;

	for (size_t i = 0; i < n && !bad; i++)
		p[i] = (struct pair){ .kind = kind,
				      .cpu = (int)i % ncpu,
				      .rate = rate,
				      .until = begin + (uint64_t)(seconds * 1e9) };
	for (size_t i = 0; i < 2 * n && !bad; i++) {
		s[i] = (struct side){ .p = &p[i / 2], .me = i % 2 };
		bad = side_start(&s[i]);
	}
	for (size_t i = 0; i < 2 * n && !bad; i++)
		bad = pthread_create(&s[i].thread, NULL, side_main, &s[i]);
	if (bad)
		return fprintf(stderr, "switches: no room for %zu pairs\n", n), 1;
	for (size_t i = 0; i < 2 * n; i++) {
		pthread_join(s[i].thread, NULL);
		printf("%d %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s[i].tid, s[i].begin, s[i].end,
		       s[i].switches);
		all += s[i].switches;
		rounds += s[i].me ? 0 : p[i / 2].rounds;
	}
	printf("all switches=%" PRIu64 " rounds=%" PRIu64 " seconds=%.3f\n", all, rounds,
	       (double)(now_ns() - begin) / 1e9);
	free(s);
	free(p);
	return 0;
}

int main(int argc, char **argv)
{
	size_t k = 0, n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	while (argc > 1 && k < KINDS && strcmp(kind_name[k], argv[1]))
		k++;
	if (argc < 4 || k == KINDS || !n || n > 4096) {
		fprintf(stderr, "switches: KIND PAIRS SECONDS [RATE]; see the beginning of its source\n");
		return 2;
	}
	return run((enum kind)k, n, atof(argv[3]), argc > 4 ? strtoull(argv[4], NULL, 10) : 0);
}
