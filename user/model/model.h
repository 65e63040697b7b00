/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The model: events in, explained tasks out. Pure. See docs/model.md for the
 * rules (design.md section 6, and the walk's pseudo-code).
 */
#ifndef SG_MODEL_H
#define SG_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "trace/event.h"
#include "trace/machine.h"

struct sg_model;

/* Why a piece of `unknown` / `unknown.lost` is unknown. */
#define SG_WHY_LIST(X)                                               \
	X(0, NONE, "")                                               \
	X(1, NO_WAKER, "no waker was seen")                          \
	X(2, OUT_OF_SCOPE, "the waker was outside the recording")    \
	X(3, BEFORE, "before the recording began")                   \
	X(4, NO_CREATOR, "the creator of a new thread was not seen") \
	X(5, HOLE, "the kernel reported no switch")                  \
	X(6, TORN, "a slice's times did not add up")                 \
	X(7, UNSEEN, "a block outside any system call or fault")     \
	X(8, LOST, "records were lost")                              \
	X(9, CAP, "the memory cap was reached")                      \
	X(10, AFTER, "the recording ended")
/* clang-format off */
enum sg_why {
#define SG_X(id, sym, text) SG_WHY_##sym = id,
	SG_WHY_LIST(SG_X)
#undef SG_X
	SG_WHY_MAX = 11,
};
/* clang-format on */

enum sg_for { SG_FOR_SELF = 0, SG_FOR_OTHER = 1, SG_FOR_UNMARKED = 2 };

/*
 * One segment. Segments of a task are contiguous, positive, in time order, and
 * cover [begin, end] exactly. `cause` is a key: enum sg_cause, or
 * SG_KEY_SYSCALL|nr for cpu.sys of one system call.
 */
struct sg_seg {
	uint64_t lo, hi;
	uint32_t uid;	     /* leaf thread */
	uint32_t chain;	     /* interned chain, sg_model_chain() */
	uint16_t cause;	     /* what it is booked as */
	uint16_t wait_cause; /* what the task's own thread was doing: its own cause, or its outermost wait */
	uint16_t comp;	     /* interned component, sg_model_comp() */
	uint8_t why;	     /* enum sg_why, for unknown* */
	uint8_t forwhom;     /* enum sg_for */
	uint16_t nr;	     /* system call number of the innermost wait (0xffff none) */
	uint16_t flags;	     /* SG_SEG_* */
	uint16_t
		wait_nr; /* call in which the task's own thread waits or queues, SG_WAIT_COMPAT (0xffff none) */
	uint16_t err;	 /* cpu.sys of one call: how many of them failed */
	uint32_t cnt;	 /* occurrences that begin here (syscalls, faults, waits) */
	uint32_t stack_kern, stack_user; /* interned stack ids, 0 none */
	uint32_t detail;		 /* index+1 of a wait detail (file, socket), sg_model_detail() */
	uint32_t dev;			 /* block device, 0 none */
	uint32_t note; /* message to a Gofer, inside a wait for its answer: SG_NOTE_FLIPCALL | type, 0 none */
	uint32_t who;  /* sched.runq: uid that had the CPU; waits: uid of the waker */
	uint32_t wait_detail; /* file or socket of the wait of `wait_nr`, as `detail` */
	uint64_t svc_ns;      /* io.block: device service time inside it */
};
#define SG_SEG_CUT     1u  /* from a slice cut without a snapshot: prorated */
#define SG_SEG_OPEN    2u  /* still going on when the recording ended */
#define SG_SEG_REWAIT  4u  /* part of a repeated wait of one system call */
#define SG_SEG_MERGED  8u  /* very long task: neighbours merged, place inside a run of them is a convention */
#define SG_SEG_COMPAT  16u /* cpu.sys of one call: its number is of the 32-bit ABI */
#define SG_SEG_ERRMORE 32u /* more than `err` may have failed */
#define SG_SEG_KICKS \
	64u /* of a thread of a VMM, which was the last of several to give the guest interrupts in its wait */

#define SG_SEG_VECTOR 0x40000u /* in `note`, of SG_SEG_KICKS: | the vector of its interrupt */

#define SG_WAIT_COMPAT 0x8000u /* bit of wait_nr: a number of the 32-bit ABI */

/* A chain: frames from the task's own thread (index 0) to the leaf's thread. */
struct sg_chain_frame {
	uint16_t comp;
	uint16_t wait_cause; /* what this frame's thread waited for (0 in the last frame) */
	uint32_t uid;
	bool handoff; /* go-handoff: this Sentry's thread may have been lent for another goroutine's work */
};

/*
 * A CPU sample of a thread in whose time the task was, and the segment's names:
 * which of a slice's causes it was is read off its stack. An estimate, no sum.
 */
struct sg_task_sample {
	uint16_t comp, cause;		 /* as in struct sg_seg */
	uint32_t stack_kern, stack_user; /* interned stack ids, 0 none */
};

#define SG_SHOTS_MAX (1u << 20) /* samples kept for open tasks; those after them are in no evidence */

struct sg_task {
	uint64_t id;
	const char *name;
	uint32_t uid; /* thread that ended it: the walk starts there */
	uint32_t begin_uid;
	uint64_t begin, end; /* ns, CLOCK_MONOTONIC */
	uint64_t status;
	uint8_t src;	       /* enum sg_mark_src */
	bool incomplete;       /* marks lost, or begun before the recording, or not ended */
	bool detached;	       /* the walk never reached the beginning thread */
	bool root;	       /* the command of run/record */
	uint64_t prorated_ns;  /* time from cut slices without an exact cut */
	uint64_t uncertain_ns; /* bound of the misplacement: traps of prorating */
	uint64_t inside_ns;    /* of a host's task: told by the guest that served it */
	uint64_t fused_ns;     /* of a guest's time: what the host's view of its vCPUs refined */
	uint64_t ambiguous_ns; /* guest's or host's: the error of their clocks leaves it open */
	/* by how many counts of system calls may be wrong for the same reason: its own thread's, others' */
	uint64_t own_calls_off, calls_off;
	size_t nseg;
	const struct sg_seg *seg;
	size_t nsample;
	const struct sg_task_sample *sample; /* in no order */
};

struct sg_model_opts {
	uint64_t mem_cap;   /* bytes of timelines kept; 0 = no cap */
	uint64_t settle_ns; /* a task is explained when the stream is this far past its end; 0 = default */
	bool procs;	    /* every exec..exit of a process is a task, not only the root command */
	bool guest_procs;   /* processes of sandboxes' guests are tasks */
	bool guest;	    /* every system call of a guest is a task, nothing else */
	bool threads;	    /* fallback tasks: each in-scope thread over the recording's window */
	bool critical;	    /* non-returning walk instead (separate view, never blame) */
	bool no_prune, no_memo; /* for tests: property P10 */
};

typedef int (*sg_task_fn)(void *ctx, const struct sg_task *t);

/** sg_model_new() - @on_task is called in order of explanation; a negative return stops the feed with it. */
int sg_model_new(struct sg_model **ret, const struct sg_model_opts *opts, sg_task_fn on_task, void *ctx);

/** sg_model_feed() - next event (time order). Copies what it keeps. */
int sg_model_feed(struct sg_model *m, const struct sg_hdr *ev, struct sg_err *err);

/** sg_model_finish() - end of stream: explain all that is left. */
int sg_model_finish(struct sg_model *m, struct sg_err *err);
void sg_model_free(struct sg_model *m);

struct sg_thread_info {
	uint32_t uid, tid, tgid, flags;
	const char *comm;
	const char *comp;
	uint32_t vmm;	/* process that runs the machine which it is a part of, 0: none */
	bool vcpu;	/* it runs a guest */
	bool sandboxed; /* Sentry, Gofer or stub: the component names it, its comm ("exe") says nothing */
};
/** sg_model_thread() - identity of @uid; false (and a synthesised name) when never announced. */
bool sg_model_thread(const struct sg_model *m, uint32_t uid, struct sg_thread_info *ret);
const char *sg_model_comp(const struct sg_model *m, uint16_t comp);
size_t sg_model_chain(const struct sg_model *m, uint32_t chain, const struct sg_chain_frame **ret);
/** sg_model_handoff() - is any frame of the chain flagged go-handoff? */
bool sg_model_handoff(const struct sg_model *m, uint32_t chain);
const struct sg_detail *sg_model_detail(const struct sg_model *m, uint32_t detail);
/** sg_model_stack() - frame ids (leaf first) of a stack; sg_model_frame() - its symbol and module. */
size_t sg_model_stack(const struct sg_model *m, uint32_t stack, const uint32_t **ret);
bool sg_model_frame(const struct sg_model *m, uint32_t frame, const char **ret_sym, const char **ret_mod,
		    bool *ret_kernel);
/** sg_model_dev() - name of a block device ("vda"), or NULL */
const char *sg_model_dev(const struct sg_model *m, uint32_t dev);

/* On-CPU samples inside explained slices, for the flame graphs. */
struct sg_sample {
	uint64_t ts;
	uint32_t uid, stack_kern, stack_user;
};
typedef int (*sg_sample_fn)(void *ctx, const struct sg_sample *s);
void sg_model_on_sample(struct sg_model *m, sg_sample_fn fn, void *ctx);

/* Every wait and slice of in-scope threads, task or not: off-CPU and timeline exports. */
struct sg_span {
	uint64_t lo, hi;
	uint32_t uid;
	uint16_t cause; /* waits: leaf cause as its own classification says; slices: 0 */
	uint16_t cpu;
	uint32_t stack_kern, stack_user, waker;
	const struct sg_slice *slice; /* the record (slices), NULL for waits */
};
typedef int (*sg_span_fn)(void *ctx, const struct sg_span *s);
void sg_model_on_span(struct sg_model *m, sg_span_fn fn, void *ctx);

/* A system call of a sandbox's guest that has ended (struct sg_model_opts.guest). */
struct sg_guest_call {
	uint32_t uid;	/* stub thread in which the guest went on */
	uint32_t waker; /* who let it, 0 unknown */
	uint16_t nr;
	bool trapped; /* by a seccomp trap (else a ptrace stop) */
	uint64_t lo, hi;
};
typedef int (*sg_guest_call_fn)(void *ctx, const struct sg_guest_call *c);
/** sg_model_on_guest() - every call as its end becomes known, before it is explained as a task */
void sg_model_on_guest(struct sg_model *m, sg_guest_call_fn fn, void *ctx);

struct sg_model_stats {
	uint64_t slices, tasks, lost, holes, torn, late, no_waker, steps, memo_hits;
	uint64_t mem_bytes, mem_peak_bytes;
	uint64_t fused_ns; /* of guests, that the host's view of their vCPUs refined */
	uint64_t
		clock_violations; /* times a guest's thread ran while its vCPU did not: the map between the clocks is wrong */
};
void sg_model_stats(const struct sg_model *m, struct sg_model_stats *ret);

/* A guest's clock against its host's, and what came of its error. */
struct sg_model_clock {
	size_t points, by[SG_CLOCK_MAX]; /* enum sg_clockmap_source */
	uint64_t error_ns;		 /* true to this, both ways, all through the guest's recording */
	bool stepped;			 /* was set: no map behind the last point */
	uint64_t fused_ns, ambiguous_ns,
		violations; /* of all tasks, as in struct sg_task and sg_model_stats */
};
/** sg_model_machines() - of a recording of several machines; none of another one's are known */
const struct sg_machines *sg_model_machines(const struct sg_model *m);
/** sg_model_clock() - of guest @number; all 0 when nothing tells of it */
void sg_model_clock(const struct sg_model *m, unsigned number, struct sg_model_clock *ret);

/** sg_cause_name() - dotted name of a segment key into @buf: "cpu.sys.read", "mem.swapin" ... Never NULL. */
const char *sg_cause_name(uint16_t key, char *buf, size_t cap);
/** sg_cause_on_cpu() - is it time that a thread ran for itself? Traps are partly waits and not among these. */
bool sg_cause_on_cpu(uint16_t key);
/** sg_syscall_name() - x86-64 system call name, NULL when unknown. */
const char *sg_syscall_name(unsigned nr);

#endif
