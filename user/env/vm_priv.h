/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Pieces of the search for virtual machines. Private to user/env/vm*.c and their tests. */
#ifndef SG_VM_PRIV_H
#define SG_VM_PRIV_H

#include "env/vm.h"

/* More than any machine runs; a hostile /proc or daemon must not make us eat its memory. */
#define SG_VM_MAX 4096

static inline const char *sg_vm_proc(const struct sg_vm_opts *o)
{
	return o && o->proc ? o->proc : "/proc";
}

/* ---- vm_args.c: command lines. Pure. ---------------------------------------------------------- */
struct sg_vm_args {
	char name[256], uuid[37], qmp[256];
	char accel[16];	 /* the first of the list that was given; empty: none */
	bool only_accel; /* it is alone in that list */
	bool no_machine; /* QEMU without a machine: it was only asked what it can do */
	bool libvirts;	 /* its monitor was made by libvirt */
	uint64_t memory_bytes;
	uint32_t nvcpu;
};
/** sg_vm_vmm() - name of the monitor that a program of this file name is; NULL: none that is known */
const char *sg_vm_vmm(const char *base);
/** sg_vm_args() - what a command line of @n bytes, arguments ended by NUL, says to monitor @vmm; what it does not say is empty or 0 */
void sg_vm_args(const char *vmm, const char *cmdline, size_t n, struct sg_vm_args *ret);
/** sg_vm_cgroup_name() - name of the domain in libvirt's name of a cgroup ("machine-qemu\x2d1\x2dweb.scope"); false: it is none */
bool sg_vm_cgroup_name(const char *path, char *ret, size_t cap);
/** sg_vm_vcpu_comm() - number of the vCPU whose thread is called so, -1: none's */
int sg_vm_vcpu_comm(const char *comm);

/* ---- vm_host.c: this machine without libvirt's help --------------------------------------------- */
int sg_vm_host_list(struct sg_vm_list *l, const struct sg_vm_opts *o, struct sg_err *err);
/** sg_vm_is_monitor() - is process @pid a known monitor, with a machine or not yet? */
bool sg_vm_is_monitor(uint32_t pid, const struct sg_vm_opts *o);

/* ---- vm_virt.c: libvirt ---------------------------------------------------------------------------- */
struct sg_libvirt;
/** sg_vm_virt() - the library, loaded and ready; NULL with @err: it is not */
const struct sg_libvirt *sg_vm_virt(struct sg_err *err);
#define SG_VM_URIS 2
#define SG_VM_URI  256 /* bytes of one; a longer one that was told is not it */
/** sg_vm_virt_uris() - what to connect to; returns how many */
size_t sg_vm_virt_uris(const struct sg_vm_opts *o, char ret[SG_VM_URIS][SG_VM_URI]);
/** sg_vm_virt_list() - join what libvirt says to @l. Waits 5 s at most for a daemon that says nothing. */
int sg_vm_virt_list(struct sg_vm_list *l, const struct sg_vm_opts *o, bool stopped, struct sg_err *err);
/** sg_vm_virt_state() - word for a virDomainState */
const char *sg_vm_virt_state(int state);

/* ---- vm.c ---------------------------------------------------------------------------------------- */
/** sg_vm_add() - room for one more, zeroed; NULL: out of memory or SG_VM_MAX reached */
struct sg_vm_info *sg_vm_add(struct sg_vm_list *l);
/** sg_vm_domain() - the one of @l that is libvirt's domain of that name and uuid; NULL: none, or several claim to be. Pure. */
struct sg_vm_info *sg_vm_domain(const struct sg_vm_list *l, const char *name, const char *uuid);
/** sg_vm_pick() - the one of @l that @what names. Pure. -ENOENT, -ENOTUNIQ with @err. */
int sg_vm_pick(const struct sg_vm_list *l, const char *what, const struct sg_vm_info **ret,
	       struct sg_err *err);

#endif
