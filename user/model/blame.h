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
};

/* What stands behind a row, most time first; at most a handful each. Text is hostile. */
struct sg_evidence {
	char kind[16]; /* "syscall", "file", "device", "waker", "cpu taken by", "stack", "process", "why" */
	char text[200];
	uint64_t ns;
};
#define SG_EVIDENCE_MAX 6

struct sg_blame; /* one table */

int sg_blame_new(struct sg_blame **ret);
void sg_blame_free(struct sg_blame *b);
/** sg_blame_add() - add a task's segments. Sum of rows == sum of latencies, always. */
int sg_blame_add(struct sg_blame *b, const struct sg_model *m, const struct sg_task *t);
uint64_t sg_blame_total(const struct sg_blame *b);
uint64_t sg_blame_tasks(const struct sg_blame *b);
/** sg_blame_rows() - rows by falling ns (ties by name); valid until the next add. */
size_t sg_blame_rows(struct sg_blame *b, const struct sg_blame_row **ret);
/** sg_blame_wait_rows() - the same time projected on the task's own waits (--by wait). Same total. */
size_t sg_blame_wait_rows(struct sg_blame *b, const struct sg_blame_row **ret);
size_t sg_blame_evidence(const struct sg_blame *b, const struct sg_blame_row *row, struct sg_evidence ret[SG_EVIDENCE_MAX]);
/** sg_blame_advice() - advice of a cause name (longest listed prefix), never NULL. */
const char *sg_blame_advice(const char *cause);

/* A group: all tasks of one name, with what "why are the slow ones slow" needs. Bounded memory. */
struct sg_group;
struct sg_group_stats {
	const char *name;
	uint64_t n, incomplete;
	uint64_t mean_ns, p50_ns, p90_ns, p99_ns, max_ns;
};
int sg_group_new(struct sg_group **ret, const char *name);
void sg_group_free(struct sg_group *g);
int sg_group_add(struct sg_group *g, const struct sg_model *m, const struct sg_task *t);
void sg_group_stats(struct sg_group *g, struct sg_group_stats *ret);
struct sg_blame *sg_group_blame(struct sg_group *g);

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
	int64_t ns;      /* B mean minus A mean, rounded so that rows sum to diff_ns */
	uint64_t a_ns, b_ns; /* means */
};
struct sg_diff {
	int64_t diff_ns;
	uint64_t a_mean_ns, b_mean_ns;
	size_t nrow;
	struct sg_diff_row *row; /* by falling |ns| */
};
int sg_diff_make(struct sg_diff *ret, struct sg_blame *a, struct sg_blame *b);
void sg_diff_free(struct sg_diff *d);

#endif
