/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What the loader and the kernel side share besides records: knobs' values and per-CPU state. Not in recordings. */
#ifndef SG_KERN_H
#define SG_KERN_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif
#include "sg_abi.h"

#define MAX_CPU 512

/* Classes of system calls (knob sysclass[nr]). */
#define SC_FD0	    1  /* first argument is a file descriptor */
#define SC_TMO2_MS  2  /* 3rd argument: timeout in ms, < 0 = none (poll) */
#define SC_TMO3_MS  4  /* 4th argument: timeout in ms (epoll_wait) */
#define SC_TMO3_PTR 8  /* 4th argument: timeout pointer (futex) */
#define SC_TMO4_PTR 16 /* 5th argument: timeout pointer (select) */
#define SC_TMO2_PTR 32 /* 3rd argument: timeout pointer (ppoll) */
#define SC_YIELD    64
#define SC_ACCESS   128 /* may carry a task mark in its path */

/* Values of the map seed_scope: what a process is when seeding. */
#define SEED_INSCOPE 1u
#define SEED_ROOT    32u

/* Written by its own CPU's interrupts and switches only. */
struct raised {
	__u32 uid;  /* the one thread that raised it in task context */
	__u8 hard;  /* raised in interrupt context as well (or only) */
	__u8 mixed; /* by more than one thread */
	__u16 pad;
};
struct cpu_state {
	__u64 hard_total, soft_total;
	__u64 hard_t0, soft_t0, soft_h0;
	__u32 hard_on, soft_on; /* soft_on: vector + 1 */
	__u32 timer_on;
	__u32 irqs;
	__u32 cur;		       /* uid of the running thread, 0 idle */
	__u32 cur_flags;	       /* its TH_* */
	__u32 flip, flip_uid;	       /* note of the shared futex wake going on, and whose it is */
	__u32 soft_raiser, soft_mixed; /* of the vector being served */
	__u32 page, page_nr; /* the host tells of memory it has brought; SG_TOKEN_NUMBER, 0 unknown */
	__u64 blk_svc;
	__u32 blk_dev, blk_on;
	__u64 lost, emitted;
	__s64 arrival_off;	/* our clock minus the queue's, at the last reported switch-in */
	__u64 arrival_odd;	/* begins in a row that contradict it */
	__u64 repaired, hidden; /* switches that only the scheduler's books showed */
	__u64 stack_at;		/* when stack_left was last filled up */
	__u32 stack_left;
	__u32 late; /* of the timer that is served, as in a note: SG_LATE_NS */
	__u64 holes, torn, missed, orphan_ends, snaps_skipped, stack_races;
	struct sg_batch batch;	  /* slices that wait for company; written with interrupts off only */
	struct raised raised[16]; /* by vector; 10 exist */
} __attribute__((aligned(64)));

#endif
