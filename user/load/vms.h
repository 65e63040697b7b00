/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Virtual machines for a workload: the image, a libvirtd of our own, and how they are run (KVM, or emulated).
 * The guard removes all of it but the cached image, however the workload ends.
 */
#ifndef SG_VMS_H
#define SG_VMS_H

#include "env/domain.h"
#include "load/guard.h"

/* X(symbol, word) */
#define SG_ACCEL_LIST(X) X(AUTO, "auto") X(KVM, "kvm") X(TCG, "tcg")
enum sg_accel {
#define SG_X(sym, name) SG_ACCEL_##sym,
	SG_ACCEL_LIST(SG_X)
#undef SG_X
		SG_ACCEL_MAX,
};
extern const char *const sg_accel_names[SG_ACCEL_MAX];
/** sg_accel_find() - the one called @name, or -EINVAL */
int sg_accel_find(const char *name);

/*
 * Memory of a VMM beside its guest's: QEMU itself, some 50 MiB by estimate, and what TCG keeps of translated code.
 */
#define SG_VMS_VMM_BYTES ((uint64_t)(50 + 64) << 20)
/* What a busy one held of that: emulated 58 to 72 MiB, measured (docs/bench-task.md). */
#define SG_VMS_VMM_HELD_BYTES ((uint64_t)80 << 20)
#define SG_VMS_VCPUS_MAX      64

/* What a command line asks of the virtual machines. */
struct sg_vms_ask {
	enum sg_accel accel;
	uint64_t memory_bytes; /* of each; 0: the workload's default */
	unsigned vcpus;	       /* of each */
	const char *cache;     /* NULL: sg_vmimage_cache() */
	bool inside;	       /* they are recorded from inside, too */
};

struct sg_vms_opts {
	struct sg_guard *guard;
	const char *cache; /* NULL: sg_vmimage_cache() */
	const char *self;  /* this program's file */
	bool docker;
	const struct sg_image_file *files; /* more for the image; or NULL */
	enum sg_accel accel;
	uint64_t memory_bytes; /* of each guest */
	unsigned vcpus;
	int sigfd;
	void (*progress)(void *ctx, const char *text);
	void *ctx;
};

struct sg_vms;

/** sg_vms_check() - 0, or -errno when that is asked for which cannot be: before anything is fetched or made. Opening does it, too. */
int sg_vms_check(enum sg_accel accel, struct sg_err *err);

/**
 * sg_vms_open() - get the image, start libvirtd, find out whether KVM works
 *
 * With SG_ACCEL_AUTO a machine that has /dev/kvm boots a guest on it, once (the answer is kept in the cache until the
 * machine is started anew): there are such devices on which an ordinary guest does not get up.
 * Return: 0 or negative errno; sg_vms_close() in any case.
 */
int sg_vms_open(struct sg_vms **ret, const struct sg_vms_opts *o, struct sg_err *err);
int sg_vms_close(struct sg_vms *v, struct sg_err *err);

/** sg_vms_accel() - how they run: SG_ACCEL_KVM or SG_ACCEL_TCG */
enum sg_accel sg_vms_accel(const struct sg_vms *v);

/** sg_vms_folder() - a folder of the virtual machines' own, which goes with them, whatever is in it */
const char *sg_vms_folder(const struct sg_vms *v);

struct sg_vms_run {
	const char *name;
	uint64_t disk_bytes;   /* of the guest's own disk, /data */
	const char *disk_from; /* folder of which it is a copy; NULL: it is empty */
	unsigned guest_port;   /* see struct sg_domain_opts */
	const char *cgroup;
};
/** sg_vms_start() - one more; it boots while others are started */
int sg_vms_start(struct sg_vms *v, const struct sg_vms_run *run, struct sg_domain **ret, struct sg_err *err);
/** sg_vms_wait() - until it takes commands */
int sg_vms_wait(struct sg_vms *v, struct sg_domain *d, struct sg_err *err);
/** sg_vms_remove() - the machine called @name and its disk; nothing when there is none */
void sg_vms_remove(struct sg_vms *v, const char *name, struct sg_domain **d);

/**
 * sg_vms_fit() - how many of at most @want machines go into memory beside @other_bytes, at least 1. Pure.
 * @each_bytes: what one takes, with its VMM; @available_bytes: as of /proc/meminfo's MemAvailable
 */
unsigned sg_vms_fit(unsigned want, uint64_t each_bytes, uint64_t other_bytes, uint64_t available_bytes);
/** sg_vms_available() - MemAvailable of /proc/meminfo, bytes; 0: not known */
uint64_t sg_vms_available(void);

#endif
