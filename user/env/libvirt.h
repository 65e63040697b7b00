/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * libvirt's client library, loaded when it is first wanted: linked, it would bring some forty libraries into every
 * process of this program, the servers of the workloads among them.
 */
#ifndef SG_LIBVIRT_H
#define SG_LIBVIRT_H

#include <libvirt/libvirt.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include "base/err.h"

#define SG_LIBVIRT_LIST(X)        \
	X(virConnectOpen)         \
	X(virConnectClose)        \
	X(virSetErrorFunc)        \
	X(virGetLastErrorMessage) \
	X(virDomainCreateXML)     \
	X(virDomainResume)        \
	X(virDomainDestroy)       \
	X(virDomainFree)          \
	X(virDomainGetState)      \
	X(virDomainPinVcpu)       \
	X(virDomainPinEmulator)   \
	X(virDomainMemoryStats)   \
	X(virDomainSetMemoryFlags)
#define SG_LIBVIRT_QEMU_LIST(X) X(virDomainQemuMonitorCommand)

/* Its functions under their own names. */
struct sg_libvirt {
#define SG_X(fn) __typeof__(fn) *fn;
	SG_LIBVIRT_LIST(SG_X)
	SG_LIBVIRT_QEMU_LIST(SG_X)
#undef SG_X
};

/** sg_libvirt_load() - the library; stays loaded. -ENOENT with the Debian package that has it. */
int sg_libvirt_load(const struct sg_libvirt **ret, struct sg_err *err);

/** sg_libvirt_err() - @code with a sentence: @what, and what libvirt last said, in printable bytes */
int sg_libvirt_err(const struct sg_libvirt *v, struct sg_err *err, int code, const char *what);

#endif
