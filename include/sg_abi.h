/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The contract between the kernel side and user space: record kinds, what a
 * thread can be doing, why it can stop, who can wake it, and the bytes of each
 * record. Included by bpf/ (after vmlinux.h) and by user/. Numbers are part of
 * recordings: never renumber. No structure has padding holes (asserted below).
 */
#ifndef SG_ABI_H
#define SG_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif
#include "sg_causes.h"

#define SG_ABI_VERSION 1

/* ---- record kinds ------------------------------------------------------- */
#define SG_REC_LIST(X)                                                                                  \
	X(1, THREAD, thread)   /* identity of a thread; before its first other record, and on change */ \
	X(2, SLICE, slice)     /* one stay on a CPU, and the wait before it */                          \
	X(3, SNAP, snap)       /* breakdown of a running slice so far: an exact place to cut it */      \
	X(4, MARK, mark)       /* a task begins or ends */                                              \
	X(5, STACK, stack)     /* raw stack of a long wait or of a sample */                            \
	X(6, DETAIL, detail)   /* what a long wait waited on: file, socket */                           \
	X(7, EXIT, exit)       /* a thread is gone; nothing of it follows */                            \
	X(8, SWAPOUT, swapout) /* pages of a process written to swap (cumulative) */                    \
	X(9, GUEST,                                                                                     \
	  guest) /* one intercepted system call of a sandbox's guest, or one message to its Gofer */    \
	X(10, CGNAME, cgname) /* name of a cgroup, before the first thread that is in it */             \
	X(11, INJECT, inject) /* a thread that is no vCPU gave a guest an interrupt */                  \
	X(12, FETCH,                                                                                    \
	  fetch) /* memory that a guest's task waits for: brought by a worker, or told to the guest */

/* clang-format off */
enum sg_rec {
#define SG_X(id, sym, name) SG_REC_##sym = id,
	SG_REC_LIST(SG_X)
#undef SG_X
	SG_REC_MAX = 13,
};
/* clang-format on */

/* ---- what a thread is doing (the small stack kept while it runs) -------- */
#define SG_KIND_LIST(X)                                                                                      \
	X(0, USER, "user")	 /* its own code */                                                          \
	X(1, SYSCALL, "syscall") /* nr says which */                                                         \
	X(2, FAULT, "fault")	 /* page fault from user mode */                                             \
	X(3, KFAULT, "kfault")	 /* page fault taken inside a system call */                                 \
	X(4, RDIRECT, "reclaim.direct")                                                                      \
	X(5, RMEMCG, "reclaim.memcg")                                                                        \
	X(6, COMPACT, "compact")                                                                             \
	X(7, KTHREAD, "kthread") /* kernel thread: has no user mode */                                       \
	X(8, EXIT, "exit")	 /* past sched_process_exit */                                               \
	X(9, GUEST, "guest")                                                                                 \
	X(10, KVMEXIT, "kvmexit")                                                                            \
	X(11, VMM, "vmm")                                                                                    \
	X(12, GUESTCALL,                                                                                     \
	  "guestcall") /* stopped at a system call its tracer emulates (PTRACE_SYSEMU): nr is the guest's */ \
	X(15, UNSEEN, "unseen") /* thread existed before the recording and has not run */

/* clang-format off */
enum sg_kind {
#define SG_X(id, sym, name) SG_K_##sym = id,
	SG_KIND_LIST(SG_X)
#undef SG_X
	SG_K_MAX = 16,
};
/* clang-format on */

