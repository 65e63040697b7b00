/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* --vm: from a word to the processes and kernel threads that run a virtual machine. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include "cmd/recopts.h"
#include "kern/pids.h"
#include "out/text.h"

/* A virtual machine lives as long as its monitor; other processes that were asked for may outlive it. */
static bool vm_gone(void *ctx)
{
	struct sg_recopts *r = ctx;
	struct pollfd p = { .fd = r->vm_fd, .events = POLLIN };

	for (size_t i = 0; i < r->others; i++)
		if (!kill((pid_t)r->pid[i], 0) || errno == EPERM)
			return false;
	return p.fd < 0 || poll(&p, 1, 0) > 0;
}

static void add(struct sg_recopts *r, uint32_t pid)
{
	for (size_t i = 0; i < r->o.npid; i++)
		if (r->pid[i] == pid)
			return;
	if (r->o.npid < SG_PID_MAX)
		r->pid[r->o.npid++] = pid;
}

int sg_recopts_vm(struct sg_recopts *r, struct sg_err *err)
{
	struct sg_vm_opts from = { .connect = r->connect };
	struct sg_vm_info *v = &r->vm_found;
	uint32_t helper[64];
	struct sg_pids tree = { 0 };
	char name[128], vmm[40], accel[16];
	int e = sg_vm_find(r->vm, &from, v, err);

	if (e)
		return e;
	sg_text_clean(name, sizeof(name), v->name);
	r->vm_fd = pidfd_open((pid_t)v->pid, 0);
	if (r->vm_fd < 0 && errno != ESRCH)
		return sg_err_set(err, -errno, "virtual machine %s cannot be watched: %s", name,
				  strerror(errno));
	e = r->vm_fd < 0 ? -ESRCH : sg_proc_tree((pid_t)v->pid, false, &tree);
	if (e)
		return sg_err_set(err, e, "virtual machine %s has just ended", name);
	add(r, v->pid);
	for (size_t i = 0; i < tree.n; i++)
		add(r, (uint32_t)tree.pid[i]);
	sg_pids_free(&tree);
	for (size_t n = sg_vm_helpers(v->pid, &from, helper, 64); n; n--)
		add(r, helper[n - 1]);
	r->o.live.refaults = true;
	r->o.gone = vm_gone;
	r->o.gone_ctx = r;
	snprintf(r->vm_text, sizeof(r->vm_text), "VM %s (%s%s%s)", name,
		 sg_text_clean(vmm, sizeof(vmm), v->vmm), v->accel[0] ? ", " : "",
		 sg_text_clean(accel, sizeof(accel), v->accel));
	return 0;
}
