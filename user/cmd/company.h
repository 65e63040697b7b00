/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The recorder's companions, as the options ask for them: who is who in containers and sandboxes, and gVisor's own trace points. */
#ifndef SG_COMPANY_H
#define SG_COMPANY_H

#include <stdbool.h>
#include <stdio.h>
#include "kern/record.h"

struct sg_vm_info;

struct sg_company_opts {
	const char *engine;		 /* --engine, NULL = the machine's daemon if there is one */
	const char *connect;		 /* --connect, NULL = the libvirt that listens */
	const struct sg_vm_info *vm;	 /* --vm: the one that is recorded, NULL = none was named */
	bool gvisor_trace;		 /* --gvisor-trace */
	bool one;			 /* only one container is recorded (--container) ... */
	uint32_t sentry;		 /* ... and this is its Sentry; 0: it is no sandbox of gVisor */
	const struct sg_companion *more; /* further ones, of the command's own */
	size_t nmore;			 /* at most SG_COMPANY_MORE */
};

#define SG_COMPANY_MORE 8

struct sg_company {
	struct sg_companion
		c[3 + SG_COMPANY_MORE]; /* containers, virtual machines, gVisor's traces, and further ones */
	size_t n;
	bool traced, untraceable; /* by gVisor's trace points; asked for, and no sandbox */
	uint32_t sentry;
};

/** sg_company_make() - make them and hand them to the recorder's options; @co must outlive the recording */
int sg_company_make(struct sg_company *co, const struct sg_company_opts *o, struct sg_record_opts *rec,
		    struct sg_err *err);
/** sg_company_tell() - after the recording: what they could not see, a sentence each. False: something asked for was not had. */
bool sg_company_tell(const struct sg_company *co, const char *name, FILE *f);
void sg_company_free(struct sg_company *co);

#endif