/* ---- why a thread left the CPU ------------------------------------------ */
#define SG_STOP_LIST(X)                                                                       \
	X(0, NONE, "none")   /* no wait before: born here, or a cut */                        \
	X(1, SLEEP, "S")     /* blocked, interruptible */                                     \
	X(2, DISK, "D")	     /* blocked, uninterruptible */                                   \
	X(3, RUNNABLE, "R")  /* preempted: still runnable */                                  \
	X(4, YIELD, "Y")     /* runnable, inside sched_yield */                               \
	X(5, THROTTLED, "Q") /* CFS quota used up */                                          \
	X(6, STOPPED, "T")   /* job control stop */                                           \
	X(7, TRACED, "t")    /* ptrace stop */                                                \
	X(8, FROZEN, "F")    /* cgroup freezer */                                             \
	X(9, DEAD, "X")	     /* will not run again */                                         \
	X(10, IDLE, "I")     /* kernel thread without work (TASK_IDLE, parked) */             \
	X(11, HOLE, "H")     /* switch events of this thread were absent: time unexplained */ \
	X(12, UNSEEN, "U")   /* off CPU since before the recording began */                   \
	X(13, NEW, "N")	     /* new thread: runnable since birth */                           \
	X(14, BLOCKED, "B")  /* blocked, kind not known (< 5.18: TASK_WAKING seen) */

/* clang-format off */
enum sg_stop {
#define SG_X(id, sym, name) SG_STOP_##sym = id,
	SG_STOP_LIST(SG_X)
#undef SG_X
	SG_STOP_MAX = 15,
};
/* clang-format on */

/* ---- who woke it -------------------------------------------------------- */
#define SG_WCTX_LIST(X)                                                                                      \
	X(0, NONE, "none")   /* no waking was seen */                                                        \
	X(1, TASK, "task")   /* a thread in task context: waker is its uid */                                \
	X(2, SOFT, "soft")   /* soft interrupt: vec; raiser = uid if one thread raised it in task context */ \
	X(3, HARD, "hard")   /* hard interrupt or IPI */                                                     \
	X(4, TIMER, "timer") /* timer interrupt, or TIMER/HRTIMER soft interrupt */

/* clang-format off */
enum sg_wctx {
#define SG_X(id, sym, name) SG_WCTX_##sym = id,
	SG_WCTX_LIST(SG_X)
#undef SG_X
	SG_WCTX_MAX = 5,
};
/* clang-format on */

/* What kind of source a soft or hard interrupt wake came from, where it could be told. */
enum sg_wsrc {
	SG_WSRC_NONE = 0,
	SG_WSRC_BLOCK = 1, /* inside a block completion: dev, svc_ns valid */
	SG_WSRC_NET = 2,   /* NET_RX / NET_TX */
	SG_WSRC_TIMER = 3,
	SG_WSRC_SIGNAL = 4, /* wake made by signal delivery (signal_generate just before) */
	SG_WSRC_EXIT = 5,   /* waker was exiting */
	SG_WSRC_PAGE = 6, /* a guest's host has brought memory that it had taken: note has SG_TOKEN_NUMBER */
};

/* ---- how a page fault ended --------------------------------------------- */
enum sg_fltres {
	SG_FLT_OPEN = 0, /* not (yet) known */
	SG_FLT_MINOR = 1,
	SG_FLT_MAJOR = 2, /* major, not swap: file */
	SG_FLT_SWAPIN = 3,
	SG_FLT_FAILED = 4, /* closed by the next event (signal, EFAULT) */
};

/* ---- what a system call's first argument refers to ---------------------- */
enum sg_fdtype {
	SG_FD_NONE = 0,
	SG_FD_REG = 1,
	SG_FD_DIR = 2,
	SG_FD_CHR = 3,
	SG_FD_BLK = 4,
	SG_FD_FIFO = 5,
	SG_FD_SOCK_UNIX = 6,
	SG_FD_SOCK_INET = 7,
	SG_FD_SOCK_OTHER = 8,
	SG_FD_ANON = 9,	 /* eventfd, timerfd, signalfd, epoll ... */
	SG_FD_FUSE = 10, /* regular file or directory on FUSE (superblock magic) */
	SG_FD_9P = 11,
	SG_FD_FUSEDEV = 12, /* /dev/fuse: a FUSE server waiting for work */
};

