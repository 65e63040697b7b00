/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Blame: tables of (component, cause) -> time and count, over one task or a group of tasks. Pure. */
#ifndef SG_BLAME_H
#define SG_BLAME_H

#include "model/model.h"

struct sg_blame_row {
	char comp[40];
	char cause[48];
	uint64_t ns;
	uint64_t cnt;
	uint64_t uncertain_ns;
	uint64_t samples; /* CPU samples in it: what its functions are shares of */
};

/* What stands behind a row, most time first; at most a handful each. Text is hostile. */
struct sg_evidence {
	char kind
		[16]; /* "syscall", "file", "device", "waker", "cpu taken by", "stack", "process", "why", "function" */
	char text[200];
	uint64_t ns;	      /* of functions: the row's time by their share of its samples, an estimate */
	uint64_t samples, of; /* functions: samples of this one, and of all of the row; else 0 */
};
#define SG_EVIDENCE_FUNCTIONS 3
#define SG_EVIDENCE_MAX	      (6 + SG_EVIDENCE_FUNCTIONS)

struct sg_blame; /* one table */

int sg_blame_new(struct sg_blame **ret);
/** sg_blame_alike() - before the first add: components of guests are "guest:app", whichever guest */
void sg_blame_alike(struct sg_blame *b);
void sg_blame_free(struct sg_blame *b);
/** sg_blame_add() - add a task's segments. Sum of rows == sum of latencies, always. */
int sg_blame_add(struct sg_blame *b, const struct sg_model *m, const struct sg_task *t);
uint64_t sg_blame_total(const struct sg_blame *b);
uint64_t sg_blame_tasks(const struct sg_blame *b);
/** sg_blame_rows() - rows by falling ns (ties by name); valid until the next add. */
size_t sg_blame_rows(struct sg_blame *b, const struct sg_blame_row **ret);
/** sg_blame_wait_rows() - the same time projected on the task's own waits (--by wait). Same total. */
size_t sg_blame_wait_rows(struct sg_blame *b, const struct sg_blame_row **ret);
size_t sg_blame_evidence(const struct sg_blame *b, const struct sg_blame_row *row,
			 struct sg_evidence ret[SG_EVIDENCE_MAX]);
/** sg_blame_advice() - advice of a cause name (longest listed prefix), never NULL. */
const char *sg_blame_advice(const char *cause);
/** sg_blame_meaning() - one-sentence meaning of a cause name (longest listed prefix), never NULL. */
const char *sg_blame_meaning(const char *cause);

/** sg_blame_clear() - empty table again, keeping its memory. */
void sg_blame_clear(struct sg_blame *b);
/** sg_blame_merge() - add all of @src: rows, sums and evidence; linear: the same as adding its tasks. */
int sg_blame_merge(struct sg_blame *dst, const struct sg_blame *src);
struct sg_blame_sums {
	uint64_t total_ns, tasks;
	uint64_t prorated_ns, uncertain_ns;	    /* of the tasks */
	uint64_t inside_ns, fused_ns, ambiguous_ns; /* of guests, see struct sg_task */
	uint64_t other_ns;			    /* spent behind other marked tasks (SG_FOR_OTHER) */
	uint64_t unknown_ns;			    /* unknown + unknown.lost */
	uint64_t open_ns;			    /* still going on when the recording ended */
};
void sg_blame_sums(const struct sg_blame *b, struct sg_blame_sums *ret);

/* A group: all tasks of one name, with what "why are the slow ones slow" needs. Bounded memory. */
struct sg_group;
struct sg_group_stats {
	const char *name;
	uint64_t n, incomplete;
	uint64_t mean_ns, p50_ns, p90_ns, p99_ns, max_ns;
	uint64_t kept; /* tasks the percentiles stand on; < n: a sample */
};
int sg_group_new(struct sg_group **ret, const char *name);
void sg_group_free(struct sg_group *g);
int sg_group_add(struct sg_group *g, const struct sg_model *m, const struct sg_task *t);
void sg_group_stats(struct sg_group *g, struct sg_group_stats *ret);
/** sg_group_add_blame() - as sg_group_add() when the blame of this one task is at hand. */
int sg_group_add_blame(struct sg_group *g, const struct sg_task *t, const struct sg_blame *tb);
/**
 * sg_group_blame() - blame of all complete tasks
 *
 * Incomplete tasks (lost marks, cut by the recording) count in neither blame nor
 * percentiles, unless the group has no other: then both are of those.
 */
struct sg_blame *sg_group_blame(struct sg_group *g);

/*
 * Vectors of single tasks are kept exactly for the first SG_GROUP_EXACT tasks
 * (and SG_GROUP_PAIRS row entries); beyond that a uniform random sample of that
 * size stays. Count, mean, maximum and blame stay exact; a quantile q then has a
 * rank error of at most 4 * sqrt(q * (1 - q) / kept) in 9999 of 10000 cases:
 * 0.16 percentage points at q = 0.99.
 */
#define SG_GROUP_EXACT 65536
#define SG_GROUP_PAIRS (2u << 20)
/** sg_group_limit() - lower these limits, for one of many groups; what is kept shrinks now, at random */
void sg_group_limit(struct sg_group *g, size_t tasks, size_t pairs);

/* Mean of the band around a quantile minus mean of the middle band (25..75 %): rows sum exactly to the difference. */
struct sg_why_row {
	char comp[40];
	char cause[48];
	int64_t ns;
};
struct sg_why_slow {
	int64_t diff_ns;     /* band mean minus middle mean; == sum of rows */
	int64_t residual_ns; /* quantile minus band mean: its own line */
	uint64_t band_n, middle_n;
	size_t nrow;
	const struct sg_why_row *row; /* by falling |ns|, valid until the next call */
};
/** sg_group_why_slow() - @q in (0.5, 1), e.g. 0.99. -ENODATA when there are too few tasks. */
int sg_group_why_slow(struct sg_group *g, double q, struct sg_why_slow *ret);

/* diff of two blames: exact means; rows sum to the total (largest remainder on printed integers). */
struct sg_diff_row {
	char comp[40];
	char cause[48];
	int64_t ns;	     /* B mean minus A mean, rounded so that rows sum to diff_ns */
	uint64_t a_ns, b_ns; /* means */
};
struct sg_diff {
	int64_t diff_ns;     /* sum of the rows */
	int64_t residual_ns; /* sg_diff_bands(): quantile minus band mean, B's minus A's; its own line */
	uint64_t a_mean_ns, b_mean_ns;
	uint64_t a_n, b_n; /* tasks the means are of */
	size_t nrow;
	struct sg_diff_row *row; /* by falling |ns| */
};
int sg_diff_make(struct sg_diff *ret, struct sg_blame *a, struct sg_blame *b);
/** sg_diff_bands() - the same for the means of the bands around quantile @q. -ENODATA: too few tasks. */
int sg_diff_bands(struct sg_diff *ret, struct sg_group *a, struct sg_group *b, double q);
void sg_diff_free(struct sg_diff *d);
/**
 * sg_diff_explained() - share of a difference that has a cause: what is left after all rows of unknown*
 *
 * Rows of unknown count with their size, whatever their sign, so they cannot hide each other. 0..1; 1 for a
 * difference of nothing without unknown rows.
 */
double sg_diff_explained(const struct sg_diff *d);

#endif
