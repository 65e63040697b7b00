/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The kernel side, loaded and attached. Everything attaches while it is switched
 * off; sg_live_start() seeds the threads that exist and switches it on at once.
 */
#ifndef SG_LIVE_H
#define SG_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "kern/catalogue.h"
#include "sg_abi.h"
#include "sg_kern.h"

struct sg_live;

struct sg_live_opts {
	bool all;	    /* every thread is in scope */
	uint64_t cgroup_id; /* kernfs id, 0 = none */
	int cgroup_subsys;  /* v1 controller index, -1 = default hierarchy */
	int cgroup_level;
	uint64_t ring_bytes; /* per CPU, a power of two of pages */
	uint64_t stack_threshold_ns;
	bool stacks;
	unsigned sample_hz;	 /* 0 = no samples */
	const char *skip_groups; /* comma-separated, NULL = none */
	const char *only_groups; /* comma-separated, NULL = all; "sched" is always on */
	const char *uprobe;	 /* "BIN:FUNC", NULL = none */
	bool refaults;		 /* tell a guest's page faults on pages that its balloon had taken */
	bool gvisor_uprobes;	 /* probes in the Sentry of every gVisor sandbox that is found */
};

/**
 * sg_live_possible() - can this kernel record for this user at all
 *
 * Loads nothing. Return: 0 or negative errno, @err says what to do.
 */
int sg_live_possible(struct sg_err *err);

/**
 * sg_live_open() - plan, load and attach, switched off
 *
 * A program that the kernel refuses is demoted to its next variant, or off;
 * only required ones make this fail. Return: 0 or negative errno, @err says what to do.
 */
int sg_live_open(struct sg_live **ret, const struct sg_live_opts *opts, struct sg_err *err);

/** sg_live_scope() - @tgid and what it forks is in scope; before sg_live_start(). @root: the command's process. */
int sg_live_scope(struct sg_live *l, uint32_t tgid, bool root, struct sg_err *err);

/** sg_live_usdt() - attach the task marks of binary @path, if it has any (0 = none there, 1 = attached). */
int sg_live_usdt(struct sg_live *l, const char *path);

/**
 * sg_live_gvisor() - probe the Sentry whose binary is @exe: "/proc/PID/exe", that process only; any other path: all of it
 *
 * At the guest's system calls and the messages to its Gofer: entry and every return of two functions, found
 * by .gopclntab; no return probes, which break Go. Once each. Does nothing unless opts.gvisor_uprobes. A
 * Sentry that starts while probes are in its binary hangs (seen with 6.18, ptrace and systrap, cause not
 * known): only Sentries that are up may be probed, and a whole file never while sandboxes may start. From the thread that opened @l.
 * Return: 1 probed now; 0 not asked for, no Sentry, or done before; negative errno with @err.
 */
int sg_live_gvisor(struct sg_live *l, const char *exe, struct sg_err *err);

/** sg_live_gvisor_probed() - Sentries probed so far; @ret_last: why the last one that could not be was not */
unsigned sg_live_gvisor_probed(const struct sg_live *l, struct sg_err *ret_last);

/** sg_live_start() - seed, switch on; *ret_ns = CLOCK_MONOTONIC of the start. */
int sg_live_start(struct sg_live *l, uint64_t *ret_ns, struct sg_err *err);

/** sg_live_stop() - switch off, close what is open; drain once more after it. */
int sg_live_stop(struct sg_live *l, uint64_t *ret_ns, struct sg_err *err);

typedef int (*sg_live_fn)(void *ctx, const struct sg_hdr *rec, size_t size);
/**
 * sg_live_drain() - hand all records that wait to @fn, CPU by CPU
 * Return: bytes drained, or the first negative return of @fn.
 */
int64_t sg_live_drain(struct sg_live *l, sg_live_fn fn, void *ctx);

const struct sg_plan *sg_live_plan(const struct sg_live *l);

struct sg_live_stats {
	uint64_t lost, emitted, repaired, hidden, holes, torn, missed, orphan_ends, snaps_skipped,
		stack_races;
	unsigned ncpu;
};
void sg_live_stats(const struct sg_live *l, struct sg_live_stats *ret);
/** sg_live_cpu() - state of one CPU, as the kernel side keeps it. */
const struct cpu_state *sg_live_cpu(const struct sg_live *l, unsigned cpu);

typedef void (*sg_live_prog_fn)(void *ctx, const char *name, uint64_t run_ns, uint64_t run_cnt,
				uint64_t misses);
/** sg_live_programs() - run time of each program (ns, runs; only counted while the kernel's BPF stats are on). */
void sg_live_programs(struct sg_live *l, sg_live_prog_fn fn, void *ctx);

typedef void (*sg_live_swapout_fn)(void *ctx, uint32_t tgid, uint64_t pages);
void sg_live_swapouts(struct sg_live *l, sg_live_swapout_fn fn, void *ctx);

/** sg_live_close() - detach and free; NULL is fine. */
void sg_live_close(struct sg_live *l);

#endif
