/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * gVisor from outside: which processes are a sandbox's Sentry, Gofer and stubs,
 * which generation and platform it is, and the names of its Gofer's messages.
 * Never by comm (it is "exe" for all of them): by command line, parent, tracer and executable.
 */
#ifndef SG_GVISOR_H
#define SG_GVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum sg_gv_role { SG_GV_NONE = 0, SG_GV_SENTRY, SG_GV_GOFER, SG_GV_STUB };
enum sg_gv_platform { SG_GV_PLATFORM_UNKNOWN = 0, SG_GV_PTRACE, SG_GV_SYSTRAP, SG_GV_KVM };
enum sg_gv_proto { SG_GV_PROTO_UNKNOWN = 0, SG_GV_9P, SG_GV_LISAFS };

/** sg_gv_role_name() - "sentry", "gofer", "stub"; NULL for none. These are the names in ROLE events. */
const char *sg_gv_role_name(enum sg_gv_role r);
const char *sg_gv_platform_name(enum sg_gv_platform p); /* "ptrace" ..., "" unknown */

struct sg_gv_proc {
	enum sg_gv_role role;
	uint32_t pid, sentry; /* sentry: pid of its sandbox's Sentry, 0 unknown (a Gofer before its Sentry) */
	char id[65];	      /* container id, empty: not known (stubs: their Sentry's) */
};

/**
 * sg_gv_identify() - is process @pid part of a gVisor sandbox?
 * @proc: "/proc"; NULL = that. Return: 0 with ret->role (NONE: it is not), -ESRCH when it is gone, other errno.
 */
int sg_gv_identify(const char *proc, uint32_t pid, struct sg_gv_proc *ret);

/** sg_gv_platform_told() - the platform that Sentry @pid was told by flag; UNKNOWN: none, or it is gone. Costs one read. */
enum sg_gv_platform sg_gv_platform_told(const char *proc, uint32_t pid);

struct sg_gv_sandbox {
	uint32_t sentry, gofer; /* gofer 0: none found */
	char exe[4096];		/* runsc binary, as reachable from here (/proc/PID/exe) */
	uint32_t release;	/* date of the release as a number: 20221219; 0 unknown */
	enum sg_gv_platform platform;
	enum sg_gv_proto proto;
	bool directfs;
	char root[4096]; /* --root of the runtime's state, for "runsc --root=... trace" */
	char id[65];
};
/** sg_gv_sandbox() - facts of the sandbox whose Sentry is @sentry. -ESRCH, -ENOENT when it is none. */
int sg_gv_sandbox(const char *proc, uint32_t sentry, struct sg_gv_sandbox *ret, struct sg_err *err);

/** sg_gv_release() - release date (20221219) from what "runsc --version" or the binary says; 0 = none found. Pure. */
uint32_t sg_gv_release(const char *text);
/** sg_gv_proto_of() - what the Gofer of a release speaks (LISAFS only since 2022-12-14, e3f77dddd; before, by flag) */
enum sg_gv_proto sg_gv_proto_of(uint32_t release, bool flag_lisafs);

#endif
