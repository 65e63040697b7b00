/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A daemon of our own, beside any other of its kind: one folder has its configuration, sockets, log and data, and its
 * processes are known by the folder's path in their arguments. What Docker's and libvirt's have in common.
 */
#ifndef SG_OWNDAEMON_H
#define SG_OWNDAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "load/child.h"

struct sg_owndaemon {
	const char *name;      /* of the program: for sentences, and its log is NAME.log in the folder */
	const char *top;       /* the folder's path: absolute, at most 100 bytes; the owner's, who keeps it */
	const char *message;   /* before the message of a line of its log (" msg="); NULL: nothing */
	bool logs_work;	       /* while its log grows it is at work: its time to get ready starts anew */
	struct sg_child child; /* SG_CHILD_NONE until started; sg_child_term() ends it */
};

/**
 * sg_owndaemon_file() - new file @name in folder @top, of mode 0666 as umask has it, with this text
 * Return: 0; -EEXIST or another negative errno, with @err.
 */
int sg_owndaemon_file(const char *top, const char *name, struct sg_err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/**
 * sg_owndaemon_spawn() - start it in its folder, its output to its log, in a process group of its own
 * @argv: as for execvp(); names the folder, for sg_owndaemon_kill()
 *
 * It dies with the calling thread. Return: 0, negative errno with @err.
 */
int sg_owndaemon_spawn(struct sg_owndaemon *d, char *const argv[], struct sg_err *err);

/**
 * sg_owndaemon_wait() - until it listens on the unix socket with path @socket
 * @limit_ms: for how long, at the most (@d->logs_work: without a new word in its log)
 * @sigfd: signalfd of the signals that mean "stop", or -1
 *
 * Return: 0; -EINTR after a signal; -EIO when it ended, -ETIMEDOUT, both with its last words in @err.
 */
int sg_owndaemon_wait(struct sg_owndaemon *d, const char *socket, int limit_ms, int sigfd,
		      struct sg_err *err);

/* How processes of a daemon, and those it started, are told from others. Both lists end with NULL. */
struct sg_owndaemon_kin {
	const char *const *programs; /* with what the names of their programs begin */
	const char *const *
		before; /* what stands before the folder's path where that does not begin an argument ("=") */
};

/**
 * sg_owndaemon_is_kin() - is this one of the daemon of folder @top? Pure.
 * @args: its arguments as in /proc/PID/cmdline, each ended by a NUL, @len bytes in all
 */
bool sg_owndaemon_is_kin(const struct sg_owndaemon_kin *k, const char *args, size_t len, const char *top);

/** sg_owndaemon_kill() - SIGKILL to all of them but ourselves, whoever started them; how many there were */
size_t sg_owndaemon_kill(const struct sg_owndaemon_kin *k, const char *top);

#endif
