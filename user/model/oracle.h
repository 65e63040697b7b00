/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Oracles: what the kernel's own accounting said of a thread when it exited,
 * beside what its slices add up to. Pure. The kernel's fields leave things out
 * and overlap; each row says what, and gives the interval in which the kernel's
 * figure must lie when both are right.
 *
 * report --oracle feeds every event of a recording to sg_oracle_feed(), beside
 * the model, and prints sg_oracle_text() (user/out/oracle_text.c).
 */
#ifndef SG_ORACLE_H
#define SG_ORACLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"
#include "trace/event.h"

/* X(id, SYMBOL, name, unit, kernel's field, what the kernel's figure leaves out or counts besides) */
#define SG_ORACLE_LIST(X)                                                                                  \
	X(0, RUN, "on CPU", "ns", "se.sum_exec_runtime",                                                   \
	  "interrupts and time stolen by a hypervisor, where the kernel accounts them apart")              \
	X(1, RUNQ, "run queue", "ns", "sched_info.run_delay",                                              \
	  "begins when the thread is queued, not when it is woken; counts CPU quota throttling")           \
	X(2, UTIME, "user", "ns", "utime", "sampled: a timer tick is booked whole to what it interrupted") \
	X(3, STIME, "system", "ns", "stime",                                                               \
	  "sampled: a timer tick is booked whole to what it interrupted; page faults are in it")           \
	X(4, MINFLT, "minor faults", "n", "min_flt",                                                       \
	  "counts pages the kernel touched itself (exec arguments, mlock), which raise no fault")          \
	X(5, MAJFLT, "major faults", "n", "maj_flt",                                                       \
	  "counts pages the kernel touched itself (mlock, readahead of exec), which raise no fault")       \
	X(6, SWAPIN, "swap-in", "ns", "delays->swapin_delay",                                              \
	  "since Linux 6.12 only the submission: the wait is in blkio, the reclaim in freepages")          \
	X(7, BLKIO, "block I/O", "ns", "delays->blkio_delay",                                              \
	  "only waits inside io_schedule, up to the wake; overlaps swap-in and thrashing")                 \
	X(8, FREEPAGES, "reclaim", "ns", "delays->freepages_delay",                                        \
	  "wall time, with the run queue and interrupts inside it; no compaction")                         \
	X(9, THRASH, "thrashing", "ns", "delays->thrashing_delay",                                         \
	  "only pages that were evicted recently; overlaps block I/O and swap-in")

/* clang-format off */
enum sg_oracle_quantity {
#define SG_X(id, sym, ...) SG_ORACLE_##sym = id,
	SG_ORACLE_LIST(SG_X)
#undef SG_X
	SG_ORACLE_MAX = 10,
};
/* clang-format on */

/* One comparison. lo..hi holds `ours` widened by what the kernel's figure may leave out or add. */
struct sg_oracle_row {
	uint32_t uid; /* 0 = all compared threads together */
	uint32_t tid, tgid;
	char comm[16];	  /* hostile bytes possible; NUL-terminated */
	uint8_t quantity; /* enum sg_oracle_quantity */
	uint64_t ours, kernel;
	int64_t diff;	 /* ours minus the kernel's */
	uint64_t lo, hi; /* hi == UINT64_MAX: the kernel's may be larger by any amount */
	uint64_t off;	 /* how far the kernel's figure is outside lo..hi; 0 = they agree */
};

struct sg_oracle_opts {
	uint64_t tick_ns;   /* length of the kernel's timer tick, 0 = not known (10 ms is taken) */
	size_t threads_max; /* threads that get rows of their own: the busiest; 0 = 32 */
};

struct sg_oracle_stats {
	uint64_t compared;   /* exited threads in the totals */
	uint64_t late;	     /* of these: the command itself, forked just before the recording */
	uint64_t before;     /* not compared: they ran before the recording began */
	uint64_t lost;	     /* not compared: records of them may be lost */
	uint64_t absurd;     /* compared, but a delay of theirs was longer than their life: left out */
	uint64_t unfinished; /* not compared: alive at the end of the recording */
	bool delays_off;     /* no compared thread had delay accounting: kernel.task_delayacct is 0 */
};

struct sg_oracle;

/** sg_oracle_new() - @opts may be NULL. Return: 0 or -ENOMEM. */
int sg_oracle_new(struct sg_oracle **ret, const struct sg_oracle_opts *opts);
void sg_oracle_free(struct sg_oracle *o);

/** sg_oracle_feed() - next event, in time order; kinds it does not need are ignored. Return: 0 or -ENOMEM. */
int sg_oracle_feed(struct sg_oracle *o, const struct sg_hdr *ev);

/**
 * sg_oracle_rows() - comparisons: first the totals (uid 0), then the busiest threads
 *
 * Quantities that were not accounted (delays off) or cannot be told apart (no
 * system call probe: user and system time) have no row.
 * Return: count; rows valid until the next feed.
 */
size_t sg_oracle_rows(struct sg_oracle *o, const struct sg_oracle_row **ret);
void sg_oracle_stats(const struct sg_oracle *o, struct sg_oracle_stats *ret);

/** sg_oracle_name(), _unit(), _field(), _leaves_out() - texts of a quantity; "?" when out of range */
const char *sg_oracle_name(unsigned quantity);
const char *sg_oracle_unit(unsigned quantity);
const char *sg_oracle_field(unsigned quantity);
const char *sg_oracle_leaves_out(unsigned quantity);

/**
 * sg_oracle_text() - write the table for people to @f (user/out/oracle_text.c)
 * sg_oracle_json() - the same as one JSON object: {"compared":..,"rows":[{"thread":..,"quantity":..,"ours":..,...}]}
 *
 * Return: 0 or negative errno (-ENOMEM, or what writing gave).
 */
int sg_oracle_text(struct sg_oracle *o, FILE *f);
int sg_oracle_json(struct sg_oracle *o, FILE *f);

#endif
