/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * A guest's TSC against the host's, as KVM has it: guest = host * ratio >> frac + offset. From
 * debugfs, PID-FD/vcpuN/tsc-offset, tsc-scaling-ratio, tsc-scaling-ratio-frac-bits
 * (arch/x86/kvm/debugfs.c). Exact, while nothing writes the TSC.
 */
#ifndef SG_KVMTSC_H
#define SG_KVMTSC_H

#include <stdbool.h>
#include <stdint.h>

#define SG_KVMTSC_ROOT "/sys/kernel/debug/kvm"

struct sg_kvmtsc {
	uint32_t pid; /* of the VMM */
	uint64_t offset, ratio;
	unsigned frac; /* 0: not scaled */
};

/**
 * sg_kvmtsc_read() - of the VM of process @pid, or when that is 0 of the VM whose vsock has @cid
 * @root: SG_KVMTSC_ROOT, @proc: "/proc"
 *
 * Return: 0; -ENOENT no such VM, or no debugfs; -EACCES; -ENOTUNIQ its vCPUs differ.
 */
int sg_kvmtsc_read(const char *root, const char *proc, uint32_t pid, uint32_t cid, struct sg_kvmtsc *ret);

/** sg_kvmtsc_host() - the host's TSC when the guest's was @guest */
uint64_t sg_kvmtsc_host(const struct sg_kvmtsc *k, uint64_t guest);

static inline bool sg_kvmtsc_same(const struct sg_kvmtsc *a, const struct sg_kvmtsc *b)
{
	return a->offset == b->offset && a->ratio == b->ratio && a->frac == b->frac;
}

#endif