/* slice flags (sg_slice.flags) */
#define SG_SF_IOWAIT	 (1u << 0)  /* wait before: task->in_iowait */
#define SG_SF_MEMSTALL	 (1u << 1)  /* wait before: task->in_memstall */
#define SG_SF_TORN	 (1u << 2)  /* breakdown of this slice does not add up: remainder is unknown */
#define SG_SF_OPEN	 (1u << 3)  /* recording ended: slice or wait still open */
#define SG_SF_TIMEOUT	 (1u << 4)  /* wait before: the system call carried a finite timeout */
#define SG_SF_STACK	 (1u << 5)  /* a kernel stack record of the wait before was sent (ts == wake) */
#define SG_SF_COMPAT	 (1u << 6)  /* nr is of the 32-bit ABI */
#define SG_SF_DELAYED	 (1u << 7)  /* wait before: sched_delayed (EEVDF) */
#define SG_SF_FIRST	 (1u << 8)  /* first record of a thread that existed before the recording */
#define SG_SF_MIXED	 (1u << 9)  /* soft interrupt had several raisers: raiser not trusted */
#define SG_SF_INSCOPE	 (1u << 10) /* thread is in the target scope (else: recorded as a waker) */
#define SG_SF_WAKETORN	 (1u << 11) /* waker fields were being written: not usable */
#define SG_SF_WORK	 (1u << 12) /* slice ran a work item: work_* valid */
#define SG_SF_NOUSERTIME (1u << 13) /* syscall probe missing: user time includes system time */
#define SG_SF_SWAPOUT	 (1u << 14) /* wait before: inside a reclaim that had swapped pages out */
#define SG_SF_TIMEDOUT	 (1u << 15) /* wait before: its system call returned as one whose time was up */
#define SG_SF_UNCOUNTED \
	(1u             \
	 << 16) /* the balloon's work began in it (inside a guest), and how many pages it takes cannot be seen */

/* A record's header. ts: CLOCK_MONOTONIC ns. lost: this CPU's drops so far. */
struct sg_hdr {
	__u64 ts;
	__u64 lost;
	__u32 uid; /* thread number, unique in a recording, never reused; 0 = none */
	__u16 cpu;
	__u8 kind; /* enum sg_rec */
	__u8 rsv;
};

/* One (cause, time, count) of a breakdown. key: see SG_KEY_*. */
struct sg_pair {
	__u16 key;
	__u16 err; /* SG_KEY_SYSCALL: how many of cnt failed (65535: that or more) */
	__u32 cnt;
	__u64 ns;
};
/* key < 64: enum sg_cause. key with this bit: cpu.sys of one system call number. */
#define SG_KEY_SYSCALL 0x8000
/*
 * key with this bit: a guest's system call that a seccomp trap (SIGSYS) gave to its
 * sandbox, from the trap to rt_sigreturn: trap.seccomp of that number.
 */
#define SG_KEY_GUEST 0x4000
/*
 * key with this bit: the word a thread left in a shared window when it woke its other
 * side by a futex that is not private (the low bits of the u16 at address + 16). A
 * message type if the thread is a Gofer's, else noise: who reads must know. ns is 0.
 */
#define SG_KEY_FLIPCALL 0x2000
/* key with these bits: stopping for, and going on after, a call that a tracer emulates: trap.ptrace of that number. Not counted: the stop is. */
#define SG_KEY_EMULATED 0x6000
/*
 * key with this bit, and none above it: a vCPU's thread outside guest mode. The low bits:
 * what the kernel handles (SG_KVM_*), or with SG_KVM_USER what it gave to the VMM: from the
 * return of KVM_RUN to the next entry, by KVM_EXIT_* (linux/kvm.h). Counted where it ends.
 */
#define SG_KEY_KVM	 0x1000
#define SG_KEY_IS_KVM(k) (((k)&0xf000) == SG_KEY_KVM)
#define SG_KEY_TYPE(key) ((key)&0xe000)
#define SG_KEY_LOW(key)	 ((key)&0x1fff) /* number in a key of GUEST, EMULATED or FLIPCALL */
#define SG_PAIR_MAX	 26

