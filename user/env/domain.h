/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* A virtual machine of ours: made by libvirt, booted from an image of ours, given commands, pinned, removed. */
#ifndef SG_DOMAIN_H
#define SG_DOMAIN_H

#include <sched.h>
#include <sys/types.h>
#include "env/libvirtd.h"
#include "env/vmagent.h"
#include "env/vmimage.h"

#define SG_DOMAIN_NAME_MAX 32
#define SG_DOMAIN_EMULATOR (-1) /* of sg_domain_pin(): all threads of the VMM that are no vCPU */

struct sg_domain_opts {
	const char *name; /* unique in the daemon; letters, digits, '-' */
	const struct sg_vmimage *image;
	const char *disk; /* ext4 in a file, the guest's /data; NULL: none, /data is memory */
	uint64_t memory_bytes;
	unsigned vcpus;
	bool kvm;	     /* else TCG */
	unsigned guest_port; /* TCP port of the guest that becomes one of 127.0.0.1; 0: none */
	const char *
		cgroup; /* folder of a cgroup that the VMM is put into before the guest runs; NULL: libvirtd's */
	int sigfd;	/* signals that end waiting, -1: none; used until sg_domain_free() */
};

struct sg_domain;

/**
 * sg_domain_make() - start it; the guest boots while this returns
 *
 * Its folder is the daemon's: the console's text and the agent's socket are there. The VMM dies with the daemon's
 * connection. Return: 0; negative errno with @err: what libvirt said.
 */
int sg_domain_make(struct sg_domain **ret, struct sg_libvirtd *daemon, const struct sg_domain_opts *o,
		   struct sg_err *err);

/** sg_domain_wait() - until the guest takes commands; -ETIMEDOUT, -EPIPE with the console's last words, -EINTR */
int sg_domain_wait(struct sg_domain *d, int timeout_ms, struct sg_err *err);

/** sg_domain_run() - a shell command in the guest; see sg_vmagent_run(). Not before sg_domain_wait(). */
int sg_domain_run(struct sg_domain *d, const char *command, int timeout_ms, struct sg_vmagent_result *ret,
		  struct sg_err *err);

/** sg_domain_agent() - the connection that sg_domain_run() uses, for sg_vmagent_run() elsewhere; one command at a time */
int sg_domain_agent(const struct sg_domain *d);

/**
 * sg_domain_pin() - bind vCPU @vcpu, or the rest of the VMM (SG_DOMAIN_EMULATOR), to CPUs (vcpupin, emulatorpin)
 *
 * Return: 0, -EINVAL no such vCPU or an empty set, -EIO with what libvirt said.
 */
int sg_domain_pin(struct sg_domain *d, int vcpu, const cpu_set_t *cpus, struct sg_err *err);

pid_t sg_domain_pid(const struct sg_domain *d);
/** sg_domain_pidfd() - readable when the VMM has ended; stays the domain's */
int sg_domain_pidfd(const struct sg_domain *d);
/** sg_domain_forward() - one more TCP port of the guest as a free one of 127.0.0.1 */
int sg_domain_forward(struct sg_domain *d, unsigned guest_port, unsigned *ret_port, struct sg_err *err);
/** sg_domain_port() - port of 127.0.0.1 that leads to guest_port */
unsigned sg_domain_port(const struct sg_domain *d);

/** sg_domain_free() - destroy and forget it, wait for its end; NULL is fine */
void sg_domain_free(struct sg_domain *d);

#endif
