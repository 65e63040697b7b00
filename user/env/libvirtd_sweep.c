/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What a libvirtd of ours leaves behind when it is killed: virtual machines outlive it by design. */
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include "env/libvirtd.h"
#include "env/tree.h"

#define ROUNDS	 500
#define ROUND_NS 20000000 /* with ROUNDS: 10 s for what has been killed to go */

/* "--config=/top/x", "\"file\":\"/top/x" (QEMU's JSON) */
const struct sg_owndaemon_kin sg_libvirtd_kin = {
	.programs = (const char *const[]){ "qemu-system-", "libvirtd", "virtlogd", "unshare", NULL },
	.before = (const char *const[]){ "=", "\"", NULL },
};

int sg_libvirtd_sweep(const char *top)
{
	const struct timespec nap = { .tv_nsec = ROUND_NS };
	size_t left = 1;

	for (int i = 0; i < ROUNDS && left; i++) {
		left = sg_owndaemon_kill(&sg_libvirtd_kin, top);
		if (left)
			nanosleep(&nap, NULL);
	}
	sg_tree_remove(top);
	return left || !access(top, F_OK) ? -EBUSY : 0;
}