/* SLICE: hdr.ts is the switch-out. Everything named "wait" is about the time before `in`. */
struct sg_slice {
	struct sg_hdr h;
	__u64 in;
	__u64 prev_out;	   /* previous switch-out (or birth for STOP_NEW); 0 = unknown */
	__u64 wake;	   /* last sched_waking since the previous switch-in; 0 = none */
	__u64 throttle_ns; /* of the wait: held by CFS quota */
	__u64 svc_ns;	   /* WSRC_BLOCK: issue to completion of the request that woke it */
	__u32 waker;	   /* uid (WCTX_TASK) */
	__u32 raiser;	   /* uid (WCTX_SOFT), 0 = raised in interrupt context or unknown */
	__u32 sysseq;	   /* system call instance the wait was in */
	__u32 fltseq;	   /* page fault instance the wait was in (K_FAULT, K_KFAULT) */
	__u32 flags;
	__u32 dev; /* WSRC_BLOCK: kernel dev_t */
	__u32 arg; /* low word of the call's 2nd argument (futex op, fcntl cmd, ioctl); a stop for a tracer: of the guest's thread pointer */
	__u32 who; /* uid of the thread that ran on this CPU just before `in` (run-queue evidence) */
	__u16 nr;  /* system call of the wait */
	__u8 stop; /* enum sg_stop: why it left the CPU before the wait */
	__u8 wkind; /* enum sg_kind: top of stack then */
	__u8 fdtype;
	__u8 wctx;
	__u8 wvec; /* soft interrupt vector */
	__u8 wsrc;
	__u8 fltres;   /* enum sg_fltres of the fault the wait was in, if it ended in this slice */
	__u8 out_stop; /* why this slice ended */
	__u8 out_kind;
	__u8 npair;
	__u32 out_fltseq;  /* fault instance open at the end of this slice, 0 none */
	__u64 work_queued; /* SF_WORK: when the last work item was queued */
	__u32 work_by;	   /* SF_WORK: by whom (uid) */
	__u32 note; /* of the wait: SG_NOTE_* | 16 bits, and above SG_NOTE_WOKE_SHIFT where it was woken */
	struct sg_pair pair[];
};

/*
 * Exits of a vCPU in the low 11 bits of a SG_KEY_KVM key: AMD's codes as they are (0 to
 * 0x403), Intel's and PVM's reasons from a base on, and what an exit turned out to be.
 */
#define SG_KVM_USER	     0x800 /* or KVM_EXIT_* in the low 8 bits */
#define SG_KVM_PVM	     0x500 /* below 32 more: an exception's vector */
#define SG_KVM_PVM_INTERRUPT 0x520 /* any of the host's */
#define SG_KVM_PVM_FAILED    0x521 /* it could not be entered */
#define SG_KVM_PVM_SYSCALL   0x522
#define SG_KVM_PVM_ERETU     0x523
#define SG_KVM_PVM_ERETS     0x524
#define SG_KVM_PVM_INT80     0x525
#define SG_KVM_PVM_HYPERCALL 0x530 /* and which: 1 to 15 more */
#define SG_KVM_INTEL	     0x600
#define SG_KVM_RUN	     0x7f6 /* inside KVM_RUN, before an entry was seen: guest and exits not told apart */
#define SG_KVM_BALLOON \
	0x7f7 /* kicks of the balloon: a burst of madvise(4 KiB) between exit and entry; only counted */
#define SG_KVM_INFLATE	 0x7f8 /* pages given back by the VMM (MADV_DONTNEED), and the rest of that burst */
#define SG_KVM_DEFLATE	 0x7f9 /* pages that the guest may have again (MADV_WILLNEED) */
#define SG_KVM_REFAULT	 0x7fa /* a page fault exit on a page that the balloon had taken */
#define SG_KVM_MMIO	 0x7fb /* a page fault exit that was a device register */
#define SG_KVM_HALT_POLL 0x7fc /* a halt that ended while the kernel still polled */
#define SG_KVM_DIRTY	 0x7fd /* a page fault exit that only made a page writable again (dirty logging) */
#define SG_KVM_ASYNC \
	0x7fe /* a page fault exit whose page a worker of the kernel's is to bring: async page fault */
