/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Wait classification: what a blocked thread waited for, by a table of rules.
 * The first row that matches wins. Pure.
 */
#ifndef SG_CLASSIFY_H
#define SG_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sg_abi.h"

/* clang-format off */
/* Sets of system calls a rule can name: X(bit, SYMBOL) */
#define SG_SET_LIST(X) \
	X(0, FSYNC) X(1, CHILD) X(2, FUTEX) X(3, SLEEP) X(4, SIGNAL) X(5, POLL) X(6, ACCEPT) \
	X(7, SOCK) X(8, FILE) X(9, MM) X(10, LOCKF) X(11, SEM) X(12, MSG)
/* clang-format on */
enum sg_set {
#define SG_X(bit, sym) SG_SET_##sym = 1u << bit,
	SG_SET_LIST(SG_X)
#undef SG_X
};

/* clang-format off */
/* What a kernel stack can show: X(bit, SYMBOL); the patterns are in syms.c */
#define SG_SYM_LIST(X) \
	X(0, FUSE) X(1, P9) X(2, DIRTY) X(3, MEMHIGH) X(4, LOCK) X(5, JOURNAL) X(6, SECCOMP) \
	X(7, PAGE) X(8, RCU) X(9, HOSTPAGE)
/* clang-format on */
enum sg_sym {
#define SG_X(bit, sym) SG_SYM_##sym = 1u << bit,
	SG_SYM_LIST(SG_X)
#undef SG_X
};

/* Who made it runnable, after the origin rule. */
enum sg_origin {
	SG_ORG_NONE = 0,   /* nobody was seen */
	SG_ORG_TASK = 1,   /* a thread, directly */
	SG_ORG_RAISER = 2, /* a thread, through the soft interrupt it raised */
	SG_ORG_DEVICE = 3, /* an interrupt of a device */
	SG_ORG_TIMER = 4,
	SG_ORG_MAX = 5,
};

/* Parts of a sandbox. */
enum sg_box { SG_BOX_NONE = 0, SG_BOX_SENTRY = 1, SG_BOX_GOFER = 2, SG_BOX_STUB = 3 };

/* What a vCPU's thread waited in, inside KVM_RUN. */
enum sg_vcpu_wait {
	SG_VW_NONE = 0,
	SG_VW_RUN = 1,	   /* in no exit that was seen: not started yet, or the probes are off */
	SG_VW_HALT = 2,	   /* the guest had nothing to do */
	SG_VW_SWAPIN = 3,  /* memory of the guest came back from swap */
	SG_VW_EXIT = 4,	   /* another exit */
	SG_VW_BALLOON = 5, /* no vCPU: a guest's kernel worker inside the balloon's work */
};

/* The facts of one wait. */
struct sg_wait {
	uint8_t stop, wkind, fdtype, wctx, wsrc, fltres;
	bool compat, iowait, timeout, mixed, kthread_waker;
	bool softirqd; /* the waker is the thread for soft interrupts: it is entered, but what was waited for is whose it served (raiser) */
	uint16_t nr;
	uint32_t waker, raiser;
	uint32_t syms; /* of its kernel stack, when one was taken */
	uint8_t box;   /* enum sg_box of the thread; its waker's, when of the same sandbox */
	uint8_t waker_box;
	uint8_t vcpu; /* enum sg_vcpu_wait */
};

/* Attributes of a rule. */
#define SG_RA_IDLE   1u	 /* nothing to do: never wins over an asker's kind */
#define SG_RA_LOCK   2u	 /* each wake is progress: parts are explained by their own wakers */
#define SG_RA_TRAP   4u	 /* the stop itself is the cause: the waker is not entered */
#define SG_RA_DEVICE 8u	 /* the source is a device or a timer: there is nobody to enter */
#define SG_RA_SURE   32u /* the kind says enough even when nobody is known to have ended it */
#define SG_RA_REFINE 16u /* names what a device was waited for on its behalf */

struct sg_rule {
	const char *name;
	uint32_t stops;	  /* bits 1 << enum sg_stop; 0 = any, like all masks here */
	uint32_t kinds;	  /* bits 1 << enum sg_kind */
	uint32_t sets;	  /* enum sg_set */
	uint32_t syms;	  /* enum sg_sym */
	uint32_t fds;	  /* bits 1 << enum sg_fdtype */
	uint32_t origins; /* bits 1 << enum sg_origin */
	uint32_t srcs;	  /* bits 1 << enum sg_wsrc */
	uint32_t fltres;  /* bits 1 << enum sg_fltres */
	uint32_t boxes;	  /* bits 1 << enum sg_box */
	uint32_t waker_boxes;
	uint32_t vcpus; /* bits 1 << enum sg_vcpu_wait */
	int8_t iowait, timeout,
		kthread; /* 1 must, -1 must not, 0 any; kthread: the waker is a kernel thread */
	uint16_t cause;
	uint16_t attr;
};

/** sg_classify() - the rule that explains @w; never NULL (the last rule matches all) */
const struct sg_rule *sg_classify(const struct sg_wait *w);

/** sg_rules() - the table, for tests and documentation; ends with a NULL name */
const struct sg_rule *sg_rules(void);

/** sg_wait_origin() - @ret_uid: the thread, for SG_ORG_TASK and SG_ORG_RAISER */
enum sg_origin sg_wait_origin(const struct sg_wait *w, uint32_t *ret_uid);

/** sg_syscall_sets() - sets @nr belongs to; @compat: number of the 32-bit ABI */
uint32_t sg_syscall_sets(unsigned nr, bool compat);

/** sg_symbol_syms() - what a kernel symbol on a stack shows */
uint32_t sg_symbol_syms(const char *sym);

#endif
