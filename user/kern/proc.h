/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Small readers of /proc, and a writer. A process may end between any two reads: -ESRCH is normal. */
#ifndef SG_PROC_H
#define SG_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * sg_proc_read() - whole text of a file of /proc or /sys, NUL-terminated
 * @max: bytes kept at most; the rest is dropped
 *
 * Return: malloc'd text in @ret and its length, or negative errno.
 */
ssize_t sg_proc_read(const char *path, size_t max, char **ret);

/** sg_proc_write() - @text, in one write, to a file of /proc or /sys that exists; 0 or negative errno */
int sg_proc_write(const char *path, const char *text);

/** sg_proc_u64() - first number in a file; negative errno when there is none */
int sg_proc_u64(const char *path, uint64_t *ret);

/** sg_proc_comm() - name of a thread, without the newline */
int sg_proc_comm(pid_t tid, char *ret, size_t cap);

/**
 * sg_proc_cmdline() - command line, arguments separated by blanks
 *
 * Bytes that are not printable ASCII become '?'. Kernel threads give "[comm]".
 * Return: length, or negative errno.
 */
ssize_t sg_proc_cmdline(pid_t pid, char *ret, size_t cap);

/* /proc/PID/stat or /proc/PID/task/TID/stat. Times in ns, from the kernel's ticks. */
struct sg_proc_stat {
	pid_t pid, ppid, pgrp;
	char state;
	char comm[64];
	uint64_t minflt, majflt;
	uint64_t utime_ns, stime_ns;
	uint64_t start_ns; /* after boot, suspended time included: CLOCK_BOOTTIME */
	uint64_t vsize_bytes, rss_pages;
	uint32_t threads;
	int32_t processor;
	uint64_t blkio_ns;
	uint64_t guest_ns;
};
/** sg_proc_stat() - @tid 0: the process; else one of its threads */
int sg_proc_stat(pid_t pid, pid_t tid, struct sg_proc_stat *ret);

/* /proc/PID/task/TID/schedstat */
struct sg_proc_schedstat {
	uint64_t run_ns, runq_ns, slices;
};
int sg_proc_schedstat(pid_t pid, pid_t tid, struct sg_proc_schedstat *ret);

/* Lines "name value" of /proc/vmstat, memory.stat and the like. */
/** sg_proc_field() - value of @name in @text; false when it is not there */
bool sg_proc_field(const char *text, const char *name, uint64_t *ret);
/** sg_proc_vmstat() - one counter of /proc/vmstat ("pswpout"); -ENOENT when the kernel has none */
int sg_proc_vmstat(const char *name, uint64_t *ret);

/* First line of /proc/stat, ns, all CPUs together. */
struct sg_proc_cpu {
	uint64_t user_ns, nice_ns, system_ns, idle_ns, iowait_ns, irq_ns, softirq_ns, steal_ns, guest_ns;
};
int sg_proc_cpu(struct sg_proc_cpu *ret);

/* A pressure file: stalled time since its cgroup began. */
struct sg_proc_psi {
	uint64_t some_ns, full_ns;
};
/** sg_proc_psi() - @path: "/proc/pressure/memory" or a cgroup's "memory.pressure" */
int sg_proc_psi(const char *path, struct sg_proc_psi *ret);
/** sg_proc_psi_parse() - the same from its text; -EINVAL when it is none */
int sg_proc_psi_parse(const char *text, struct sg_proc_psi *ret);
/** sg_proc_stat_parse() - one line of a stat file; the comm may hold anything, ')' and newlines too */
int sg_proc_stat_parse(const char *text, uint64_t ticks_per_s, struct sg_proc_stat *ret);

#endif