#define SG_KVM_OTHER 0x7ff /* a code that is none of the above */

/* What a wait's note tells in its low 16 bits. */
#define SG_NOTE_FLIPCALL \
	0x10000u /* word at address + 16 of the futex its waker woke it by: see SG_KEY_FLIPCALL */
#define SG_NOTE_TRAPPED 0x20000u /* it waited inside a seccomp trap: of this system call of the guest */
#define SG_NOTE_KVM	0x40000u /* a vCPU waited in an exit: its pair key (SG_KEY_KVM, or SG_C_MEM_SWAPIN) */
/* Inside a guest, of a wait that an interrupt ended (WCTX_HARD, WCTX_SOFT): 1 + the CPU it came to; 0 not told. */
#define SG_NOTE_WOKE_SHIFT 19
#define SG_NOTE_WOKE_MAX   0x1fffu
/* There, of a wait that a timer ended (WCTX_TIMER): how late its interrupt came, rounded down: ns >> e, and e. */
#define SG_LATE_EXP_BITS 5
#define SG_LATE_MAX	 0xffu /* of ns >> e */
#define SG_LATE_NS(late) ((unsigned long long)((late) >> SG_LATE_EXP_BITS) << ((late)&31))

/*
 * The common slice, as it crosses the ring: half the bytes. Ring only, never in
 * recordings: sg_wire_expand() makes a struct sg_slice of it. Sent when nothing
 * seldom is set and all lengths fit in 32 bits.
 */
#define SG_REC_SLICE_SHORT 255
#define SG_SHORT_NO_WAKE   0xffffffffu
struct sg_pair_short {
	__u16 key;
	__u16 cnt;
	__u32 ns;
};
struct sg_slice_short {
	struct sg_hdr h; /* h.rsv: number of pairs */
	__u32 len;	 /* h.ts - in */
	__u32 off;	 /* in - prev_out */
	__u32 woken;	 /* in - wake; SG_SHORT_NO_WAKE */
	__u32 waker, raiser, sysseq, arg, who;
	__u16 flags;
	__u16 nr;
	__u8 stop, wkind, fdtype, wctx;
	__u8 wvec, wsrc, out_stop, out_kind;
	__u32 note;
	struct sg_pair_short pair[];
};

/*
 * Several short slices of one CPU, in time order: reserving ring space costs more
 * than filling it (100 ns of 150 for a slice), so they share it. Ring only.
 * h.rsv: how many; h.lost: as of the first; each slot starts with a sg_slice_short.
 */
#define SG_REC_BATCH   254
#define SG_BATCH       8
#define SG_BATCH_PAIRS 8
struct sg_batch_slot {
	__u64 words[(sizeof(struct sg_slice_short) + SG_BATCH_PAIRS * sizeof(struct sg_pair_short)) / 8];
};
struct sg_batch {
	struct sg_hdr h;
	struct sg_batch_slot slot[SG_BATCH];
};

/* SNAP: breakdown of the running slice (started at `in`) up to hdr.ts; sums to ts - in. */
struct sg_snap {
	struct sg_hdr h;
	__u64 in;
	__u32 npair;
	__u32 out_fltseq;
	struct sg_pair pair[];
};

enum sg_mark_type {
	SG_MARK_BEGIN = 1,
	SG_MARK_END = 2,
	SG_MARK_EXEC = 3, /* a process executed a program: name is its comm */
	SG_MARK_EXIT = 4, /* the last thread of a process exits: status is the exit code */
};
enum sg_mark_src {
	SG_MSRC_PROC = 0,
	SG_MSRC_USDT = 1,
	SG_MSRC_UPROBE = 2,
	SG_MSRC_ACCESS = 3,
	SG_MSRC_GUEST = 4,     /* never in recordings: one system call of a guest */
	SG_MSRC_GUESTPROC = 5, /* never in recordings: a guest's process */
};

