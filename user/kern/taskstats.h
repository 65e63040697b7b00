/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * taskstats: the kernel's delay accounting over netlink, in one form for all its
 * versions. Fields a kernel does not have are 0 and missing from `have`.
 */
#ifndef SG_TASKSTATS_H
#define SG_TASKSTATS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

/* X(FIELD, member prefix of struct taskstats, first version that has it) */
#define SG_DELAY_LIST(X)           \
	X(CPU, cpu, 1)             \
	X(BLKIO, blkio, 1)         \
	X(SWAPIN, swapin, 1)       \
	X(FREEPAGES, freepages, 7) \
	X(THRASHING, thrashing, 9) \
	X(COMPACT, compact, 11)    \
	X(WPCOPY, wpcopy, 13)      \
	X(IRQ, irq, 14)

/* clang-format off */
enum sg_delay {
#define SG_X(sym, member, version) SG_DELAY_##sym,
	SG_DELAY_LIST(SG_X)
#undef SG_X
	SG_DELAY_MAX,
};
/* clang-format on */

struct sg_taskstats {
	uint32_t version; /* of the kernel's structure */
	uint32_t have;	  /* 1 << enum sg_delay */
	pid_t id;	  /* thread, or process when `group` */
	bool group;
	char comm[33];
	uint64_t delay_ns[SG_DELAY_MAX];
	uint64_t delay_cnt[SG_DELAY_MAX];
	uint64_t run_real_ns; /* CPU time as ticks see it, scaled */
	uint64_t run_virt_ns; /* se.sum_exec_runtime */
	uint64_t utime_us, stime_us;
	uint64_t minflt, majflt;
};

struct sg_tsock;

/** sg_tsock_open() - connect; -ENOENT when the kernel has no taskstats, -EPERM without privileges comes at use */
int sg_tsock_open(struct sg_tsock **ret, struct sg_err *err);
/**
 * sg_tsock_close() - forget @t, which may be NULL
 *
 * A listener is signed off: the kernel knows it by its netlink address, which the process's next socket gets, and would send
 * that one the exits (kernel/taskstats.c drops a listener only when sending to it fails).
 */
void sg_tsock_close(struct sg_tsock *t);

/** sg_tsock_get() - figures of thread @id now, or of process @id with @group; -ESRCH when it is gone */
int sg_tsock_get(struct sg_tsock *t, pid_t id, bool group, struct sg_taskstats *ret, struct sg_err *err);

/** sg_tsock_listen() - from now on get the figures of every thread that exits (on all CPUs); once per socket */
int sg_tsock_listen(struct sg_tsock *t, struct sg_err *err);
/**
 * sg_tsock_next() - next exit
 * @timeout_ms: -1 waits
 *
 * Return: 1 got one, 0 timeout, -ENOBUFS when exits were lost (listening goes on), negative errno.
 */
int sg_tsock_next(struct sg_tsock *t, int timeout_ms, struct sg_taskstats *ret, struct sg_err *err);

/** sg_tsock_fd() - to poll together with other descriptors */
int sg_tsock_fd(const struct sg_tsock *t);

/** sg_delay_name() - "cpu", "swapin" ...; "?" out of range */
const char *sg_delay_name(unsigned delay);

#endif
