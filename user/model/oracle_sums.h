/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What is summed of one thread's slices while it lives, in the kernel's own terms. Inside the model only. */
#ifndef SG_ORACLE_SUMS_H
#define SG_ORACLE_SUMS_H

#include <stdbool.h>
#include <stdint.h>
#include "trace/event.h"

struct sg_oracle_sums {
	uint32_t uid; /* 0 = free slot */
	uint32_t tid, tgid;
	char comm[16];
	bool born;   /* its birth is in the recording */
	bool broken; /* records of it are missing */
	bool late;   /* the command: forked by the recorder just before the recording */
	bool nouser; /* system calls were not told from user time */
	uint64_t birth, last_out;
	uint64_t run, user, sys, irq;
	uint64_t runq, runq_open; /* runq_open: blocked time whose wake was not seen */
	uint64_t throttle;
	uint64_t minflt, majflt;
	uint64_t swapin_wait, swapin_cpu, blkio, reclaim_wait, reclaim_cpu, memstall;
	uint64_t flt_wait; /* blocked so far in fault instance fltseq, not yet known to be a swap-in */
	uint32_t fltseq;
	uint32_t waits, slices;
};

/** sg_oracle_sums_slice() - add a slice and the wait before it; a record missing between sets broken */
void sg_oracle_sums_slice(struct sg_oracle_sums *s, const struct sg_slice *r);

#endif