#define SG_MARK_NAME 48
struct sg_mark {
	struct sg_hdr h; /* hdr.uid: the marking thread, running at hdr.ts */
	__u64 id;
	__u64 status;
	__u32 seq; /* counts the marks of this thread: a hole voids open tasks */
	__u8 type;
	__u8 src;
	__u16 rsv;
	char name[SG_MARK_NAME];
};

#define SG_STACK_MAX 64
enum sg_stack_type {
	SG_STK_WAIT_KERN = 1, /* kernel stack of a blocked thread; ts == the slice's wake */
	SG_STK_WAIT_USER = 2, /* user stack at the return from the long wait */
	SG_STK_CPU_KERN = 3,  /* sample */
	SG_STK_CPU_USER = 4,
};
struct sg_stack {
	struct sg_hdr h;
	__u32 tgid;
	__u16 type;
	__u16 n;
	__u64 ip[];
};

#define SG_DETAIL_NAME 40
struct sg_detail {
	struct sg_hdr h; /* ts == `in` of the slice after the wait */
	__u64 ino;
	__u32 dev;
	__s32 fd;
	__u16 lport, rport; /* host order */
	__u8 fdtype;
	__u8 rsv[3];
	char name[SG_DETAIL_NAME];
};

#define SG_TF_KTHREAD (1u << 0)
#define SG_TF_INSCOPE (1u << 1)
#define SG_TF_BEFORE  (1u << 2) /* existed before the recording */
#define SG_TF_EXEC    (1u << 3) /* sent because of exec */
#define SG_TF_ROOT    (1u << 4) /* the command that run/record started */
#define SG_TF_IDLE    (1u << 5)
struct sg_thread {
	struct sg_hdr h;
	__u64 birth; /* ts of fork, 0 = before the recording */
	__u64 start; /* task->start_time (CLOCK_MONOTONIC ns) */
	__u64 cgroup; /* kernfs id of its cgroup: the memory controller's where that is a v1 hierarchy, else the default one's */
	__u32 tid, tgid;
	__u32 creator; /* uid of the forking thread, 0 unknown */
	__u32 flags;
	char comm[16];
};

struct sg_exit {
	struct sg_hdr h;
	__u32 code;
	__u32 rsv;
	__u64 utime, stime;    /* ns, task accounting (oracle) */
	__u64 run_ns, runq_ns; /* sched_info: se.sum_exec_runtime, run_delay (oracle) */
	__u64 minflt, majflt;
	__u64 swapin_ns, blkio_ns, freepages_ns, thrash_ns; /* task->delays (oracle), 0 if off */
};

struct sg_swapout {
	struct sg_hdr h;
	__u64 pages; /* cumulative, pages swapped out of process tgid */
	__u32 tgid;
	__u32 rsv;
};

enum sg_guest_what {
	SG_GUEST_CALL = 1, /* nr: system call number */
	SG_GUEST_RPC = 2,  /* nr: message type of the Gofer's protocol, seen from the Sentry */
};
enum sg_guest_src {
	SG_GSRC_TRAP = 1,   /* SIGSYS to rt_sigreturn in a stub */
	SG_GSRC_TRACE = 2,  /* runsc trace; with nr SG_GUEST_DROPPED no call */
	SG_GSRC_UPROBE = 3, /* probes in the Sentry */
};
/* GUEST: hdr.ts is the end; hdr.uid the stub's or Sentry's thread, 0 unknown. */
struct sg_guest {
	struct sg_hdr h;
	__u64 begin;   /* 0 = only the end is known */
	__u64 on_ns;   /* on a CPU in it, interrupts apart; 0 unknown */
	__s32 ret;     /* what it returned, if that fits (errors do) */
	__u32 gtid;    /* the guest's own thread id, 0 unknown */
	__u32 sandbox; /* process id of the Sentry, 0 unknown (then: of hdr.uid) */
	__u16 nr;
	__u8 what; /* enum sg_guest_what */
	__u8 src;  /* enum sg_guest_src */
	__u16 len; /* of text: process name, NUL, path (either may be empty) */
	__u16 rsv;
	__u32 rsv2;
	char text[];
};
#define SG_GUEST_TEXT_MAX 512
#define SG_GUEST_DROPPED  0xffff /* nr: ret is how many trace messages its sandbox has dropped so far */

