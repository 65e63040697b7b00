/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Truth scenarios: small programs whose waiting has a cause known by
 * construction. Each measures itself with its own clocks and says what an
 * honest explanation must show. Nothing here knows how sandglass works; the
 * marks go through access(2), which every program can call.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MSEC 1000000ull
#define SEC  1000000000ull

/* What a scenario needs from the machine. The runner makes it, removes it, or skips by name. */
#define TRUTH_NEED_LIST(X)                                                                         \
	X(CPUS, "cpus")		  /* two CPUs */                                                   \
	X(CPU_CG, "cpucg")	  /* cgroup with a CPU quota: TRUTH_CPUCG */                       \
	X(MEM_CG, "memcg")	  /* cgroup with a memory limit: TRUTH_MEMCG */                    \
	X(HIGH_CG, "highcg")	  /* cgroup with memory.high: TRUTH_HIGHCG */                      \
	X(FREEZER, "freezer")	  /* cgroup that can be frozen: TRUTH_FREEZER */                   \
	X(IO_CG, "iocg")	  /* cgroup with a read limit on the scratch device: TRUTH_IOCG */ \
	X(SWAP_FILE, "swapfile")  /* swap on a file */                                             \
	X(SWAP_ZRAM, "swapzram")  /* swap on zram */                                               \
	X(NO_AHEAD, "noahead")	  /* vm.page-cluster = 0: no readahead of swap */                  \
	X(FUSE, "fuse")		  /* /dev/fuse and mount(2) */                                     \
	X(DISK, "disk")		  /* TRUTH_DIR on a block device that takes O_DIRECT */            \
	X(RPS, "rps")		  /* soft interrupts of loopback steered to the last CPU */        \
	X(DELAYACCT, "delayacct") /* kernel.task_delayacct = 1 */                                  \
	X(SEEN_FAULTS, "faults")  /* most of a page fault's time passes in the kernel */

enum truth_need_bit {
#define T_X(sym, name) TRUTH_NB_##sym,
	TRUTH_NEED_LIST(T_X)
#undef T_X
		TRUTH_NB_MAX,
};
enum truth_need {
#define T_X(sym, name) TRUTH_##sym = 1u << TRUTH_NB_##sym,
	TRUTH_NEED_LIST(T_X)
#undef T_X
};

struct truth;
typedef void (*truth_fn)(struct truth *t);

struct truth_scenario {
	const char *name;
	truth_fn fn;
	unsigned needs;
	const char *about;
};
/* One table per subject; each ends with a NULL name. */
extern const struct truth_scenario truth_cpu[], truth_lock[], truth_io[], truth_mem[], truth_ipc[],
	truth_net[], truth_trap[], truth_proc[], truth_reclaim[];

/* How an expected value is compared. */
enum truth_op {
	TRUTH_EQ,     /* nanoseconds, within 5 % or 1 ms */
	TRUTH_GE,     /* at least so many nanoseconds */
	TRUTH_LE,     /* at most so many nanoseconds */
	TRUTH_CNT,    /* exactly so many times */
	TRUTH_CNT_GE, /* at least so many times */
	TRUTH_CNT_LE, /* at most so many times */
};

struct truth_want {
	char task[32];	/* "" is the whole command */
	char comp[24];	/* "*" is any component */
	char cause[96]; /* prefixes joined by '+' */
	uint64_t value;
	uint8_t op;
	bool by_wait; /* the task's own waits instead of the leaves */
	bool stolen;  /* value has what a hypervisor stole meanwhile */
};

struct truth_task {
	char name[32];
	uint64_t id;
	uint64_t before, begin; /* around the begin mark */
	uint64_t end, after;	/* around the end mark */
};

#define TRUTH_TASK_MAX 4
#define TRUTH_WANT_MAX 12
#define TRUTH_WORDS    32

