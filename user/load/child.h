/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Child processes of a workload: started in a cgroup, bound to our life, waited for together with signals. */
#ifndef SG_CHILD_H
#define SG_CHILD_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>
#include "base/err.h"

struct sg_child {
	pid_t pid; /* 0: not started */
	int pidfd;
	int in;	    /* write end of its standard input, -1 when not asked for */
	int out;    /* read end of its standard output, -1 when not asked for */
	int err;    /* read end of its standard error, -1 when not asked for */
	bool group; /* leads a process group of its own */
	bool done;
	int status;	  /* as waitpid tells, when done */
	struct rusage ru; /* what it used, when done */
	char name[48];
};
#define SG_CHILD_NONE                                       \
	{                                                   \
		.pidfd = -1, .in = -1, .out = -1, .err = -1 \
	}

struct sg_child_opts {
	const char *name;      /* for sentences: "server 2" */
	const char *cgroup;    /* directory of the cgroup to start in, or NULL */
	const char *dir;       /* working directory, or NULL */
	bool in;	       /* give us a pipe to its standard input; else that is /dev/null */
	bool out, err;	       /* give us its output */
	bool quiet;	       /* its standard output goes to /dev/null */
	int out_fd;	       /* > 0: its standard output goes there */
	int err_fd;	       /* > 0: its standard error goes there */
	bool group;	       /* a process group of its own */
	const cpu_set_t *cpus; /* it may run on these only; NULL: as we may */
	const int *keep;       /* descriptors that it inherits under their numbers, ends with -1; or NULL */
};

/**
 * sg_child_spawn() - fork, join the cgroup, exec
 *
 * The child gets SIGKILL when we die, and an empty signal mask. Failure of any
 * step up to and including exec is reported here, not by the child.
 */
int sg_child_spawn(struct sg_child *ret, const struct sg_child_opts *opts, char *const argv[],
		   struct sg_err *err);

/** sg_child_kill() - end it (and its group, when it has one) and wait; safe on one that is not running. */
void sg_child_kill(struct sg_child *c);

/** sg_child_term() - SIGTERM, @grace_ms to end in its own way, then as sg_child_kill() */
void sg_child_term(struct sg_child *c, int grace_ms);

/** sg_child_reap() - note its end if it has ended; true when done. */
bool sg_child_reap(struct sg_child *c);

/** sg_child_fate() - "exit status 1", "signal 9 (Killed)" ... into @buf */
const char *sg_child_fate(const struct sg_child *c, char *buf, size_t cap);

/**
 * sg_child_wait_any() - sleep until one of them ends, or a signal arrives
 * @sigfd: signalfd of the signals that mean "stop", or -1
 * @fd:    also return when this is readable (-1: none)
 *
 * Return: index of a child that ended, @n when @fd is readable, -EINTR after a
 * signal, -ETIMEDOUT, or another negative errno. Children that were done before
 * the call do not count.
 */
int sg_child_wait_any(struct sg_child *const *c, size_t n, int fd, int sigfd, int timeout_ms);

/**
 * sg_child_line() - next line of the child's output, without its newline
 *
 * Return: 0; -EPIPE when it ended (or closed its output) first; else as sg_child_wait_any().
 */
int sg_child_line(struct sg_child *c, int sigfd, int timeout_ms, char *buf, size_t cap);

/** sg_child_read_err() - what it wrote to standard error, for a sentence: one line, printable bytes only. */
void sg_child_read_err(struct sg_child *c, char *buf, size_t cap);

/** sg_child_sentence() - what a part of this program said, without the name it said it under */
const char *sg_child_sentence(const char *said);

#endif
