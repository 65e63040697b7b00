/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Pieces of the watch of virtual machines: vmwatch.c processes and threads, vmwatch_known.c what is known, vmwatch_virt.c libvirt, vmwatch_qmp.c QMP, vmwatch_target.c what balloons are asked for. */
#ifndef SG_VMWATCH_PRIV_H
#define SG_VMWATCH_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include "env/vm_priv.h"
#include "env/vmwatch.h"

#define SG_VMW_MAX 1024 /* virtual machines of one recording */

/* What is kept of one. */
struct sg_vmw_vm {
	char name[256], uuid[37], vmm[32], source[16], accel[8];
	uint64_t cgroup_id, memory_bytes;
	uint32_t pid, nvcpu;
	bool gone; /* its process is: another one may have its number, its name and its UUID */
	uint64_t told[SG_BALLOON_MAX]; /* last value put + 1, 0 none: what has not changed is not put again */
};

/*
 * Shared by all threads. A thread that hangs in a library call is left behind at the end: it may
 * hold a reference, and finds the way out closed.
 */
struct sg_vmw {
	pthread_mutex_t lock;
	pthread_cond_t ended; /* a speaker's thread has */
	unsigned refs, speakers;
	sg_put_fn put; /* NULL: the way out is closed */
	void *put_ctx;
	struct sg_vmwatch_opts o;
	struct sg_vm_info only; /* copy of *o.only */
	struct sg_vmw_vm vm[SG_VMW_MAX];
	size_t n;
	struct sg_vmwatch_stats st;
	int virt_fd, qmp_fd, target_fd; /* eventfds: something new, or the end */
	struct sg_vmw_ears *ears;	/* the target's thread's */
	atomic_bool ending;
};
void sg_vmw_unref(struct sg_vmw *w);

/* ---- vmwatch_known.c: any thread ------------------------------------------------------------- */
/** sg_vmw_found() - one that runs; a VM event goes out when it is new or more is known than before */
void sg_vmw_found(struct sg_vmw *w, const struct sg_vm_info *v);
/** sg_vmw_domain() - libvirt's word about one: its process id, 0: it runs in none that is known */
uint32_t sg_vmw_domain(struct sg_vmw *w, const char *name, const char *uuid);
/** sg_vmw_balloon() - put one value, if it is another than the last */
void sg_vmw_balloon(struct sg_vmw *w, uint32_t pid, enum sg_balloon_what what, uint64_t value);
void sg_vmw_note(struct sg_vmw *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** sg_vmw_fate() - "VM @name @what", the last of each recording counts */
void sg_vmw_fate(struct sg_vmw *w, const char *name, const char *what);
bool sg_vmw_wanted(const struct sg_vmw *w, uint32_t pid);
size_t sg_vmw_count(struct sg_vmw *w);
/** sg_vmw_qemu() - process id (0: it is no QEMU) and memory (0: not known) of the @i-th; false: there are not so many */
bool sg_vmw_qemu(struct sg_vmw *w, size_t i, uint32_t *ret_pid, uint64_t *ret_bytes);

/* ---- speakers: threads; argument: struct sg_vmw, of which they hold a reference ------------------ */
void *sg_vmw_virt_main(void *arg);
void *sg_vmw_qmp_main(void *arg);
/** sg_vmw_target_begin() - hear those that are known by now; then, if there is memory for @w->ears, the thread */
void sg_vmw_target_begin(struct sg_vmw *w);
void *sg_vmw_target_main(void *arg);
void sg_vmw_speaker_ends(struct sg_vmw *w);

/* ---- QMP's lines. Pure. --------------------------------------------------------------------------- */
enum sg_qmp_line {
	SG_QMP_OTHER,
	SG_QMP_BAD,
	SG_QMP_GREETING,
	SG_QMP_ACTUAL,
	SG_QMP_STOP,
	SG_QMP_RESUME,
	SG_QMP_SHUTDOWN,
	SG_QMP_MIGRATED, /* its state: it has gone on elsewhere, or is about to */
	SG_QMP_RETURN,
	SG_QMP_ERROR
};
/** sg_qmp_parse() - what a line of QMP's is; @ret_bytes: of the balloon (ACTUAL) */
enum sg_qmp_line sg_qmp_parse(const char *line, uint64_t *ret_bytes);

#endif