/* Lives in shared memory: children and threads write their measurements here. */
struct truth {
	const char *name;
	const char *exe; /* this program */
	const char *dir; /* scratch directory */
	size_t ntask, nwant;
	struct truth_task task[TRUTH_TASK_MAX];
	struct truth_want want[TRUTH_WANT_MAX];
	_Atomic bool begun;		 /* a task has begun: the asker is about to wait */
	uint64_t steal;			 /* that hypervisors had taken from all CPUs before it */
	char failed[200];		 /* the scenario itself could not be carried out */
	_Atomic uint64_t w[TRUTH_WORDS]; /* free for the scenario */
};

/* A thread's own account: wall = on CPU + waiting for a CPU + blocked. */
struct truth_clk {
	uint64_t wall, cpu, delay;
};
struct truth_span {
	uint64_t wall, cpu, delay, blocked;
};

uint64_t truth_now(void);
struct truth_clk truth_clk(void);
struct truth_span truth_since(const struct truth_clk *from);
/** truth_delay() - nanoseconds the thread that opened @fd has waited for a CPU so far */
int truth_delay_open(void);
uint64_t truth_delay(int fd);

/** truth_begin() - mark the beginning of a task; truth_end() - and its end. */
void truth_begin(struct truth *t, const char *task);
void truth_end(struct truth *t, const char *task);

/** truth_leaf() - the blame of @task must show @cause; truth_wait() - its waits must. The last task if NULL. */
void truth_leaf(struct truth *t, const char *cause, enum truth_op op, uint64_t value);
void truth_wait(struct truth *t, const char *cause, enum truth_op op, uint64_t value);
/** truth_cpu_leaf() - the task computed for @ns as a thread's CPU clock has it: interrupts are in it. */
void truth_cpu_leaf(struct truth *t, const char *task, uint64_t ns);
/** truth_blocked() - its waits must show @s->blocked as @cause, however short they are. */
void truth_blocked(struct truth *t, const char *cause, const struct truth_span *s);
struct truth_want *truth_want(struct truth *t, const char *task, const char *comp, const char *cause,
			      enum truth_op op, uint64_t value);

/** truth_fail() - the scenario could not be carried out (never a verdict on sandglass). Does not return. */
void truth_fail(struct truth *t, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

void truth_burn(uint64_t ns);	   /* use the CPU for about so long, in user mode */
uint64_t truth_sleep(uint64_t ns); /* sleep; returns how long that was, without what came after the timer */
void truth_nap(uint64_t ns);	   /* sleep, unmeasured */
void truth_pin(int cpu);	   /* -1: the last CPU */
int truth_cpus(void);
/** truth_wait_asker() - return once the task has begun and its thread @tid is blocked, polling. */
void truth_wait_asker(struct truth *t, pid_t tid);
/** truth_wait_blocked() - return once thread @tid is blocked (state S or D), polling. */
void truth_wait_blocked(pid_t tid);
void truth_wait_state(pid_t tid, const char *states);
/** truth_fork() - run @fn in a child, which dies with its parent; exits 0 when @fn returns. */
pid_t truth_fork(struct truth *t, void (*fn)(struct truth *t, void *arg), void *arg);
void truth_reap(struct truth *t, pid_t pid);
/** truth_join_cgroup() - move the caller into the cgroup named by environment variable @env. */
const char *truth_join_cgroup(struct truth *t, const char *env);
uint64_t truth_read_u64(const char *dir, const char *file, const char *key);
void truth_write(struct truth *t, const char *dir, const char *file, const char *text);
/** truth_file() - a file of @bytes non-zero bytes in the scratch directory, safe on the device, not cached. */
int truth_file(struct truth *t, const char *name, size_t bytes, int flags);

struct taskstats;
/** truth_taskstats() - the kernel's delay accounting of the calling thread. Return: 0 or -1. */
int truth_taskstats(struct taskstats *ret);

/* fuse.c: a file system with one file, "f", whose reads take @delay_ns of sleep in the server. */
void truth_fuse_serve(int fd, uint64_t delay_ns, _Atomic uint64_t *slept);

#endif
