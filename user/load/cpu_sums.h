/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What the outputs of the CPU workload have in common: statistics, and what is compared with what. Pure. */
#ifndef SG_CPU_SUMS_H
#define SG_CPU_SUMS_H

#include "base/stats.h"
#include "load/cpu.h"

/* What a combination differs in from the one that it is compared with. X(symbol, member of the JSON) */
#define SG_CPU_AGAINST_LIST(X)                                                         \
	X(ENV, "against_env")	      /* its environment: the base has another */      \
	X(BUSY, "against_least_busy") /* jobs at the same time: the base has fewest */ \
	X(PIN, "against_unpinned")    /* the base is not pinned */
enum sg_cpu_against {
#define SG_X(sym, member) SG_CPU_##sym,
	SG_CPU_AGAINST_LIST(SG_X)
#undef SG_X
		SG_CPU_AGAINST_MAX,
};

/** sg_cpu_base() - the combination that @c is compared with in this, else alike; NULL when there is none, or it is @c */
const struct sg_cpu_combo *sg_cpu_base(const struct sg_cpu_result *r, const struct sg_cpu_combo *c,
				       enum sg_cpu_against what);

struct sg_cpu_sum {
	struct sg_stats wall;
	struct sg_stats cpu;			    /* user and system time together */
	uint64_t user_ns, sys_ns, switches, majflt; /* means per job, rounded down */
};
/** sg_cpu_sum() - statistics of all jobs of a combination; -ENOMEM */
int sg_cpu_sum(struct sg_cpu_sum *ret, const struct sg_cpu_combo *c);

struct sg_cpu_change {
	double mean; /* of the rounds that both have: (mean of @c - mean of its base) / mean of its base */
	double half; /* half the width of its interval of 95 % confidence; infinite with less than two rounds */
	size_t rounds;
};
/**
 * sg_cpu_change() - how much longer @c's jobs take than those of @base, in the same round
 *
 * The interval is that of the rounds' differences: what changes from round to round for both alike does not widen it.
 * 0 or -ENOMEM.
 */
int sg_cpu_change(struct sg_cpu_change *ret, const struct sg_cpu_combo *c, const struct sg_cpu_combo *base);

/**
 * sg_cpu_part_name() - the part of a monitor that a thread is: @comp, the component, but an emulated vCPU by its name
 *
 * QEMU names it "CPU 0/TCG" (accel/tcg/tcg-accel-ops-mttcg.c); no recorder sees it enter a guest.
 */
const char *sg_cpu_part_name(const char *comp, const char *comm);

/** sg_cpu_part_add() - CPU time of a part of a virtual machine's monitor */
void sg_cpu_part_add(struct sg_cpu_combo *c, const char *comp, const char *cause, uint64_t ns);
/** sg_cpu_parts_sort() - most time first; when all have been added */
void sg_cpu_parts_sort(struct sg_cpu_combo *c);

#endif
