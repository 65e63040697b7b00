/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Every system call of what was recorded, by container and process: how often, how
 * many failed, time on a CPU and time waiting in it, and on which files. Raw sums of
 * slices, so they are of all threads, inside tasks or not, that are in the
 * recording's scope. Pure; memory is bounded.
 */
#ifndef SG_SYSCALLS_H
#define SG_SYSCALLS_H

#include <stdbool.h>
#include <stdio.h>
#include "model/containers.h"

#define SG_SYSCALL_FILES  3	     /* shown of one row */
#define SG_SYSCALL_ROWS	  (1u << 20) /* (program, call) pairs counted; later ones are only counted as such */
#define SG_SYSCALL_COMPAT 0x8000u    /* bit of a row's nr: a number of the 32-bit ABI */

struct sg_syscall_file {
	const char *name; /* hostile bytes possible */
	uint64_t ns, cnt; /* of waits long enough to be looked at */
};

struct sg_syscall_row {
	uint32_t nr;   /* SG_SYSCALL_COMPAT | number */
	bool err_more; /* more calls than `err` may have failed */
	uint64_t cnt, err;
	uint64_t on_ns;	  /* on a CPU in the call itself: no page faults, no interrupts */
	uint64_t wait_ns; /* blocked */
	uint64_t runq_ns; /* in the call, ready to run, but on no CPU */
	uint64_t waits;
	uint64_t told_ns; /* of wait_ns: waits whose file or socket is known */
	size_t nfile;
	struct sg_syscall_file file[SG_SYSCALL_FILES]; /* most ns first */
};

/** sg_syscall_row_add() - the sums of @r on top of those of @to; files and nr stay */
void sg_syscall_row_add(struct sg_syscall_row *to, const struct sg_syscall_row *r);
/** sg_syscall_row_file() - @f among the files of @to, if it is one of the longest */
void sg_syscall_row_file(struct sg_syscall_row *to, const struct sg_syscall_file *f);
/** sg_syscall_row_ns() - all time of a row */
uint64_t sg_syscall_row_ns(const struct sg_syscall_row *r);

/* All processes of one name (or role) in one container. */
struct sg_syscall_group {
	char container[SG_OWNERS_LABEL];
	char process[SG_ROLE_NAME];
	uint64_t programs;	   /* runs of a program; 0: more than can be told apart */
	struct sg_syscall_row sum; /* nr and files apart */
	size_t nrow;
	struct sg_syscall_row *row; /* most time first */
};

struct sg_syscalls;

/** sg_syscalls_new() - @o: who is who; fed by the caller before this is, outlives it */
int sg_syscalls_new(struct sg_syscalls **ret, struct sg_owners *o);
void sg_syscalls_free(struct sg_syscalls *s);
/** sg_syscalls_feed() - next event, in time order; kinds it does not need are ignored. 0 or -ENOMEM. */
int sg_syscalls_feed(struct sg_syscalls *s, const struct sg_hdr *ev);
/**
 * sg_syscalls_groups() - the sums so far, groups by falling time
 * @ret_n: number of groups; they are valid until the next call
 *
 * Return: 0 or -ENOMEM.
 */
int sg_syscalls_groups(struct sg_syscalls *s, const struct sg_syscall_group **ret, size_t *ret_n);
/** sg_syscalls_uncounted() - calls left out because there were too many rows */
uint64_t sg_syscalls_uncounted(const struct sg_syscalls *s);

/** sg_syscalls_text() - a table for every group (user/out/syscalls_text.c) */
struct sg_text_opts;
int sg_syscalls_text(struct sg_syscalls *s, FILE *f, const struct sg_text_opts *o);
/** sg_syscalls_json() - {"groups":[..],"uncounted":0}, see docs/json.md; caller owns; NULL: no memory */
struct json_object *sg_syscalls_json(struct sg_syscalls *s);

#endif
