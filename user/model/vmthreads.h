/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The other threads of virtual machines: the VMM's own, its iothreads, vhost's workers.
 * Sums of the slices and waits of each, inside tasks or not; what they are made of sums
 * to the time it was seen for, to the nanosecond. Pure; memory is bounded.
 */
#ifndef SG_VMTHREADS_H
#define SG_VMTHREADS_H

#include <stdio.h>
#include "model/model.h"

#define SG_VMTHREADS_MAX   16384 /* threads at a time; the spans of others are only counted */
#define SG_VMTHREAD_CAUSES 16	 /* of waits of one thread told apart; the others are one */
#define SG_VMTHREAD_ROWS   64	 /* threads of a machine that are told one by one */

/* What the time of a thread is made of: X(field) */
#define SG_VMTHREAD_PARTS(X) X(cpu_ns) X(runq_ns) X(throttle_ns) X(disk_ns) X(wait_ns) X(unknown_ns)

struct sg_vmthread_wait {
	uint16_t cause; /* 0: those that found no row */
	uint64_t cnt, ns;
};

/* The work of one thread, or of several together. */
struct sg_vmwork {
	uint64_t threads;
	uint64_t seen_ns; /* what follows sums to it */
	uint64_t cpu_ns;
	uint64_t runq_ns, throttle_ns; /* ready: no CPU was free; its quota was used up */
	uint64_t disk_ns;	       /* blocked in io.block or io.fsync */
	uint64_t wait_ns;	       /* blocked for any other cause, having nothing to do among them */
	uint64_t unknown_ns;	       /* blocked for no cause that was seen, or not seen at all */
	size_t nwait;
	struct sg_vmthread_wait
		wait[SG_VMTHREAD_CAUSES]; /* these sum to disk_ns + wait_ns; most time first */
};

struct sg_vmthread {
	uint32_t uid, tid;
	char comm[16]; /* hostile bytes possible */
	char part[40]; /* its component: vmm, iothread, vhost ... */
	struct sg_vmwork w;
};

/* Of one machine. */
struct sg_vmrest {
	size_t npart;
	struct sg_vmthread *part;   /* by component: uid, tid and comm are empty; most work first */
	size_t nthread;		    /* at most SG_VMTHREAD_ROWS */
	struct sg_vmthread *thread; /* most work first: on a CPU, waiting for one or for the disk */
	struct sg_vmwork others;    /* the threads that are no row */
};

struct sg_vmthreads;

int sg_vmthreads_new(struct sg_vmthreads **ret);
void sg_vmthreads_free(struct sg_vmthreads *v);
/** sg_vmthreads_span() - next span that model @m hands out. 0 or -ENOMEM. */
int sg_vmthreads_span(struct sg_vmthreads *v, const struct sg_model *m, const struct sg_span *s);
/**
 * sg_vmthreads_of() - the threads of the machine of process @tgid that are no vCPUs
 * @ret: to be given back with sg_vmrest_clear(), after an error too
 *
 * Return: 0 or -ENOMEM.
 */
int sg_vmthreads_of(const struct sg_vmthreads *v, const struct sg_model *m, uint32_t tgid,
		    struct sg_vmrest *ret);
void sg_vmrest_clear(struct sg_vmrest *r);
/** sg_vmthreads_uncounted() - spans that belong to no sum: there were too many threads */
uint64_t sg_vmthreads_uncounted(const struct sg_vmthreads *v);

/* user/out */
struct json_object;
struct sg_text_opts;
/** sg_vmrest_text() - a table by component and one of the threads that worked most. 0 or negative errno. */
int sg_vmrest_text(const struct sg_vmrest *r, FILE *f, const struct sg_text_opts *o);
/** sg_vmrest_json() - the same and all rows, as an object. NULL: no memory. */
struct json_object *sg_vmrest_json(const struct sg_vmrest *r);

#endif