#define SG_CGROUP_NAME 104
struct sg_cgname {
	struct sg_hdr h;
	__u64 id;
	char name[SG_CGROUP_NAME]; /* last part of its path: hostile bytes possible */
};

/* INJECT: hdr.ts is when, hdr.uid who: of one thread, for one vector, at most one each SG_INJECT_EVERY_NS. */
#define SG_INJECT_EVERY_NS 20000
#define SG_INJECT_OTHER_NS 2500 /* for another vector than its last */
struct sg_inject {
	struct sg_hdr h;
	__u32 vcpu;   /* the number KVM knows the vCPU by */
	__u32 vector; /* in the guest's interrupt table */
};

/*
 * FETCH: a guest touched memory that its host had taken, and does something else until it is
 * there again (KVM's asynchronous page faults). Two records of one fault, in either order.
 */
enum sg_fetch_step {
	SG_FETCH_BROUGHT = 1, /* hdr.uid: the kernel's worker that has brought it; no token */
	SG_FETCH_TOLD = 2,    /* hdr.uid: the vCPU's thread, which tells the guest */
};
#define SG_TOKEN_NUMBER(token) \
	((token) >> 12 & 0xffff) /* counts the faults of a vCPU, 0: not told; below is KVM's number of that */
struct sg_fetch {
	struct sg_hdr h;
	__u64 gpa;   /* where in the guest's memory */
	__u32 token; /* what host and guest call this fault */
	__u32 by;    /* BROUGHT: uid of who asked the worker, 0 unknown */
	__u8 step;   /* enum sg_fetch_step */
	__u8 swapin; /* BROUGHT: it came from swap */
	__u16 rsv;
	__u32 rsv2;
};

#define SG_ASSERT_SIZE(t, n) _Static_assert(sizeof(t) == (n), "hole in " #t)
SG_ASSERT_SIZE(struct sg_hdr, 24);
SG_ASSERT_SIZE(struct sg_pair, 16);
SG_ASSERT_SIZE(struct sg_slice, 24 + 40 + 32 + 2 + 10 + 4 + 16);
SG_ASSERT_SIZE(struct sg_snap, 40);
SG_ASSERT_SIZE(struct sg_slice_short, 24 + 32 + 4 + 8 + 4);
SG_ASSERT_SIZE(struct sg_batch, 24 + SG_BATCH * (72 + 64));
SG_ASSERT_SIZE(struct sg_mark, 24 + 16 + 8 + SG_MARK_NAME);
SG_ASSERT_SIZE(struct sg_stack, 32);
SG_ASSERT_SIZE(struct sg_detail, 24 + 16 + 8 + SG_DETAIL_NAME);
SG_ASSERT_SIZE(struct sg_thread, 24 + 24 + 16 + 16);
SG_ASSERT_SIZE(struct sg_exit, 24 + 8 + 80);
SG_ASSERT_SIZE(struct sg_swapout, 40);
SG_ASSERT_SIZE(struct sg_guest, 24 + 24 + 8 + 8);
SG_ASSERT_SIZE(struct sg_cgname, 24 + 8 + SG_CGROUP_NAME);
SG_ASSERT_SIZE(struct sg_inject, 24 + 8);
SG_ASSERT_SIZE(struct sg_fetch, 24 + 16 + 8);

#endif
