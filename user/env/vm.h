/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Which virtual machines run here, and which process runs each: from libvirt where it answers, and
 * without its help from /proc: whoever holds a descriptor of KVM's, or is a QEMU that emulates.
 */
#ifndef SG_VM_H
#define SG_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define SG_VM_VCPUS 256 /* of which the threads are told */

/* Texts are somebody else's: hostile bytes possible. */
struct sg_vm_info {
	char name[256];	 /* never empty: else made from the program's name and the process id */
	char uuid[37];	 /* empty: it has none */
	char vmm[32];	 /* "qemu", "firecracker", "cloud-hypervisor" ... or the program's name */
	char source[16]; /* who told of it: "libvirt", "process" */
	char accel[8];	 /* "kvm", "tcg"; empty: not known */
	char state[16];	 /* libvirt's word: "running", "paused" ...; empty: nobody said */
	char qmp[256]; /* path of its QMP socket as its command line has it; empty: none, or it is libvirt's own */
	char cgroup[1024];     /* path of its cgroup below the hierarchy's mount; empty: not known */
	uint64_t cgroup_id;    /* as in struct sg_container_info */
	uint64_t memory_bytes; /* at most (an empty balloon), 0 unknown */
	uint64_t actual_bytes; /* what it has now, 0 unknown */
	uint32_t pid;	       /* of the monitor; 0: not found here (another machine's, a stopped one) */
	uint32_t nvcpu;	       /* 0 unknown */
	uint32_t vcpu
		[SG_VM_VCPUS]; /* thread ids by number of the vCPU; 0: not known (the monitor does not name them) */
};

struct sg_vm_list {
	struct sg_vm_info *v;
	size_t n, cap;
	char note[384]; /* why libvirt could not be asked, one sentence; empty: it was, or there is none */
};

/* What to ask. All may be NULL. */
struct sg_vm_opts {
	const char *
		connect; /* libvirt URI; NULL: $LIBVIRT_DEFAULT_URI, else the system's and one's own; "" = ask none. Named here, it must answer. */
	const char *proc, *cgroup, *run; /* "/proc", "/sys/fs/cgroup", "/run", for tests */
};

/**
 * sg_vms() - all virtual machines, libvirt's first
 * @stopped: also those that libvirt knows of and that do not run
 *
 * As root; others see less. Return: 0 or negative errno with @err. Free with sg_vms_free().
 */
int sg_vms(struct sg_vm_list *ret, const struct sg_vm_opts *o, bool stopped, struct sg_err *err);
void sg_vms_free(struct sg_vm_list *l);

/**
 * sg_vm_find() - the running one that @what names: its name, uuid, or its monitor's process id
 * Return: 0; -ENOENT (@err lists those that run), -ENOTUNIQ (@err lists the candidates), -ESRCH when it does not run here.
 */
int sg_vm_find(const char *what, const struct sg_vm_opts *o, struct sg_vm_info *ret, struct sg_err *err);

/** sg_vm_of_pid() - the virtual machine that process @pid runs; -ENOENT: none, -ESRCH: no such process. Does not ask libvirt. */
int sg_vm_of_pid(uint32_t pid, const struct sg_vm_opts *o, struct sg_vm_info *ret);

/**
 * sg_vm_helpers() - kernel threads that work for the monitor @pid ("vhost-PID", "kvm-pit/PID" ...)
 * Return: how many are in @ret, at most @cap.
 */
size_t sg_vm_helpers(uint32_t pid, const struct sg_vm_opts *o, uint32_t *ret, size_t cap);

#endif
